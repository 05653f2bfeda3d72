"""What was found of each exercise so far: small files below ``runs/exercises``, written when a notebook checks an answer.

Each state of an exercise has a file of its own, ``2.1.right.json``, which is written whole and never read before it is written.
So two notebooks at once lose nothing, a damaged file is made anew by the next check, and what was right once stays so.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from facelab.errors import FacelabError
from facelab.files import read_json_object, write_json
from facelab.paths import runs_root

DONE = ("right", "made")  #: states in which nothing is left to do
_NOTED = (*DONE, "wrong")  # "open" is the state of whatever nothing was noted of: a run of a stub changes nothing
_told_of: set[str] = set()  # problems of writing, each said once


@dataclass(frozen=True)
class Progress:
    """How far a student is with one exercise.

    Attributes:
        state: ``"right"``, ``"made"`` (of a guess), ``"wrong"`` or ``"open"``.
        last_wrong: it was right once, and a later answer was wrong. It stays done.
        damaged: files that could not be read; each is made anew by the next check that finds the same.
    """

    state: str
    last_wrong: bool = False
    damaged: tuple[Path, ...] = ()


def note_finding(number: str, state: str) -> None:
    """Note what was found of an exercise, by its number. What cannot be noted is said on stderr, once, and stops no notebook.

    Args:
        number: ``"2.1"``.
        state: ``"right"``, ``"made"`` or ``"wrong"``; any other is not noted.
    """
    if state not in _NOTED:
        return
    try:
        write_json(_file_of(number, state), {"found": datetime.now(timezone.utc).isoformat()})
    except FacelabError as error:
        if error.problem not in _told_of:
            _told_of.add(error.problem)
            print(f"facelab labs will not show this exercise: {error}", file=sys.stderr)


def read_progress(number: str) -> Progress:
    """What was found of an exercise so far.

    Raises:
        BadParameterError: ``FACELAB_RUNS`` names a file.
    """
    times, damaged = {}, []
    for state in _NOTED:
        path = _file_of(number, state)
        try:
            times[state] = datetime.fromisoformat(str(read_json_object(path)["found"]))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError):
            damaged.append(path)
    state = next((state for state in _NOTED if state in times), "open")
    last_wrong = state in DONE and "wrong" in times and times["wrong"] > times[state]
    return Progress(state, last_wrong, tuple(damaged))


def _file_of(number: str, state: str) -> Path:
    return runs_root() / "exercises" / f"{number}.{state}.json"
