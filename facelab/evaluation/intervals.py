"""Every number with its interval: one rate, several seeds. Intervals over people are in ``resampling`` and ``bootstrap``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from facelab.errors import BadParameterError
from facelab.whole_numbers import is_whole_number


@dataclass(frozen=True)
class Estimate:
    """A measured value with its interval and what it rests on.

    Attributes:
        value: the estimate, as a fraction (0.87, not 87).
        low: lower end of the interval.
        high: upper end of the interval.
        n: number of independent units that it rests on.
        method: how the interval was made.
        unit: what ``n`` counts: ``"images"``, ``"people"``, ``"seeds"`` ...
        confidence: nominal coverage of the interval.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    unit: str = ""
    confidence: float = 0.95

    def __str__(self) -> str:
        ends = f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return f"{100 * self.value:.1f} % {ends}, n = {self.n} {self.unit}".rstrip()

    def as_dict(self) -> dict[str, object]:
        """The fields for a JSON record."""
        return asdict(self)

    def is_disjoint_from(self, other: Estimate) -> bool:
        """Whether the two intervals do not touch."""
        return self.low > other.high or self.high < other.low


def wilson(successes: int, n: int, confidence: float = 0.95, unit: str = "") -> Estimate:
    """A rate of independent trials with the score interval of Wilson (JASA 22, 1927), which stays within 0 and 1.

    Args:
        successes: number of successes, 0 to n.
        n: number of trials, at least 1.
        confidence: nominal coverage, between 0 and 1.
        unit: what was tried.

    Raises:
        BadParameterError: no trials, or more successes than trials.
    """
    successes, n = int(successes), int(n)
    if n < 1 or not 0 <= successes <= n:
        raise BadParameterError(f"{successes} successes of {n} do not make a rate.", "Count at least one trial.")
    ends = stats.binomtest(successes, n).proportion_ci(check_confidence(confidence), method="wilson")
    return Estimate(successes / n, float(ends.low), float(ends.high), n, "wilson", unit, confidence)


def wilson_of_fraction(successes: float, n: int, confidence: float = 0.95, unit: str = "") -> Estimate:
    """As ``wilson``, of trials that succeed in part: rounded outwards, to the whole number below and to the one above.

    Args:
        successes: sum of the parts, 0 to n.
        n, confidence, unit: as ``wilson``.
    """
    low, high = (
        wilson(whole, n, confidence, unit) for whole in (np.floor(successes + 1e-9), np.ceil(successes - 1e-9))
    )
    return replace(low, value=successes / n, high=high.high)


def wilson_at_ends(rate: Estimate) -> Estimate:
    """A bootstrapped rate as it is, but where it is exactly 0 or 1 with Wilson's interval of as many trials as its ``n``, if
    that is the wider.

    A bootstrap cannot draw what it has not seen: where nothing is wrong, or everything, all draws agree, and an interval
    without width would say that nothing can be otherwise. Where a threshold is set anew in each draw they may differ.
    """
    if rate.value not in (0, 1):
        return rate
    own = wilson(round(rate.value) * rate.n, rate.n, rate.confidence, rate.unit)
    return own if own.high - own.low >= rate.high - rate.low else rate


def rate_by_group(events: pd.Series | np.ndarray, group: pd.Series | np.ndarray) -> dict[str, Estimate]:
    """How often something happened in each group, with Wilson intervals; groups in sorted order.

    Args:
        events: bool (N,), whether it happened.
        group: (N,) names; photographs whose group is empty or missing are left out.
    """
    table = pd.DataFrame({"event": np.asarray(events, dtype=bool), "group": np.asarray(group)})
    table = table[table["group"].notna() & (table["group"].astype(str) != "")]
    return {
        str(name): wilson(int(part.sum()), len(part), unit="photographs")
        for name, part in table.groupby("group")["event"]
    }


def mean_over_seeds(values: Sequence[float], confidence: float = 0.95, unit: str = "seeds") -> Estimate:
    """The mean of one figure over repeated runs with Student's t interval.

    The interval speaks of the choice of the seed alone, not of that of the test people.

    Args:
        values: the figure of each run, at least 3.
        confidence: nominal coverage, between 0 and 1.
        unit: what was repeated.

    Raises:
        BadParameterError: fewer than 3 values, or one that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 3:
        raise BadParameterError(f"{array.size} runs give no interval.", "Run at least 3 seeds.")
    if not np.isfinite(array).all():
        raise BadParameterError("A run ended in a value that is not finite.", "Repair that run; do not leave it out.")
    return mean_interval(array, f"t over {unit}", unit, confidence)


def mean_interval(values: np.ndarray, method: str, unit: str, confidence: float = 0.95) -> Estimate:
    """Mean of (n,) values with Student's t interval, n - 1 degrees of freedom."""
    mean, n = float(values.mean()), len(values)
    half = float(stats.t.ppf((1 + check_confidence(confidence)) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n, method, unit, confidence)


def percentile_interval(
    values: np.ndarray, center: float, n: int, method: str, unit: str, confidence: float = 0.95
) -> Estimate:
    """``center`` with the interval between the percentiles of the figures of many draws, ``values`` (draws,)."""
    tail = (1 - check_confidence(confidence)) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Estimate(float(center), float(low), float(high), n, method, unit, confidence)


def check_draws(draws: int) -> int:
    """``draws`` itself, where they are enough for percentiles; otherwise BadParameterError."""
    if not is_whole_number(draws) or draws < 100:
        raise BadParameterError(f"{draws!r} draws give no interval.", "Ask for 100 or more; 1000 is usual.")
    return int(draws)


def check_confidence(confidence: float) -> float:
    """``confidence`` itself, where it lies between 0 and 1; otherwise BadParameterError."""
    if not 0 < confidence < 1:
        raise BadParameterError(f"The confidence is {confidence}.", "Give a number between 0 and 1, such as 0.95.")
    return confidence
