"""``facelab verify``: its record, what it says, what it refuses, and that nobody of a set was in the training."""

import json
import shlex

import numpy as np
import pytest
import torch
from commands import call
from onnx_networks import save
from test_pair_sets import lfw_list, tree  # noqa: F401
from tiny import AUGMENTATION

from facelab.backbones import backbone
from facelab.datasets import load
from facelab.errors import LeakageError
from facelab.methods import new_method, save_method
from facelab.protocols.pair_sets import load_pair_set
from facelab.protocols.training_people import refuse_trained_people, training_settings
from facelab.protocols.verification import verify
from facelab.records import Record, find_records


@pytest.fixture
def method(tmp_path):
    torch.manual_seed(0)
    stored = new_method("supcon", backbone("resnet10", 3, width=8), AUGMENTATION, {}, 3)
    save_method(stored, tmp_path / "run" / "method.pt", size=24, classes=3)
    return tmp_path / "run" / "method.pt"


def left_by_training(method, **settings) -> None:
    given = {"dataset": "orl-wild", "size": 24, "people": "unseen", "min_photos": 2, "seed": 0} | settings
    Record("train supcon", "facelab train supcon", given).write(method.parent / "record.json")


def test_one_record_and_a_table(tree, tmp_path, method, monkeypatch, capsys):  # noqa: F811
    listed = lfw_list(tmp_path / "pairs.txt", 3, each=40)
    name = f"{listed}@folder:{tree}"
    assert call(monkeypatch, "verify", str(method), name, "--mirror") == 0
    out = capsys.readouterr().out
    assert "accuracy, 3 folds" in out and "TAR at FAR 0.1" in out and "TAR at FAR 0.01" not in out
    assert "whom the network learned from is not known" in out and "no face was searched for" in out
    (record,) = find_records(tmp_path / "runs" / "records")
    assert (
        record.name == "verify run/method.pt, mirror"
        and record.parameters["mirror"]
        and record.parameters["dataset"] == name
    )
    assert set(record.metrics) == {f"{one}/{name}" for one in ("accuracy", "standard error", "eer", "auc", "tar@0.1")}
    pair_set = load_pair_set(name, 24)
    from facelab.exchange.embedders import new_embedder

    expected = verify(new_embedder(str(method)), pair_set, mirror=True)
    assert record.metrics[f"accuracy/{name}"].value == expected.accuracy.mean
    assert record.metrics[f"eer/{name}"].low == expected.estimates["eer"].low
    assert record.data[name]["sha256"] == pair_set.faces.sha256 and record.wall_seconds > 0
    assert call(monkeypatch, "leaderboard", "--metric", "^eer/") == 0
    assert "verify run/method.pt, mirror" in (told := capsys.readouterr().out) and "eer/" in told
    assert call(monkeypatch, *shlex.split(record.command)[1:]) == 0  # the line that makes it again: the same record
    (again,) = find_records(tmp_path / "runs" / "records")
    assert again.metrics == record.metrics and again.command == record.command


def test_an_onnx_file_with_its_options_is_recorded(tree, tmp_path, monkeypatch, capsys):  # noqa: F811
    name = f"{lfw_list(tmp_path / 'pairs.txt', 3)}@folder:{tree}"
    path = str(save(tmp_path / "other.onnx"))
    options = ("--channels", "bgr", "--mean", "127.5", "--scale", "128")
    assert call(monkeypatch, "verify", path, name) == 1
    assert "does not say in which order its colours are. Give facelab verify --channels" in capsys.readouterr().err
    assert call(monkeypatch, "verify", path, name, *options, "--aligned") == 0
    assert "aligned crops, as the network learned from" in capsys.readouterr().out
    (record,) = find_records(tmp_path / "runs" / "records")
    assert record.parameters["channels"] == "bgr" and "--mean=127.5" in record.command
    assert call(monkeypatch, "verify", path, name, *options) == 0
    assert "faces were searched for at 224 pixels" in capsys.readouterr().out
    assert call(monkeypatch, "verify", path, name, *options, "--crop", "dataset") == 0
    assert "squares as the data set gives them" in capsys.readouterr().out
    assert call(monkeypatch, "verify", path, name, *options, "--crop", "dataset", "--aligned") == 0
    assert "framing differs" in capsys.readouterr().out


