"""Files of tensors: whatever bit is wrong in them, they are not read as something else."""

import io
import math
import os
import pickle
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import AUGMENTATION, tiny_faces, tiny_method

from facelab.backbones import backbone
from facelab.errors import FacelabError
from facelab.methods import load_method, new_method, save_method
from facelab.tensor_files import DIGEST, DamagedFileError, content_digest, load_tensors, save_tensors
from facelab.training import Plan, fit

PLAN = Plan(epochs=1, batch_size=8, lr=0.01, warmup_epochs=0)
CONTENT = {
    "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(3, dtype=torch.bfloat16), "none": torch.zeros(0)},
    "plain": [1, 2.5, -math.inf, True, None, "text", ("a", 2), {3: 4}],
}


def weights(method) -> dict:
    return {name: value.clone() for name, value in method.state_dict().items()}


def flipped(whole: bytes, bit: int) -> bytes:
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_content_comes_back_and_torch_reads_it_too(tmp_path):
    save_tensors(CONTENT, tmp_path / "a.pt")
    content, verified = load_tensors(tmp_path / "a.pt")
    assert verified and content_digest(content) == content_digest(CONTENT)
    assert content["plain"] == CONTENT["plain"]
    plain = torch.load(tmp_path / "a.pt", weights_only=True)
    assert torch.equal(plain["weights"]["a"], CONTENT["weights"]["a"]) and plain[DIGEST] == content_digest(CONTENT)
    torch.save(CONTENT, tmp_path / "b.pt")
    assert load_tensors(tmp_path / "b.pt")[1] is False
    torch.save(CONTENT, tmp_path / "c.pt", _use_new_zipfile_serialization=False)  # as torch wrote before 1.6
    assert content_digest(load_tensors(tmp_path / "c.pt")[0]) == content_digest(CONTENT)


def test_the_layout_in_memory_is_no_content():
    images = torch.rand(2, 3, 4, 4)
    assert content_digest(images) == content_digest(images.to(memory_format=torch.channels_last))


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.zeros(4)},
        {"a": torch.zeros(2, 2)},
        {"b": torch.zeros(4)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": -torch.zeros(4)},
        {"a": [0.0, 0.0, 0.0, 0.0]},
        {"a": torch.zeros(4), "b": None},
        {"a": 1},
        {"a": True},
        {"a": 1.0},
        {"a": "1"},
        {"a": (1,)},
        {"a": [1]},
        {"a": ["1", "2"]},
        {"a": ["1, 2"]},
        {"a": ["12"]},
    ],
)
def test_other_content_has_another_hash(other):
    found = content_digest(other)
    assert found == content_digest(dict(other))
    rest = [
        {"a": torch.zeros(4, dtype=torch.float64)},
        {"a": [["1"], "2"]},
        {"a": 2},
        {},
        {"a": []},
        {"a": ()},
        {"a": {}},
    ]
    assert found not in map(content_digest, rest)


@pytest.mark.parametrize("value", [np.float32(1), {1, 2}, object(), torch.nn.Linear(1, 1).state_dict()])
def test_what_is_not_plain_is_not_written(tmp_path, value):
    with pytest.raises(TypeError, match="plain"):
        save_tensors({"a": value}, tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())


def small_method(folder):
    torch.manual_seed(0)
    network = backbone("resnet9", 1, width=8)
    method = new_method("classifier", network, AUGMENTATION, {"hidden": "4,4"}, 3)
    save_method(
        method,
        folder / "method.pt",
        size=8,
        classes=3,
        options={"hidden": "4,4"},
        notes={"epochs": [{"loss": 0.5}], "seconds": 1.5},
    )
    return folder / "method.pt"


def small_checkpoint(folder):
    fit(tiny_method(), tiny_faces(), PLAN, folder=folder, validate=lambda method: 0.5)
    return folder / "last.ckpt"


def read_checkpoint(folder, path):
    method = tiny_method(seed=9)
    history = fit(method, tiny_faces(), PLAN, folder=folder, validate=lambda method: 0.5)
    return weights(method) | {"history": [history.epochs, history.best_epoch, history.seconds]}


def read_method(folder, path):
    stored = load_method(path)
    fields = [stored.name, stored.size, stored.classes, stored.options, stored.notes]
    return weights(stored.method) | {"fields": fields}


@pytest.mark.parametrize(("write", "read"), [(small_method, read_method), (small_checkpoint, read_checkpoint)])
def test_every_flipped_bit_is_found_or_changes_nothing(tmp_path, write, read):
    """100 bits all over the file, and as many in the pickle in it, where one flip may do anything."""
    path = write(tmp_path)
    whole = path.read_bytes()
    expected = content_digest(read(tmp_path, path))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        pickled = next(entry for entry in archive.infolist() if entry.filename.endswith("data.pkl"))
    names = range(
        8 * pickled.header_offset, 8 * (pickled.header_offset + pickled.file_size), 8 * pickled.file_size // 100
    )
    found = 0
    for bit in [*range(0, 8 * len(whole), 8 * len(whole) // 100 | 1), *(bit + bit // 8 % 8 for bit in names)]:
        path.write_bytes(flipped(whole, bit))
        try:
            content = read(tmp_path, path)
        except FacelabError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            found += 1
        else:
            assert content_digest(content) == expected, bit
    assert found > 100


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read: it is not a PyTorch file"),
        (lambda path: path.write_text("root:x:0:0:/root\n" * 9), "cannot be read: it is not a PyTorch file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "cannot be read"),
        (lambda path: zipfile.ZipFile(path, "w").writestr("a.txt", "a"), "cannot be read"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(90)), "cannot be read: it is not a PyTorch file"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "cannot be read: it is not a PyTorch file"),
        (partial(torch.save, [1]), "holds a list"),
        (lambda path: (path.unlink(), path.mkdir()), "^is no file$"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "no file"),
        (Path.unlink, "^is not there$"),
    ],
)
def test_another_file_in_its_place_is_one_line(tmp_path, spoil, said):
    path = tmp_path / "a.pt"
    save_tensors(CONTENT, path)
    spoil(path)
    with pytest.raises(DamagedFileError, match=said) as error:
        load_tensors(path)
    assert "\n" not in str(error.value)


def test_a_method_of_the_first_schema_is_still_read(tmp_path):
    """Students have such files; they carry no hash. A later one that has lost it is refused."""
    path = small_method(tmp_path)
    content, _ = load_tensors(path)
    torch.save(content, path)
    with pytest.raises(FacelabError, match="damaged.*train again"):
        load_method(path)
    torch.save(content | {"schema": 1}, path)
    assert load_method(path).classes == 3


def test_damaged_weights_are_not_started_from(tmp_path):
    """A bit in the middle of a convolution: such weights fit, and nothing but their hash tells."""
    path = small_method(tmp_path)
    kernel = next(iter(load_tensors(path)[0]["state_dict"].values()))
    whole, part = path.read_bytes(), kernel.flatten()[:1].numpy().tobytes()
    path.write_bytes(flipped(whole, 8 * whole.index(part) + 3))
    with pytest.raises(FacelabError, match="damaged"):
        backbone("resnet9", 1, width=8, weights=path)
