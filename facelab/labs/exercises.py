"""Exercises: a stub that the student fills in, a check that says what is wrong and why, and a reference to go on with."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


class ExerciseError(Exception):
    """What is wrong with an answer, and why, in words for the student."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        name: as the notebook calls it: ``"2.1 top-k accuracy"``.
        solution: the reference; also what the notebook goes on with.
        check: calls an answer on prepared inputs and raises ``ExerciseError`` where it is wrong.
        wrong: typical wrong answers: label -> (answer, part of the message that it must get). Tests run them all.
    """

    name: str
    solution: Callable
    check: Callable[[Callable], None]
    wrong: dict[str, tuple[Callable, str]] = field(default_factory=dict)


def exercise(task: Exercise, answer: Callable) -> Callable:
    """Check a student's answer, say what was found, and hand back a function that is right in any case.

    The notebook so runs to its end at every state of completion: with the answer where it is right, else with the
    reference.

    Returns:
        ``answer`` where it passes the check, else ``task.solution``.
    """
    try:
        task.check(answer)
    except ExerciseError as found:
        print(f"Exercise {task.name}: {found}\nThe notebook goes on with the reference solution.")
        return task.solution
    except Exception as error:  # noqa: BLE001  (whatever a student's code raises is an answer to comment on, never a crash)
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        print(
            f"Exercise {task.name}: your code raised {type(error).__name__}: {error} (line {line}).\n"
            "The notebook goes on with the reference solution."
        )
        return task.solution
    print(f"Exercise {task.name}: right.")
    return answer


def require(condition: bool, message: str) -> None:
    """Raise ``ExerciseError`` with the message where the condition does not hold."""
    if not condition:
        raise ExerciseError(message)


def require_value(got: object, expected: object, what: str, *, tolerance: float = 1e-6) -> None:
    """Compare an answer's result with the expected one: still a stub, wrong type, wrong shape, wrong value, in that order."""
    require(got is not ..., "still a stub: replace the ... by your code.")
    require(got is not None, f"{what}: your function returns None. Is the return missing?")
    try:
        got_array, expected_array = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    except (TypeError, ValueError) as error:
        raise ExerciseError(f"{what}: expected numbers, got {type(got).__name__}.") from error
    require(
        got_array.shape == expected_array.shape,
        f"{what}: the shape is {got_array.shape}, expected {expected_array.shape}.",
    )
    if not np.allclose(got_array, expected_array, atol=tolerance, rtol=0, equal_nan=True):
        raise ExerciseError(f"{what}: got {_short(got_array)}, expected {_short(expected_array)}.")


def _short(values: np.ndarray) -> str:
    return np.array2string(values, precision=4, threshold=8, edgeitems=3).replace("\n", "")
