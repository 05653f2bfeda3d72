"""Splits: partitions, shares, groups, fixed lists and exact proportions, for any set of people."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelab.datasets import UNKNOWN, FaceSet, load
from facelab.datasets.group_shares import largest_total, sample_with_shares
from facelab.datasets.splits import (
    identity_disjoint_split,
    select_label_fraction,
    stored_people_split,
    stratified_split,
)
from facelab.errors import BadParameterError

# What the generators give, written down: another NumPy or machine that gives other lists is found here.
PINNED_TRAIN, PINNED_TEST = [0, 1, 3, 4, 8], [2, 5, 6, 7]
PINNED_PEOPLE = [0, 2, 6, 9]
PINNED_LABELS = [34, 43, 46, 51, 54, 58, 70, 75, 77, 80, 84, 94, 108, 133, 148]


def people(counts, renderings: int = 1, **attributes) -> FaceSet:
    """``counts[p]`` photographs of person p, each rendered so many times, in shuffled order."""
    photos = [(p, shot) for p, count in enumerate(counts) for shot in range(count) for _ in range(renderings)]
    order = np.random.default_rng(0).permutation(len(photos))
    identity = np.array([photos[row][0] for row in order], np.int64)
    table = pd.DataFrame(
        {"file": [f"f{row}" for row in order], "photo": [f"{p}/{s}" for p, s in (photos[r] for r in order)]}
    )
    for name, values in attributes.items():
        table[name] = [values[p] for p in identity]
    images = np.zeros((len(photos), 8, 8, 1), np.uint8)
    return FaceSet(images, identity, tuple(f"p{p}" for p in range(len(counts))), table, "toy@8")


def share(faces, train, validation, seed, group):
    split = stratified_split(faces, train, validation, seed, group)
    every = np.concatenate([split.train, split.validation, split.test])
    assert sorted(every) == list(range(len(faces)))
    return split


@given(
    st.lists(st.integers(3, 15), min_size=1, max_size=6),
    st.sampled_from([0.1, 0.25, 0.35, 0.5, 0.7, 0.8]),
    st.sampled_from([0.0, 0.1, 0.15]),
    st.integers(0, 99),
    st.integers(1, 3),
)
def test_stratified_is_a_partition_with_the_shares_asked_for(counts, train, validation, seed, renderings):
    faces = people(counts, renderings)
    split = share(faces, train, validation, seed, "photo")
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    photos = {name: set(faces.attributes["photo"].iloc[rows]) for name, rows in parts.items()}
    assert not photos["train"] & photos["test"] and not photos["validation"] & (photos["train"] | photos["test"])
    for person, count in enumerate(counts):
        own = {name: sum(photo.startswith(f"{person}/") for photo in found) for name, found in photos.items()}
        assert own["train"] >= 1 and own["test"] >= 1
        assert (own["validation"] >= 1) == (validation > 0)
        due = {"train": train * count, "validation": validation * count, "test": (1 - train - validation) * count}
        forced = min(number for number in due.values() if number) < 1  # "at least one" takes from another part
        assert all(abs(own[name] - due[name]) < 1 + forced for name in due)


def test_stratified_is_pinned():
    split = stratified_split(people([5, 4]), 0.6, seed=7)
    assert (split.train.tolist(), split.test.tolist()) == (PINNED_TRAIN, PINNED_TEST)
    assert split.recipe["seed"] == 7 and split.recipe["train"] == 0.6
    assert stratified_split(people([5, 4]), 0.6, seed=8).train.tolist() != split.train.tolist()


def test_seven_of_ten_is_seven():
    """0.7 * 10 and 0.35 * 20 are not whole in binary; 0.29 * 100 is 28.999..."""
    assert len(stratified_split(people([10]), 0.7).train) == 7
    assert len(stratified_split(people([20]), 0.35).train) == 7
    assert len(stratified_split(people([100]), 0.29).train) == 29


def test_without_a_group_renderings_do_cross():
    """What ``group`` is for: the same call without it puts renderings of one photograph on both sides."""
    faces = people([10] * 5, renderings=4)
    split = stratified_split(faces, 0.7)
    photo = faces.attributes["photo"].to_numpy()
    assert set(photo[split.train]) & set(photo[split.test])


def test_stratified_by_an_attribute():
    faces = people([4, 6, 8], colour=["red", "blue", "red"])
    split = stratified_split(faces, 0.5, column="colour")
    assert Counter(faces.attributes["colour"].iloc[split.train]) == {"red": 6, "blue": 3}


@given(st.integers(3, 20), st.integers(0, 50), st.data())
def test_identity_disjoint(count, seed, data):
    faces = people([2] * count)
    train = data.draw(st.integers(1, count - 2))
    validation = data.draw(st.integers(0, count - train - 1))
    split = identity_disjoint_split(faces, train, validation, seed)
    who = [set(faces.identity[rows]) for rows in (split.train, split.validation, split.test)]
    assert [len(part) for part in who] == [train, validation, count - train - validation]
    assert len(set.union(*who)) == count
    assert sorted(np.concatenate([split.train, split.validation, split.test])) == list(range(len(faces)))


def test_identity_disjoint_by_share_and_pinned():
    faces = people([1] * 10)
    assert len(identity_disjoint_split(faces, 0.7).train) == 7
    assert sorted(faces.identity[identity_disjoint_split(faces, 4, seed=3).train]) == PINNED_PEOPLE
    assert sorted(faces.identity[identity_disjoint_split(faces, 4, seed=4).train]) != PINNED_PEOPLE


def test_the_stored_people_of_orl_are_those_of_the_recipe():
    orl = load("orl", size=16)
    stored, made = stored_people_split(orl), identity_disjoint_split(orl, 20, seed=1)
    np.testing.assert_array_equal(stored.train, made.train)
    np.testing.assert_array_equal(stored.test, made.test)
    women = orl.attributes["gender"].to_numpy() == "female"
    assert [len(set(orl.identity[rows[women[rows]]])) for rows in (stored.train, stored.test)] == [2, 2]
    with pytest.raises(BadParameterError, match="'p0'"):
        stored_people_split(people([2]))


def test_label_fractions_are_balanced_nested_and_numbered():
    faces = people([40, 60, 50])
    one, ten = (select_label_fraction(faces, fraction, draw=2) for fraction in (0.01, 0.1))
    assert Counter(faces.identity[one.rows]) == {0: 1, 1: 1, 2: 1}  # 1 % of 50 is half a photograph
    assert Counter(faces.identity[ten.rows]) == {0: 5, 1: 5, 2: 5}
    assert set(one.rows) < set(ten.rows)
    assert ten.rows.tolist() == PINNED_LABELS
    assert select_label_fraction(faces, 0.1, draw=1).rows.tolist() != PINNED_LABELS
    assert select_label_fraction(faces, 0.1, draw=2, seed=1).rows.tolist() != PINNED_LABELS
    assert ten.recipe["draw"] == 2 and ten.recipe["each"] == 5


def test_label_fraction_of_an_attribute():
    faces = people([5, 5, 10], colour=["red", "blue", "red"])
    rows = select_label_fraction(faces, 0.2, column="colour").rows
    assert Counter(faces.attributes["colour"].iloc[rows]) == {"red": 2, "blue": 2}


SERIES = [{"f": low, "m": 1 - low} for low in (0.1, 0.25, 0.5, 0.75, 0.9)]


@pytest.mark.parametrize("known", [True, False])
def test_unbalanced_shares_are_exact_and_the_total_constant(known):
    faces = people([3, 1, 5] * 40, sex=["f" if p % 3 else "m" for p in range(120)])
    if not known:
        faces = FaceSet(faces.images, np.full(len(faces), UNKNOWN), (), faces.attributes, faces.source)
    total = largest_total(faces, "sex", SERIES)
    sex, sets = faces.attributes["sex"].to_numpy(), []
    for shares in SERIES:
        rows = sample_with_shares(faces, "sex", shares, total, seed=5).rows
        if known:
            drawn = {p: sex[faces.identity == p][0] for p in faces.identity[rows]}
            assert len(rows) == np.isin(faces.identity, list(drawn)).sum()  # with all their photographs
            counts = Counter(drawn.values())
        else:
            counts = Counter(sex[rows])
        assert (counts["f"], counts["m"]) == (round(shares["f"] * total), round(shares["m"] * total))
        sets.append(set(rows))
    assert all(
        len(a & b) > 0.5 * min(len(a), len(b)) for a, b in zip(sets, sets[1:], strict=False)
    )  # exchanged, not redrawn


def test_the_largest_total_is_the_largest():
    faces = people([1] * 60, sex=["f"] * 20 + ["m"] * 40)
    # f: 20 / .9 = 22.2, m: 40 / .9 = 44.4; 10/90 and 25/75 are whole at multiples of 20 only
    assert largest_total(faces, "sex", SERIES) == 20
    for total in range(21, 61):
        with pytest.raises(BadParameterError):
            for shares in SERIES:
                sample_with_shares(faces, "sex", shares, total)


def test_per_person_makes_the_shares_of_photographs_exact():
    faces = people([2, 5, 9, 3] * 5, sex=["f", "m"] * 10)
    rows = sample_with_shares(faces, "sex", {"f": 0.25, "m": 0.75}, 8, per_person=3).rows
    assert Counter(faces.attributes["sex"].iloc[rows]) == {"f": 6, "m": 18}


def test_people_without_a_value_are_not_drawn_and_two_values_are_refused():
    faces = people([2] * 10, sex=["f", "m", "", None, np.nan] * 2)
    rows = sample_with_shares(faces, "sex", {"f": 0.5, "m": 0.5}, 4).rows
    assert set(faces.identity[rows]) == {0, 1, 5, 6}
    faces.attributes.loc[np.flatnonzero(faces.identity == 5)[0], "sex"] = ""  # not known of one photograph: left out
    assert len(sample_with_shares(faces, "sex", {"f": 1.0}, 2).rows) == 3
    faces.attributes.loc[np.flatnonzero(faces.identity == 5)[0], "sex"] = "m"
    with pytest.raises(BadParameterError, match="p5 has more than one value of 'sex'"):
        sample_with_shares(faces, "sex", {"f": 0.5, "m": 0.5}, 4)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda f: stratified_split(f, 70), "share 70"),
        (lambda f: stratified_split(f, 0.0), "share 0.0"),
        (lambda f: stratified_split(f, 0.5, -0.1), "share -0.1"),
        (lambda f: stratified_split(f, 0.7, 0.3), "leave nothing"),
        (lambda f: stratified_split(f, 0.5, 0.2), "p1 of toy@8 has 2 photograph.s., the split needs 3"),
        (lambda f: stratified_split(f, 0.5, group="scene"), "no attribute 'scene'"),
        (lambda f: stratified_split(f, 0.5, group="colour"), "colour 'red' is on photographs of p0, p2"),
        (lambda f: stratified_split(f, 0.5, column="colour", group="nothing"), "no attribute 'nothing'"),
        (lambda f: identity_disjoint_split(f, 3), "leave nobody"),
        (lambda f: identity_disjoint_split(f, 0), "leave nobody"),
        (lambda f: identity_disjoint_split(f, 1.5), "share 1.5"),
        (lambda f: select_label_fraction(f, 0.9), "p1 of toy@8 has 2 photographs, 0.9 balanced needs 4"),
        (lambda f: select_label_fraction(f, 1.0), "share 1.0"),
        (lambda f: sample_with_shares(f, "colour", {"red": 0.5, "blue": 0.6}, 2), "do not add up"),
        (lambda f: sample_with_shares(f, "colour", {"red": 0.5, "blue": 0.5}, 3), "1.5 for colour 'blue', not a whole"),
        (
            lambda f: sample_with_shares(f, "colour", {"red": 0.5, "blue": 0.5}, 4),
            "has 1 of colour 'blue', 0.5 of 4 needs 2",
        ),
        (lambda f: sample_with_shares(f, "age", {1: 1.0}, 2), "no attribute 'age'"),
        (lambda f: largest_total(f, "colour", [{"red": 0.3, "blue": 0.7}]), "too small"),
    ],
)
def test_refusals_name_the_fault(call, message):
    with pytest.raises(BadParameterError, match=message):
        call(people([5, 2, 7], colour=["red", "blue", "red"]))


def test_unknown_people_are_refused_where_people_are_split():
    faces = people([3, 3])
    faces = FaceSet(faces.images, np.where(faces.identity == 0, UNKNOWN, 1), faces.names, faces.attributes, "toy@8")
    for split in (stratified_split, identity_disjoint_split):
        with pytest.raises(BadParameterError, match="3 photographs of toy@8 are of unknown people"):
            split(faces)
    with pytest.raises(BadParameterError, match="mixes"):
        sample_with_shares(faces, "photo", {"0/0": 1.0}, 1)
