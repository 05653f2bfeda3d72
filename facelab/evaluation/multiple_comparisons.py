"""Many comparisons at once: which of them hold all together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy import stats

from facelab.errors import BadParameterError


def p_value_from_t_interval(value: float, low: float, high: float, n: int, confidence: float = 0.95) -> float:
    """Chance of a mean at least so far from 0 if the true one is 0: two-sided t test, from Student's interval of the mean.

    Args:
        value, low, high: as ``mean_over_seeds`` gives them.
        n: number of values, at least 2.
        confidence: coverage of the interval.

    Returns:
        0 to 1; 1 where all values are 0, and 0 where all are equal otherwise.

    Raises:
        BadParameterError: ``low <= value <= high`` does not hold, or ``n`` is too small.
    """
    if n < 2 or not low <= value <= high:
        raise BadParameterError(
            f"{value} [{low}, {high}] of {n} is not the interval of a mean.", "Give that of mean_over_seeds."
        )
    if value == 0:
        return 1.0
    standard_error = (high - low) / 2 / stats.t.ppf((1 + confidence) / 2, n - 1)
    return float(2 * stats.t.sf(abs(value) / standard_error, n - 1)) if standard_error > 0 else 0.0


def holm(p_values: Sequence[float], level: float = 0.05) -> np.ndarray:
    """Which null hypotheses fall: among all of them a true one falls with a chance of ``level`` at most.

    From the smallest p on, each is compared with ``level`` over the number of those not yet rejected; the first that is larger
    ends it (S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statistics 6, 1979). The tests may
    depend on each other in any way.

    Args:
        p_values: (m,), 0 to 1.
        level: chance of one false rejection or more, between 0 and 1.

    Returns:
        bool (m,), in the order given.

    Raises:
        BadParameterError: a value outside of 0 to 1.
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or not ((given >= 0) & (given <= 1)).all() or not 0 < level < 1:
        raise BadParameterError(f"p {given.tolist()} at {level} are not probabilities.", "Give values between 0 and 1.")
    order = np.argsort(given, kind="stable")
    small = given[order] <= level / np.arange(len(given), 0, -1)
    falls = np.zeros(len(given), dtype=bool)
    falls[order] = np.logical_and.accumulate(small)
    return falls


class MeanWithInterval(Protocol):
    """A mean of ``n`` repeated runs with Student's 95 % interval, as ``mean_over_seeds`` gives it or a record keeps it."""

    value: float
    low: float
    high: float
    n: int


def significant_means(means: Sequence[MeanWithInterval], level: float = 0.05) -> np.ndarray:
    """Which means are not 0, all tested together by ``holm``: bool (m,). Errors as there and ``p_value_from_t_interval``."""
    return holm([p_value_from_t_interval(mean.value, mean.low, mean.high, mean.n) for mean in means], level)
