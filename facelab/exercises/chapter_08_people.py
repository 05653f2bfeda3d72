"""Exercises of notebook 08: a test of gaps between groups over people, and a guess about an interval."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy import stats

from facelab.exercises.exercise import (
    Exercise,
    refuse_mistakes,
    require,
    require_returned,
    require_value,
)
from facelab.exercises.prediction import Prediction


def gap_p_values(missed: np.ndarray, person: np.ndarray, attributes: np.ndarray, shuffles: np.ndarray) -> np.ndarray:
    """Holm's p-value of the FNMR gap of each attribute (A,), by exchanging the people.

    Genuine pairs: missed bool (M,), person int (M,). People: attributes bool (P, A), shuffles int (B, P).
    """

    def gaps(of_person):
        has = of_person[person]
        with_it = (missed[:, None] & has).sum(axis=0) / has.sum(axis=0)
        without = (missed[:, None] & ~has).sum(axis=0) / (~has).sum(axis=0)
        return np.abs(with_it - without)

    as_large = sum(gaps(attributes[order]) >= gaps(attributes) for order in shuffles)
    p = (1 + as_large) / (1 + len(shuffles))
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted


def _study() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sixteen people with 6 to 30 genuine pairs each, and four attributes, the last of which few people have.

    The seed is one at which each mistake gives other values. A test of independent pairs would call the gap of the third
    attribute proven; a test over people does not.
    """
    rng = np.random.default_rng(564)
    people = 16
    pairs = rng.integers(6, 31, people)
    person = np.repeat(np.arange(people), pairs)
    rate = rng.beta(2, 4, people)
    attributes = rng.random((people, 4)) < [0.4, 0.5, 0.4, 0.15]
    rate = np.clip(rate + 0.35 * attributes[:, 0] - 0.3 * attributes[:, 1], 0.02, 0.98)
    order = rng.permutation(len(person))
    missed = rng.random(len(person)) < rate[person]
    shuffles = np.array([rng.permutation(people) for _ in range(199)])
    return missed[order], person[order], attributes, shuffles


def _by_fractions(missed, person, attributes, shuffles) -> list[float]:
    """The same from the definition, in exact fractions: no rounding decides what is as large."""
    people = range(len(attributes))
    pairs = [int((person == one).sum()) for one in people]
    misses = [int((missed & (person == one)).sum()) for one in people]

    def gap(owner, attribute):
        """``owner[i]``: whose attributes person i has."""
        sides = [[one for one in people if attributes[owner[one], attribute] == has] for has in (True, False)]
        rates = [Fraction(sum(misses[one] for one in side), sum(pairs[one] for one in side)) for side in sides]
        return abs(rates[0] - rates[1])

    p = []
    for attribute in range(attributes.shape[1]):
        measured = gap(list(people), attribute)
        p.append(Fraction(1 + sum(gap(order, attribute) >= measured for order in shuffles), 1 + len(shuffles)))
    rising = sorted(range(len(p)), key=lambda attribute: p[attribute])
    adjusted = {a: max((len(p) - rank) * p[b] for rank, b in enumerate(rising[: rising.index(a) + 1])) for a in rising}
    return [float(min(1, adjusted[attribute])) for attribute in range(len(p))]


def _check_gaps(answer) -> None:
    inputs = _study()
    got = answer(*(value.copy() for value in inputs))
    require_returned(got)
    require(
        np.shape(got) == (4,), f"return one p-value for each of the 4 attributes. Yours have the shape {np.shape(got)}."
    )
    got = np.asarray(got, dtype=float)
    require(
        bool(((got >= 0) & (got <= 1)).all()),
        f"p-values lie between 0 and 1, yours are {np.round(got, 3)}. Cut them at 1.",
    )
    refuse_mistakes(got, _GAP_MISTAKES, *inputs)
    expected = _by_fractions(*inputs)
    require(
        got[2] > expected[2] / 4,
        f"p = {got[2]:.3f} of the third attribute is far too small: pairs of one person are not independent. Exchange whole "
        "people: in a shuffle, all pairs of a person get the same new attributes.",
    )
    require_value(got, expected, "four attributes of 16 people, 199 shuffles")
    few = (inputs[0], inputs[1], inputs[2][:, 2:3], inputs[3][:50])
    require_value(answer(*few), _by_fractions(*few), "one attribute, 50 shuffles")


def _variant(
    statistic=lambda missed, person, has: np.abs(missed[has].mean() - missed[~has].mean()),
    count=lambda shuffled, measured: 1 + (shuffled >= measured).sum(axis=0),
    draws=lambda shuffles: 1 + len(shuffles),
    adjust=None,
):
    """The test with one of its parts exchanged: what the mistakes are made of."""

    def answer(missed, person, attributes, shuffles):
        def gaps(of_person):
            return np.array([statistic(missed, person, has[person]) for has in of_person.T])

        measured, shuffled = gaps(attributes), np.array([gaps(attributes[order]) for order in shuffles])
        p = count(shuffled, measured) / draws(shuffles)
        return (adjust or _holm)(p)

    return answer


