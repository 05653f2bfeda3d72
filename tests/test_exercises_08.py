"""Exercises of notebook 08: the solutions agree with the package, and other right answers pass."""

import math

import numpy as np
import pytest

from facelab import evaluation, labs
from facelab.datasets.pairs import Pairs
from facelab.evaluation import holm
from facelab.exercises import chapter_08 as exercises
from facelab.exercises import chapter_08_people as people_exercises


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


def _random_study(seed, attributes=5):
    rng = np.random.default_rng(seed)
    person = rng.permutation(np.repeat(np.arange(12), rng.integers(3, 20, 12)))
    missed = rng.random(len(person)) < rng.random(12)[person]
    shuffles = np.array([rng.permutation(12) for _ in range(99)])
    table = np.array([rng.permutation([True] * 5 + [False] * 7) for _ in range(attributes)]).T
    return missed, person, table, shuffles


@pytest.mark.parametrize("seed", range(3))
def test_the_p_values_are_those_of_exact_fractions(seed):
    study = _random_study(seed)
    assert people_exercises.gap_p_values(*study) == pytest.approx(people_exercises._by_fractions(*study))


@pytest.mark.parametrize("level", [0.05, 0.3, 0.9])
def test_adjusted_p_values_fall_below_a_level_where_holm_rejects(level):
    for seed in range(10):
        missed, person, table, shuffles = _random_study(seed)
        single = [people_exercises.gap_p_values(missed, person, one[:, None], shuffles)[0] for one in table.T]
        adjusted = people_exercises.gap_p_values(missed, person, table, shuffles)
        assert np.array_equal(adjusted <= level + 1e-12, holm(np.array(single) - 1e-12, level))


def test_a_test_over_people_seldom_finds_a_gap_where_there_is_none_and_one_over_pairs_often_does():
    """Over 60 studies in which an attribute means nothing: about 5 % in truth."""
    over_people, over_pairs = [], []
    for seed in range(60):
        study = _random_study(seed, attributes=1)
        over_people.append(people_exercises.gap_p_values(*study)[0])
        over_pairs.append(people_exercises._independent_pairs(*study)[0])
    assert np.mean(np.array(over_people) < 0.05) < 0.15 < 0.4 < np.mean(np.array(over_pairs) < 0.05)


def by_counting(sure, share):
    allowed = math.floor(share * len(sure) + 1e-9)
    return sorted(sure, reverse=True)[allowed]


def gaps_by_people(missed, person, attributes, shuffles):
    """From the counts of each person, and Holm by a loop."""
    pairs = np.bincount(person, minlength=len(attributes))
    misses = np.bincount(person, missed, minlength=len(attributes))

    def gap(has):
        return abs(misses[has].sum() / pairs[has].sum() - misses[~has].sum() / pairs[~has].sum())

    p = []
    for has in attributes.T:
        p.append((1 + sum(gap(has[order]) >= gap(has) for order in shuffles)) / (1 + len(shuffles)))
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, attribute in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = adjusted[attribute] = min(1.0, max(largest, (len(p) - rank) * p[attribute]))
    return adjusted


def gini_by_loops(rates):
    pairs = [abs(a - b) for a in rates for b in rates]
    mean = sum(rates) / len(rates)
    return sum(pairs) / (2 * len(rates) * (len(rates) - 1) * mean) if mean else 0


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.THRESHOLD_FOR_STRANGERS, by_counting),
        (exercises.GINI, gini_by_loops),
        (people_exercises.GAP_P_VALUES, gaps_by_people),
        (exercises.CLASS_WEIGHTS, lambda group: [len(group) / len(set(group)) / list(group).count(g) for g in group]),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert "right" in capsys.readouterr().out
