"""Exercise of notebook 00 on intervals: the bootstrap over people, for a rate of which each person gives many photographs."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from facelab.exercises.exercise import Exercise, refuse, require, require_returned, require_value

_DRAWS = 2000


def person_bootstrap(
    right: np.ndarray, person: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """95 % interval of the share of photographs that are right, by a bootstrap over people.

    ``right`` is bool (N,), ``person`` (N,) says who is on each photograph; from 2.5 to 97.5 per cent of ``draws`` replicates.
    """
    people = np.unique(person)
    photographs = np.array([(person == one).sum() for one in people])
    found = np.array([right[person == one].sum() for one in people])
    drawn = rng.integers(len(people), size=(draws, len(people)))  # a row is one replicate
    shares = found[drawn].sum(axis=1) / photographs[drawn].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def _all_or_nothing() -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Nine people of ten photographs, five always right and four never; the number of right ones is binomial."""
    ends = binom.ppf([0.025, 0.975], 9, 5 / 9) / 9
    return np.repeat(np.arange(9) < 5, 10), np.repeat([3, 8, 1, 7, 20, 11, 40, 2, 5], 10), tuple(ends)


def _one_with_many() -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """One person of 36 photographs, always right; nine of four, never right."""
    times = binom.ppf([0.025, 0.975], 10, 1 / 10)  # that the one with many is drawn
    counts = [36] + [4] * 9
    return (
        np.repeat(np.arange(10) < 1, counts),
        np.repeat(np.arange(10), counts),
        tuple(36 * times / (36 * times + 4 * (10 - times))),
    )


def _check_person_bootstrap(answer) -> None:
    right, person, ends = _all_or_nothing()
    got = answer(right.copy(), person.copy(), _DRAWS, np.random.default_rng(0))
    require_returned(got)
    require(
        np.shape(got) == (2,), f"return two numbers, the lower and the upper end. Yours have the shape {np.shape(got)}."
    )
    require(got[0] <= got[1], "the lower end comes first.")
    require(got[0] >= 0 and got[1] <= 1, f"got {got[0]} and {got[1]}: both ends are shares, between 0 and 1.")
    what = "nine people, five always right and four never"
    require(
        got[0] < got[1],
        f"{what}: your interval has no width. Draw people with replacement: a permutation has the same people in it "
        "each time.",
    )
    require(
        got[1] - got[0] > 0.4,
        f"{what}: your interval is {got[1] - got[0]:.2f} wide, as if their 90 photographs were independent. "
        "They are nine people: draw people, not photographs.",
    )
    first, again = (
        [tuple(map(float, answer(right.copy(), person.copy(), 20, np.random.default_rng(seed)))) for seed in range(5)]
        for _ in range(2)
    )
    require(first == again, "the same generator gives another interval: draw with rng, and with nothing else.")
    require(len(set(first)) > 1, "every generator gives the same interval: draw the people with rng.")
    uneven_right, uneven_person, uneven_ends = _one_with_many()
    uneven = answer(uneven_right.copy(), uneven_person.copy(), _DRAWS, np.random.default_rng(0))
    what_uneven = "one person of 36 photographs, always right, and nine of four, never right"
    refuse(
        uneven,
        (0.0, 0.3),
        f"{what_uneven}: this is the interval of the mean over people. "
        "Asked is the share of photographs: add up those that are right, and divide by how many there are.",
        tolerance=0.02,
    )
    refuse(
        uneven,
        (0.0, 36 / 52),
        f"{what_uneven}: a person who is drawn twice must count twice, with all photographs. Yours count once.",
        tolerance=0.02,
    )
    refuse(
        uneven,
        (36 * 2 / (36 * 2 + 4 * 8), 36 * 8 / (36 * 8 + 4 * 2)),  # half of the photographs are of that person
        f"{what_uneven}: the one with many photographs is drawn too often. Each person is drawn with the same "
        "chance: draw from np.unique(person), not from person.",
        tolerance=0.02,
    )
    same_right, same_person = np.tile(np.arange(10) < 7, 9), np.repeat(np.arange(9), 10)
    same = answer(same_right, same_person, _DRAWS, np.random.default_rng(0))
    require(
        same[1] - same[0] < 1e-9,
        f"nine people, each right on 7 of 10: your interval is {same[1] - same[0]:.2f} wide. "
        "Every person drawn brings all their photographs, so each replicate is 0.7: do not draw photographs as well.",
    )
    require_value(got, ends, f"{what}, 2.5 and 97.5 per cent of the replicates", tolerance=0.005)
    require_value(uneven, uneven_ends, what_uneven, tolerance=0.005)


