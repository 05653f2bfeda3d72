"""What a check says, and what a fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        passed: whether the implementation passed.
        message: what was measured, in one sentence.
    """

    passed: bool
    message: str

    def __str__(self) -> str:
        return f"{'right' if self.passed else 'wrong'}: {self.message}"


@dataclass(frozen=True)
class Fault:
    """A fault of an earlier project.

    Attributes:
        name: in a few words.
        effect: what it did to the training or to the figure.
        faulty_version: the implementation as it was found.
        correct_version: ours.
        check: takes an implementation, the faulty one or any other, and says whether it has the fault.
    """

    name: str
    effect: str
    faulty_version: Callable
    correct_version: Callable
    check: Callable[[Callable], Verdict]
