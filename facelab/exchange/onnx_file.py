"""``model.onnx``: an exported model for whatever runs ONNX, its preprocessing inside."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import torch

from facelab.errors import BadParameterError
from facelab.exchange.exported_model import ExportedModel, channels_name
from facelab.extras import needs_extra
from facelab.files import atomic_write

OPSET = 17
_MOST_BYTES = 2**31 - 2**24  # what protobuf can hold, with room for the graph
INPUT, OUTPUT = "images", "embeddings"
# what torch says of its older exporter, by its first words; OpenCV cannot read the files of the newer one
_OLD_EXPORTER = ("You are using the legacy TorchScript-based ONNX export", "The feature will be removed")


def export_onnx(model: ExportedModel, path: Path) -> None:
    """Write ``onnx_bytes`` to a file, whole or not at all.

    Raises:
        FacelabError: a package is missing, or the file cannot be written.
    """
    content = onnx_bytes(model)
    with atomic_write(path) as partial:
        partial.write_bytes(content)


def onnx_bytes(model: ExportedModel) -> bytes:
    """A model as ONNX: input ``images``, output ``embeddings``, any number of photographs at once.

    Its metadata says what comes in: layout, channels, side, crop, and that pixels stay as they are, 0 to 255.

    Args:
        model: on the CPU.

    Raises:
        BadParameterError: the network is too large.
        FacelabError: a package is missing.
    """
    with needs_extra("An ONNX file", "exchange"):
        import onnx
    size = sum(value.nbytes for value in model.state_dict().values())
    if size > _MOST_BYTES:
        raise BadParameterError(
            f"The network has {size:,} bytes, an ONNX file less than 2 GiB.", "Train a narrower one."
        )
    packed = io.BytesIO()
    with warnings.catch_warnings():
        for words in _OLD_EXPORTER:
            warnings.filterwarnings("ignore", message=words, category=DeprecationWarning)
        # a network looks at the shape of what it gets; here it is one and the same
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning, module=r"facelab\.backbones\.\w+")
        torch.onnx.export(
            model,
            (torch.zeros(1, model.in_channels, model.size, model.size),),
            packed,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
    graph = onnx.load_model_from_string(packed.getvalue())
    onnx.helper.set_model_props(graph, _metadata(model))
    onnx.checker.check_model(graph)
    return graph.SerializeToString()


def onnx_difference(model: ExportedModel, content: bytes) -> float:
    """The largest difference between what onnxruntime and torch compute of some noise, as a share of the largest value.

    Raises:
        FacelabError: onnxruntime is missing.
    """
    with needs_extra("Checking an ONNX file", "exchange"):
        import onnxruntime as runtime
    side, channels = model.size, model.in_channels
    noise = np.random.default_rng(0).integers(0, 256, (3, channels, side, side)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(noise)).numpy()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    found = session.run([OUTPUT], {INPUT: noise})[0]
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))


def _metadata(model: ExportedModel) -> dict[str, str]:
    stated = {
        "layout": "NCHW",
        "channels": channels_name(model.in_channels),
        "mean": "0",  # of (pixel - mean) / scale, which is left to do outside: nothing
        "scale": "1",
        "side": str(model.size),
        "crop": model.config["preprocessing"]["crop"],
    }
    return {f"facelab.{key}": value for key, value in stated.items()}
