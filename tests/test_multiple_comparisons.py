"""Many comparisons: against SciPy's t test, a loop of Holm's procedure, and the chance of a false find that is promised."""

import numpy as np
import pytest
from scipy import stats

from facelab.errors import BadParameterError
from facelab.evaluation import holm, mean_over_seeds, p_value_from_t_interval, significant_means


@pytest.mark.parametrize("n", [3, 5, 12])
def test_p_is_that_of_scipy(n):
    values = np.random.default_rng(n).normal(0.3, 1, n)
    found = mean_over_seeds(values)
    expected = stats.ttest_1samp(values, 0).pvalue
    assert p_value_from_t_interval(found.value, found.low, found.high, found.n) == pytest.approx(expected)
    wide = mean_over_seeds(values, confidence=0.8)
    assert p_value_from_t_interval(wide.value, wide.low, wide.high, n, 0.8) == pytest.approx(expected)


def test_p_of_values_that_are_all_equal():
    assert p_value_from_t_interval(0.0, 0.0, 0.0, 5) == 1 and p_value_from_t_interval(0.2, 0.2, 0.2, 5) == 0
    for wrong in ((0.1, 0.2, 0.3, 5), (0.1, 0.0, 0.2, 1), (float("nan"), 0, 1, 5)):
        with pytest.raises(BadParameterError, match="not the interval"):
            p_value_from_t_interval(*wrong)


def step_by_step(p_values, level):
    """Holm's procedure as it is told: take the smallest, compare, take it away, go on."""
    left, fallen = dict(enumerate(p_values)), set()
    while left:
        smallest = min(left, key=left.get)
        if left[smallest] > level / len(left):
            break
        fallen.add(smallest)
        del left[smallest]
    return [row in fallen for row in range(len(p_values))]


def test_holm_is_the_procedure_step_by_step():
    rng = np.random.default_rng(0)
    for _ in range(300):
        p_values = rng.random(rng.integers(1, 12)) ** rng.integers(1, 6)
        assert holm(p_values, 0.1).tolist() == step_by_step(p_values.tolist(), 0.1)
    assert holm([0.01, 0.04, 0.03]).tolist() == [True, False, False]  # .03 > .05 / 2 ends it
    assert holm([0.04, 0.02]).tolist() == [True, True] and holm([]).tolist() == []


def test_means_are_tested_together():
    rng = np.random.default_rng(4)
    values = rng.normal([[2.0], [0.0], [0.9]], 0.5, (3, 6))
    expected = holm([stats.ttest_1samp(row, 0).pvalue for row in values])
    assert (
        significant_means([mean_over_seeds(row) for row in values]).tolist() == expected.tolist()
        and expected[0]
        and not expected[1]
    )


def test_a_false_find_is_as_rare_as_promised():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2000, 36, 5))  # 36 comparisons of five seeds, none of them true
    p_values = stats.ttest_1samp(values, 0, axis=2).pvalue
    alone = (p_values < 0.05).any(axis=1).mean()
    together = np.mean([holm(row).any() for row in p_values])
    assert alone > 0.8 and together == pytest.approx(0.05, abs=0.015)


def test_wrong_chances_are_refused():
    for wrong in ([1.2], [-0.1], [float("nan")], [[0.1]]):
        with pytest.raises(BadParameterError, match="not probabilities"):
            holm(wrong)
    with pytest.raises(BadParameterError, match="not probabilities"):
        holm([0.1], level=0)
