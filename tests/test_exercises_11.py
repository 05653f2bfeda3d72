"""Exercises of notebook 11: other right answers pass, and the rule of the budget is that of the comparison."""

import math

import numpy as np
import pytest
from scipy import stats

from facelab import labs
from facelab.exercises import chapter_11 as exercises
from facelab.exercises import chapter_11_front as front_exercises
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


def front_by_steps(error, cost, level):
    """SciPy's paired test, and Holm's procedure that takes out one pair after the other."""
    p_values = {
        (a, b): max(stats.ttest_rel(one[a], one[b], alternative="less").pvalue for one in (error, cost))
        for a in range(len(error))
        for b in range(len(error))
        if a != b
    }
    on_front = np.ones(len(error), bool)
    while p_values and min(p_values.values()) <= level / len(p_values):
        pair = min(p_values, key=p_values.get)
        on_front[pair[1]] = False
        del p_values[pair]
    return on_front


@pytest.mark.parametrize("seed", range(4))
def test_the_front_is_that_of_single_steps(seed):
    error, cost = front_exercises._measured(seed, methods=7, seeds=8, shared=0.02)
    expected = front_by_steps(error, cost, 0.1)
    assert front_exercises.pareto_front(error, cost, 0.1).tolist() == expected.tolist()
    assert not expected.all()


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.EPOCHS_FOR_BUDGET, lambda b, n, size, v: max(1, math.floor(b / ((n - n % size) * v) + 0.5))),
        (exercises.PAIRED_DIFFERENCE_INTERVAL, lambda a, b: tuple(stats.ttest_rel(a, b).confidence_interval(0.95))),
        (exercises.SIGNIFICANT_COMPARISONS, by_steps),
        (front_exercises.PARETO_FRONT, front_by_steps),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert "right" in capsys.readouterr().out
