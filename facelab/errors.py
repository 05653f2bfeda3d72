"""The errors that a user of facelab can meet. Each names the thing that is wrong and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FacelabError(Exception):
    """A fault that the user can mend: what is wrong, then the remedy, in one line.

    Args:
        problem: the thing and what is wrong with it.
        remedy: what to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem, self.remedy = problem, remedy

    def __reduce__(self) -> tuple[type[FacelabError], tuple[str, str]]:
        """So that it comes out of another process as it went in: ``Exception`` would keep the one line only."""
        return type(self), (self.problem, self.remedy)


class DataMissingError(FacelabError):
    """A data set, a label table or a weight file is not on this machine."""


class BadImageError(FacelabError):
    """A file cannot be read as the photograph that it should be."""


class BadParameterError(FacelabError, ValueError):
    """A parameter has a value, a type or a name that is not allowed."""


class LeakageError(FacelabError, AssertionError):
    """People or photographs of the test set were found in the training set."""


class TrainingError(FacelabError, ArithmeticError):
    """A training cannot go on: a loss that is not a number, or a checkpoint that does not belong to this run."""


class PreemptedError(FacelabError):
    """A training was asked from outside to make room, and has written its checkpoint; the same call goes on."""


class OutOfMemoryError(FacelabError, MemoryError):
    """What was asked for does not fit into memory."""


def one_line(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:120]}" if lines else type(error).__name__


def nearest_name(word: str, known: Iterable[str]) -> str:
    """A question to end an error's problem with, `` Did you mean 'x'?``; empty where no known name is like the word.

    Args:
        word: what was typed; upper and lower case count as the same.
        known: the names that there are.
    """
    names = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), names, n=1)
    return f" Did you mean {names[near[0]]!r}?" if near else ""
