"""The folder of an exported model: written whole, never over something else; and read safely, whoever wrote it."""

import errno
import importlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from exports import noise, relative_difference, stored_method

import facelab
from facelab.errors import BadParameterError, FacelabError
from facelab.exchange import model_folder
from facelab.exchange.model_folder import (
    CARD,
    CONFIG,
    FILES,
    LABELS,
    ONNX,
    WEIGHTS,
    _hub_cache,
    export_model,
    load_model,
)
from facelab.methods import save_method


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "model"
    export_model(stored_method("margin"), folder)
    return folder


@pytest.fixture
def folder(good, tmp_path):
    """A copy to be spoilt."""
    return shutil.copytree(good, tmp_path / "model")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_stored_file_becomes_the_same_folder(tmp_path, good):
    stored = stored_method("margin")
    save_method(stored.method, tmp_path / "method.pt", size=24, classes=4, options=stored.options)
    export_model(tmp_path / "method.pt", tmp_path / "deep" / "er")
    assert contents(tmp_path / "deep" / "er") == contents(good)
    assert set(contents(good)) == set(FILES) - {LABELS}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["er"]  # nothing is left beside it


def test_the_config_says_all_in_plain_words(good):
    config = json.loads((good / CONFIG).read_text())
    assert config["model_type"] == "facelab" and config["architecture"]["backbone"]["name"] == "resnet10"
    assert config["preprocessing"] == {
        "crop": "dataset", "side": 24, "channels": "GRAY", "layout": "NCHW", "pixels": "0 to 255", "divided_by": 255,
        "mean": [0.5], "std": [0.5],
    }  # fmt: skip
    assert config["output"] == {"dimension": 7, "normalised": False, "comparison": "cosine"}


def test_an_earlier_export_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "out"
    out.mkdir()  # an empty one is as good as a new one
    export_model(stored_method(), out, labels=list("abcd"))
    export_model(stored_method("margin"), out)
    assert not (out / LABELS).exists() and load_model(out).dimension == 7
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda out: (out / "thesis.tex").write_text("mine"),
            "holds something else than an exported model: thesis.tex",
        ),
        (lambda out: (out / ".git").mkdir(), "holds something else.*.git"),
        (lambda out: (out / CONFIG).write_text('{"model_type": "bert"}'), "holds something else"),
        (lambda out: (out / CONFIG).unlink(), "holds something else"),
        (
            lambda out: ((out / ONNX).unlink(), (out / ONNX).symlink_to(out / WEIGHTS)),
            "holds something else.*model.onnx",
        ),
        (lambda out: (out / CARD).write_text((out / CARD).read_text().replace("Limits", "Praise")), "was edited"),
        (lambda out: (out / CARD).write_text("# Mine"), "was edited"),
        (lambda out: (out / CARD).write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda out: (shutil.rmtree(out), out.write_text("a file")), "is not a folder"),
        (lambda out: (shutil.rmtree(out), out.symlink_to("nowhere")), "leads nowhere"),
    ],
)
def test_nothing_else_is_written_over(folder, spoil, said):
    spoil(folder)
    before = contents(folder) if folder.is_dir() and not (folder / ".git").exists() else None
    with pytest.raises(FacelabError, match=said):
        export_model(stored_method(), folder)
    assert before is None or contents(folder) == before


def test_the_current_folder_is_not_pulled_from_under_ones_feet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadParameterError, match="current folder"):
        export_model(stored_method(), tmp_path)


@pytest.mark.parametrize("where", ["write_bytes", "rename"])
def test_a_full_disk_leaves_what_was_there(folder, monkeypatch, where):
    before = contents(folder)

    if where == "write_bytes":
        monkeypatch.setattr(model_folder.Path, "write_bytes", full)
    else:  # the second of the two: the old folder is away, the new one not yet there
        real, calls = os.rename, []
        monkeypatch.setattr(os, "rename", lambda *a: calls.append(a) or (full() if len(calls) == 2 else real(*a)))
    with pytest.raises(FacelabError, match="No space left.*Free some space") as error:
        export_model(stored_method(), folder)
    monkeypatch.undo()
    assert str(folder) in str(error.value) and contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def what_a_kill_leaves(call, owner, name, monkeypatch, place):
    """Export, and copy the disk as it is just before the ``call``-th call of a function: as a kill at this moment leaves it."""
    real, calls = getattr(owner, name), []

    def copy_first(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            shutil.copytree(place, place.with_name("left"))
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, copy_first)
        export_model(stored_method(), place / "model", labels=list("abcd"))
    return place.with_name("left")


