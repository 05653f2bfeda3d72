"""Exercises of notebook 06: the solutions agree with the package's loss and with Annoy, and other right answers pass."""

import numpy as np
import pytest
import torch
from annoy import AnnoyIndex

from facelab.exercises import chapter_06 as exercises
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
    np.testing.assert_allclose(exercises.cosine_of_angular(distance), unit @ unit.T, atol=1e-5)


def _variance_by_hand(z):
    spread = ((z - z.mean(0)) ** 2).sum(0) / (len(z) - 1)
    return torch.clamp(1 - (spread + 1e-4) ** 0.5, min=0).sum() / z.shape[1]


def _recall_by_sets(found, exact):
    rows = [(set(a) - {-1}, set(b) - {-1}) for a, b in zip(found.tolist(), exact.tolist(), strict=True)]
    return sum(len(a & b) / len(b) for a, b in rows) / len(rows)


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.VARIANCE_TERM, _variance_by_hand),
        (exercises.COVARIANCE_TERM, lambda z: torch.cov(z.T).fill_diagonal_(0).square().sum() / z.shape[1]),
        (exercises.COSINE_OF_ANGULAR, lambda distance: (2 - distance * distance) * 0.5),
        (exercises.RECALL_AT_K, _recall_by_sets),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_another_right_answer_passes(task, answer):
    task.check(answer)
