"""Pictures that a data set holds twice: all of them by one command, and errors that name that command."""

from __future__ import annotations

import shlex

import cv2
import numpy as np
import pandas as pd
import photos
import pytest
from commands import call

from facelab.datasets import UNKNOWN, FaceSet, load
from facelab.datasets.duplicates import duplicates_command, find_duplicates
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.near_duplicates import near_duplicates, near_duplicates_within, part_sizes
from facelab.datasets.sources import loaded_names
from facelab.datasets.splits import identity_disjoint_split, stratified_split
from facelab.errors import BadParameterError, LeakageError
from facelab.protocols.closed_set import split_closed_set
from facelab.protocols.unseen_people import split_unseen_people


def toy(images, identity, source="folder:/x@64") -> FaceSet:
    files = [f"p{person}/{row}.png" for row, person in enumerate(identity)]
    names = tuple(f"p{person}" for person in range(max(identity, default=0) + 1))
    return FaceSet(np.asarray(images), np.asarray(identity, np.int64), names, pd.DataFrame({"file": files}), source)


def run(monkeypatch, capsys, *words) -> tuple[int, str, str]:
    code = call(monkeypatch, *words)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize("chunk", [7, 64, 2048])
def test_the_search_within_a_set_is_that_of_two_sets(monkeypatch, chunk):
    monkeypatch.setattr("facelab.datasets.near_duplicates._CHUNK", chunk)
    images = load("orl").images[:60]
    images = np.concatenate([images, (images[5:9] * 0.6).astype(np.uint8), images[:1]])
    loose = {"max_bits": 20, "min_correlation": 0.8}
    both_ways = near_duplicates(images, images, **loose)
    parts = list(near_duplicates_within(images, **loose))
    assert len(parts) == len(part_sizes(len(images))) and sum(part_sizes(len(images))) == len(images)
    found = np.concatenate(parts)
    np.testing.assert_array_equal(found, both_ways[both_ways[:, 0] < both_ways[:, 1]])
    assert len(found) > 60 and list(near_duplicates_within(images[:0])) == []
    strict = np.concatenate(list(near_duplicates_within(images))).tolist()
    assert strict == [[0, 64], [5, 60], [6, 61], [7, 62], [8, 63]]


def test_copies_under_two_names_within_one_and_of_nobody():
    images = load("orl").images[:5]
    dark = (images * 0.6).astype(np.uint8)
    blank = np.full((2, 64, 64, 1), 9, np.uint8)
    faces = toy([*images, dark[0], dark[1], dark[2], *blank], [0, 0, 0, 1, 1, 1, 0, UNKNOWN, 0, 1])
    assert list(find_duplicates(faces)) == [(0, 5), (8, 9)]
    assert list(find_duplicates(faces, all_pairs=True)) == [(0, 5), (1, 6), (2, 7), (8, 9)]


def test_the_command_lists_all_pairs_a_line_each(data, monkeypatch, capsys):
    photos.people(data / "my set[raw]", ann=3, bob=2, cy=1)
    (data / "my set[raw]" / "bob" / "0.png").write_bytes((data / "my set[raw]" / "ann" / "1.png").read_bytes())
    copy = cv2.imread(str(data / "my set[raw]" / "ann" / "2.png"))
    cv2.imwrite(str(data / "my set[raw]" / "cy" / "small.jpg"), cv2.resize(copy, None, fx=2, fy=2))
    cv2.imwrite(str(data / "my set[raw]" / "ann" / "again.jpg"), copy)
    name = f"folder:{data}/my set[raw]"
    code, out, _ = run(monkeypatch, capsys, "data", "duplicates", name)
    across = ["ann/1.png = bob/0.png", "ann/2.png = cy/small.jpg", "ann/again.jpg = cy/small.jpg"]
    assert code == 1 and out.splitlines()[:-1] == across
    assert out.splitlines()[-1] == f"{name}: 3 pairs of copies under two people's names among 8 photographs"
    code, out, _ = run(monkeypatch, capsys, "data", "duplicates", name, "--all")
    assert code == 1 and sorted(out.splitlines()[:-1]) == sorted([*across, "ann/2.png = ann/again.jpg"])
    photos.people(data / "good", ann=2, bob=2)
    code, out, _ = run(monkeypatch, capsys, "data", "duplicates", f"folder:{data}/good", "--all")
    assert code == 0 and "0 pairs" in out


def copies_of_one_folder(data, *people) -> FaceSet:
    """A folder whose people all hold the same picture as the first, and others."""
    folder = photos.people(data / "a+b, c@12", **dict.fromkeys(people, 4))
    for person in people[1:]:
        (folder / person / "0.png").write_bytes((folder / people[0] / "0.png").read_bytes())
    return load(f"folder:{folder}", 16)


@pytest.mark.parametrize("split", [split_unseen_people, lambda faces, seed: within_one(faces, seed)])
def test_the_remedy_of_an_error_is_a_command_that_lists_it(data, monkeypatch, capsys, split):
    faces = copies_of_one_folder(data, "ann", "bob", "cy", "di")
    with pytest.raises(LeakageError, match="pictures .pixel for pixel. are in training") as error:
        split(faces, 0)
    line = error.value.remedy.partition("are listed by: ")[2]
    assert line.startswith("facelab data duplicates ") and f"folder:{data}/a+b, c@12" in shlex.split(line)
    code, out, _ = run(monkeypatch, capsys, *shlex.split(line)[1:])
    assert code == 1 and "ann/0.png = bob/0.png" in out


def within_one(faces: FaceSet, seed: int):
    """The closed-set split of a set in which a person has one picture twice."""
    images = np.array(faces.images)
    images[1:4] = images[0]
    return split_closed_set(FaceSet(images, faces.identity, faces.names, faces.attributes, faces.source), seed)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("orl@64", ["orl"]),
        ("utkface+ffhq@64", ["utkface", "ffhq"]),
        ("folder:/home/me@work/a+b, c@12/x@64", ["folder:/home/me@work/a+b, c@12/x"]),
        ("orl@64, one per person", ["orl"]),
        ("orl+lfw, one per person@64", ["orl", "lfw"]),
        ("lfw@112, centre 96 of 112, grey", ["lfw"]),
        ("toy", ["toy"]),
    ],
)
def test_the_names_that_a_set_was_loaded_by(source, names):
    assert loaded_names(source) == names
    assert duplicates_command(names).startswith("facelab data duplicates ")


def test_a_plus_in_a_folders_name_is_no_joined_set(data):
    photos.people(data / "a+b", ann=3, bob=3)
    faces = load(f"folder:{data}/a+b", 16)
    split = identity_disjoint_split(faces)
    assert_disjoint(faces.subset(split.train), faces.subset(split.test))
    with pytest.raises(LeakageError, match="1 of 1 test people are in training: folder:.*a.b:ann"):
        assert_disjoint(faces.subset([0]), faces.subset([1]), kinds=("identity",))


def test_remedies_of_splits_are_options_that_there_are(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    options = run(monkeypatch, capsys, "train", "--help")[1]
    with pytest.raises(BadParameterError, match="has 1 photograph.s., the split needs 2") as error:
        stratified_split(toy(np.zeros((3, 8, 8, 1), np.uint8), [0, 0, 1]))
    assert "--min-photos" in error.value.remedy and "--min-photos" in options
    with pytest.raises(BadParameterError, match="has 1 person.s., the split needs 2. Take a data set with more people"):
        identity_disjoint_split(toy(np.zeros((2, 8, 8, 1), np.uint8), [0, 0]))