def _holm(p):
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted


def _without_maximum(p):
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = (p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted


def _mean_of_people(missed, person, has):
    rates = [np.mean([missed[person == one].mean() for one in np.unique(person[side])]) for side in (has, ~has)]
    return abs(rates[0] - rates[1])


def _independent_pairs(missed, person, attributes, shuffles):
    """The test of two shares that takes each pair as a trial of its own."""
    found = []
    for has in attributes[person].T:
        table = [[(missed & side).sum(), (~missed & side).sum()] for side in (has, ~has)]
        found.append(stats.chi2_contingency(table, correction=False).pvalue)
    return _holm(np.array(found))


_GAP_MISTAKES = {
    "no adjustment": (
        _variant(adjust=lambda p: p),
        "these are the p-values of the single tests. Among many tests one is small by chance: adjust them as Holm does.",
    ),
    "Bonferroni": (
        _variant(adjust=lambda p: (p * len(p)).clip(max=1)),
        "you multiply each p-value by the number of tests, as Bonferroni does. Holm multiplies the smallest by A, the next by "
        "A - 1, and so on.",
    ),
    "no running maximum": (
        _variant(adjust=_without_maximum),
        "a larger p-value gets a smaller adjusted one. From the second on, take the maximum of it and those before.",
    ),
    "sorted": (
        lambda *inputs: np.sort(gap_p_values(*inputs)),
        "your p-values are in rising order. Return them in the order of the attributes.",
    ),
    "without the one": (
        _variant(count=lambda shuffled, measured: (shuffled >= measured).sum(axis=0), draws=len),
        "the 1 is missing above and below. The measured order is one of those possible, so that no p-value can be 0.",
    ),
    "strictly larger": (
        _variant(count=lambda shuffled, measured: 1 + (shuffled > measured).sum(axis=0)),
        "you count the gaps that are larger. Count those that are as large too: >=.",
    ),
    "one side": (
        _variant(statistic=lambda missed, person, has: missed[has].mean() - missed[~has].mean()),
        "you count gaps in one direction alone. Before the measurement nobody knew which group would be refused more often: "
        "take absolute values.",
    ),
    "mean of people": (
        _variant(statistic=_mean_of_people),
        "you take the mean of the people's own rates. FNMR of a group is the share of all its genuine pairs.",
    ),
    "independent pairs": (
        _independent_pairs,
        "this is a test of two shares, which takes each pair as independent of all others. Pairs of one person are not: "
        "exchange the people.",
    ),
}


def _pairs_exchanged(missed, person, attributes, shuffles):
    rng, has = np.random.default_rng(0), attributes[person]

    def gaps(owner):
        return np.array([abs(missed[one].mean() - missed[~one].mean()) for one in owner.T])

    as_large = sum(gaps(has[rng.permutation(len(has))]) >= gaps(has) for _ in shuffles)
    return _holm((1 + as_large) / (1 + len(shuffles)))


GAP_P_VALUES = Exercise(
    "8.5 a test over people",
    gap_p_values,
    _check_gaps,
    mistakes=_GAP_MISTAKES
    | {
        "pairs exchanged": (_pairs_exchanged, "Exchange whole people"),
        "not cut": (
            _variant(
                adjust=lambda p: np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1))[np.argsort(np.argsort(p))]
            ),
            "Cut them at 1",
        ),
        "the smallest": (lambda *inputs: gap_p_values(*inputs).min(), "one p-value for each"),
        "four tests whatever is given": (
            lambda m, w, a, s: gap_p_values(m, w, a, s) * (4 if a.shape[1] == 1 else 1),
            "one attribute, 50 shuffles",
        ),
    },
    minutes=30,
    difficulty=4,
    importance=4,
    hints=(
        "First write a function that returns the A gaps for any table (P, A) of attributes: `attributes[person]` hands each "
        "pair the attributes of its person. What does the table of a shuffle look like?",
        "`attributes[order]` for each `order` of `shuffles` gives the gaps under chance. Count those at least as large as the "
        "measured one, and add 1 above and below. For Holm: `np.argsort(p)`, times A, A - 1, ..., 1, then "
        "`np.maximum.accumulate`, cut at 1, and back into the old order.",
    ),
)

GUESS_INTERVAL_WIDTH = Prediction(
    "8.6 guess: the width of the interval",
    "guess_interval_width",
    "width of its interval",
    highest=2.0,
    importance=5,
    hints=(
        "There are thousands of pairs, but how many people are in the smaller group? The FNMR of one person is anything from 0 "
        "to 1.",
    ),
)
