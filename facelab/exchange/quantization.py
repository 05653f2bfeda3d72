"""An ONNX file in whole numbers of 8 bits: a quarter of the size. What it gains in speed and costs in errors, measure."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facelab.errors import BadParameterError, FacelabError
from facelab.exchange.onnx_file import INPUT
from facelab.extras import needs_extra
from facelab.files import atomic_write

_BATCH = 32


def quantize_onnx(path: Path, out: Path, photographs: np.ndarray) -> None:
    """Static quantisation by onnxruntime: weights to int8 by channel, activations to uint8 by the ranges of some photographs.

    The file has the same input and output; nodes that quantise and dequantise stand in it (QDQ).

    Args:
        path: a ``model.onnx`` of ``facelab export``.
        out: the file to write, whole or not at all.
        photographs: uint8 (N, S, S, C) for the ranges, some dozens, never those of a test.

    Raises:
        BadParameterError: no photographs, or not as the model takes them.
        FacelabError: no such file, not an ONNX file of ours, a package is missing, or the file cannot be written.
    """
    with needs_extra("Quantisation", "exchange"):
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization import shape_inference
    metadata = _check_input(path, photographs)

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches: Iterator[np.ndarray] = iter(
                photographs[start : start + _BATCH] for start in range(0, len(photographs), _BATCH)
            )

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch.transpose(0, 3, 1, 2).astype(np.float32)}

    with tempfile.TemporaryDirectory(prefix="facelab-") as folder, atomic_write(out) as partial:
        prepared, quantized = Path(folder, "prepared.onnx"), Path(folder, "quantized.onnx")
        shape_inference.quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(quantized),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            # unsigned, as onnxruntime's kernels for x86 want them: with signed ones it was slower than the floats
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        graph = onnx.load(str(quantized))
        onnx.helper.set_model_props(graph, metadata)
        onnx.checker.check_model(graph)
        partial.write_bytes(graph.SerializeToString())


def _check_input(path: Path, photographs: np.ndarray) -> dict[str, str]:
    """The metadata of the file, whose input the photographs are."""
    import onnx

    if not path.is_file():
        raise FacelabError(f"There is no ONNX file {path}.", "Make one: facelab export RUN DIR.")
    try:
        graph = onnx.load(str(path))
        inputs = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in graph.graph.input}
        _, channels, side, _ = inputs[INPUT]
    except Exception as error:  # of protobuf and others, nowhere listed
        raise FacelabError(
            f"{path} is not an ONNX file of facelab export.", "Make one: facelab export RUN DIR."
        ) from error
    if photographs.dtype != np.uint8 or photographs.shape[1:] != (side, side, channels) or not len(photographs):
        raise BadParameterError(
            f"The photographs are {photographs.dtype} {photographs.shape}.",
            f"Give one or more of {side} x {side} pixels, uint8 (N, {side}, {side}, {channels}).",
        )
    return {entry.key: entry.value for entry in graph.metadata_props}
