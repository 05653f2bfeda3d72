"""A student's own copy of the course: laid out once, and brought up to date without losing anybody's work.

The manifest in the copy says of each file which content was laid out. A file that still has this content is replaced by a newer
one. Any other file is the student's, and is never written to.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from dataclasses import dataclass, field
from pathlib import Path

from facelab.errors import BadParameterError
from facelab.files import atomic_write, read_json_object, remove_partials, write_json
from facelab.paths import COURSE_MANIFEST, file_in_the_way, project_folder

START_PAGE = "START.md"
_FOLDERS = ("notebooks", "figures")


@dataclass
class Report:
    """What was found and done; names are relative to the copy, with ``/``.

    Attributes:
        added: files that were not there before.
        replaced: files that nobody had changed, now those of today's course.
        kept: the student's files of which today's course has a newer one; with ``update`` it is written beside.
        own: the student's files of which today's course has nothing newer.
        beside: those new ones: "notebooks/03_supcon.new.ipynb".
        blocked: such names under which something else stands already, so that nothing was written.
        deleted: files that the student deleted, and that were not brought back.
        dropped: files that today's course no longer has.
        damaged: whether the manifest could not be read, so that every file that differs counts as the student's.
    """

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    damaged: bool = False


def course_files() -> dict[str, Path]:
    """What a copy consists of: its name there -> the file that comes with the project.

    Raises:
        BadParameterError, DataMissingError: no notebook came with the project.
    """
    notebooks = sorted(project_folder("notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise BadParameterError(
            f"No notebook is in {project_folder('notebooks')}.", "Install facelab again from its wheel or a full clone."
        )
    figures = sorted(project_folder("figures").glob("*.png"))
    files = {f"notebooks/{path.name}": path for path in notebooks} | {f"figures/{path.name}": path for path in figures}
    return {START_PAGE: Path(__file__).with_name(START_PAGE)} | files


def lay_out(folder: Path, *, update: bool = False, restore: bool = False) -> Report:
    """Lay out the course in a folder, or bring the copy there up to date. Interrupted, it can be called again.

    Args:
        folder: made where there is none; other files in it do not matter.
        update: write the new file beside a student's one that differs.
        restore: bring back what the student deleted.

    Raises:
        BadParameterError: the folder is a file, a checkout, or not a copy and holds other files under our names.
        FacelabError: a file cannot be written.
    """
    _refuse_unsuitable(folder)
    copy = _Copy(folder, update=update)
    files = course_files()
    strange = [name for name in files if not copy.known and copy.is_other(name, files[name].read_bytes())]
    if strange and not copy.report.damaged and not update:
        raise BadParameterError(
            f"{folder} is not a course that facelab laid out, and has files with its names: {', '.join(strange)}.",
            "Choose another folder, or add --update to write the course's files beside yours.",
        )
    copy.write_manifest()
    for name in _FOLDERS:
        remove_partials(folder / name)  # of a call that was killed
    for name, path in files.items():
        copy.bring(name, path.read_bytes(), restore=restore)
    copy.report.dropped = [name for name in copy.laid_out if name not in files and copy.is_old(name)]
    return copy.report


def _refuse_unsuitable(folder: Path) -> None:
    blocker = file_in_the_way(folder)
    if blocker is not None:
        raise BadParameterError(f"{blocker} is not a folder.", "Name a folder, new or with your copy of the course.")
    if (folder / "facelab").is_dir() and (folder / "notebooks" / "src").is_dir():
        raise BadParameterError(f"{folder} is a clone of the project.", "Choose another folder for your own copy.")
    for name in _FOLDERS:
        if (folder / name).is_symlink() or file_in_the_way(folder / name) is not None:
            raise BadParameterError(
                f"{folder / name} is a link or a file, not a folder.", "Move it away, or choose another folder."
            )


class _Copy:
    """A copy while it is brought up to date; the manifest is written after each file, so that nothing is forgotten."""

    def __init__(self, folder: Path, *, update: bool) -> None:
        self.folder, self.update, self.report = folder, update, Report()
        self.known = os.path.lexists(folder / COURSE_MANIFEST)
        self.laid_out = self._read_manifest() if self.known else {}

    def _read_manifest(self) -> dict[str, str]:
        """Name -> hash of the content that was laid out."""
        try:
            found = read_json_object(self.folder / COURSE_MANIFEST)["files"]
        except (OSError, ValueError, KeyError):
            found = None
        if isinstance(found, dict) and all(isinstance(digest, str) for digest in found.values()):
            return found
        self.report.damaged = True
        return {}

    def write_manifest(self) -> None:
        version = importlib.metadata.version("facelab")
        write_json(self.folder / COURSE_MANIFEST, {"facelab": version, "files": self.laid_out})

    def is_other(self, name: str, content: bytes) -> bool:
        """Whether something else stands under this name."""
        return os.path.lexists(self.folder / name) and _hash_of(self.folder / name) != _hash(content)

    def is_old(self, name: str) -> bool:
        """Whether a file is as it was laid out; a link is the student's."""
        path = self.folder / name
        return name in self.laid_out and not path.is_symlink() and _hash_of(path) == self.laid_out[name]

    def bring(self, name: str, content: bytes, *, restore: bool = False) -> None:
        """Write one file of the course, if it is not the student's; see ``Report`` for what can happen to it."""
        digest = _hash(content)
        if not os.path.lexists(self.folder / name):
            if name in self.laid_out and not restore:
                self.report.deleted.append(name)
                return
            self._write(name, content)
            self.report.added.append(name)
        elif not self.is_other(name, content):
            self._note(name, digest)
        elif self.is_old(name):
            self._write(name, content)
            self.report.replaced.append(name)
        elif self.laid_out.get(name) == digest:
            self.report.own.append(name)
        else:
            self.report.kept.append(name)
            if self.update:
                self._bring_beside(name, content)

    def _bring_beside(self, name: str, content: bytes) -> None:
        stem, dot, suffix = name.rpartition(".")
        beside = f"{stem}.new{dot}{suffix}"
        if self.is_other(beside, content):
            self.report.blocked.append(beside)
            return
        _write(self.folder / beside, content)
        self._note(name, _hash(content))  # it was offered: the next call has nothing newer
        self.report.beside.append(beside)

    def _write(self, name: str, content: bytes) -> None:
        _write(self.folder / name, content)
        self._note(name, _hash(content))

    def _note(self, name: str, digest: str) -> None:
        if self.laid_out.get(name) != digest:
            self.laid_out[name] = digest
            self.write_manifest()


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as partial:
        partial.write_bytes(content)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_of(path: Path) -> str | None:
    """Of a file; None where something else stands there, or nothing."""
    return _hash(path.read_bytes()) if path.is_file() else None
