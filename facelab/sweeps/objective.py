"""What a sweep searches: something with parameters that can be measured, such as a method's training or a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from facelab.errors import FacelabError


class ObjectiveError(FacelabError):
    """No trial of this sweep can be measured: the fault is none of the values that were drawn."""


class Objective(Protocol):
    """What is searched.

    Attributes:
        description: everything that decides the result of given values, in lines of text: trials of another one are not
            comparable.
        metric: name of the number that is measured.
        maximize: whether a larger one is better.
        seed: decides what is drawn.
        start: the values to begin with, as far as they are known.
    """

    description: str
    metric: str
    maximize: bool
    seed: int
    start: Mapping[str, object]

    def measure(self, values: Mapping[str, object], folder: Path) -> float:
        """The number that given values lead to.

        Args:
            values: of the parameters that are searched.
            folder: of the trial: what a killed one left there, the next one goes on from.

        Raises:
            ObjectiveError: no values could be measured.
            FacelabError: these values cannot be measured.
        """

    def describe_value(self, value: float) -> str:
        """A measured number as a person reads it, with its interval where it has one."""

    def command(self, values: Mapping[str, object]) -> str:
        """The line to type for a run with these values."""
