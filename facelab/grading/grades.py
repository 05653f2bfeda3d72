"""Grading a folder of hand-ins: one row for each student, notebook and exercise."""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import facelab
from facelab.exercises import Prediction
from facelab.exercises.registry import all_exercises
from facelab.files import parse_json_object, write_text
from facelab.grading.apart import Ending, run_apart
from facelab.grading.child import MOST_REPLY, TOO_LONG, Limits
from facelab.grading.hand_ins import HandIn
from facelab.grading.judging import judge_answer, read_notebook
from facelab.terminal import printable

STATES = ("right", "guess made", "wrong", "open", "missing", "error", "timeout", "memory")  #: the best first
_JUDGED = {
    "right": "right",
    "made": "guess made",
    "wrong": "wrong",
    "open": "open",
    "error": "error",
    "memory": "memory",
}
_BEGINS_A_FORMULA = ("=", "+", "-", "@")
_OUT_OF_TIME = (-24, 128 + 24)  # SIGXCPU, the system counted the seconds; and its exit code where answers run isolated
_NONSENSE = "its process replied with something else than a finding"


@dataclass(frozen=True)
class Row:
    """What was found of one exercise in one notebook.

    Attributes:
        student: name of the hand-in.
        notebook: path of the file within the hand-in; empty where there is none.
        exercise: its number; empty where the file cannot be read.
        name: of the exercise.
        state: one of ``STATES``.
        message: as the student sees it in the notebook, or what is wrong with the file.
        seconds: that its process took.
        guess, measured, off: of a guess, its value, the stored reference, and the difference.
    """

    student: str
    notebook: str
    exercise: str
    name: str
    state: str
    message: str
    seconds: float = 0.0
    guess: float | None = None
    measured: float | None = None
    off: float | None = None


@dataclass(frozen=True)
class Grader:
    """How answers are judged.

    Attributes:
        limits: of each answer.
        references: number of a guess -> what was measured.
        isolated: in namespaces of its own.
        hidden: folders that answers find empty, where isolated.
    """

    limits: Limits
    references: dict[str, float]
    isolated: bool
    hidden: tuple[Path, ...]

    def grade(self, hand_in: HandIn) -> Iterator[list[Row]]:
        """The rows of one notebook after another, as soon as each is judged."""
        for name, problem in hand_in.problems:
            yield [Row(hand_in.student, name, "", "", "error", problem)]
        any_rows = bool(hand_in.problems)
        for path in hand_in.files:
            rows = self._grade_notebook(hand_in, path)
            if rows:
                any_rows = True
                yield rows
        if not any_rows:
            yield [Row(hand_in.student, "", "", "", "missing", "no notebook was handed in")]

    def _grade_notebook(self, hand_in: HandIn, path: Path) -> list[Row]:
        """Rows of a file; none where another file than a notebook has nothing of the course."""
        notebook = str(path.relative_to(hand_in.root))
        ending = run_apart(read_notebook, {"path": str(path)}, self.limits)
        state, found = _read_reply(ending)
        if "problem" in found:
            if path.suffix.lower() != ".ipynb":
                return []
            return [Row(hand_in.student, notebook, "", "", state, found["problem"], round(ending.seconds, 2))]
        return [self._judge(hand_in.student, notebook, number, answer) for number, answer in found["answers"].items()]

    def _judge(self, student: str, notebook: str, number: str, answer: list | str | None) -> Row:
        exercise = all_exercises()[number]
        if answer is None:
            message = f"no cell defines {exercise.function_name}"
            return Row(student, notebook, number, exercise.name, "missing", message)
        if isinstance(answer, str):
            return Row(student, notebook, number, exercise.name, "error", f"a cell that is not Python: {answer}")
        ending = run_apart(
            judge_answer, {"number": number, "pieces": answer}, self.limits, isolated=self.isolated, hidden=self.hidden
        )
        state, message, guess = _verdict(ending)
        measured = self.references.get(number) if guess is not None else None
        off = None if measured is None else round(guess - measured, 4)
        seconds = round(ending.seconds, 2)
        return Row(student, notebook, number, exercise.name, state, message, seconds, guess, measured, off)


