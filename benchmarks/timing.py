"""Contenders who take turns, and what is said of their times: medians and quartiles, of the ratios too."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

Value = TypeVar("Value")
Clock = Callable[[], float]  #: does a piece of work, and returns its seconds
OURS = "facelab"  #: the contender whom the others are compared with


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of ``n`` values; in a row of a record, the range that it has."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
        return cls(float(median), float(low), float(high), len(values))


@dataclass(frozen=True)
class Row:
    """A line of the results.

    Attributes:
        name: what was measured.
        unit: of the values: ``"photographs/s"``, ``"s"``.
        values: contender -> value, ours first.
        ratios: other contender -> how many times as fast as it facelab is, from both times of each round; none where the
            values are no times or rates.
    """

    name: str
    unit: str
    values: dict[str, Spread]
    ratios: dict[str, Spread] = field(default_factory=dict)


@dataclass(frozen=True)
class Effort:
    """How much is measured: enough for figures, or (``small``) just enough to see that every part works."""

    small: bool = False

    def choose(self, small: Value, full: Value) -> Value:
        """The one or the other."""
        return small if self.small else full

    def side_by_side(self, functions: Mapping[str, Callable[[], object]], rounds: int = 9) -> dict[str, list[float]]:
        """Seconds of a call of each function, in each round."""
        least = self.choose(0.0, 0.2)
        return self.take_turns({name: stopwatch(function, least) for name, function in functions.items()}, rounds)

    def take_turns(self, clocks: Mapping[str, Clock], rounds: int = 9) -> dict[str, list[float]]:
        """A, B, A, B ...: what each clock shows, in each round; two rounds are enough to see that it works."""
        times = [{name: clock() for name, clock in clocks.items()} for _ in range(self.choose(2, rounds))]
        return {name: [shown[name] for shown in times] for name in clocks}


def single_call(function: Callable[[], object]) -> Clock:
    """Seconds of one call of a function, where it is too long to be called beforehand."""

    def clock() -> float:
        started = time.perf_counter()
        function()
        return time.perf_counter() - started

    return clock


def stopwatch(function: Callable[[], object], least: float) -> Clock:
    """Seconds of one call of a function, which is called here once or twice to warm up.

    Args:
        function: what is timed.
        least: seconds that each look at the clock lasts at least; a fast function is called so often between two of them.
    """

    def seconds(calls: int) -> float:
        started = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - started) / calls

    function()
    calls = max(1, math.ceil(least / max(seconds(1), 1e-9))) if least else 1
    return lambda: seconds(calls)


def compare(
    name: str, unit: str, seconds: Mapping[str, Sequence[float]], amounts: float | Mapping[str, float] | None = None
) -> Row:
    """A row from the seconds of contenders who took turns.

    Args:
        name: of the row.
        unit: of its values.
        seconds: contender -> seconds in each round, ours first.
        amounts: how much was done in them, by all or by each, where the values are rates; None: the values are seconds.
    """
    done = amounts if isinstance(amounts, Mapping) else dict.fromkeys(seconds, 1.0 if amounts is None else amounts)
    rates = {contender: done[contender] / np.asarray(times) for contender, times in seconds.items()}
    values = seconds if amounts is None else rates
    return Row(
        name,
        unit,
        {contender: Spread.of(values[contender]) for contender in seconds},
        {contender: Spread.of(rates[OURS] / rate) for contender, rate in rates.items() if contender != OURS},
    )
