"""int8 files of onnxruntime: smaller, with the same input and output, and nearly the same cosines."""

import numpy as np
import onnx
import onnxruntime
import pytest
from exports import as_input, embeddings_of, noise, stored_method
from onnx import TensorProto

from facelab.errors import BadParameterError, FacelabError
from facelab.exchange.model_folder import export_model
from facelab.exchange.quantization import quantize_onnx


def test_weights_are_of_8_bits_and_directions_stay(tmp_path):
    stored, images = stored_method("margin", width=16), noise(40, 24)
    export_model(stored, tmp_path / "model")
    path, out = tmp_path / "model" / "model.onnx", tmp_path / "model.int8.onnx"
    quantize_onnx(path, out, images[:30])
    graph = onnx.load(out)
    onnx.checker.check_model(graph, full_check=True)
    kinds = {node.op_type for node in graph.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= kinds
    whole, small = (sum(np.prod(t.dims) for t in onnx.load(p).graph.initializer if t.data_type == kind)
                    for p, kind in ((path, TensorProto.FLOAT), (out, TensorProto.INT8)))  # fmt: skip
    assert small > 0.9 * whole and out.stat().st_size < 0.5 * path.stat().st_size
    assert {e.key: e.value for e in graph.metadata_props} == {e.key: e.value for e in onnx.load(path).metadata_props}
    scales = [tensor.dims for tensor in graph.graph.initializer if tensor.name.endswith("_scale") and tensor.dims]
    assert [16] in [list(dims) for dims in scales]  # one a channel
    found = onnxruntime.InferenceSession(str(out)).run(["embeddings"], {"images": as_input(images[30:])})[0]
    expected = embeddings_of(stored, images[30:])
    cosines = (found * expected).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert 0.9 < cosines.min() < 1 - 1e-7
    assert [path.name for path in tmp_path.iterdir() if path.name != "model"] == ["model.int8.onnx"]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (noise(0, 24), "one or more of 24 x 24"),
        (noise(2, 25), "24 x 24"),
        (noise(2, 24, 3), "N, 24, 24, 1"),
        (noise(2, 24) / 255, "float64"),
    ],
)
def test_other_photographs_are_one_line(tmp_path, images, said):
    export_model(stored_method(), tmp_path / "model")
    with pytest.raises(BadParameterError, match=said):
        quantize_onnx(tmp_path / "model" / "model.onnx", tmp_path / "out.onnx", images)
    assert not (tmp_path / "out.onnx").exists()


def test_what_is_no_file_of_ours_is_one_line(tmp_path):
    with pytest.raises(FacelabError, match="There is no ONNX file"):
        quantize_onnx(tmp_path / "a.onnx", tmp_path / "out.onnx", noise(2, 24))
    for content in (b"", b"\0" * 99, b"\x08\x07\x12"):
        (tmp_path / "a.onnx").write_bytes(content)
        with pytest.raises(FacelabError, match="is not an ONNX file of facelab export"):
            quantize_onnx(tmp_path / "a.onnx", tmp_path / "out.onnx", noise(2, 24))
