"""What became of each photograph of a folder tree: one JSON line a file, written at once, so that a run can be resumed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from facelab.datasets.output_tree import file_fault
from facelab.datasets.trees import is_empty
from facelab.errors import BadParameterError, FacelabError
from facelab.files import parse_json_object, read_json_object, remove_partials, write_json, write_text

OK, SEVERAL_FACES, NO_FACE, UNREADABLE = "ok", "several faces", "no face", "unreadable"
NO_PHOTOGRAPH = "no photograph"

NO_STAMP = (-1, -1)  #: stamp of a file that is not there, or must be looked at again

SETTINGS, ROWS = "crop-settings.json", "crop-manifest.jsonl"
_VERSION = 2  # raised when a change here or in crop_files changes what is written


@dataclass(frozen=True)
class Row:
    """One photograph.

    Attributes:
        file: its path below the folder, with forward slashes.
        status: ``OK``; ``SEVERAL_FACES``: the largest of several was cropped; ``NO_FACE`` and ``UNREADABLE``: there is no crop;
            ``NO_PHOTOGRAPH``: another file, as its name says.
        reason: why it is ``UNREADABLE`` or ``NO_PHOTOGRAPH``.
        faces: how many were found.
        box: of the cropped face, (x, y, w, h) in pixels of the photograph.
        score: of the cropped face.
        stamp: size in bytes and time of change in ns, so that a changed photograph is cropped again.
        photo_size: width and height of the photograph in pixels; None where it could not be read.
        crop: path of its crop below the output folder, as ``crop_name`` has it; empty where there is none.
        crop_sha256: of the crop's file.
    """

    file: str
    status: str
    reason: str = ""
    faces: int = 0
    box: tuple[float, ...] | None = None
    score: float | None = None
    stamp: tuple[int, int] = NO_STAMP
    photo_size: tuple[int, int] | None = None
    crop: str = ""
    crop_sha256: str = ""


def is_begun(folder: Path, settings: dict[str, object]) -> bool:
    """Whether a folder holds crops that were made with these settings; otherwise it is empty, or not there.

    Args:
        folder: the output folder.
        settings: what decides the crops.

    Raises:
        BadParameterError: it holds something else, or crops made with other settings.
    """
    begun = folder / SETTINGS
    if begun.is_file():
        _check_same(folder, _settings(begun), _with_version(settings))
        return True
    if not is_empty(folder):
        raise BadParameterError(f"{folder} holds something else than crops.", "Name a new or an empty folder.")
    return False


class Manifest:
    """The rows of one output folder, on disk as they are added. Who writes them holds the lock of the folder.

    Args:
        folder: the output folder; made if it is not there.
        settings: what decides the crops. A folder begun with other settings is refused.

    Raises:
        BadParameterError: as for ``is_begun``.
        FacelabError: the folder cannot be written.
    """

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.folder = folder
        self.rows: dict[str, Row] = {}
        self._stream: TextIO | None = None
        if is_begun(folder, settings):
            self._read()
        else:
            write_json(folder / SETTINGS, _with_version(settings))

    def __enter__(self) -> Manifest:
        with self._writing():
            remove_partials(self.folder)
            self._tidy()
            self._stream = (self.folder / ROWS).open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, and put the rows in order, so that an interrupted and resumed run ends in the same file."""
        if self._stream is not None:
            with self._writing():
                self._stream.close()
            self._tidy()

    def add(self, row: Row) -> None:
        """Note what became of a photograph, on disk at once."""
        self.rows[row.file] = row
        if self._stream is not None:
            with self._writing():
                self._stream.write(_line(row))
                self._stream.flush()

    def is_done(self, file: str, path: Path) -> bool:
        """Whether the photograph at ``path`` was done and has not changed since."""
        return file in self.rows and self.rows[file].stamp == stamp(path)

    def crop_fault(self, file: str) -> str:
        """Why the crop of a photograph is not there as it was written: ``"missing"``, ``"damaged"``, or empty."""
        row = self.rows[file]
        return file_fault(self.folder / row.crop, row.crop_sha256) if row.crop else ""

    def has_crop(self, file: str) -> bool:
        """Whether the crop of a photograph lies there as it was written."""
        return file in self.rows and bool(self.rows[file].crop) and not self.crop_fault(file)

    def forget(self, file: str) -> None:
        """Drop the row of a photograph that is gone."""
        del self.rows[file]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FacelabError(
                f"{self.folder / ROWS} cannot be written ({error.strerror or error}).",
                "Free some space or check the rights of the folder.",
            ) from error

    def _read(self) -> None:
        """The rows as they were written; a line that was not (torn by a kill, or damaged) is left out, and done again."""
        try:
            text = (self.folder / ROWS).read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return
        except OSError as error:
            raise BadParameterError(
                f"{self.folder / ROWS} cannot be read ({error.strerror}).", "Name a new folder."
            ) from error
        for line in text.split("\n"):  # not splitlines(): names may hold other characters that it takes for line ends
            if row := _row(line):
                self.rows[row.file] = row

    def _tidy(self) -> None:
        write_text(self.folder / ROWS, "".join(_line(self.rows[file]) for file in sorted(self.rows)))


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of a file; ``NO_STAMP`` where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return NO_STAMP
    return found.st_size, found.st_mtime_ns


def _with_version(settings: dict[str, object]) -> dict[str, object]:
    return settings | {"version": _VERSION}


def _check_same(folder: Path, begun: dict[str, object], settings: dict[str, object]) -> None:
    if begun.get("source", settings.get("source")) != settings.get("source"):
        raise BadParameterError(
            f"{folder} was begun with the photographs of another folder, {begun['source']!r}.", "Name a new folder."
        )
    changed = [key for key in settings if begun.get(key) != settings[key]]
    if changed:
        raise BadParameterError(f"{folder} was begun with other settings ({', '.join(changed)}).", "Name a new folder.")


def _settings(path: Path) -> dict[str, object]:
    try:
        return read_json_object(path)
    except (OSError, ValueError) as error:
        raise BadParameterError(f"{path} cannot be read ({error}).", "Name a new folder.") from error


def _line(row: Row) -> str:
    content = asdict(row)
    return json.dumps(content | {"check": _check(content)}, ensure_ascii=False) + "\n"


def _row(line: str) -> Row | None:
    try:
        content = parse_json_object(line)
        if content.pop("check") != _check(content):
            return None
    except (ValueError, KeyError):
        return None
    lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
    return Row(**content | lists)


def _check(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
