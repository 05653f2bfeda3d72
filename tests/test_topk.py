"""Top-k against loops and scikit-learn, the bugs of the earlier projects, and the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from facelab.errors import BadParameterError
from facelab.evaluation import (
    confusion_matrix,
    most_confused_pairs,
    topk,
    topk_by_neighbors,
    topk_by_scores,
    topk_leave_one_out,
)


@pytest.fixture
def faces():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(12) * 3, 5)[rng.permutation(60)]  # numbers with gaps, in no order
    return rng.normal(size=(36, 8))[person] + 0.9 * rng.normal(size=(60, 8)), person


def slow_rank(gallery, people, probe, own, metric):
    """People in the order of their nearest photograph."""
    if metric == "cosine":
        unit = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
        distance = 1 - unit @ (probe / np.linalg.norm(probe))
    else:
        distance = np.linalg.norm(gallery - probe, axis=1)
    seen = list(dict.fromkeys(people[i] for i in np.argsort(distance)))
    return seen.index(own) + 1, seen[0]


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(200, 10)), rng.integers(10, size=200)
    found = topk_by_scores(scores, labels)
    for k in (1, 2, 3, 10):
        assert found.accuracy(k).value == pytest.approx(
            top_k_accuracy_score(labels, scores, k=k, labels=np.arange(10)) if k < 10 else 1.0
        )
        assert found.correct(k).mean() == found.accuracy(k).value
    assert list(found.accuracies()) == [1, 2, 3]
    assert str(found.accuracy(10)).endswith("n = 200 images")


def test_a_model_that_gives_every_class_one_score_is_never_right():
    assert topk_by_scores(np.ones((50, 5)), np.zeros(50, int)).accuracy(4).value == 0
    flat = np.ones((20, 4))
    assert topk_leave_one_out(flat, np.repeat(np.arange(4), 5)).accuracy(3).value == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_does_not_break_the_ties_of_a_collapsed_network(dtype):
    """The cosines of equal rows differ in their last digits; 256 numbers and 40 people are enough to see it."""
    one = np.random.default_rng(0).normal(size=256).astype(dtype)
    person = np.repeat(np.arange(40), 3)
    rows = np.tile(one, (120, 1)) * np.random.default_rng(1).uniform(0.5, 2, (120, 1)).astype(dtype)
    for found in (
        topk_leave_one_out(rows, person),
        topk_by_neighbors(rows[::3], person[::3], rows[1::3], person[1::3]),
    ):
        assert (found.rank == 40).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_agree_with_a_loop(faces, metric):
    embeddings, person = faces
    embeddings = embeddings * np.linspace(0.5, 2, 60)[:, None]  # lengths differ, so that the metrics do
    gallery, probes = np.arange(60) < 40, np.arange(60) >= 40
    found = topk_by_neighbors(embeddings[gallery], person[gallery], embeddings[probes], person[probes], metric)
    expected = [
        slow_rank(embeddings[gallery], person[gallery], embeddings[i], person[i], metric)
        for i in np.flatnonzero(probes)
    ]
    np.testing.assert_array_equal(found.rank, [rank for rank, _ in expected])
    np.testing.assert_array_equal(found.predicted, [first for _, first in expected])
    nearest = KNeighborsClassifier(1, metric=metric).fit(embeddings[gallery], person[gallery])
    assert found.accuracy(1).value == nearest.score(embeddings[probes], person[probes])


def test_leave_one_out_agrees_with_a_loop_over_the_others(faces):
    embeddings, person = faces
    found = topk_leave_one_out(embeddings, person)
    for i in range(60):
        others = np.arange(60) != i
        rank, first = slow_rank(embeddings[others], person[others], embeddings[i], person[i], "cosine")
        assert (found.rank[i], found.predicted[i]) == (rank, first)


def test_many_probes_are_searched_in_pieces(faces, monkeypatch):
    """Pieces of one probe each, as a large gallery has them, give what one piece gives."""
    embeddings, person = faces
    whole, pieces = topk_leave_one_out(embeddings, person), []
    chunked = topk.pairwise_distances_chunked

    def small(*arguments, **settings):
        for part in chunked(*arguments, **settings | {"working_memory": 60 * 8 * 7 / 2**20}):
            pieces.append(len(part))
            yield part

    monkeypatch.setattr(topk, "pairwise_distances_chunked", small)
    found = topk_leave_one_out(embeddings, person)
    assert len(pieces) > 3
    np.testing.assert_array_equal(found.rank, whole.rank)
    np.testing.assert_array_equal(found.predicted, whole.predicted)


def test_the_true_nearest_neighbour_is_kept_and_the_probe_itself_left_out():
    """A copy of the probe in the gallery is a neighbour like any other; the probe's own row is none."""
    gallery = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert topk_by_neighbors(gallery, np.array([0, 1]), gallery.copy(), np.array([0, 1])).accuracy(1).value == 1
    pairs = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])  # two identical photographs each
    assert topk_leave_one_out(pairs, np.array([0, 0, 1, 1])).accuracy(1).value == 1
    crossed = np.array([[1.0, 0.0], [0.7, 0.7], [1.0, 0.1], [0.0, 1.0]])  # finding itself would make these right
    assert topk_leave_one_out(crossed, np.array([0, 0, 1, 1])).accuracy(1).value == 0


def test_photographs_of_one_group_do_not_find_each_other():
    embeddings = np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [0.9, 0.4], [0.1, 1.0], [1.0, 0.3]])
    person = np.array([0, 0, 0, 1, 1, 1])
    free, grouped = (
        topk_leave_one_out(embeddings, person),
        topk_leave_one_out(embeddings, person, np.array([0, 0, 1, 2, 3, 4])),
    )
    assert free.rank[0] == 1 and grouped.rank[0] == 2


def test_refusals_name_the_fault():
    eye = np.eye(3)
    with pytest.raises(BadParameterError, match="1 people of the probes are not in the gallery .number 7"):
        topk_by_neighbors(eye, np.arange(3), eye, np.array([0, 1, 7]))
    with pytest.raises(BadParameterError, match="no other photograph"):
        topk_leave_one_out(eye, np.array([0, 0, 1]))
    with pytest.raises(BadParameterError, match="'manhattan'"):
        topk_leave_one_out(eye, np.zeros(3, int), metric="manhattan")
    with pytest.raises(BadParameterError, match="not finite"):
        topk_by_scores(np.full((1, 2), np.nan), np.zeros(1, int))
    with pytest.raises(BadParameterError, match="Labels 0 to 3, 3 classes"):
        topk_by_scores(eye, np.array([0, 1, 3]))
    with pytest.raises(BadParameterError, match="0 rows"):
        topk_by_scores(np.empty((0, 3)), np.empty(0, int))


def test_confusion_counts_and_names():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 0, 1, 2])
    matrix = confusion_matrix(labels, predicted, 4)
    slow = np.zeros((4, 4), int)
    for true, guess in zip(labels, predicted, strict=True):
        slow[true, guess] += 1
    np.testing.assert_array_equal(matrix, slow)
    assert most_confused_pairs(matrix, ["Ann", "Bob", "Cy", "Di"]) == [("Ann", "Bob", 2, 1)]
    with pytest.raises(BadParameterError, match="for 2"):
        confusion_matrix(labels, predicted, 2)
    with pytest.raises(BadParameterError, match="3 names for 4"):
        most_confused_pairs(matrix, ["a", "b", "c"])