@pytest.fixture
def place(good, tmp_path):
    """A folder with an earlier export and nothing else."""
    shutil.copytree(good, tmp_path / "place" / "model")
    return tmp_path / "place"


def test_killed_between_the_two_renames_the_earlier_export_comes_back(good, place, monkeypatch):
    left = what_a_kill_leaves(2, os, "rename", monkeypatch, place)
    assert not (left / "model").exists()
    monkeypatch.setattr(model_folder.Path, "write_bytes", full)
    with pytest.raises(FacelabError, match="No space left"):
        export_model(stored_method(), left / "model")
    assert contents(left / "model") == contents(good) and os.listdir(left) == ["model"]


@pytest.mark.parametrize(("call", "owner", "name"), [(5, model_folder.Path, "write_bytes"), (2, os, "rename")])
def test_what_a_kill_leaves_is_removed_by_the_next_export(place, monkeypatch, call, owner, name):
    left = what_a_kill_leaves(call, owner, name, monkeypatch, place)
    assert len(list(left.rglob(LABELS))) == (name == "rename")
    hidden = [path for path in left.iterdir() if path.name != "model"]
    assert [path.stat().st_mode & 0o777 for path in hidden] == [0o700]
    export_model(stored_method(), left / "model")
    assert os.listdir(left) == ["model"] and load_model(left / "model").labels is None


