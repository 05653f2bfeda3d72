"""What was found of each exercise so far: one small file below ``runs/exercises``, written when a notebook checks an answer."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from facelab.errors import FacelabError
from facelab.files import read_json_object, write_json
from facelab.paths import runs_root

DONE = ("right", "made")  #: states in which nothing is left to do


def note_finding(number: str, state: str) -> None:
    """Note what was found of an exercise, by its number; what was right once stays so, whatever a later run finds.

    Raises:
        OSError: the file cannot be written.
    """
    if noted_state(number) not in DONE:
        write_json(
            _file_of(number), {"state": state, "found": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        )


def noted_state(number: str) -> str | None:
    """``"right"``, ``"made"``, ``"wrong"`` or ``"open"``; None where no notebook has checked it yet.

    Raises:
        FacelabError: the file is damaged.
    """
    path = _file_of(number)
    if not path.is_file():
        return None
    try:
        return str(read_json_object(path)["state"])
    except (OSError, ValueError, KeyError) as error:
        raise FacelabError(
            f"{path} does not say what was found ({error}).", "Delete it, and run the exercise again."
        ) from error


def _file_of(number: str) -> Path:
    return runs_root() / "exercises" / f"{number}.json"
