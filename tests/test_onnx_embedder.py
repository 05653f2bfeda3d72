"""ONNX files as embedders: against the network written out in NumPy, against torch, and everything that must be refused."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx_networks import DIMENSION, SIDE, expected, save

from facelab.cropping import Box, Face, align, model_file
from facelab.errors import BadParameterError, FacelabError
from facelab.exchange import onnx_embedder
from facelab.exchange.embedders import new_embedder
from facelab.exchange.onnx_input import OnnxInput

CROPS = np.random.default_rng(1).integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
PLAIN = OnnxInput(channels="RGB", mean=(0.0,), scale=(1.0,))


@pytest.mark.parametrize("batch", ["n", 1, 2])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_it_gives_what_the_network_gives(tmp_path, layout, order, batch):
    mean, scale = (120.0, 110.0, 100.0), (127.5,)
    path = save(tmp_path / "other.onnx", layout, batch=batch)
    embedder = new_embedder(str(path), OnnxInput(channels=order, mean=mean, scale=scale))
    found = embedder.embed_crops(CROPS)
    assert found.dtype == np.float32 and (embedder.side, embedder.dimension, embedder.crop) == (
        SIDE,
        DIMENSION,
        "arcface",
    )
    np.testing.assert_allclose(found, expected(CROPS, order, mean, scale), atol=1e-5)
    assert not np.allclose(found, expected(CROPS, "BGR" if order == "RGB" else "RGB", mean, scale), atol=1e-2)
    assert embedder.embed_crops(CROPS[:0]).shape == (0, DIMENSION)


@pytest.mark.parametrize("nhwc", [False, True])
def test_it_agrees_with_torch(tmp_path, nhwc):
    """Independent: a network of torch, exported by torch."""

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            layers = [torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.PReLU(), torch.nn.BatchNorm2d(8)]
            self.layers = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.LazyLinear(12))

        def forward(self, images):
            return self.layers(images.permute(0, 3, 1, 2) if nhwc else images)

    torch.manual_seed(0)
    network, shape = Network().eval(), (1, 24, 24, 3) if nhwc else (1, 3, 24, 24)
    network(torch.zeros(shape))
    options = {
        "input_names": ["images"],
        "dynamic_axes": {"images": {0: "batch"}},
        "dynamo": False,
        "opset_version": 17,
    }
    torch.onnx.export(network, (torch.zeros(shape),), tmp_path / "n.onnx", **options)
    crops = np.random.default_rng(2).integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)
    images = torch.from_numpy((crops[..., ::-1].astype(np.float32) - 127.5) / 128)
    with torch.no_grad():
        rows = network(images if nhwc else images.permute(0, 3, 1, 2)).numpy()
    expected_input = OnnxInput(layout="NHWC" if nhwc else "NCHW", channels="BGR", mean=(127.5,), scale=(128.0,))
    found = new_embedder(str(tmp_path / "n.onnx"), expected_input).embed_crops(crops)
    np.testing.assert_allclose(found, rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=1e-5)


def test_metadata_are_enough_and_grey_is_grey(tmp_path):
    said = {"facelab.mean": "10", "facelab.scale": "2", "facelab.crop": "dataset", "facelab.side": str(SIDE)}
    path = save(tmp_path / "grey.onnx", colors=1, shape=["n", 1, "h", "w"], metadata=said, kind=TensorProto.FLOAT16)
    embedder = new_embedder(str(path))
    grey = CROPS[..., :1]
    np.testing.assert_allclose(embedder.embed_crops(grey), expected(grey, "GRAY", 10, 2), atol=1e-2)
    assert embedder.crop == "dataset"
    large = np.repeat(np.repeat(grey, 2, axis=1), 2, axis=2)  # shrunk by areas it is the small one again
    np.testing.assert_allclose(embedder.embed_crops(large), embedder.embed_crops(grey), atol=1e-5)
    three = np.repeat(grey, 3, axis=3)
    np.testing.assert_allclose(embedder.embed_crops(three), embedder.embed_crops(grey), atol=1e-5)


def test_a_detected_face_is_cut_out_by_five_points(tmp_path):
    embedder = new_embedder(str(save(tmp_path / "other.onnx")), PLAIN)
    points = np.array([[20.0, 20], [40, 20], [30, 30], [22, 42], [38, 42]])
    image = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    crop = align(image, points, SIDE, template="arcface")
    found = embedder.embed(image, Face(Box(10, 10, 40, 40), 0.9, points))
    np.testing.assert_allclose(found, expected(crop[None], "RGB", 0, 1)[0], atol=1e-5)


def test_the_published_sface_gives_what_opencv_gives(tmp_path):
    """Independent: the same file by OpenCV. It lists its weights as inputs, some of which nothing reads."""
    path = tmp_path / "sface.onnx"
    shutil.copy(model_file("sface"), path)
    crops = np.random.default_rng(4).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    found = new_embedder(str(path), PLAIN).embed_crops(crops)
    assert ((found * new_embedder().embed_crops(crops)).sum(axis=1) > 0.999).all()


@pytest.mark.parametrize(
    ("made", "told", "said"),
    [
        ({}, {"mean": "0", "scale": "1"}, "in which order its colours"),
        ({}, {"channels": "RGB", "scale": "1"}, "--mean"),
        ({}, {"channels": "RGB", "mean": "0"}, "--scale"),
        ({"shape": ["n", "c", "h", "w"]}, {"channels": "RGB", "mean": "0", "scale": "1"}, "--layout"),
        ({"shape": ["n", 3, "h", "w"]}, {"channels": "RGB", "mean": "0", "scale": "1"}, "how large"),
        ({"shape": ["n", 3, 16, 20]}, {"channels": "RGB", "mean": "0", "scale": "1"}, "squares"),
        ({"shape": [1, 4, 16, 16]}, {"layout": "NCHW"}, "of 4 colours"),
        ({"shape": ["n", 48]}, {}, "not photographs"),
        ({"kind": TensorProto.UINT8}, {}, "not photographs"),
        ({}, {"channels": "GRAY", "mean": "0", "scale": "1"}, "of 3 colours, not GRAY"),
        ({"colors": 1}, {"channels": "BGR", "mean": "0", "scale": "1"}, "of 1 colours, not BGR"),
        ({"colors": 1}, {"mean": "1,2,3", "scale": "1"}, "takes grey"),
        ({"metadata": {"facelab.channels": "RGB"}}, {"channels": "BGR", "mean": "0", "scale": "1"}, "says itself"),
        ({"metadata": {"facelab.mean": "a lot"}}, {}, "metadata"),
        ({"metadata": {"facelab.scale": "nan"}}, {}, "metadata"),
        ({"outputs": ("patches",)}, {"channels": "RGB", "mean": "0", "scale": "1"}, "whose one output"),
        ({"outputs": ("embeddings", "flat")}, {"channels": "RGB", "mean": "0", "scale": "1"}, "whose one output"),
        ({"shape": ["n", 3, 32, 32]}, {"channels": "RGB", "mean": "0", "scale": "1"}, "cannot run"),
        ({"layout": "NHWC", "shape": ["n", 3, 16, 16]}, {"channels": "RGB", "mean": "0", "scale": "1"}, "cannot run"),
    ],
)
def test_what_cannot_be_known_or_be_is_refused(tmp_path, made, told, said):
    path = save(tmp_path / "other.onnx", **made)
    with pytest.raises(FacelabError, match=said) as refused:
        new_embedder(str(path), OnnxInput.parse(told))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"layout": "CHW"},
        {"channels": "rgba"},
        {"mean": "1,2"},
        {"mean": "x"},
        {"mean": "inf"},
        {"scale": "0"},
        {"scale": "-1"},
        {"crop": "eyes"},
    ],
)
def test_options_that_cannot_be_are_refused(wrong):
    with pytest.raises(BadParameterError, match=next(iter(wrong))):
        OnnxInput.parse(wrong)


def test_the_norm_beside_the_embedding_is_passed_over(tmp_path):
    path = save(tmp_path / "two.onnx", outputs=("norm", "embeddings"))
    np.testing.assert_allclose(
        new_embedder(str(path), PLAIN).embed_crops(CROPS), expected(CROPS, "RGB", 0, 1), atol=1e-5
    )


def test_options_are_for_onnx_files_alone(tmp_path):
    with pytest.raises(BadParameterError, match="no .onnx file"):
        new_embedder("sface", PLAIN)
    with pytest.raises(FacelabError, match="no ONNX file"):
        (tmp_path / "empty.onnx").touch()
        new_embedder(str(tmp_path / "empty.onnx"), PLAIN)
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "folder.onnx" / "method.pt").touch()
    with pytest.raises(FacelabError, match="folder of a training"):
        new_embedder(str(tmp_path / "folder.onnx"))
    if hasattr(os, "mkfifo"):  # not on Windows
        os.mkfifo(tmp_path / "pipe.onnx")  # nobody writes into it
    with pytest.raises(FacelabError, match="no embedder"):
        new_embedder(str(tmp_path / "pipe.onnx"), PLAIN)


def test_a_name_of_any_length_is_handed_to_the_trial(tmp_path):
    """A command line has room for 128 KiB a word."""
    model = onnx.load(save(tmp_path / "other.onnx"))
    name = "gesicht \u5f20\0" * 20_000
    model.graph.input[0].name = model.graph.node[0].input[0] = name
    (tmp_path / "long.onnx").write_bytes(model.SerializeToString())
    try:
        found = new_embedder(str(tmp_path / "long.onnx"), PLAIN).embed_crops(CROPS)
        np.testing.assert_allclose(found, expected(CROPS, "RGB", 0, 1), atol=1e-5)
    except FacelabError as error:  # where onnxruntime takes no such name
        assert "\n" not in str(error) and len(str(error)) < 1000


def test_weights_in_another_file_are_refused(tmp_path):
    model = onnx.load(save(tmp_path / "inside.onnx"))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"
    (tmp_path / "outside.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(FacelabError, match="in another file"):
        new_embedder(str(tmp_path / "outside.onnx"), PLAIN)


def test_a_file_that_asks_for_all_memory_ends_itself_alone(tmp_path):
    """A constant of 2 ** 40 numbers, of which the file has but the shape."""
    model = onnx.load(save(tmp_path / "small.onnx"))
    nodes = model.graph.node
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2**20, 2**20])
    nodes.extend([
        helper.make_node("Constant", [], ["huge shape"], value=shape),
        helper.make_node("ConstantOfShape", ["huge shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["zero"], keepdims=0),
    ])  # fmt: skip
    model.graph.output.append(helper.make_tensor_value_info("zero", TensorProto.FLOAT, None))
    (tmp_path / "huge.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(FacelabError, match="cannot run"):
        new_embedder(str(tmp_path / "huge.onnx"), PLAIN)


def test_a_file_that_never_ends_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_embedder, "_TRIAL_SECONDS", 0.01)
    with pytest.raises(FacelabError, match="lasts longer"):
        new_embedder(str(save(tmp_path / "other.onnx")), PLAIN)


def test_a_crash_is_one_line(tmp_path, monkeypatch):
    script = tmp_path / "crash.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", encoding="utf-8")
    monkeypatch.setattr(onnx_embedder.onnx_trial, "__file__", str(script))
    with pytest.raises(FacelabError, match="ends the process, signal 11"):
        new_embedder(str(save(tmp_path / "other.onnx")), PLAIN)


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(FacelabError, match=r"needs onnxruntime.*facelab\[exchange\]"):
        new_embedder(str(save(tmp_path / "other.onnx")), PLAIN)


def test_the_trial_takes_no_module_from_its_own_folder_nor_from_where_the_user_stands(tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit(7)", encoding="utf-8")
    path = save(tmp_path / "other.onnx")
    head = json.dumps(["face", "float32", [2, 3, SIDE, SIDE]]).encode() + b"\n"
    words = [sys.executable, onnx_embedder.onnx_trial.__file__]
    done = subprocess.run(words, input=head + path.read_bytes(), capture_output=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout) == [["embeddings", "float32", [2, DIMENSION]]]


def mutations(content: bytes, count: int):
    rng = np.random.default_rng(0)
    for number in range(count):
        data = bytearray(content)
        kind = number % 4
        if kind == 0:
            del data[rng.integers(1, len(data)) :]
        elif kind == 1:
            at = rng.integers(len(data))
            data[at:at] = rng.bytes(int(rng.integers(1, 30)))
        else:  # most of the file is weights: the description stands before and behind them
            ends = [*range(0, 260), *range(len(data) - 260, len(data))]
            for at in rng.choice(ends, 1 + kind):
                data[at] = rng.integers(256)
        yield bytes(data)


def test_a_hundred_damaged_files_are_refused_or_embed(tmp_path):
    content = save(tmp_path / "whole.onnx", metadata={"facelab.channels": "RGB"}).read_bytes()
    refused = 0
    for number, data in enumerate(mutations(content, 100)):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(data)
        try:
            new_embedder(str(path), OnnxInput(mean=(0.0,), scale=(1.0,))).embed_crops(CROPS)
        except FacelabError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 20 < refused < 100