def test_two_exports_to_one_folder_do_not_mix(place, monkeypatch):
    real, calls = model_folder.Path.write_bytes, []

    def another_first(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            with pytest.raises(FacelabError, match="model is being written by another facelab export"):
                export_model(stored_method(), place / "model")
        return real(*arguments)

    monkeypatch.setattr(model_folder.Path, "write_bytes", another_first)
    export_model(stored_method("margin"), place / "model")
    assert load_model(place / "model").dimension == 7 and os.listdir(place) == ["model"]


def test_weights_that_are_no_numbers_are_not_written(tmp_path):
    stored = stored_method()
    torch.nn.init.constant_(next(stored.method.parameters()), float("nan"))
    with pytest.raises(FacelabError, match="nothing was written"):
        export_model(stored, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_model_of_the_hub_is_found_where_it_was_downloaded_to(good, tmp_path, monkeypatch):
    """The layout of huggingface_hub's cache: files are links to blobs, and ``refs`` name the revisions."""
    revision = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "hub" / "models--some.one--my-faces"
    (cached / "refs").mkdir(parents=True)
    (cached / "blobs").mkdir()
    (cached / "snapshots" / revision).mkdir(parents=True)
    for name, content in contents(good).items():
        (cached / "blobs" / f"of-{name}").write_bytes(content)
        (cached / "snapshots" / revision / name).symlink_to(f"../../blobs/of-{name}")
    expected = load_model(good).embed(noise(2, 24))
    for variable in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert torch.equal(facelab.load_model("some.one/my-faces").embed(noise(2, 24)), expected)  # one revision, no refs
    (cached / "snapshots" / "another").mkdir()
    with pytest.raises(FacelabError, match="2 revisions"):
        load_model("some.one/my-faces")
    (cached / "refs" / "main").write_text(revision)
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert torch.equal(load_model("some.one/my-faces").embed(noise(2, 24)), expected)
    for wrong in ("../../../../etc", "", "/etc", "a\0b"):
        (cached / "refs" / "main").write_text(wrong)
        with pytest.raises(FacelabError):
            load_model("some.one/my-faces")
    (cached / "refs" / "main").write_text("f" * 40)
    with pytest.raises(FacelabError, match="lacks its revision.*hf download some.one/my-faces"):
        load_model("some.one/my-faces")
    with pytest.raises(FacelabError, match="hf download no/where"):
        load_model("no/where")


def test_the_hubs_own_library_agrees_where_its_cache_is(tmp_path, monkeypatch):
    from huggingface_hub import constants

    names = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")
    try:
        for chosen in (None, "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
            for name in names:
                monkeypatch.delenv(name, raising=False)
            if chosen:
                monkeypatch.setenv(chosen, str(tmp_path / "there"))
            assert str(_hub_cache()) == importlib.reload(constants).HF_HUB_CACHE
    finally:
        monkeypatch.undo()
        importlib.reload(constants)


def rewritten(change):
    """A config changed and signed anew, as who means harm would do it."""

    def spoil(folder):
        from safetensors.torch import load_file

        config = json.loads((folder / CONFIG).read_text())
        change(config)
        config["content_sha256"] = model_folder._content_hash(config, load_file(folder / WEIGHTS), None)
        (folder / CONFIG).write_text(json.dumps(config))

    return spoil


def of_network(**values):
    return rewritten(lambda config: config["architecture"]["backbone"].update(values))


def of_architecture(**values):
    return rewritten(lambda config: config["architecture"].update(values))


def of_views(**values):
    return rewritten(lambda config: config["architecture"]["augmentation"].update(values))


def tensors(header: object, rest: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


HOSTILE = {
    "width of 10^9": of_network(width=10**9 // 8 * 8),
    "width of 10^30": of_network(width=8 * 10**30),
    "width as text": of_network(width="8"),
    "width as a fraction": of_network(width=8.5),
    "width below 0": of_network(width=-8),
    "channels": of_network(in_channels=10**9),
    "two channels": of_network(in_channels=2),
    "weights of the network": of_network(weights="imagenet"),
    "weights of a file": of_network(weights="/etc/passwd"),
    "no network": of_network(name="linux"),
    "network as a list": of_network(name=["resnet10"]),
    "another network": of_network(name="resnet18"),
    "the largest network": of_network(name="resnet101", width=10**6),
    "side of 10^9": of_architecture(size=10**9),
    "side of 0": of_architecture(size=0),
    "side as truth": of_architecture(size=True),
    "classes of 10^40": of_architecture(classes=10**40),
    "classes as text": of_architecture(classes="4"),
    "dimension of 2^31 - 1": of_architecture(options={"dimension": 2**31 - 1}),
    "dimension of 10^9 of nothing": of_architecture(options={"dimension": "9" * 5000}),
    "brackets": of_architecture(options={"dimension": "(" * 9000}),
    "signs": of_architecture(options={"dimension": "-" * 9000 + "1"}),
    "options as a list": of_architecture(options=["dimension"]),
    "two billion layers": of_architecture(method="simclr", options={"layers": 2**31 - 1}),
    "layers of vcl": of_architecture(method="vcl", options={"layers": 2**31 - 1}),
    "a queue of two billion": of_architecture(method="moco", options={"queue": 2**31 - 1, "projection": 2**31 - 1}),
    "a wide expander": of_architecture(method="vicreg", options={"expander": [2**30] * 9}),
    "no method": of_architecture(method="os.system"),
    "method as a table": of_architecture(method={"a": 1}),
    "architecture as text": rewritten(lambda config: config.update(architecture="resnet10")),
    "no architecture": rewritten(lambda config: config.pop("architecture")),
    "no preprocessing": rewritten(lambda config: config.pop("preprocessing")),
    "another preprocessing": rewritten(lambda config: config["preprocessing"].update(mean=[0.4])),
    "another crop": rewritten(lambda config: config["preprocessing"].update(crop="../..")),
    "another output": rewritten(lambda config: config["output"].update(dimension=8)),
    "views of 10^9": of_views(size=10**9),
    "views of a fraction": of_views(size=24.0),
    "infinite mean": of_views(mean=[1e999]),
    "mean as text": of_views(mean=["0.5"]),
    "means of other channels": of_views(mean=[0.5, 0.5, 0.5]),
    "no mean": of_views(mean=[]),
    "std of 0": of_views(std=[0.0]),
    "std of nan": of_views(std=[float("nan")]),
    "unknown view": of_views(code="print()"),
    "a later schema": rewritten(lambda config: config.update(schema=99)),
    "schema as a table": rewritten(lambda config: config.update(schema={})),
    "no hash": lambda folder: (folder / CONFIG).write_text((folder / CONFIG).read_text().replace("content_sha", "content_")),
    "a list": lambda folder: (folder / CONFIG).write_text("[]"),
    "nothing": lambda folder: (folder / CONFIG).write_text(""),
    "nested": lambda folder: (folder / CONFIG).write_text('{"a":' * 9000 + "1" + "}" * 9000),
    "a long number": lambda folder: (folder / CONFIG).write_text('{"model_type":' + "9" * 9000 + "}"),
    "a large file": lambda folder: (folder / CONFIG).write_text("{" + " " * 10**6 + "}"),
    "no text": lambda folder: (folder / CONFIG).write_bytes(b"\xff\xfe\x00"),
    "no config": lambda folder: (folder / CONFIG).unlink(),
    "a config that is a folder": lambda folder: ((folder / CONFIG).unlink(), (folder / CONFIG).mkdir()),
    "a pipe": lambda folder: ((folder / CONFIG).unlink(), os.mkfifo(folder / CONFIG)),
    "weights that are a pipe": lambda folder: ((folder / WEIGHTS).unlink(), os.mkfifo(folder / WEIGHTS)),
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "empty weights": lambda folder: (folder / WEIGHTS).write_bytes(b""),
    "half of the weights": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:9000]),
    "a header of exabytes": lambda folder: (folder / WEIGHTS).write_bytes(struct.pack("<Q", 2**62) + b"{}"),
    "a tensor of exabytes": lambda folder: (folder / WEIGHTS).write_bytes(
        tensors({"a": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 2**62]}})
    ),
    "a tensor of nothing": lambda folder: (folder / WEIGHTS).write_bytes(
        tensors({"a": {"dtype": "F32", "shape": [0, 2**60], "data_offsets": [0, 0]}})
    ),
    "foreign weights": lambda folder: (folder / WEIGHTS).write_bytes(
        tensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"0000")
    ),
    "a pickle for weights": lambda folder: torch.save({"a": 1}, folder / WEIGHTS),
    "labels of a margin": lambda folder: (folder / LABELS).write_text('["a", "b", "c", "d"]'),
    "labels that are no list": lambda folder: (folder / LABELS).write_text('{"0": "a"}'),
    "labels that are no names": lambda folder: (folder / LABELS).write_text("[[], [], [], []]"),
}  # fmt: skip


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE)
def test_a_foreign_or_hostile_folder_is_one_line_and_takes_no_memory(folder, spoil):
    spoil(folder)
    tracemalloc.start()
    try:
        with pytest.raises(FacelabError) as error:
            load_model(folder)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value) and str(folder) in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_mutated_files_are_damaged_ones(folder, name):
    """100 of each kind: bits turned, parts cut out, doubled, and replaced by noise. None is taken for another model."""
    whole, rng, refused = (folder / name).read_bytes(), random.Random(0), 0
    expected, images = load_model(folder), noise(2, 24)
    for round_ in range(100):
        content = bytearray(whole)
        start = rng.randrange(min(len(whole), 6000) if round_ % 2 else len(whole))  # as often in the header as anywhere
        end = start + rng.randrange(1, 40)
        kind = round_ % 5
        if kind == 0:
            content[start] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del content[start:end]
        elif kind == 2:
            content[start:start] = content[start:end]
        elif kind == 3:
            content[start:end] = rng.randbytes(len(content[start:end]))
        else:
            del content[start:]
        if bytes(content) == whole:
            continue
        (folder / name).write_bytes(content)
        try:
            model = load_model(folder)
        except FacelabError as error:
            assert "\n" not in str(error) and str(folder) in str(error)
            refused += 1
        else:  # it said nothing else: a blank between the words of a JSON, or who wrote the weights
            assert model.config == expected.config and torch.equal(model.embed(images), expected.embed(images)), round_
    assert refused > 80


