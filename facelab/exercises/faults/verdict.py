"""What a check says, and what a fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        right: whether the implementation passed.
        says: what was measured, in one sentence.
    """

    right: bool
    says: str

    def __str__(self) -> str:
        return f"{'right' if self.right else 'wrong'}: {self.says}"


@dataclass(frozen=True)
class Fault:
    """A fault of an earlier project.

    Attributes:
        name: in a few words.
        effect: what it did to the training or to the figure.
        faulty: the implementation as it was found.
        right: ours.
        check: takes an implementation, the faulty one or any other, and says whether it has the fault.
    """

    name: str
    effect: str
    faulty: Callable
    right: Callable
    check: Callable[[Callable], Verdict]
