"""Pairs: every pair once, samples without repeats, and the lists of LFW and ORL as published and as stored."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelab.datasets import UNKNOWN, FaceSet, load
from facelab.datasets.pair_files import find_rows, lfw_pairs, read_lfw_pairs, stored_pairs
from facelab.datasets.pairs import Pairs, all_pairs, restrict_to_pairs, sample_pairs
from facelab.datasets.splits import stored_people_split
from facelab.errors import BadParameterError, DataMissingError


def toy(identity, photo=None, file=None) -> FaceSet:
    identity = np.asarray(identity, np.int64)
    table = pd.DataFrame({"file": file or [f"f{row}" for row in range(len(identity))]})
    if photo is not None:
        table["photo"] = photo
    images = np.zeros((len(identity), 8, 8, 1), np.uint8)
    return FaceSet(images, identity, tuple(f"p{p}" for p in range(identity.max(initial=0) + 1)), table, "toy@8")


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2)), max_size=12))
def test_all_pairs_are_all_and_once(rows):
    identity, photo = [p for p, _ in rows], [f"{p}/{s}" for p, s in rows]
    for exclude in (None, "photo"):
        pairs = all_pairs(toy(identity, photo), exclude)
        expected = [
            (i, j, identity[i] == identity[j])
            for i in range(len(rows))
            for j in range(i + 1, len(rows))
            if UNKNOWN not in (identity[i], identity[j]) and not (exclude and photo[i] == photo[j])
        ]
        assert list(zip(pairs.first, pairs.second, pairs.same, strict=True)) == expected
        assert not pairs.fold.any()


def test_an_equal_attribute_of_two_people_excludes_no_impostor_pair():
    """``photo`` may be a number that starts anew with each person: two people are never one photograph."""
    pairs = all_pairs(toy([0, 0, 1], [1, 1, 1]), "photo")
    assert [tuple(row) for row in np.stack([pairs.first, pairs.second], 1)] == [(0, 2), (1, 2)]
    with pytest.raises(BadParameterError, match="no attribute 'scene'"):
        all_pairs(toy([0, 1]), "scene")
    with pytest.raises(BadParameterError, match="'photo' of toy@8 is missing for 1 photographs"):
        all_pairs(toy([0, 1], ["a", None]), "photo")


def test_a_sample_is_a_part_of_all_pairs_without_repeats():
    identity = np.repeat(np.arange(6), [40, 3, 3, 3, 3, 1])
    photo = [f"{p}/{row // 2}" for row, p in enumerate(identity)]
    faces = toy(identity, photo)
    pairs = sample_pairs(faces, 12, 60, seed=1, exclude_same="photo")
    every = all_pairs(faces, "photo")
    allowed = set(zip(every.first, every.second, every.same, strict=True))
    drawn = list(zip(pairs.first, pairs.second, pairs.same, strict=True))
    assert len(drawn) == len(set(drawn)) == 72 and set(drawn) <= allowed
    assert pairs.same.sum() == 12
    # 780 of 792 genuine pairs are of person 0, who has one turn a round like the others
    assert Counter(identity[pairs.first[pairs.same]])[0] <= 5
    impostors = Counter(identity[pairs.first[~pairs.same]]) + Counter(identity[pairs.second[~pairs.same]])
    assert impostors[0] < 60 and min(impostors.values()) >= 5
    again, other = sample_pairs(faces, 12, 60, 1, "photo"), sample_pairs(faces, 12, 60, 2, "photo")
    np.testing.assert_array_equal(again.first, pairs.first)
    assert (other.first != pairs.first).any()


def test_a_sample_refuses_more_than_there_are():
    faces = toy([0, 0, 1, 1])
    assert len(sample_pairs(faces, 2, 2)) == 4
    with pytest.raises(BadParameterError, match="2 genuine pairs, not 3"):
        sample_pairs(faces, 3, 0)
    with pytest.raises(BadParameterError, match="0 genuine pairs, not 1"):
        sample_pairs(toy([UNKNOWN, UNKNOWN]), 1, 0)
    with pytest.raises(BadParameterError, match="4 impostor pairs; 3 is over half"):
        sample_pairs(faces, 0, 3)


def test_the_stored_list_of_orl_is_that_of_its_recipe_and_of_unseen_people():
    orl = load("orl", size=16)
    split = stored_people_split(orl)
    test = orl.subset(split.test)
    stored, made = stored_pairs(test), sample_pairs(test, 900, 2100, seed=1)
    for column in ("first", "second", "same", "fold"):
        np.testing.assert_array_equal(getattr(stored, column), getattr(made, column))
    np.testing.assert_array_equal(stored.same, test.identity[stored.first] == test.identity[stored.second])
    whole = stored_pairs(orl)
    assert set(orl.identity[whole.first]) == set(orl.identity[split.test])
    with pytest.raises(DataMissingError, match="lacks .* files of orl.csv"):
        stored_pairs(orl.subset(split.train))


def test_columns_of_pairs_agree_in_length():
    with pytest.raises(BadParameterError, match="differ in length"):
        Pairs(np.zeros(2, int), np.zeros(2, int), np.zeros(2, bool), np.zeros(1, int))
    pairs = all_pairs(toy([0, 0, 1]))
    assert str(pairs) == "Pairs(1 genuine, 2 impostor, 1 folds)"
    assert len(pairs.subset(pairs.same)) == 1


TWO_FOLDS = [
    "Ann\t1\t2",
    "Bo Li\t3\t1",
    "Ann\t1\tCy\t2",
    "Cy\t1\tBo Li\t1",
    "Di\t1\t2",
    "Di\t1\t3",
    "Di\t1\tEd\t1",
    "Ed\t2\tFi\t1",
]


@pytest.mark.parametrize("head", [["2\t2"], []])
def test_a_list_of_folds_with_and_without_its_count_line(tmp_path: Path, head):
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(head + TWO_FOLDS) + "\n\n")
    pairs = read_lfw_pairs(path)
    assert pairs.first[1:4] == [("Bo Li", 3), ("Ann", 1), ("Cy", 1)]
    assert pairs.second[1:4] == [("Bo Li", 1), ("Cy", 2), ("Bo Li", 1)]
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.fold.tolist() == [1] * 4 + [2] * 4


@pytest.mark.parametrize("head", [["2"], []])
def test_a_list_without_folds_with_spaces_and_windows_line_ends(tmp_path: Path, head):
    path = tmp_path / "pairsDevTest.txt"
    path.write_bytes("\r\n".join([*head, "Ann 1 2", "Bo 3 1", "Ann 1  Cy 2", "Cy 1 Bo 1"]).encode())
    pairs = read_lfw_pairs(path)
    assert pairs.fold.tolist() == [0] * 4 and pairs.same.tolist() == [True, True, False, False]
    assert pairs.second[2] == ("Cy", 2)


@pytest.mark.parametrize(
    "lines, message",
    [
        (["Ann\t1\t2", "Ann\t1"], "line 2: neither"),
        (["Ann\t1\t2", "", "Ann\t1\tBo\t2\t3"], "line 3: neither"),
        (["Ann\t1\ttwo"], "line 1: not a name with the number"),
        (["Ann\t0\t2"], "line 1: not a name"),
        (["\t1\t2"], "line 1: not a name"),
        (["Ann\t1\tAnn\t2"], "line 1: neither"),
        (["Ann\t2\t2"], "line 1: a photograph is paired with itself"),
        (["2\t2", *TWO_FOLDS[:-1]], "line 1: 2 fold.s. of 2 . 2 pairs are due, the file has 4 . 3 in 2"),
        (["4", *TWO_FOLDS], "line 1: 1 fold.s. of 4 . 4"),
        (["1 1"], "the file has 0 . 0 in 0"),
    ],
)
def test_a_broken_list_is_named_by_its_line(tmp_path: Path, lines, message):
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines))
    with pytest.raises(BadParameterError, match=f"pairs.txt, .*{message}" if "line" in message else message):
        read_lfw_pairs(path)


def test_a_list_that_is_not_there_or_no_text(tmp_path: Path):
    with pytest.raises(DataMissingError, match="pairs.txt is not there"):
        read_lfw_pairs(tmp_path / "pairs.txt")
    (tmp_path / "pairs.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadParameterError, match="cannot be read"):
        read_lfw_pairs(tmp_path / "pairs.txt")


def test_names_find_their_rows(tmp_path: Path):
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(TWO_FOLDS[:4]))
    names = ["Cy_0002", "Ann_0001", "Bo Li_0003", "Ann_0002", "Bo Li_0001", "Cy_0001"]
    faces = toy([2, 0, 1, 0, 1, 2], file=[f"lfw/{name[:-5]}/{name}.jpg" for name in names])
    pairs = find_rows(read_lfw_pairs(path), faces)
    assert pairs.first.tolist() == [1, 2, 1, 5] and pairs.second.tolist() == [3, 4, 0, 4]
    with pytest.raises(DataMissingError, match="toy@8 lacks 2 photographs of the pair list .Bo Li 3"):
        find_rows(read_lfw_pairs(path), faces.subset([1, 3, 4, 5]))


def test_the_lists_of_lfw_as_published(real_lfw: Path, monkeypatch):
    monkeypatch.setenv("FACELAB_DATA", str(real_lfw.parent))
    table = pd.read_csv(real_lfw / "index.csv", keep_default_na=False)
    names = sorted(set(table["identity"]))
    identity = table["identity"].map({name: row for row, name in enumerate(names)}).to_numpy(np.int64)
    images = np.broadcast_to(np.zeros((), np.uint8), (len(table), 8, 8, 1))
    faces = FaceSet(images, identity, tuple(names), table, "lfw@8")
    for name, folds, each in [("view2", 10, 300), ("dev-train", 1, 1100), ("dev-test", 1, 500)]:
        pairs = lfw_pairs(faces, name)
        assert len(pairs) == 2 * folds * each
        np.testing.assert_array_equal(pairs.same, identity[pairs.first] == identity[pairs.second])
        for fold in np.unique(pairs.fold):
            assert (pairs.same[pairs.fold == fold].sum(), (~pairs.same[pairs.fold == fold]).sum()) == (each, each)
    view2 = lfw_pairs(faces)
    assert np.unique(view2.fold).tolist() == list(range(1, 11)) and (np.diff(view2.fold) >= 0).all()
    people = [
        set(identity[np.concatenate([view2.first[view2.fold == f], view2.second[view2.fold == f]])])
        for f in range(1, 11)
    ]
    assert sum(map(len, people)) == len(set.union(*people))  # nobody is in two folds
    with pytest.raises(BadParameterError, match="'view3'"):
        lfw_pairs(faces, "view3")


def test_an_official_list_that_was_cut_short_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path))
    (tmp_path / "lfw").mkdir()
    (tmp_path / "lfw" / "pairsDevTest.txt").write_text("\n".join(["Ann\t1\t2"] * 500 + ["Ann\t1\tBo\t1"] * 499))
    with pytest.raises(BadParameterError, match="500 . 500 pairs are due, the file has 500 . 499"):
        lfw_pairs(toy([0, 1]), "dev-test")


def test_restricted_to_some_pairs_the_photographs_are_theirs():
    faces = toy([0, 0, 1, 1, 2])
    pairs = Pairs(np.array([4, 1]), np.array([1, 3]), np.array([False, False]), np.array([7, 8]))
    shown, own = restrict_to_pairs(faces, pairs)
    assert shown.attributes["file"].tolist() == ["f1", "f3", "f4"]
    assert shown.attributes["file"].iloc[own.first].tolist() == ["f4", "f1"]
    assert shown.attributes["file"].iloc[own.second].tolist() == ["f1", "f3"]
    assert own.fold.tolist() == [7, 8]
    assert len(restrict_to_pairs(faces, pairs.subset(np.array([], int)))[0]) == 0
