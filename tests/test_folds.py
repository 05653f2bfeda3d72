"""Folds of people: nobody in two, pairs within one."""

import numpy as np
import pytest
from tiny import tiny_faces

from facelab.datasets.folds import sample_fold_pairs
from facelab.errors import BadParameterError


def test_folds_share_nobody_and_are_balanced():
    faces = tiny_faces(people=11, shots=6)
    pairs = sample_fold_pairs(faces, folds=4, genuine_per_fold=10, seed=3)
    assert np.unique(pairs.fold, return_counts=True)[1].tolist() == [20] * 4
    seen = []
    for fold in (1, 2, 3, 4):
        own = pairs.subset(pairs.fold == fold)
        assert own.same.sum() == 10
        assert np.array_equal(own.same, faces.identity[own.first] == faces.identity[own.second])
        seen.append(set(faces.identity[[*own.first, *own.second]]))
        assert len({*zip(own.first.tolist(), own.second.tolist(), strict=True)}) == 20
    assert sum(map(len, seen)) == len(set.union(*seen)) == 11
    again = sample_fold_pairs(faces, folds=4, genuine_per_fold=10, seed=3)
    assert np.array_equal(again.first, pairs.first)
    assert not np.array_equal(sample_fold_pairs(faces, folds=4, genuine_per_fold=10, seed=4).first, pairs.first)


def test_pairs_of_one_photograph_are_left_out():
    faces = tiny_faces(people=6, shots=6)
    faces.attributes["photo"] = np.arange(36) // 2
    pairs = sample_fold_pairs(faces, folds=2, genuine_per_fold=20, exclude_same="photo")
    assert not (pairs.same & (pairs.first // 2 == pairs.second // 2)).any()


@pytest.mark.parametrize(("folds", "told"), [(1, "1 folds of 6"), (4, "4 folds of 6")])
def test_too_few_people_for_the_folds_are_refused(folds, told):
    with pytest.raises(BadParameterError, match=told):
        sample_fold_pairs(tiny_faces(people=6), folds=folds, genuine_per_fold=5)
