"""Exercises: a stub that the student fills in, a check that says what is wrong and why, and a reference to go on with."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from facelab.exercises.progress import note_finding

Mistakes = dict[str, tuple[Callable, str]]  # label -> (a wrong answer, its message or a part of it)


class ExerciseError(Exception):
    """What is wrong with an answer, and why, in words for the student."""


class OpenError(ExerciseError):
    """Nothing was written yet: the stub is as it was."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        name: as the notebook calls it: ``"2.1 top-k accuracy"``.
        solution: the reference; also what the notebook goes on with.
        check: calls an answer on prepared inputs and raises ``ExerciseError`` where it is wrong.
        mistakes: typical wrong answers: label -> (answer, the message that it must get, or a part of it). Tests run them all.
        minutes: that a good student takes.
        difficulty: 1 (one line that the text nearly gives) to 5 (a whole algorithm, with traps).
        importance: 1 (a view aside) to 5 (the rest of the course stands on it).
        hints: two, in Markdown; the first says where to look, the second how it goes.
    """

    name: str
    solution: Callable
    check: Callable[[Callable], None]
    mistakes: Mistakes = field(default_factory=dict)
    minutes: int = 0
    difficulty: int = 0
    importance: int = 0
    hints: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """``"2.1"``, as a student names it."""
        return self.name.split()[0]

    @property
    def function_name(self) -> str:
        """What the student's function is called in the notebook."""
        return self.solution.__name__


@dataclass(frozen=True)
class Finding:
    """What was found of an answer.

    Attributes:
        state: ``"right"``, ``"wrong"``, ``"open"`` (nothing written yet), ``"error"`` (its code raised one) or, of a guess,
            ``"made"``.
        message: for the student: what is wrong, and why; of a guess its value.
    """

    state: str
    message: str


def judge(exercise: Exercise, answer: Callable) -> Finding:
    """Check an answer; whatever its code raises is part of what was found, never an error of ours."""
    try:
        exercise.check(answer)
    except OpenError as found:
        return Finding("open", str(found))
    except ExerciseError as found:
        return Finding("wrong", str(found))
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a student's code raises is commented on, no crash)
        line = _line_of_answer(error, answer)
        return Finding("error", f"your code raised {type(error).__name__}: {error} (line {line}).")
    return Finding("right", "right.")


def _line_of_answer(error: BaseException, answer: Callable) -> int | None:
    """The line of the student's cell where an error came from; where it is in none, as in a library alone, that one's."""
    frames = traceback.extract_tb(error.__traceback__)
    code = getattr(inspect.unwrap(answer), "__code__", None)
    own = [frame.lineno for frame in frames if code is not None and frame.filename == code.co_filename]
    return own[-1] if own else frames[-1].lineno


def check_answer(exercise: Exercise, answer: Callable) -> Callable:
    """Check a student's answer, say what was found, note it for ``facelab labs``, and hand back a function that is right in any
    case.

    The notebook so runs to its end at every state of completion: with the answer where it is right, else with the
    reference.

    Returns:
        ``answer`` where it passes the check, else ``exercise.solution``.
    """
    finding = judge(exercise, answer)
    note_finding(exercise.number, "wrong" if finding.state == "error" else finding.state)
    if finding.state == "right":
        print(f"Exercise {exercise.name}: right.")
        return answer
    print(f"Exercise {exercise.name}: {finding.message}\nThe notebook goes on with the reference solution.")
    return exercise.solution


def require(condition: bool, message: str) -> None:
    """Raise ``ExerciseError`` with the message where the condition does not hold."""
    if not condition:
        raise ExerciseError(message)


def require_written(result: object) -> None:
    """Refuse a stub, in which the ... still stands for the code."""
    if result is ...:
        raise OpenError("still a stub: replace the ... by your code.")


def require_returned(result: object) -> None:
    """Refuse a stub, and a function that returns nothing."""
    require_written(result)
    require(result is not None, "your function returns None. Is the return missing?")


def require_number(result: object) -> None:
    """Refuse a stub, and what is not one number; NaN passes, so that a check can say where it comes from."""
    require_written(result)
    require(
        np.ndim(result) == 0 and result is not None,
        f"return one number, a share. Yours is {type(result).__name__} of the shape {np.shape(result)}.",
    )


def require_share(result: object) -> None:
    """Refuse a stub, and what is not one number between 0 and 1."""
    require_number(result)
    require(0 <= result <= 1, f"got {result}: a share lies between 0 and 1.")


def require_loss(result: object, description: str = "loss") -> None:
    """Refuse a stub, and what is not a tensor with one number and a gradient, which alone can be trained with."""
    require_written(result)
    require(
        isinstance(result, Tensor),
        f"the {description} must be a tensor, you return {type(result).__name__}, which carries no gradient: "
        "stay in torch, without item() or numpy().",
    )
    require(result.requires_grad, f"the {description} carries no gradient: stay in torch, without numpy() or detach().")
    require(result.ndim == 0, f"the {description} is one number, yours has the shape {tuple(result.shape)}.")


def refuse(result: object, wrong_result: object, message: str, *, tolerance: float = 1e-5) -> None:
    """Say the message where a result has the shape and, to the tolerance, the numbers that a known mistake gives."""
    try:
        result_array, wrong_array = np.asarray(result, dtype=float), np.asarray(wrong_result, dtype=float)
    except (TypeError, ValueError):
        return  # no numbers at all: require_value says so
    same_shape = result_array.shape == wrong_array.shape
    require(not (same_shape and np.allclose(result_array, wrong_array, atol=tolerance, rtol=0)), message)


def refuse_mistakes(result: object, mistakes: Mistakes, *inputs: object) -> None:
    """Say a mistake's message where a result equals what the mistake makes of the same inputs; the first such counts."""
    for mistake, message in mistakes.values():
        refuse(result, mistake(*inputs), message)


def require_value(result: object, expected: object, description: str, *, tolerance: float = 1e-6) -> None:
    """Compare an answer's result with the expected one: still a stub, wrong type, wrong shape, wrong value, in that order."""
    require_written(result)
    require(result is not None, f"{description}: your function returns None. Is the return missing?")
    try:
        result_array, expected_array = np.asarray(result, dtype=float), np.asarray(expected, dtype=float)
    except (TypeError, ValueError) as error:
        raise ExerciseError(f"{description}: expected numbers, got {type(result).__name__}.") from error
    require(
        result_array.shape == expected_array.shape,
        f"{description}: the shape is {result_array.shape}, expected {expected_array.shape}.",
    )
    if not np.allclose(result_array, expected_array, atol=tolerance, rtol=0, equal_nan=True):
        raise ExerciseError(f"{description}: got {_short(result_array)}, expected {_short(expected_array)}.")


def _short(values: np.ndarray) -> str:
    return np.array2string(values, precision=4, threshold=8, edgeitems=3).replace("\n", "")
