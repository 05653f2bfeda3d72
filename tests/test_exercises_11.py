"""Exercises of notebook 11: other right answers pass, and the rule of the budget is that of the comparison."""

import math

import numpy as np
import pytest
from scipy import stats

from facelab import labs
from facelab.exercises import chapter_11 as exercises
from facelab.experiments.comparison import RIVALS, plan_of


@pytest.mark.parametrize("name", RIVALS)
def test_the_budget_is_that_of_the_comparison(name):
    rival = RIVALS[name]
    for photographs, budget in ((560, 24_000), (97, 500), (560, 100)):
        expected = plan_of(rival, photographs, budget, seed=0).epochs
        assert exercises.epochs_for(budget, photographs, rival.batch_size, rival.views) == expected


def test_the_paired_interval_tells_apart_what_the_other_does_not():
    low, high = exercises.interval_of_difference(exercises.ONE, exercises.OTHER)
    assert low < high < 0
    ends = stats.ttest_rel(exercises.ONE, exercises.OTHER).confidence_interval(0.95)
    assert (low, high) == pytest.approx((ends.low, ends.high))
    unpaired = exercises._DIFFERENCE_MISTAKES["not paired"][0](exercises.ONE, exercises.OTHER)
    assert unpaired[0] < 0 < unpaired[1]


def by_steps(p_values, level):
    found = np.zeros(len(p_values), bool)
    for already, row in enumerate(np.argsort(p_values)):
        if p_values[row] > level / (len(p_values) - already):
            break
        found[row] = True
    return found


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.EPOCHS, lambda b, n, size, v: max(1, math.floor(b / ((n - n % size) * v) + 0.5))),
        (exercises.DIFFERENCE, lambda a, b: tuple(stats.ttest_rel(a, b).confidence_interval(0.95))),
        (exercises.SURELY, by_steps),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.exercise(task, answer) is answer
    assert "right" in capsys.readouterr().out
