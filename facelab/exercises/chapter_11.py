"""Exercises of notebook 11: one budget for all, a difference within each seed, and many comparisons at once."""

from __future__ import annotations

import numpy as np
from scipy import stats

from facelab.evaluation import holm, mean_over_seeds
from facelab.exercises.exercise import (
    Exercise,
    ExerciseError,
    refuse_mistakes,
    require,
    require_value,
    require_written,
)


def epochs_for_budget(budget: int, photographs: int, batch_size: int, views: int) -> int:
    """Epochs that come nearest to a budget of views, one at least; a batch that is not full is left out of an epoch."""
    return max(1, round(budget / (photographs // batch_size * batch_size * views)))


def _check_epochs(answer) -> None:
    cases = [
        ((24_000, 560, 32, 1), "one view of 560 photographs"),
        ((24_000, 560, 64, 2), "two views, in batches of 64: 48 photographs of each epoch are left out"),
        ((10_000, 500, 100, 1), "a budget that is met"),
        ((300, 500, 50, 2), "a budget of less than half an epoch"),
        ((2_700, 500, 50, 2), "2.7 epochs"),
    ]
    got = [answer(*given) for given, _ in cases]
    for one in got:
        require_written(one)
        if not isinstance(one, int | np.integer):
            raise ExerciseError(f"return a whole number of epochs; you return {one!r}.")
    for mistake, message in _EPOCHS_MISTAKES.values():
        require(got != [mistake(*given) for given, _ in cases], message)
    for (given, what), one in zip(cases, got, strict=True):
        require(one == epochs_for_budget(*given), f"{what}: {one} epochs, expected {epochs_for_budget(*given)}.")


_EPOCHS_MISTAKES = {
    "photographs": (
        lambda b, n, size, views: epochs_for_budget(b, n, size, 1),
        "you count photographs. Who looks at two views of each has the budget of half as many.",
    ),
    "all of them": (
        lambda b, n, size, views: max(1, round(b / (n * views))),
        "you count the last batch, which is not full and is left out.",
    ),
    "cut off": (
        lambda b, n, size, views: max(1, b // (n // size * size * views)),
        "you cut off: 2.7 epochs are nearer to 3 than to 2.",
    ),
    "none at all": (
        lambda b, n, size, views: round(b / (n // size * size * views)),
        "a budget of less than half an epoch gives no training. One epoch at least.",
    ),
}
EPOCHS_FOR_BUDGET = Exercise("11.1 one budget", epochs_for_budget, _check_epochs, mistakes=_EPOCHS_MISTAKES)

_T = stats.t.ppf(0.975, 4)
#: EER of two methods with five seeds: the seeds differ more than the methods.
FIRST_EER = np.array([0.30, 0.26, 0.34, 0.28, 0.32])
SECOND_EER = np.array([0.32, 0.275, 0.365, 0.295, 0.345])


def paired_difference_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean of ``first - second``, taken within each seed."""
    found = mean_over_seeds(np.asarray(first) - np.asarray(second))
    return found.low, found.high


def _around(mean: float, half: float) -> tuple[float, float]:
    return mean - half, mean + half


def _check_difference(answer) -> None:
    got = answer(FIRST_EER.copy(), SECOND_EER.copy())
    require_written(got)
    require(np.shape(got) == (2,), f"return the lower and the upper end; yours has the shape {np.shape(got)}.")
    refuse_mistakes(got, _DIFFERENCE_MISTAKES, FIRST_EER, SECOND_EER)
    require_value(got, paired_difference_interval(FIRST_EER, SECOND_EER), "two methods, five seeds")
    three = answer(FIRST_EER[:3], SECOND_EER[:3])
    require_value(
        three,
        paired_difference_interval(FIRST_EER[:3], SECOND_EER[:3]),
        "three seeds, where t has two degrees of freedom",
    )


_DIFFERENCE_MISTAKES = {
    "not paired": (
        lambda a, b: _around((a - b).mean(), _T * np.sqrt(a.var(ddof=1) / 5 + b.var(ddof=1) / 5)),
        "this takes the methods for independent. What a seed does to both is in both variances, and out of their difference.",
    ),
    "deviation of the population": (
        lambda a, b: _around((a - b).mean(), _T * (a - b).std() / np.sqrt(5)),
        "your deviation divides by n. Of a sample it divides by n - 1: ddof=1.",
    ),
    "of one run": (
        lambda a, b: _around((a - b).mean(), _T * (a - b).std(ddof=1)),
        "this is where the next run may lie. The mean of n runs is known better, by the root of n.",
    ),
    "normal": (
        lambda a, b: _around((a - b).mean(), 1.96 * (a - b).std(ddof=1) / np.sqrt(5)),
        "1.96 is for many runs. With five the deviation is a guess itself: Student's t with four degrees of freedom.",
    ),
    "turned round": (lambda a, b: paired_difference_interval(b, a), "this is second - first."),
}
PAIRED_DIFFERENCE_INTERVAL = Exercise(
    "11.2 a difference within each seed", paired_difference_interval, _check_difference, mistakes=_DIFFERENCE_MISTAKES
)

P_VALUES = np.array([0.04, 0.001, 0.013, 0.2, 0.012, 0.049])


def significant_comparisons(p_values: np.ndarray, level: float) -> np.ndarray:
    """Which comparisons hold all together, by Holm's procedure: bool (m,)."""
    return holm(p_values, level)


def _check_holm(answer) -> None:
    got = answer(P_VALUES.copy(), 0.05)
    require_written(got)
    require(np.shape(got) == (6,), f"return one answer for each p, (6,); yours has the shape {np.shape(got)}.")
    require(np.asarray(got).dtype == bool, f"return booleans, not {np.asarray(got).dtype}.")
    cases = [
        (P_VALUES, 0.05, "six comparisons"),
        (np.array([0.009, 0.03, 0.02]), 0.05, "three, of which the last two fail by little"),
        (
            np.array([0.03, 0.02, 0.02]),
            0.05,
            "a smallest p that is too large: it ends there, though .03 is less than .05",
        ),
        (np.array([0.012, 0.024, 0.016, 0.001]), 0.05, "four which all hold, each against a bar of its own"),
        (np.array([0.1, 0.04]), 0.2, "another level"),
    ]
    given = [np.asarray(answer(p.copy(), level)).tolist() for p, level, _ in cases]
    for mistake, message in _HOLM_MISTAKES.values():
        require(given != [np.asarray(mistake(p, level)).tolist() for p, level, _ in cases], message)
    for (p, level, what), found in zip(cases, given, strict=True):
        require(found == holm(p, level).tolist(), f"{what}: expected {holm(p, level).tolist()}, got {found}.")


def _without_end(p_values: np.ndarray, level: float) -> np.ndarray:
    found = np.zeros(len(p_values), dtype=bool)
    order = np.argsort(p_values)
    found[order] = p_values[order] <= level / np.arange(len(p_values), 0, -1)
    return found


_HOLM_MISTAKES = {
    "each alone": (
        lambda p, level: p <= level,
        "each is compared with the level alone: of twenty comparisons of equals one is then found, on average.",
    ),
    "Bonferroni": (
        lambda p, level: p <= level / len(p),
        "this is Bonferroni: right, but more careful than it need be. After one has fallen, m - 1 are left.",
    ),
    "no end": (
        _without_end,
        "the procedure ends at the first p that is too large, whatever comes after it.",
    ),
    "in the order of p": (
        lambda p, level: holm(np.sort(p), level),
        "your answers are in the order of p. They belong into the order that was given.",
    ),
}
SIGNIFICANT_COMPARISONS = Exercise(
    "11.3 many comparisons", significant_comparisons, _check_holm, mistakes=_HOLM_MISTAKES
)
