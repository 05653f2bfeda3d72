"""Exercises of notebook 11: other right answers pass, and the rule of the budget is that of the comparison."""

import math

import numpy as np
import pytest
from scipy import stats

from facelab import labs
from facelab.exercises import chapter_11 as exercises
from facelab.experiments.comparison import CONTENDERS, plan_for_budget


@pytest.mark.parametrize("name", CONTENDERS)
def test_the_budget_is_that_of_the_comparison(name):
    contender = CONTENDERS[name]
    for photographs, budget in ((560, 24_000), (97, 500), (560, 100)):
        expected = plan_for_budget(contender, photographs, budget, seed=0).epochs
        assert exercises.epochs_for_budget(budget, photographs, contender.batch_size, contender.views) == expected


def test_the_paired_interval_tells_apart_what_the_other_does_not():
    low, high = exercises.paired_difference_interval(exercises.FIRST_EER, exercises.SECOND_EER)
    assert low < high < 0
    ends = stats.ttest_rel(exercises.FIRST_EER, exercises.SECOND_EER).confidence_interval(0.95)
    assert (low, high) == pytest.approx((ends.low, ends.high))
    unpaired = exercises._DIFFERENCE_MISTAKES["not paired"][0](exercises.FIRST_EER, exercises.SECOND_EER)
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
        (exercises.EPOCHS_FOR_BUDGET, lambda b, n, size, v: max(1, math.floor(b / ((n - n % size) * v) + 0.5))),
        (exercises.PAIRED_DIFFERENCE_INTERVAL, lambda a, b: tuple(stats.ttest_rel(a, b).confidence_interval(0.95))),
        (exercises.SIGNIFICANT_COMPARISONS, by_steps),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert "right" in capsys.readouterr().out
