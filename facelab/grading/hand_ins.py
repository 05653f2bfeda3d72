"""What was handed in: which students there are in a folder, and which files of each may be notebooks."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from facelab.errors import BadParameterError

_NOTEBOOK_SUFFIX = ".ipynb"
_NOT_HANDED_IN = {
    "__MACOSX",
    "runs",
}  # what an archive of a Mac adds; what facelab itself wrote in a copy of the course
_MOST_NOTEBOOKS = 100  # of one student; the course has twelve


@dataclass(frozen=True)
class HandIn:
    """What one student handed in.

    Attributes:
        student: name of the folder, or of the one notebook that lies beside the folders.
        root: what the notebooks' paths are written from.
        files: regular files that may be notebooks, sorted: first those that are called one.
        problems: (file or folder, what is wrong with it) of what is not read.
    """

    student: str
    root: Path
    files: tuple[Path, ...]
    problems: tuple[tuple[str, str], ...] = ()


def find_hand_ins(folder: Path) -> list[HandIn]:
    """What lies in a folder: each subfolder is one student, and so is each notebook that lies in the folder itself.

    Links are told of and not followed; hidden folders and ``runs`` are passed over. A file with another suffix than ``.ipynb``
    may be a notebook too, if it begins as one.

    Args:
        folder: with the hand-ins.

    Raises:
        BadParameterError: it is not a folder, or has nothing to grade.
    """
    if not folder.is_dir():
        raise BadParameterError(f"{folder} is not a folder.", "Name the folder that holds what the students handed in.")
    found = []
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            if not _is_passed_over(entry.name):
                found.append(_hand_in_of(Path(entry.path)))
        elif entry.name.lower().endswith(_NOTEBOOK_SUFFIX) or entry.is_symlink():
            files, problems = _sort_out([Path(entry.path)], folder)
            found.append(HandIn(entry.name, folder, files, problems))
    if not any(hand_in.files or hand_in.problems for hand_in in found):
        raise BadParameterError(
            f"{folder} has no notebook.", "It should hold a subfolder of each student, or notebooks (.ipynb)."
        )
    return found


def _hand_in_of(folder: Path) -> HandIn:
    paths: list[Path] = []
    for parent, names, files in os.walk(folder):  # which follows no links
        names[:] = sorted(name for name in names if not _is_passed_over(name))
        paths += [Path(parent, name) for name in names if os.path.islink(os.path.join(parent, name))]
        paths += [Path(parent, name) for name in sorted(files) if not name.startswith(".")]
    # those that are called notebooks before all others, however many of these there are
    files, problems = _sort_out(sorted(paths, key=lambda path: not _is_named(path)), folder)
    if len(files) > _MOST_NOTEBOOKS:
        problems += ((str(files[_MOST_NOTEBOOKS].relative_to(folder)), f"not read: more than {_MOST_NOTEBOOKS} files"),)
    return HandIn(folder.name, folder, files[:_MOST_NOTEBOOKS], problems)


def _sort_out(paths: list[Path], root: Path) -> tuple[tuple[Path, ...], tuple[tuple[str, str], ...]]:
    """Files that may be notebooks, and what is wrong with those that are called one but are no file."""
    files, problems = [], []
    for path in paths:
        is_named = _is_named(path)
        name = str(path.relative_to(root))
        try:
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                if is_named or _begins_as_notebook(path):
                    files.append(path)
            elif stat.S_ISLNK(mode):
                problems.append((name, "a link, which is not followed: hand in the file itself"))
            elif is_named:
                problems.append((name, "no regular file"))
        except OSError as error:
            problems.append((name, f"cannot be read ({error.strerror})"))
    return tuple(files), tuple(problems)


def _is_named(path: Path) -> bool:
    return path.name.lower().endswith(_NOTEBOOK_SUFFIX)


def _begins_as_notebook(path: Path) -> bool:
    """Whether a file begins as JSON of an object, after a mark of its encoding."""
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name in _NOT_HANDED_IN


def _entries(folder: Path) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
