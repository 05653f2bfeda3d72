"""Votes of neighbours: the same as counted one by one."""

import math
from collections import defaultdict

import numpy as np
import pytest

from facelab.errors import BadParameterError
from facelab.evaluation import predict_by_vote


def by_hand(gallery, labels, probe, k, temperature):
    """Class of the greatest sum of exp(cosine / temperature) over the k photographs of greatest cosine."""
    length = math.sqrt(sum(x * x for x in probe))
    cosines = []
    for row, label in zip(gallery, labels, strict=True):
        dot = sum(x * y for x, y in zip(row, probe, strict=True))
        cosines.append((dot / (math.sqrt(sum(x * x for x in row)) * length), label))
    votes = defaultdict(float)
    for cosine, label in sorted(cosines, reverse=True)[:k]:
        votes[label] += math.exp(cosine / temperature)
    return max(votes, key=votes.get)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (7, 0.1), (7, 10.0), (60, 0.07)])
def test_the_classes_are_those_counted_one_by_one(k, temperature):
    rng = np.random.default_rng(k)
    centers = rng.standard_normal((4, 6))
    labels, true = rng.integers(0, 4, 60), rng.integers(0, 4, 40)
    gallery, probes = (centers[own] + 1.5 * rng.standard_normal((len(own), 6)) for own in (labels, true))
    gallery *= rng.uniform(0.1, 10, (60, 1))  # lengths decide nothing
    expected = [by_hand(gallery, labels, probe, k, temperature) for probe in probes]
    given = predict_by_vote(gallery.astype(np.float32), labels + 3, probes.astype(np.float32), k, temperature)
    assert given.tolist() == [label + 3 for label in expected]
    assert 0.25 < (np.array(expected) == true).mean() < 1, "some votes are close"


def test_the_temperature_decides_between_one_near_and_two_far():
    gallery, labels = np.array([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]]), np.array([0, 1, 1])
    given = [predict_by_vote(gallery, labels, np.array([[1.0, 0.0]]), 3, temperature)[0] for temperature in (0.1, 1)]
    assert given == [0, 1]  # e^10 against 2 e^6; e against 2 e^.6


def test_no_vote_is_lost_where_all_are_far_and_the_temperature_is_small():
    gallery, labels = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.arange(3)
    assert predict_by_vote(gallery, labels, np.array([[-1.0, 0.05]]), 3, 1e-4).tolist() == [1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"k": 0}, "k"),
        ({"k": 4}, "k is 4, of 3 photographs"),
        ({"temperature": 0.0}, "temperature of 0"),
        ({"temperature": math.nan}, "temperature of nan"),
        ({"labels": np.arange(2)}, "3 photographs with 2 labels"),
        ({"probes": np.ones((2, 4))}, r"gallery of \(3, 3\), probes of \(2, 4\)"),
        ({"probes": np.ones(3)}, r"probes of \(3,\)"),
        ({"probes": np.full((1, 3), np.nan)}, "not finite"),
        ({"gallery": np.full((3, 3), np.inf)}, "not finite"),
    ],
)
def test_what_cannot_vote_is_named(wrong, said):
    given = {"gallery": np.eye(3), "labels": np.arange(3), "probes": np.eye(3), "k": 1} | wrong
    with pytest.raises(BadParameterError, match=said):
        predict_by_vote(**given)
