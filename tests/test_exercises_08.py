"""Exercises of notebook 08: the solutions agree with the package, and other right answers pass."""

import math

import numpy as np
import pytest

from facelab import evaluation, labs
from facelab.datasets.pairs import Pairs
from facelab.exercises import chapter_08 as exercises


def test_rates_are_those_of_the_package():
    scores, same, first, second, threshold = exercises._some_pairs()
    rows = np.arange(len(scores))
    pairs = Pairs(rows, rows + len(rows), same, np.zeros(len(rows), dtype=int))
    found = evaluation.group_rates(scores, pairs, np.concatenate([first, second]), threshold)
    for number, group in enumerate(found.names):
        assert exercises.group_rates(scores, same, first, second, threshold)[group] == pytest.approx(
            (found.fnmr[number], found.fmr[number, number])
        )


def test_gini_is_the_packages():
    for seed in range(5):
        rates = np.random.default_rng(seed).random(4)
        assert exercises.gini(rates) == pytest.approx(evaluation.gini(rates))


def test_weights_make_the_groups_even():
    group = np.array(list("aabbbbbbc"))
    weights = exercises.class_weights(group)
    assert weights.mean() == pytest.approx(1)
    assert [weights[group == g].sum() for g in "abc"] == pytest.approx([3, 3, 3])


def by_counting(sure, share):
    allowed = math.floor(share * len(sure) + 1e-9)
    return sorted(sure, reverse=True)[allowed]


def gini_by_loops(rates):
    pairs = [abs(a - b) for a in rates for b in rates]
    mean = sum(rates) / len(rates)
    return sum(pairs) / (2 * len(rates) * (len(rates) - 1) * mean) if mean else 0


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.THRESHOLD_FOR_STRANGERS, by_counting),
        (exercises.GINI, gini_by_loops),
        (exercises.CLASS_WEIGHTS, lambda group: [len(group) / len(set(group)) / list(group).count(g) for g in group]),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert "right" in capsys.readouterr().out