def test_what_happens_to_the_files_later_does_not_happen_to_the_model(folder):
    model, images = load_model(folder), noise(2, 24)
    before = model.embed(images)
    with open(folder / WEIGHTS, "r+b") as file:
        file.seek(2000)
        file.write(b"\xff" * 9000)
    assert torch.equal(model.embed(images), before)


def test_one_turned_bit_of_a_weight_is_found(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-2] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(FacelabError, match="damaged"):
        load_model(folder)


@pytest.mark.parametrize(
    "wrong", ["", "nowhere", "a/b/c", "x" * 300, "a\0b", "no/where", "../..", "method.pt", "~nobodyatall/x", 7, None]
)
def test_what_is_no_folder_is_one_line(tmp_path, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    (tmp_path / "method.pt").write_bytes(b"PK")
    with pytest.raises(FacelabError) as error:
        load_model(wrong)
    assert "\n" not in str(error.value)


def test_weights_in_another_order_or_layout_are_the_same(folder):
    """Another program may write the file anew."""
    from safetensors.torch import load_file, save_file

    images = np.repeat(noise(2, 24), 2, axis=0)
    before = load_model(folder).embed(images).numpy()
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {"format": "pt", "by": "another"})
    assert relative_difference(load_model(folder).embed(images).numpy(), before) == 0


@pytest.mark.parametrize("missing", ["safetensors", "onnx", "onnxruntime", "yaml"])
def test_a_missing_package_is_one_line(tmp_path, monkeypatch, missing):
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(FacelabError, match=f"needs {missing}, .*pip install 'facelab.exchange.'"):
        export_model(stored_method(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_facelab_itself_is_as_light_as_before():
    code = "import sys, facelab; print(sorted({'torch', 'numpy', 'facelab.exchange'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert facelab.load_model is load_model
    with pytest.raises(AttributeError, match="no attribute 'lode_model'"):
        _ = facelab.lode_model
