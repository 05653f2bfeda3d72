"""The real data sets, where FACELAB_DATA has them: counts as published and as their notes say."""

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from facelab.datasets import load
from facelab.datasets.decode import decode
from facelab.datasets.sources import get_source


def index_of(name: str):
    """The index of a source below FACELAB_DATA, or a skip."""
    root = os.environ.get("FACELAB_DATA")
    if not root or not (Path(root) / name).is_dir():
        pytest.skip(f"needs the data set {name} below FACELAB_DATA")
    source = get_source(name)
    where = source.locate()
    assert where is not None, f"{name} is there, but not found"
    return source, where, source.index(where)


def test_lfw_has_its_published_counts(real_lfw):
    faces = load("lfw", 64)
    counts = np.bincount(faces.identity)
    assert (len(faces), len(counts)) == (13233, 5749)
    assert ((counts >= 2).sum(), (counts >= 20).sum(), (counts >= 70).sum()) == (1680, 62, 7)
    assert counts[counts >= 20].sum() == 3023
    assert faces.names[counts.argmax()] == "George_W_Bush" and counts.max() == 530
    assert not faces.rejected_files


def test_lfw_is_in_order_and_its_numbers_are_those_of_the_names(real_lfw):
    faces = load("lfw", 64)
    files = faces.attributes["file"].str.rsplit("/", n=1).str[1]
    rebuilt = [
        f"{faces.names[person]}_{number:04d}.jpg"
        for person, number in zip(faces.identity, faces.attributes["image_number"], strict=True)
    ]
    assert files.tolist() == rebuilt


def test_lfw_by_its_folders_is_lfw_by_its_index(real_lfw, tmp_path, monkeypatch):
    by_index = get_source("lfw").index(real_lfw).set_index("file")
    (tmp_path / "lfw-deepfunneled").symlink_to(real_lfw / "lfw-deepfunneled")
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path))
    source = get_source("lfw")
    plain = source.index(source.locate()).set_index("file")
    assert (plain["rejected"] == "").all()
    columns = ["identity", "image_number", "images_of_identity"]
    assert plain[columns].astype(str).sort_index().equals(by_index[columns].astype(str).sort_index())


def test_utkface_has_the_counts_of_its_note(real_utkface):
    _, _, table = index_of("utkface")
    assert len(table) == 23707
    races = {"White": 10078, "Black": 4525, "Asian": 3434, "Indian": 3975, "Others": 1692}
    assert table["race"].value_counts().to_dict() == races and table["race"].isna().sum() == 3
    assert table["gender"].value_counts().to_dict() == {"male": 12390, "female": 11317}
    assert table["age"].min() == 1 and table["age"].max() == 116
    assert table["split"].value_counts().to_dict() == {"train": 18925, "val": 2389, "test": 2390}


def test_utkface_by_its_names_is_utkface_by_its_index(real_utkface, tmp_path, monkeypatch):
    """Two ways to the same labels; only the three names without a race differ, and are rejected."""
    _, _, by_index = index_of("utkface")
    (tmp_path / "UTKFace").symlink_to(real_utkface / "UTKFace")
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path))
    by_name = get_source("utkface").index(tmp_path / "UTKFace")
    by_name["file"] = "UTKFace/" + by_name["file"]
    rejected = by_name["rejected"] != ""
    assert rejected.sum() == 3
    both = by_name[~rejected].merge(by_index, on="file", validate="1:1", suffixes=("", "_index"))
    assert len(both) == 23704
    for column in ("age", "gender", "race"):
        assert (both[column] == both[f"{column}_index"]).all(), column


@pytest.mark.parametrize(("name", "classes", "each"), [("cifar10", 10, (5000, 1000)), ("cifar100", 100, (500, 100))])
def test_cifar_has_its_published_counts(name, classes, each):
    _, _, table = index_of(name)
    counts = table.groupby(["split", "identity"]).size().unstack()
    assert counts.shape == (2, classes)
    assert (counts.loc["train"] == each[0]).all() and (counts.loc["test"] == each[1]).all()
    if name == "cifar100":
        assert table.groupby("superclass")["identity"].nunique().tolist() == [5] * 20


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_packed_cifar_photographs_are_those_of_the_index(name):
    source, root, table = index_of(name)
    for row, file, photograph in islice(source.read(root, table), 100):
        assert table["file"].iat[row] == file
        assert decode(photograph).shape == (32, 32, 3)
