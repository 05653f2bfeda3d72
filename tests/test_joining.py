"""Several sets made one: nothing is lost, nothing collides, and one photograph a person is the first."""

from pathlib import Path

import numpy as np
import pandas as pd
import photos
import pytest

from facelab.datasets import UNKNOWN, FaceSet, RejectedFilesWarning, load
from facelab.datasets.joining import first_row_per_person
from facelab.errors import BadParameterError


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """GTAV and CASIA with people of the same names, and UTKFace, which knows nobody."""
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path / "data"))
    root = tmp_path / "data"
    photos.people(root / "gtav", **{"0000007": 3, "ann": 2})
    photos.people(root / "casia-webface", **{"0000007": 2, "0000009": 1})
    for number, name in enumerate(("25_1_2_20170116174525125.jpg", "7_0_0_20170116174525126.jpg")):
        photos.write(root / "utkface" / "UTKFace" / name, seed=50 + number)
    return root


def test_all_photographs_are_there_in_order(data):
    parts = ["gtav", "utkface", "casia-webface"]
    faces = load("+".join(parts), 16)
    alone = [load(part, 16) for part in parts]
    np.testing.assert_array_equal(faces.images, np.concatenate([part.images for part in alone]))
    assert faces.attributes["source"].tolist() == ["gtav"] * 5 + ["utkface"] * 2 + ["casia-webface"] * 3
    assert faces.source == "gtav+utkface+casia-webface@16"


def test_people_and_files_of_one_name_stay_apart(data):
    faces = load("gtav+utkface+casia-webface", 16)
    who = [faces.names[person] if person != UNKNOWN else None for person in faces.identity]
    assert who == (
        ["gtav:0000007"] * 3 + ["gtav:ann"] * 2 + [None] * 2 + ["casia-webface:0000007"] * 2 + ["casia-webface:0000009"]
    )
    assert faces.attributes["file"].is_unique
    assert faces.attributes["file"].iloc[[0, -3]].tolist() == ["gtav:0000007/0.png", "casia-webface:0000007/0.png"]
    assert len(faces.people) == 4 and sorted(set(faces.names)) == sorted(faces.names)


def test_columns_are_those_of_all_with_gaps(data):
    table = load("gtav+utkface", 16).attributes
    assert table["age"].isna().tolist() == [True] * 5 + [False] * 2
    assert table["age"].tolist()[5:] == [25, 7] and table["gender"].tolist()[5:] == ["female", "male"]
    assert table["shot"].isna().tolist() == [False] * 5 + [True] * 2


def test_grey_becomes_rgb_only_beside_rgb(data):
    mixed = load("orl+gtav", 16)
    orl = load("orl", 16)
    assert orl.images.shape[3] == 1 and mixed.images.shape[3] == 3
    for channel in range(3):
        np.testing.assert_array_equal(mixed.images[:400, :, :, channel], orl.images[..., 0])
    assert load(f"orl+folder:{data / 'gtav'}", 16).images.shape[3] == 3


@pytest.mark.parametrize("name", ["gtav", "gtav+casia-webface+utkface"])
def test_one_per_person_is_the_first_of_each_and_all_of_the_unknown(data, name):
    every, one = load(name, 16), load(name, 16, one_per_person=True)
    seen, expected = set(), []
    for row, person in enumerate(every.identity):
        if person == UNKNOWN or person not in seen:
            expected.append(row)
        seen.add(person)
    np.testing.assert_array_equal(one.images, every.images[expected])
    assert one.attributes["file"].tolist() == every.attributes["file"].iloc[expected].tolist()
    assert one.names == every.names and one.source != every.source
    assert load(name, 16).sha256 == every.sha256  # kept apart in the cache


def test_known_and_unknown_people_keep_their_order():
    table = pd.DataFrame({"file": list("abcde")})
    faces = FaceSet(
        np.zeros((5, 8, 8, 1), np.uint8), np.array([2, UNKNOWN, 2, 0, UNKNOWN]), ("x", "y", "z"), table, "made"
    )
    assert first_row_per_person(faces).tolist() == [0, 1, 3, 4]


def test_a_change_in_one_part_makes_the_whole_anew(data):
    before = load("gtav+utkface", 16)
    photos.write(data / "gtav" / "zoe" / "0.png", seed=7)
    assert len(load("gtav+utkface", 16)) == len(before) + 1


def test_rejected_files_of_every_part_are_named_with_their_source(data):
    (data / "gtav" / "ann" / "2.png").touch()
    (data / "casia-webface" / "0000009" / "1.png").touch()
    for _ in range(2):
        with pytest.warns(RejectedFilesWarning, match="2 of its files") as told:
            faces = load("gtav+casia-webface", 16)
        assert len(told) == 1
    assert [file for file, _ in faces.rejected_files] == ["gtav:ann/2.png", "casia-webface:0000009/1.png"]


def test_a_set_joined_with_itself_is_refused(data):
    with pytest.raises(BadParameterError, match="twice"):
        load("gtav+gtav", 16)