def test_a_cohort_is_of_other_people(tree, tmp_path, method, monkeypatch, capsys):  # noqa: F811
    name = f"{lfw_list(tmp_path / 'pairs.txt', 3)}@folder:{tree}"
    assert call(monkeypatch, "verify", str(method), name, "--cohort", "orl") == 0
    plain = capsys.readouterr().out
    assert call(monkeypatch, "verify", str(method), name) == 0
    assert capsys.readouterr().out != plain
    assert call(monkeypatch, "verify", str(method), name, "--cohort", f"folder:{tree}") == 1
    assert "is not of other people than" in capsys.readouterr().err
    assert call(monkeypatch, "verify", str(method), "orl", "--cohort", "orl-wild") == 1  # the same people, rendered


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "nothing.pt", "orl"], "There is no embedder nothing.pt"),
        (["verify", "sface", "orl", "orl"], "named twice"),
        (["verify", "sface", "orl", "--channels", "RGB"], "no .onnx file"),
        (["verify", "sface", "lwf"], "No verification set"),
        (["verify", "sface", "orl", "--mean", "many"], "mean is 'many'"),
        (["verify", "sface"], "Missing argument"),
        (["verify", "sface", "orl", "--search-side", "10"], "64"),
        (["verify", "sface", "orl", "--cohort", "nosuch"], "No data set"),
        (["verify", "", "orl"], "path is empty"),
    ],
)
def test_what_cannot_be_is_one_line(data, monkeypatch, capsys, words, said):
    assert call(monkeypatch, *words) in (1, 2)
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and "Traceback" not in told


def test_people_who_trained_are_no_verification_set(data, method):
    faces = load_pair_set("orl", 24).faces
    assert "not known" in refuse_trained_people(training_settings(str(method)), faces)
    left_by_training(method)
    assert "nobody of this set" in refuse_trained_people(training_settings(str(method)), faces)
    left_by_training(method, people="known")
    with pytest.raises(LeakageError, match=r"20 of 20 test people are in training.*--people unseen"):
        refuse_trained_people(training_settings(str(method)), faces)
    left_by_training(method, dataset="folder:/elsewhere")
    assert "another source" in refuse_trained_people(training_settings(str(method)), faces)


def test_the_home_folder_hides_nobody_who_trained(data, method, monkeypatch):
    left_by_training(method, people="known")
    monkeypatch.setenv("HOME", str(method.parent.parent))
    monkeypatch.setenv("USERPROFILE", str(method.parent.parent))
    assert training_settings("~/run/method.pt") == training_settings(str(method)) is not None


@pytest.mark.parametrize(
    ("dataset", "crop"),
    [("rec:/faces", "arcface"), ("rec:/faces+rec:/more", "arcface"), ("rec:/faces+lfw", "dataset"), ("orl", "dataset")],
)
def test_a_method_gets_the_crops_that_it_learned_from(method, tmp_path, dataset, crop):
    """Told by its record, or by its command where nothing was measured; ``facelab export`` writes the same."""
    from facelab.exchange.embedders import new_embedder
    from facelab.exchange.training_record import crop_of_training

    assert new_embedder(str(method)).crop == "dataset"  # nothing is known
    (method.parent / "command.txt").write_text(
        f"facelab train supcon --dataset {dataset} --size 24\n", encoding="utf-8"
    )
    assert crop_of_training(method) == crop
    (method.parent / "command.txt").unlink()
    left_by_training(method, dataset=dataset)
    assert new_embedder(str(method)).crop == crop


def test_half_of_the_people_of_a_folder_trained(tree, tmp_path, method):  # noqa: F811
    """The people of the other half, by the seed of the record, are a verification set; all are not."""
    from facelab.protocols.unseen_people import split_unseen_people

    left_by_training(method, dataset=f"folder:{tree}")
    faces = load(f"folder:{tree}", 24)
    train, test = split_unseen_people(faces, 0)
    assert len(train.people) and "nobody" in refuse_trained_people(training_settings(str(method)), test)
    with pytest.raises(LeakageError, match=f"{len(train.people)} of {len(faces.people)} test people"):
        refuse_trained_people(training_settings(str(method)), faces)


@pytest.mark.parametrize("content", ["{}", "[", json.dumps({"name": "x", "metrics": {}, "schema": 1})])
def test_a_strange_file_beside_the_method_tells_nothing(method, content):
    (method.parent / "record.json").write_text(content, encoding="utf-8")
    assert training_settings(str(method)) is None
    assert training_settings("sface") is None


def test_a_training_that_cannot_be_made_out_tells_nothing(data, method):
    faces = load_pair_set("orl", 24).faces
    left_by_training(method, size="large")
    assert "not known" in refuse_trained_people(training_settings(str(method)), faces)
    left_by_training(method, min_photos="many")
    assert "not known" in refuse_trained_people(training_settings(str(method)), faces)
    assert np.array_equal(faces.people, load_pair_set("orl", 24).faces.people)
