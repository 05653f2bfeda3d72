"""A sample of all pairs: each of them as likely as any other, none twice, and of as many as there are."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from facelab.datasets import FaceSet
from facelab.datasets.pair_samples import draw_from_all_pairs
from facelab.datasets.pairs import Pairs, all_pairs, rows_by_value


def toy(identity, photo) -> FaceSet:
    identity = np.asarray(identity, np.int64)
    table = pd.DataFrame({"file": [f"f{row}" for row in range(len(identity))], "photo": photo})
    images = np.zeros((len(identity), 8, 8, 1), np.uint8)
    return FaceSet(images, identity, tuple(f"p{p}" for p in range(identity.max(initial=0) + 1)), table, "toy@8")


def as_set(pairs: Pairs) -> set[tuple[int, int, bool]]:
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist(), strict=True))


@given(
    st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2)), max_size=14),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 5),
)
def test_a_sample_is_of_all_pairs_and_says_how_many_there_are(rows, genuine, impostor, seed):
    faces = toy([p for p, _ in rows], [f"{p}/{s}" for p, s in rows])
    for exclude in (None, "photo"):
        whole, drawn = all_pairs(faces, exclude), draw_from_all_pairs(faces, genuine, impostor, seed, exclude)
        there = int(whole.same.sum()), int((~whole.same).sum())
        assert drawn.population == there
        assert (drawn.same.sum(), (~drawn.same).sum()) == (min(genuine, there[0]), min(impostor, there[1]))
        assert len(as_set(drawn)) == len(drawn) and as_set(drawn) <= as_set(whole)
        assert (drawn.first < drawn.second).all()


@pytest.mark.parametrize("count", [1, 9], ids=["few of many", "many of few"])
def test_every_pair_is_as_likely_as_any_other(count):
    """Also that of a person with many photographs, and of a photograph with many renderings."""
    faces = toy([0] * 2 + [1] * 7 + [2] * 4, [0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 7, 8, 9])
    whole, seen = all_pairs(faces, "photo"), Counter()
    for seed in range(2000):
        seen.update(as_set(draw_from_all_pairs(faces, count, count, seed, "photo")))
    for same in (True, False):
        kind = [pair for pair in as_set(whole) if pair[2] == same]
        counts = [seen[pair] for pair in kind]
        assert sum(counts) == 2000 * count
        assert stats.chisquare(counts).pvalue > 1e-4


def test_equal_seeds_draw_equal_pairs():
    faces = toy(np.repeat(np.arange(20), 10), np.arange(200))
    one, other, third = (draw_from_all_pairs(faces, 50, 60, seed) for seed in (1, 1, 2))
    assert as_set(one) == as_set(other) != as_set(third)
    assert str(one) == "Pairs(50 genuine, 60 impostor, drawn from 900 and 19000, 1 folds)"


@given(st.lists(st.integers(-1, 4), max_size=12))
def test_rows_by_value_are_those_of_each_value(values):
    values = np.array(values, np.int64)
    expected = [np.flatnonzero(values == value).tolist() for value in np.unique(values)]
    assert [rows.tolist() for rows in rows_by_value(values)] == expected
