"""Exercises of notebook 06: the solutions agree with the package's loss and with Annoy, and other right answers pass."""

import heapq
import itertools

import numpy as np
import pytest
import torch
from annoy import AnnoyIndex

from facelab.exercises import chapter_06 as exercises
from facelab.exercises import chapter_06_forest as forest_exercises
from facelab.exercises import chapter_06_search as search_exercises
from facelab.losses import vicreg


def test_the_two_terms_are_those_of_the_packages_loss():
    z1, z2 = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 7, 5)) * [0.1, 0.5, 1, 2, 0])
    terms = vicreg(z1, z2)
    torch.testing.assert_close((exercises.variance_term(z1) + exercises.variance_term(z2)) / 2, terms.variance)
    torch.testing.assert_close(exercises.covariance_term(z1) + exercises.covariance_term(z2), terms.covariance)


def test_the_cosine_is_that_of_the_vectors_in_annoy():
    vectors = np.random.default_rng(0).normal(size=(5, 3))
    index = AnnoyIndex(3, "angular")
    for number, vector in enumerate(vectors):
        index.add_item(number, vector)
    index.build(1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = np.array([[index.get_distance(a, b) for b in range(5)] for a in range(5)])
    np.testing.assert_allclose(search_exercises.cosine_of_angular(distance), unit @ unit.T, atol=1e-5)


def _variance_by_hand(z):
    spread = ((z - z.mean(0)) ** 2).sum(0) / (len(z) - 1)
    return torch.clamp(1 - (spread + 1e-4) ** 0.5, min=0).sum() / z.shape[1]


def _recall_by_sets(found, exact):
    rows = [(set(a) - {-1}, set(b) - {-1}) for a, b in zip(found.tolist(), exact.tolist(), strict=True)]
    return sum(len(a & b) / len(b) for a, b in rows) / len(rows)


def _search_with_a_heap(query, trees, vectors, k, search_k, whole_way=True):
    """With ``heapq``, which takes out the smallest; without the minimum over the way, only the order of equals changes."""
    number = itertools.count()
    waiting, met, seen = [(-np.inf, next(number), tree) for tree in trees], 0, set()
    while waiting and met < search_k:
        priority, _, node = heapq.heappop(waiting)
        if isinstance(node, tuple):
            margin = node[0] @ query
            for side, lies in ((node[2], -margin), (node[1], margin)):
                heapq.heappush(waiting, (max(priority, lies) if whole_way else lies, next(number), side))
        else:
            met += len(node)
            seen |= set(node.tolist())
    return sorted(seen, key=lambda row: -vectors[row] @ query)[:k]


def _unit_vectors(n, dimension=8):
    vectors = np.random.default_rng(2).normal(size=(n, dimension))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_forest_holds_every_vector_once_a_tree_on_the_side_where_it_lies():
    vectors = _unit_vectors(100)

    def rows_of(tree):
        if not isinstance(tree, tuple):
            assert len(tree) <= 7
            return set(tree.tolist())
        normal, below, above = tree
        low, high = rows_of(below), rows_of(above)
        assert (vectors[list(low)] @ normal <= 0).all() and (vectors[list(high)] @ normal > 0).all()
        assert not low & high
        return low | high

    trees = forest_exercises.plant_forest(vectors, trees=3, leaf_size=7, seed=0)
    assert [rows_of(tree) for tree in trees] == [set(range(100))] * 3
    equal = forest_exercises.plant_forest(np.ones((9, 2)) / 2**0.5, trees=1, leaf_size=2, seed=0)
    assert rows_of_equal(equal[0]) == 9


def rows_of_equal(tree):
    return len(tree) if not isinstance(tree, tuple) else rows_of_equal(tree[1]) + rows_of_equal(tree[2])


def test_the_forests_recall_rises_with_the_effort_to_that_of_an_exact_search():
    vectors = _unit_vectors(300)
    trees = forest_exercises.plant_forest(vectors, trees=4, leaf_size=10, seed=0)
    exact = np.argsort(-vectors[:40] @ vectors.T, axis=1)[:, :10]
    recall = [
        search_exercises.recall_at_k(
            np.array([forest_exercises.search_forest(query, trees, vectors, 10, effort) for query in vectors[:40]]),
            exact,
        )
        for effort in (40, 160, 1200)
    ]
    assert recall[0] < recall[1] < recall[2] == 1


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.VARIANCE_TERM, _variance_by_hand),
        (exercises.COVARIANCE_TERM, lambda z: torch.cov(z.T).fill_diagonal_(0).square().sum() / z.shape[1]),
        (search_exercises.COSINE_OF_ANGULAR, lambda distance: (2 - distance * distance) * 0.5),
        (search_exercises.RECALL_AT_K, _recall_by_sets),
        (forest_exercises.SEARCH_FOREST, _search_with_a_heap),
        (forest_exercises.SEARCH_FOREST, lambda *inputs: _search_with_a_heap(*inputs, whole_way=False)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_another_right_answer_passes(task, answer):
    task.check(answer)
