"""Risk and coverage: against loops over all orders, closed forms, and what an uncertainty can and cannot know."""

import itertools

import numpy as np
import pytest

from facelab.errors import BadParameterError
from facelab.evaluation import excess_risk, risk_coverage


def by_all_orders(wrong, uncertainty) -> np.ndarray:
    """Every order in which the certain come first, one at a time."""
    curves = []
    for order in itertools.permutations(range(len(wrong))):
        values = [uncertainty[at] for at in order]
        if values == sorted(values):
            curves.append([np.mean([wrong[at] for at in order[: k + 1]]) for k in range(len(order))])
    return np.mean(curves, axis=0)


@pytest.mark.parametrize("seed", range(8))
def test_the_curve_is_the_mean_over_all_orders_of_what_is_tied(seed):
    rng = np.random.default_rng(seed)
    wrong, uncertainty = rng.random(6) < 0.5, rng.integers(0, 3, 6).astype(float)
    np.testing.assert_allclose(risk_coverage(wrong, uncertainty), by_all_orders(wrong, uncertainty))


def test_a_known_curve():
    np.testing.assert_allclose(
        risk_coverage(np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.9])), [0, 1 / 2, 1 / 3, 1 / 2]
    )


def test_an_uncertainty_that_knows_and_ones_that_do_not():
    rng = np.random.default_rng(0)
    wrong = rng.random(20_000) < 0.3
    assert excess_risk(wrong, wrong + rng.random(20_000)) == pytest.approx(0, abs=1e-12)
    assert excess_risk(wrong, np.zeros(20_000)) == pytest.approx(1)
    assert excess_risk(wrong, rng.random(20_000)) == pytest.approx(1, abs=0.05)
    assert excess_risk(wrong, -wrong.astype(float)) > 1.5
    noisy = wrong + rng.normal(0, 1, 20_000)
    assert 0.1 < excess_risk(wrong, noisy) < 0.8


def test_scale_and_order_do_not_matter():
    rng = np.random.default_rng(1)
    wrong, uncertainty = rng.random(50) < 0.4, rng.random(50)
    order = rng.permutation(50)
    np.testing.assert_allclose(
        risk_coverage(wrong[order], np.exp(5 * uncertainty[order])), risk_coverage(wrong, uncertainty)
    )


@pytest.mark.parametrize(
    ("wrong", "uncertainty", "told"),
    [
        ([], [], r"\(0,\) errors"),
        ([1, 0], [1.0], r"\(1,\) uncertainties"),
        ([1, 0], [1.0, np.nan], "not finite"),
        ([1, 1], [1.0, 2.0], "All 2 errors are 1"),
    ],
)
def test_refusals_name_the_fault(wrong, uncertainty, told):
    with pytest.raises(BadParameterError, match=told):
        excess_risk(np.array(wrong), np.array(uncertainty))
