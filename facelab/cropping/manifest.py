"""What became of each photograph of a folder tree: one JSON line a file, written at once, so that a run can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from facelab.errors import BadParameterError, FacelabError
from facelab.files import remove_partials, write_json, write_text

OK, SEVERAL_FACES, NO_FACE, UNREADABLE = "ok", "several faces", "no face", "unreadable"

NO_STAMP = (-1, -1)  #: stamp of a file that is not there, or must be looked at again

_SETTINGS, _ROWS = "crop-settings.json", "crop-manifest.jsonl"


@dataclass(frozen=True)
class Row:
    """One photograph.

    Attributes:
        file: its path below the folder, with forward slashes; its crop has the same.
        status: ``OK``; ``SEVERAL_FACES``: the largest of several was cropped; ``NO_FACE`` and ``UNREADABLE``: there is no crop.
        reason: why it is ``UNREADABLE``.
        faces: how many were found.
        box: of the cropped face, (x, y, w, h) in pixels of the photograph.
        score: of the cropped face.
        stamp: size in bytes and time of change in ns, so that a changed photograph is cropped again.
    """

    file: str
    status: str
    reason: str
    faces: int
    box: tuple[float, ...] | None
    score: float | None
    stamp: tuple[int, int]

    @property
    def has_crop(self) -> bool:
        """Whether it has a crop."""
        return self.status in (OK, SEVERAL_FACES)


class Manifest:
    """The rows of one output folder, on disk as they are added.

    Args:
        folder: the output folder; made if it is not there.
        settings: what decides the crops. A folder begun with other settings is refused.

    Raises:
        BadParameterError: the folder holds something else, or crops made with other settings.
        FacelabError: the folder cannot be written.
    """

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.folder = folder
        self.rows: dict[str, Row] = {}
        self._stream: TextIO | None = None
        begun = folder / _SETTINGS
        if begun.is_file():
            self._same(_settings(begun), settings)
            self._read()
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BadParameterError(f"{folder} holds something else than crops.", "Name a new or an empty folder.")
        else:
            write_json(begun, settings)

    def __enter__(self) -> Manifest:
        with self._writing():
            remove_partials(self.folder)
            self._tidy()
            self._stream = (self.folder / _ROWS).open("a", encoding="utf-8")
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

    def is_up_to_date(self, file: str, path: Path) -> bool:
        """Whether the photograph at ``path`` was done, has not changed since, and its crop is still there."""
        row = self.rows.get(file)
        if row is None or row.stamp != stamp(path):
            return False
        return not row.has_crop or (self.folder / file).is_file()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FacelabError(
                f"{self.folder / _ROWS} cannot be written ({error.strerror or error}).",
                "Free some space or check the rights of the folder.",
            ) from error

    def _same(self, begun: dict[str, object], settings: dict[str, object]) -> None:
        changed = [key for key in settings if begun.get(key) != settings[key]]
        if changed:
            raise BadParameterError(
                f"{self.folder} was begun with other settings ({', '.join(changed)}).", "Name a new folder."
            )

    def _read(self) -> None:
        rows = self.folder / _ROWS
        for line in rows.read_text(encoding="utf-8").splitlines() if rows.is_file() else []:
            try:
                row = json.loads(line)
            except ValueError:  # the process was killed while it wrote this line: that photograph is done again
                continue
            row["stamp"], row["box"] = tuple(row["stamp"]), row["box"] and tuple(row["box"])
            self.rows[row["file"]] = Row(**row)

    def _tidy(self) -> None:
        write_text(self.folder / _ROWS, "".join(_line(self.rows[file]) for file in sorted(self.rows)))


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of a file; ``NO_STAMP`` where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return NO_STAMP
    return found.st_size, found.st_mtime_ns


def _settings(path: Path) -> dict[str, object]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadParameterError(f"{path} cannot be read ({error}).", "Name a new folder.") from error


def _line(row: Row) -> str:
    return json.dumps(asdict(row), ensure_ascii=False) + "\n"
