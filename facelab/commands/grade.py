"""``facelab grade``: a folder of hand-ins, one row for each student, notebook and exercise."""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import console, error_console, print_table
from facelab.terminal import printable

if TYPE_CHECKING:
    from facelab.grading.grades import Row


def grade(
    folder: Annotated[
        Path, typer.Argument(help="Holds a subfolder of each student; or notebooks, each graded for itself.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the rows to this CSV file, after each student.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Limit for one answer.")] = 30,
    memory: Annotated[int, typer.Option(min=64, help="Limit for one answer, in MB beyond what Python takes.")] = 2048,
) -> None:
    """Judge the exercises in every notebook below a folder, each in a process of its own.

    Answers are found by the names of their functions; outputs and metadata are not read. An answer that patches a check, prints
    the right words or ends its process is not graded right. It runs within the process of its check, so one that searches the
    interpreter's memory can still deceive: read what looks unlike an answer.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # before libraries are loaded: no thread may be lost in a fork
    from facelab.files import check_writable
    from facelab.grading.apart import can_isolate
    from facelab.grading.child import Limits
    from facelab.grading.grades import Grader, hidden_folders, measured_guesses, write_grades
    from facelab.grading.hand_ins import find_hand_ins
    from facelab.paths import absolute_path

    folder = absolute_path(folder)  # each answer stands in a folder of its own
    if out is not None:
        out = absolute_path(out)
        check_writable(out.parent)  # not after an hour
    hand_ins = find_hand_ins(folder)
    hidden, readable = hidden_folders(folder, out)
    isolated = can_isolate(hidden)
    _say_what_holds(isolated, hidden, readable)
    grader = Grader(Limits(seconds, memory), measured_guesses(), isolated, hidden)
    gc.freeze()  # else each fork would copy all objects when it first looks for garbage
    rows: list[Row] = []
    try:
        for number, hand_in in enumerate(hand_ins, start=1):
            for of_notebook in grader.grade(hand_in):
                rows += of_notebook
                _print_notebook(f"[{number}/{len(hand_ins)}]", of_notebook)
            if out is not None:
                write_grades(out, rows)
    finally:
        if out is not None and rows:
            write_grades(out, rows)
    _print_totals(rows)
    if out is not None:
        console.print(f"{len(rows)} rows are in {out}.")


def _say_what_holds(isolated: bool, hidden: tuple[Path, ...], readable: tuple[Path, ...]) -> None:
    if isolated:
        finds = f", and finds {_listed(hidden)} empty" if hidden else ""
        but = (
            f" But it can read what is in {_listed(readable)}, where Python or temporary files lie." if readable else ""
        )
        error_console.print(f"Each answer runs apart: without network, with no file to write but its own{finds}.{but}")
    else:
        error_console.print(
            "This system lets no process have namespaces of its own: answers get limits of time and memory and a temporary "
            "home, but can reach the network and the files of this account. Grade what you trust, or use Linux."
        )


def _listed(folders: tuple[Path, ...]) -> str:
    return printable(" and ".join(map(str, folders)))


def _print_notebook(place: str, rows: list[Row]) -> None:
    """One line for a notebook, and one for each exercise that could not be judged."""
    states = Counter(row.state for row in rows)
    where = " / ".join(filter(None, (rows[0].student, rows[0].notebook)))
    console.print(f"{place} {where}: {', '.join(f'{count} {state}' for state, count in states.items())}")
    for row in rows:
        if row.state in ("error", "timeout", "memory") or not row.exercise:
            console.print(f"    {row.exercise or row.state}: {row.message[:300]}")


def _print_totals(rows: list[Row]) -> None:
    """A line for each student; an exercise in several notebooks counts once, as its best."""
    from facelab.grading.grades import STATES, best_rows

    best = best_rows(rows)
    for student, found in best.items():
        notebooks: dict[str, set[str]] = {}
        for row in rows:
            if row.student == student and row.exercise and row.state != "missing":
                notebooks.setdefault(row.exercise, set()).add(row.notebook)
        twice = [number for number in found if len(notebooks.get(number, ())) > 1]
        if twice:
            console.print(f"{student}: in more than one notebook, the best counts: {', '.join(twice)}")
    lines = [
        (student, *(str(sum(row.state == state for row in found.values()) or "") for state in STATES))
        for student, found in best.items()
    ]
    print_table(("student", *STATES), lines, right=STATES)
