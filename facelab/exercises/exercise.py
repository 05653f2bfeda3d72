"""Exercises: a stub that the student fills in, a check that says what is wrong and why, and a reference to go on with."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

Mistakes = dict[str, tuple[Callable, str]]  # label -> (a wrong answer, its message or a part of it)


class ExerciseError(Exception):
    """What is wrong with an answer, and why, in words for the student."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        name: as the notebook calls it: ``"2.1 top-k accuracy"``.
        solution: the reference; also what the notebook goes on with.
        check: calls an answer on prepared inputs and raises ``ExerciseError`` where it is wrong.
        wrong: typical wrong answers: label -> (answer, the message that it must get, or a part of it). Tests run them all.
    """

    name: str
    solution: Callable
    check: Callable[[Callable], None]
    wrong: Mistakes = field(default_factory=dict)


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


def require_written(got: object) -> None:
    """Refuse a stub, in which the ... still stands for the code."""
    require(got is not ..., "still a stub: replace the ... by your code.")


def require_returned(got: object) -> None:
    """Refuse a stub, and a function that returns nothing."""
    require_written(got)
    require(got is not None, "your function returns None. Is the return missing?")


def require_number(got: object) -> None:
    """Refuse a stub, and what is not one number; NaN passes, so that a check can say where it comes from."""
    require_written(got)
    require(
        np.ndim(got) == 0 and got is not None,
        f"return one number, a share. Yours is {type(got).__name__} of the shape {np.shape(got)}.",
    )


def require_share(got: object) -> None:
    """Refuse a stub, and what is not one number between 0 and 1."""
    require_number(got)
    require(0 <= got <= 1, f"got {got}: a share lies between 0 and 1.")


def require_loss(got: object, what: str = "loss") -> None:
    """Refuse a stub, and what is not a tensor with one number and a gradient, which alone can be trained with."""
    require_written(got)
    require(
        isinstance(got, Tensor),
        f"the {what} must be a tensor, you return {type(got).__name__}, which carries no gradient: "
        "stay in torch, without item() or numpy().",
    )
    require(got.requires_grad, f"the {what} carries no gradient: stay in torch, without numpy() or detach().")
    require(got.ndim == 0, f"the {what} is one number, yours has the shape {tuple(got.shape)}.")


def refuse(got: object, mistaken: object, message: str, *, tolerance: float = 1e-5) -> None:
    """Say the message where a result has the shape and, to the tolerance, the numbers that a known mistake gives."""
    try:
        got_array, mistaken_array = np.asarray(got, dtype=float), np.asarray(mistaken, dtype=float)
    except (TypeError, ValueError):
        return  # no numbers at all: require_value says so
    same_shape = got_array.shape == mistaken_array.shape
    require(not (same_shape and np.allclose(got_array, mistaken_array, atol=tolerance, rtol=0)), message)


def refuse_mistakes(got: object, mistakes: Mistakes, *inputs: object) -> None:
    """Say a mistake's message where a result equals what the mistake makes of the same inputs; the first such counts."""
    for mistake, message in mistakes.values():
        refuse(got, mistake(*inputs), message)


def require_value(got: object, expected: object, what: str, *, tolerance: float = 1e-6) -> None:
    """Compare an answer's result with the expected one: still a stub, wrong type, wrong shape, wrong value, in that order."""
    require_written(got)
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
