"""Predict, then run: a guess that is written down before the measurement, and seen beside it afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from facelab.exercises.exercise import Finding
from facelab.exercises.progress import note_finding
from facelab.records import Metric


@dataclass(frozen=True)
class Prediction:
    """An exercise of the kind predict-then-run. A guess counts for being made; it is never wrong.

    Attributes:
        name: as the notebook calls it: ``"4.5 guess: what half the queue costs"``.
        function_name: what the student's function is called in the notebook: ``"guess_half_queue"``. It takes nothing and
            returns one number.
        metric: name of the measured number in the notebook's record and references.
        lowest, highest: what a guess can be: 0 and 1 of a share.
        minutes, difficulty, importance, hints: as of ``Exercise``.
    """

    name: str
    function_name: str
    metric: str
    lowest: float = 0.0
    highest: float = 1.0
    minutes: int = 3
    difficulty: int = 1
    importance: int = 3
    hints: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """``"4.5"``, as a student names it."""
        return self.name.split()[0]


@dataclass(frozen=True)
class Guess:
    """A guess, or that none was made.

    Attributes:
        prediction: what was asked.
        value: the number; None where none was written down.
    """

    prediction: Prediction
    value: float | None

    def compare(self, measured: Metric) -> None:
        """Print guess, measurement and interval side by side, and how far the guess is off."""
        between = "" if measured.low is None else f", 95 % interval {measured.low:.3f} to {measured.high:.3f}"
        counted = "" if measured.n is None else f" (n = {measured.n})"
        print(f"{self.prediction.name}\n  measured: {measured.value:.3f}{between}{counted}")
        if self.value is None:
            print("  your guess: none was written down. Next time, guess first: it shows what you expect.")
            return
        print(f"  your guess: {self.value:.3f}, off by {self.value - measured.value:+.3f}")
        if measured.low is not None and measured.low <= self.value <= measured.high:
            print("  It lies within the interval.")


def judge_guess(prediction: Prediction, answer: Callable) -> tuple[Finding, float | None]:
    """What was found of a guess (``"made"``, ``"open"`` or ``"error"``), and its value where one was made."""
    try:
        value = answer()
        if value is ... or value is None:
            return Finding("open", "no guess yet: write a number in place of the ... before you run on."), None
        number = float(value)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a student's code raises is commented on, no crash)
        return Finding("error", f"your guess raised {type(error).__name__}: {error}. Return one number."), None
    if not (math.isfinite(number) and prediction.lowest <= number <= prediction.highest):
        limits = f"{prediction.lowest:g} and {prediction.highest:g}"
        return Finding("open", f"your guess is {number:g}; it must lie between {limits}."), None
    return Finding("made", f"your guess is {number:g}."), number


def predict(prediction: Prediction, answer: Callable) -> Guess:
    """Take down a student's guess, say so, note it for ``facelab labs``, and hand it back for ``Guess.compare``."""
    finding, value = judge_guess(prediction, answer)
    note_finding(prediction.number, finding.state)
    print(f"Exercise {prediction.name}: {finding.message}")
    return Guess(prediction, value)
