"""Figures of collapse against closed forms and slow loops over pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import hyp0f1

from facelab.errors import BadParameterError
from facelab.evaluation.collapse import (
    active_units,
    alignment,
    collapse_metrics,
    effective_rank,
    largest_class_share,
    per_dimension_std,
    predicted_class_shares,
    uniformity,
)


def gaussian(rows: int, dimensions: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dimensions))


def slow_unit(row):
    length = math.sqrt(sum(value * value for value in row))
    return [float(value) / length for value in row]


@pytest.mark.parametrize("dimensions", [2, 16, 64])
def test_an_isotropic_cloud_is_spread(dimensions):
    z = gaussian(3000, dimensions) * np.linspace(0.1, 9, 3000)[:, None]  # lengths must not matter for these two
    assert per_dimension_std(z).shape == (dimensions,)
    np.testing.assert_allclose(per_dimension_std(z), 1 / math.sqrt(dimensions), rtol=0.06)
    assert effective_rank(gaussian(20_000, dimensions)) == pytest.approx(dimensions, rel=0.01)
    for t in (1.0, 2.0):  # E exp(-t |a - b|^2) = exp(-2 t) E exp(2 t a.b), and E exp(k x) = 0F1(; D / 2; k^2 / 4)
        limit = -2 * t + math.log(hyp0f1(dimensions / 2, t * t))
        assert uniformity(z, t) == pytest.approx(limit, abs=0.01)


def test_one_direction_is_collapsed():
    z = np.outer(np.linspace(1, 3, 50), gaussian(1, 8)[0])
    np.testing.assert_allclose(per_dimension_std(z), 0, atol=1e-15)
    assert effective_rank(z) == pytest.approx(1)
    assert uniformity(z) == pytest.approx(0, abs=1e-12)
    assert alignment(z, z[::-1]) == pytest.approx(0, abs=1e-12)


def test_few_directions_are_seen_by_the_rank_alone():
    """Dimensional collapse: 64 numbers, 4 directions. Every dimension still varies, none of the others tells."""
    z = gaussian(2000, 4) @ np.linalg.qr(gaussian(64, 4, seed=1))[0].T
    assert effective_rank(z) == pytest.approx(4, rel=0.01)
    assert math.sqrt(64) * per_dimension_std(z).mean() > 0.9


def test_the_rank_is_the_exponential_of_the_entropy_of_what_was_put_in():
    values = np.array([5.0, 3.0, 1.0, 1.0, 0.0])
    left, right = (np.linalg.qr(gaussian(n, 5, seed=n))[0] for n in (40, 6))
    shares = [0.5, 0.3, 0.1, 0.1]
    expected = math.exp(-sum(share * math.log(share) for share in shares))
    for scale in (1.0, 1e-6):
        assert effective_rank(scale * left @ np.diag(values) @ right.T) == pytest.approx(expected)
    assert effective_rank(np.zeros((5, 3))) == 0


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_alignment_and_uniformity_by_loops(power):
    a, b = gaussian(40, 5), gaussian(40, 5, seed=1)
    ua, ub = ([slow_unit(row) for row in rows] for rows in (a, b))
    expected = sum(math.dist(p, q) ** power for p, q in zip(ua, ub, strict=True)) / 40
    assert alignment(a, b, alpha=power) == pytest.approx(expected)
    terms = [math.exp(-power * math.dist(ua[i], ua[j]) ** 2) for i in range(40) for j in range(40) if i < j]
    assert uniformity(a, t=power) == pytest.approx(math.log(sum(terms) / len(terms)))


def test_ends_of_the_scales():
    a = gaussian(30, 4)
    assert alignment(a, 5 * a) == pytest.approx(0, abs=1e-15) and alignment(a, -a, alpha=3) == pytest.approx(8)
    assert uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)
    np.testing.assert_allclose(per_dimension_std(np.array([[3.0, 0.0], [0.0, 5.0]])), 0.5)


def test_single_precision_is_summed_in_double():
    near = (1 + 1e-4 * gaussian(500, 128)).astype(np.float32)
    assert uniformity(near) == pytest.approx(uniformity(near.astype(np.float64)), rel=1e-12) and uniformity(near) < 0
    assert per_dimension_std(near).dtype == np.float64


def test_the_bundle_holds_the_figures_of_the_parts():
    a, b = gaussian(60, 16), gaussian(60, 16, seed=1)
    assert collapse_metrics(a, b) == {
        "relative_std": pytest.approx(4 * per_dimension_std(a).mean()),
        "effective_rank": effective_rank(a),
        "alignment": alignment(a, b),
        "uniformity": uniformity(a),
    }
    still = collapse_metrics(np.ones((60, 16)), np.ones((60, 16)))
    assert still == pytest.approx({"relative_std": 0, "effective_rank": 1, "alignment": 0, "uniformity": 0}, abs=1e-12)


def test_dimensions_that_say_the_same_of_everybody_are_not_active():
    spread = np.array([0.0, 0.05, 0.2, 1.0])  # variances 0, .0025, .04, 1 of two points
    means = np.array([[-1.0], [1.0]]) * spread + 3
    assert active_units(means) == 0.5
    assert active_units(means, min_variance=0.5) == 0.25
    assert active_units(np.full((5, 3), 7.0)) == 0
    with pytest.raises(BadParameterError):
        active_units(means[:1])


def test_a_classifier_that_knows_one_class_is_seen():
    np.testing.assert_allclose(predicted_class_shares(np.array([2, 0, 2, 2, 1]), 4), [0.2, 0.2, 0.6, 0])
    assert largest_class_share(np.array([2, 0, 2, 2, 1]), 4) == pytest.approx(0.6)
    assert (largest_class_share(np.ones(50, int), 2), largest_class_share(np.arange(50), 50)) == (1, 1 / 50)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: effective_rank(np.ones(4)), "Embeddings are .4,."),
        (lambda: uniformity(np.ones((1, 4))), "two photographs or more"),
        (lambda: per_dimension_std(np.full((3, 2), np.nan)), "not finite"),
        (lambda: alignment(np.ones((3, 2)), np.ones((2, 2))), r"Views are \(3, 2\) and \(2, 2\)"),
        (lambda: largest_class_share(np.empty(0, int), 3), "0 predictions, 3 classes"),
        (lambda: largest_class_share(np.array([0, 3]), 3), "2 predictions, 3 classes"),
        (lambda: largest_class_share(np.array([-1, 0]), 3), "2 predictions, 3 classes"),
    ],
)
def test_refusals_name_the_fault(call, message):
    with pytest.raises(BadParameterError, match=message):
        call()