def _from_replicates(replicate, low: float = 0.025, high: float = 0.975):
    """A wrong answer: the interval of what ``replicate`` makes of the people drawn."""

    def answer(right, person, draws, rng):
        people = np.unique(person)
        shares = [replicate(right, person, rng.choice(people, len(people)), rng) for _ in range(draws)]
        return tuple(np.quantile(shares, [low, high]))

    return answer


def _share(right, person, drawn, rng):
    return np.concatenate([right[person == one] for one in drawn]).mean()


def _of_photographs(right, person, draws, rng):
    shares = right[rng.integers(len(right), size=(draws, len(right)))].mean(axis=1)
    return tuple(np.quantile(shares, [0.025, 0.975]))


def _by_standard_error(right, person, draws, rng):
    rates = [right[person == one].mean() for one in np.unique(person)]
    half = 1.96 * np.std(rates) / len(rates) ** 0.5
    return right.mean() - half, right.mean() + half


PERSON_BOOTSTRAP = Exercise(
    "0.3 the bootstrap over people",
    person_bootstrap,
    _check_person_bootstrap,
    mistakes={
        "photographs drawn": (_of_photographs, "draw people, not photographs"),
        "each person once": (
            _from_replicates(lambda right, person, drawn, rng: right[np.isin(person, drawn)].mean()),
            "drawn twice must count twice",
        ),
        "mean over people": (
            _from_replicates(lambda r, p, drawn, rng: np.mean([r[p == one].mean() for one in drawn])),
            "mean over people",
        ),
        "photographs as well": (
            _from_replicates(
                lambda r, p, drawn, rng: np.concatenate(
                    [rng.choice(r[p == one], (p == one).sum()) for one in drawn]
                ).mean()
            ),
            "do not draw photographs as well",
        ),
        "people by their photographs": (
            lambda r, p, draws, rng: tuple(
                np.quantile([_share(r, p, rng.choice(p, len(np.unique(p))), rng) for _ in range(draws)], [0.025, 0.975])
            ),
            "drawn too often",
        ),
        "without replacement": (
            lambda r, p, draws, rng: tuple(
                np.quantile([_share(r, p, rng.permutation(np.unique(p)), rng) for _ in range(9)], [0.025, 0.975])
            ),
            "no width",
        ),
        "90 %": (_from_replicates(_share, 0.05, 0.95), "2.5 and 97.5 per cent of the replicates"),
        "a generator of its own": (
            lambda r, p, draws, rng: person_bootstrap(r, p, draws, np.random.default_rng()),
            "the same generator gives another",
        ),
        "a seed of its own": (
            lambda r, p, draws, rng: person_bootstrap(r, p, draws, np.random.default_rng(0)),
            "every generator gives the same",
        ),
        "a formula in place of draws": (_by_standard_error, "every generator gives the same"),
        "one number": (lambda r, p, draws, rng: float(r.mean()), "return two numbers"),
        "upper end first": (lambda r, p, draws, rng: person_bootstrap(r, p, draws, rng)[::-1], "lower end comes first"),
    },
    minutes=25,
    difficulty=4,
    importance=5,
    hints=(
        "The section on intervals draws nothing: it takes photographs as independent. Here a *replicate* is a new "
        "set of people of the same number, drawn from those that there are, with replacement. Think first of one "
        "replicate alone: which photographs are in it, and how often?",
        "Count, once for each person, how many photographs there are and how many of them are right. A replicate "
        "then needs only the numbers of the people drawn: `rng.integers(len(people), size=(draws, len(people)))` "
        "draws all replicates at once. Its share is the sum of the right ones over the sum of the photographs. The "
        "ends are two quantiles of the shares: `np.quantile`.",
    ),
)