def _read_reply(ending: Ending) -> tuple[str, dict]:
    """What ``read_notebook`` replied, after the state that its notebook gets where the reply names a problem."""
    if ending.state != "replied":
        state, problem = _why_silent(ending)
        return state, {"problem": problem}
    try:
        return "error", parse_json_object(ending.reply)
    except ValueError:
        return "error", {"problem": _NONSENSE}


def _verdict(ending: Ending) -> tuple[str, str, float | None]:
    """(state, message, value of a guess)."""
    if ending.state != "replied":
        return *_why_silent(ending), None
    try:
        state, value, message = ending.reply.decode("utf-8", "replace").split("\n", 2)
        return _JUDGED[state], message, float(value) if value else None
    except (ValueError, KeyError):  # an answer has found the function that replies, and has called it
        return "error", _NONSENSE, None


def _why_silent(ending: Ending) -> tuple[str, str]:
    """State and message of a process that said nothing."""
    if ending.state == "timeout" or ending.exit_code in _OUT_OF_TIME:
        return "timeout", f"stopped after {ending.seconds:.0f} seconds (--seconds)"
    if ending.state == "memory":
        return "memory", "stopped: it took more memory than is allowed (--memory)"
    if ending.state == "processes":
        return "error", "stopped: it started too many processes"
    if ending.exit_code == TOO_LONG:
        return "error", f"its answers are too large: more than {MOST_REPLY >> 20} MiB"
    if ending.exit_code is not None and ending.exit_code < 0:
        return "error", f"its process crashed (signal {-ending.exit_code})"
    return "error", f"its process ended with code {ending.exit_code} before the check was through"


def measured_guesses() -> dict[str, float]:
    """What was measured of each guess that has a stored reference, by the exercise's number."""
    from facelab.labs.guesses import reference_of  # here: it brings libraries that the forks of answers need not carry

    stored = {n: reference_of(task) for n, task in all_exercises().items() if isinstance(task, Prediction)}
    return {number: reference.value for number, reference in stored.items() if reference is not None}


def hidden_folders(hand_ins: Path, out: Path | None = None) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The folders that no answer should read: that of the hand-ins, that of the table with the grades, and the home folder.

    Args:
        hand_ins: their folder.
        out: the table.

    Returns:
        Those that can be hidden, none of which lies in another; and those that cannot, since what answers need lies in them:
        Python itself, or the temporary folder.
    """
    home = Path(os.path.expanduser("~"))  # Path.home() raises where there is none
    wanted = {folder.resolve() for folder in (hand_ins, out and out.parent, home) if folder and folder.is_dir()}
    in_use = (*sys.path, sys.prefix, sys.base_prefix, facelab.__path__[0], tempfile.gettempdir())
    needed = [Path(entry).resolve() for entry in in_use if entry]
    readable = {folder for folder in wanted if any(path.is_relative_to(folder) for path in needed)}
    hidden = {folder for folder in wanted - readable if not (wanted - readable).intersection(folder.parents)}
    return tuple(sorted(hidden)), tuple(sorted(readable))


def best_rows(rows: list[Row]) -> dict[str, dict[str, Row]]:
    """By student and exercise the best row, where an exercise is in several notebooks; ``""`` are files without any."""
    best: dict[str, dict[str, Row]] = {}
    for row in rows:
        of_student = best.setdefault(row.student, {})
        other = of_student.get(row.exercise)
        if other is None or STATES.index(row.state) < STATES.index(other.state):
            of_student[row.exercise] = row
    return best


def write_grades(path: Path, rows: list[Row]) -> None:
    """The rows as a table that spreadsheets read, whole or not at all. No text of a student becomes a formula there.

    Raises:
        FacelabError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    for row in rows:
        writer.writerow([_cell(value) for value in asdict(row).values()])
    # the mark at its beginning tells Excel that the letters are UTF-8
    write_text(path, "\ufeff" + text.getvalue())


def _cell(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_BEGINS_A_FORMULA) else text
