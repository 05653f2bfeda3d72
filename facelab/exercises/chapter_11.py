"""Exercises of notebook 11: one budget for all, a difference within each seed, many comparisons at once, and a guess. The front
of error and cost is in ``chapter_11_front``."""

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
from facelab.exercises.prediction import Prediction


def epochs_for_budget(budget: int, photographs: int, batch_size: int, views: int) -> int:
    """Epochs that come nearest to a budget of views, one at least; a batch that is not full is left out of an epoch."""
    return max(1, round(budget / (photographs // batch_size * batch_size * views)))


def _check_epochs(answer) -> None:
    cases = [
        ((24_000, 560, 32, 1), "one view of 560 photographs"),
        ((24_000, 560, 64, 2), "two views, in batches of 64: 48 photographs of each epoch are left out"),
        ((10_000, 500, 100, 1), "a budget that whole epochs meet exactly"),
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
        "you count photographs. A method with two views of each photograph sees half as many photographs for the same budget.",
    ),
    "all of them": (
        lambda b, n, size, views: max(1, round(b / (n * views))),
        "you count the last batch too. It is not full, and is left out.",
    ),
    "cut off": (
        lambda b, n, size, views: max(1, b // (n // size * size * views)),
        "you round down. 2.7 epochs are nearer to 3 than to 2.",
    ),
    "none at all": (
        lambda b, n, size, views: round(b / (n // size * size * views)),
        "a budget of less than half an epoch gives no training at all. Train for one epoch at least.",
    ),
}
EPOCHS_FOR_BUDGET = Exercise(
    "11.1 one budget",
    epochs_for_budget,
    _check_epochs,
    mistakes=_EPOCHS_MISTAKES,
    minutes=8,
    difficulty=2,
    importance=3,
    hints=(
        "Look at *The rules*. How many views go through the network in one epoch? Count whole batches first, then "
        "photographs, then views.",
        "`photographs // batch_size` is the number of full batches, and each holds `batch_size * views` views. Divide the "
        "budget by the views of an epoch, take `round` of it, and `max` with 1.",
    ),
)

_T = stats.t.ppf(0.975, 4)
#: EER of two methods with five seeds: the seeds differ more than the methods.
FIRST_EER = np.array([0.30, 0.26, 0.34, 0.28, 0.32])
SECOND_EER = np.array([0.32, 0.275, 0.365, 0.295, 0.345])


def paired_difference_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean of ``first - second``, taken within each seed."""
    difference = np.asarray(first) - np.asarray(second)
    n = len(difference)
    half = stats.t.ppf(0.975, n - 1) * difference.std(ddof=1) / np.sqrt(n)
    return difference.mean() - half, difference.mean() + half


def _expected_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    found = mean_over_seeds(first - second)
    return found.low, found.high


def _around(mean: float, half: float) -> tuple[float, float]:
    return mean - half, mean + half


def _check_difference(answer) -> None:
    got = answer(FIRST_EER.copy(), SECOND_EER.copy())
    require_written(got)
    require(np.shape(got) == (2,), f"return the lower and the upper end; yours has the shape {np.shape(got)}.")
    refuse_mistakes(got, _DIFFERENCE_MISTAKES, FIRST_EER, SECOND_EER)
    require_value(got, _expected_interval(FIRST_EER, SECOND_EER), "two methods, five seeds")
    three = answer(FIRST_EER[:3], SECOND_EER[:3])
    require_value(
        three,
        _expected_interval(FIRST_EER[:3], SECOND_EER[:3]),
        "three seeds, where t has two degrees of freedom",
    )


_DIFFERENCE_MISTAKES = {
    "not paired": (
        lambda a, b: _around((a - b).mean(), _T * np.sqrt(a.var(ddof=1) / 5 + b.var(ddof=1) / 5)),
        "this takes the methods for independent. What a seed does to both is in both variances, but not in their difference.",
    ),
    "deviation of the population": (
        lambda a, b: _around((a - b).mean(), _T * (a - b).std() / np.sqrt(5)),
        "your standard deviation divides by n. That of a sample divides by n - 1: ddof=1.",
    ),
    "of one run": (
        lambda a, b: _around((a - b).mean(), _T * (a - b).std(ddof=1)),
        "this is the spread of single runs. The mean of n runs is known better: divide by the root of n.",
    ),
    "normal": (
        lambda a, b: _around((a - b).mean(), 1.96 * (a - b).std(ddof=1) / np.sqrt(5)),
        "1.96 holds for many runs. With five the deviation itself is uncertain: take Student's t with four degrees of freedom.",
    ),
    "turned round": (lambda a, b: paired_difference_interval(b, a), "this is the interval of second - first."),
}
PAIRED_DIFFERENCE_INTERVAL = Exercise(
    "11.2 a difference within each seed",
    paired_difference_interval,
    _check_difference,
    mistakes=_DIFFERENCE_MISTAKES,
    minutes=10,
    difficulty=2,
    importance=5,
    hints=(
        "Subtract first, seed by seed. From there on there is one list of numbers, and the interval of its mean.",
        "The half width is `stats.t.ppf(0.975, n - 1)` times the standard error: the sample's deviation (`ddof=1`) over the "
        "root of `n`. Take it from the mean, and add it to the mean.",
    ),
)

P_VALUES = np.array([0.04, 0.001, 0.013, 0.2, 0.012, 0.049])


def significant_comparisons(p_values: np.ndarray, level: float) -> np.ndarray:
    """Which comparisons are significant, all tested together by Holm's procedure: bool (m,)."""
    order = np.argsort(p_values)
    small = p_values[order] <= level / np.arange(len(p_values), 0, -1)  # m, m - 1, ... 1 comparisons are left
    significant = np.zeros(len(p_values), dtype=bool)
    significant[order] = np.logical_and.accumulate(small)  # the first False ends it
    return significant


def _check_holm(answer) -> None:
    got = answer(P_VALUES.copy(), 0.05)
    require_written(got)
    require(np.shape(got) == (6,), f"return one answer for each p value, (6,); yours has the shape {np.shape(got)}.")
    require(np.asarray(got).dtype == bool, f"return booleans, not {np.asarray(got).dtype}.")
    cases = [
        (P_VALUES, 0.05, "six comparisons"),
        (np.array([0.009, 0.03, 0.02]), 0.05, "three, of which the last two fail by a little"),
        (
            np.array([0.03, 0.02, 0.02]),
            0.05,
            "a smallest p value that is too large: it ends there, though 0.03 is less than 0.05",
        ),
        (np.array([0.012, 0.024, 0.016, 0.001]), 0.05, "four that are all significant, each against its own bound"),
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
        "each p value is compared with the level itself: among twenty true null hypotheses one then falls, on average.",
    ),
    "Bonferroni": (
        lambda p, level: p <= level / len(p),
        "this is Bonferroni: valid, but stricter than necessary. Once one hypothesis has fallen, m - 1 are left.",
    ),
    "no end": (
        _without_end,
        "the procedure ends at the first p value that is too large, whatever comes after it.",
    ),
    "in the order of p": (
        lambda p, level: holm(np.sort(p), level),
        "your answers are in the order of the sorted p values. Return them in the order that was given.",
    ),
}
SIGNIFICANT_COMPARISONS = Exercise(
    "11.3 many comparisons",
    significant_comparisons,
    _check_holm,
    mistakes=_HOLM_MISTAKES,
    minutes=12,
    difficulty=3,
    importance=4,
    hints=(
        "Look at *All methods, five seeds*. Sort the p values, and write down for each place in the sorted list how many "
        "comparisons are left there.",
        "`order = np.argsort(p_values)`; the bounds in that order are `level / np.arange(m, 0, -1)`. "
        "`np.logical_and.accumulate` keeps True up to the first False. Write the result back with `significant[order] = ...`.",
    ),
)

GUESS_EER_OF_FOUND_FACES = Prediction(
    "11.5 guess: the ceiling where a face is found",
    "guess_eer_of_found_faces",
    "EER of strangers/SFace, where a face is found",
    minutes=5,
    difficulty=3,
    importance=4,
    hints=(
        "A pair is lost where a face is missing on one photograph of the two *or* on both. How many of the pairs are that, "
        "if a tenth of the photographs has no face that is found?",
        "A lost pair of one person is refused at every threshold that is worth having, and a lost pair of two people never "
        "accepted. Take the lost pairs out of the false non-matches, and move the threshold until both errors are equal again.",
    ),
)
