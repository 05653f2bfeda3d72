"""Folders of photographs and the tables beside them, as most face data sets come: person/photo, or photos alone.

One walk for all who read such a folder, with one rule each: litter (hidden files and what file managers leave behind) is passed
over; links to folders and photographs are followed, but no folder is read twice, so that links cannot lead in circles; whatever
else cannot be used is named with its reason.
"""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from facelab.errors import BadParameterError, DataMissingError
from facelab.paths import data_root
from facelab.progress import progress_bar

#: Endings of the names of photographs. What such a file holds is seen when it is decoded.
SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".pgm", ".ppm", ".pbm", ".pnm", ".bmp", ".webp", ".gif", ".tif", ".tiff"]
    + [".jp2", ".j2k", ".avif", ".heic", ".heif", ".hif"]
)
NO_TEXT = "Its name is not text (UTF-8)."
NO_SUFFIX = "Its name does not end as a photograph's does."
_LINK_TO_NOTHING = "It is a link to nothing."
_JUNCTION = 0xA0000003  # stat.IO_REPARSE_TAG_MOUNT_POINT, which Python has on Windows alone
#: What file managers, network disks and file systems leave behind; hidden files are litter too.
_LITTER = {
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler", "system volume information",
    "picasa.ini", "zbthumbnail.info", "__macosx", "icon\r", "@eadir", "@recycle", "#recycle", "#snapshot", "lost+found",
}  # fmt: skip
# what Windows keeps behind a file's name
_STREAMS = (":zone.identifier", ":encryptable", ":afp_afpinfo", ":afp_resource")
#: Words for the parts of a data set, and for its photographs, that nobody is called: word -> what it means.
_PARTS = {
    "train": "train", "training": "train", "images": "images", "photos": "images", "photographs": "images", "faces": "images",
    "dev": "validation", "val": "validation", "valid": "validation", "validation": "validation", "gallery": "gallery",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test", "probe": "probe", "query": "probe",
}  # fmt: skip


def find_data_folder(*folders: str, contains_data: Callable[[Path], bool]) -> Path | None:
    """The first of these folders below ``FACELAB_DATA`` that is there and holds the data set.

    Raises:
        DataMissingError: one is there and cannot be opened.
    """
    for folder in folders:
        path = data_root() / folder
        try:
            if os.path.isdir(path) and contains_data(path):
                return path
        except OSError as error:
            raise _cannot_open(path, error) from error
    return None


def is_litter(name: str) -> bool:
    """Whether a file or folder is one that a file manager or a packer made."""
    return name.startswith(".") or name.lower() in _LITTER or name.lower().endswith(_STREAMS)


def is_text(name: str) -> bool:
    """Whether a name is text at all: some systems allow any bytes, which Python hands on as lone surrogates."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def is_photograph(name: str) -> bool:
    """Whether a file's name ends as a photograph's does."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def is_empty(folder: str | Path) -> bool:
    """Whether a folder holds nothing but litter. One that is not there is empty, too.

    Raises:
        DataMissingError: it cannot be opened, or is not a folder.
    """
    return not os.path.lexists(folder) or not sorted_entries(folder)


def sorted_entries(folder: str | Path) -> list[os.DirEntry]:
    """What a folder holds, by name, without litter.

    Raises:
        DataMissingError: it cannot be opened, or is not a folder.
    """
    try:
        return _scan(folder)
    except OSError as error:
        raise _cannot_open(folder, error) from error


def walk(folder: str | Path, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every file below a folder, sorted: (path with ``/`` between its parts, reason why it cannot be used or empty).

    A folder that cannot be read, or must not be read again, is named as well.
    """
    tree = _Tree(folder)
    yield from tree.files(tree.top, prefix)


def reached_folders(folder: str | Path) -> set[str]:
    """Real paths of a folder, of every folder that ``walk`` enters below it, and of what links to nothing would lead to."""
    tree = _Tree(folder)
    lost = [name for name, reason in tree.files(tree.top, "") if reason == _LINK_TO_NOTHING]
    return {tree.top, *tree._entered, *(os.path.realpath(os.path.join(tree.top, name)) for name in lost)}


def person_tree(root: Path, people_dir: str = "") -> pd.DataFrame:
    """The photographs of a tree person/photo, at any depth below the person's folder.

    Args:
        root: folder that the paths in ``file`` start from.
        people_dir: the folder of people, relative to ``root``.

    Returns:
        Columns ``file``, ``identity`` (name of the first folder, Unicode NFC, so that it is the same on every system: two
        folders whose names look alike, and differ only in how Unicode writes them, are one person) and ``rejected``. A person
        without a photograph has one row that says so. Beside the people's folders, only photographs are listed.

    Raises:
        DataMissingError: the folder of people cannot be opened.
        BadParameterError: it holds the parts of a data set, such as train and test.
    """
    prefix = f"{people_dir}/" if people_dir else ""
    tree = _Tree(root / people_dir)
    found = [(entry.name, *tree.look_at(entry)) for entry in sorted_entries(tree.top)]
    _check_people([name for name, folder, _ in found if folder], root / people_dir)
    rows: list[tuple[str, str, str]] = []
    with progress_bar(f"Looking through {root / people_dir}", len(found), delay=2) as shown:
        for name, folder, reason in found:
            file = prefix + _printable(name)
            if folder:
                files = _files_of_person(tree, folder, file, unicodedata.normalize("NFC", name))
                folders = {os.path.dirname(photo) for photo, _, fault in files if not fault}
                if folders and file not in folders:
                    _refuse_part_of_set(name, root / people_dir)
                rows += files
            elif reason != NO_SUFFIX:
                rows.append((file, "", reason or "It lies outside any person's folder."))
            shown.advance()
    return pd.DataFrame(rows, columns=["file", "identity", "rejected"])


def _check_people(names: list[str], folder: Path) -> None:
    parts = {name: part for name in names if (part := _part_of_set(name))}
    if len(set(parts.values())) > 1:
        first = next((name for name, part in parts.items() if part == "train"), next(iter(parts)))
        raise BadParameterError(
            f"{folder} holds {' and '.join(parts)}: the parts of a data set, and not people.",
            f"Give one of them: {folder / first}, or folder:{folder / first} as a data set.",
        )


def _refuse_part_of_set(name: str, folder: Path) -> None:
    """What is called like one part of a data set, with no photographs but those in folders below it, is one, also alone."""
    if _part_of_set(name):
        raise BadParameterError(
            f"{folder / name} holds folders of photographs: it is a part of a data set, and no person.",
            f"Give {folder / name}, or folder:{folder / name} as a data set.",
        )


def _part_of_set(name: str) -> str:
    """Which part of a data set a folder's name says, as ``train`` or ``0_Training Set``; empty where it may be a person's."""
    words = [word.removesuffix("set") for word in re.split(r"[\W\d_]+", name.casefold())]
    parts = [_PARTS.get(word, "") for word in words if word]
    return parts[0] if parts and all(parts) else ""


def _files_of_person(tree: _Tree, folder: str, name: str, person: str) -> list[tuple[str, str, str]]:
    rows = [(file, person, reason) for file, reason in tree.files(folder, f"{name}/")]
    # a folder that cannot be opened was named already
    if not any(not reason or file == f"{name}/" for file, _, reason in rows):
        rows.append((f"{name}/", person, "The folder of this person holds no photograph."))
    return rows


def no_usable_photograph(place: str, rejected: Sequence[tuple[str, str]], remedy: str) -> DataMissingError:
    """The error that says how many files were found and why the first of them is no good.

    Args:
        place: the folder or the data set: how the sentence begins.
        rejected: (file, reason) of each.
        remedy: what to do.
    """
    problem = f"{place} holds no photograph that can be used"
    if not rejected:
        return DataMissingError(f"{problem}.", remedy)
    file, reason = rejected[0]
    return DataMissingError(f"{problem}; {len(rejected)} were rejected, the first {file!r}: {reason}", remedy)


class _Tree:
    """One walk of a tree, that enters no folder twice."""

    def __init__(self, folder: str | Path) -> None:
        self.top = os.path.realpath(folder)
        self._entered: set[str] = set()  # real paths

    def files(self, folder: str, prefix: str) -> Iterator[tuple[str, str]]:
        """As ``walk``, below the real path of a folder. No recursion: a tree may be deeper than Python's calls."""
        waiting: list[tuple[str, str | os.DirEntry]] = [(prefix, folder)]
        while waiting:
            name, place = waiting.pop()
            if isinstance(place, os.DirEntry):
                folder, reason = self.look_at(place)
                if not folder:
                    yield name, reason
                    continue
                name += "/"
            try:
                entries = _scan(folder)
            except OSError as error:
                yield name or "./", f"The folder cannot be opened ({error.strerror})."
                continue
            if not entries and is_photograph(os.path.basename(folder)):
                yield name, "It is an empty folder, and no photograph."
            waiting += [(name + _printable(entry.name), entry) for entry in reversed(entries)]

    def look_at(self, entry: os.DirEntry) -> tuple[str, str]:
        """(Real path of the folder to enter, or empty; reason why a file or folder cannot be used, or empty)."""
        if not is_text(entry.name):
            return "", NO_TEXT
        try:
            is_link = _is_link(entry)
            path = os.path.realpath(entry.path, strict=True) if is_link else entry.path
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except FileNotFoundError:
            return "", _LINK_TO_NOTHING
        except OSError as error:
            if error.errno == errno.ELOOP:
                return "", "It is a link that leads back to itself."
            return "", f"It is a link that cannot be followed ({error.strerror})."
        if is_folder:
            reason = self._why_not_to_enter(entry, path, is_link)
            if not reason:
                self._entered.add(path)
            return "" if reason else path, reason
        if not is_photograph(entry.name):
            return "", NO_SUFFIX
        return "", "" if is_file else "It is a pipe, a socket or a device, and no file."

    def _why_not_to_enter(self, entry: os.DirEntry, path: str, is_link: bool) -> str:
        if is_link:
            if _lies_in(entry.path, path) or _lies_in(self.top, path):
                return "It is a link to a folder above it."
            if _lies_in(path, self.top):
                inside = os.path.relpath(path, self.top)
                if not any(is_litter(part) or not is_text(part) for part in inside.split(os.sep)):
                    return f"It is a link to {inside}, which is read in its own place."
        return "The folder was read already, through another link." if path in self._entered else ""


def _cannot_open(folder: str | Path, error: OSError) -> DataMissingError:
    return DataMissingError(
        f"The folder {folder} cannot be opened ({error.strerror}).", "Check its name and its rights."
    )


def _scan(folder: str | Path) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not is_litter(entry.name)), key=lambda entry: entry.name)


def _is_link(entry: os.DirEntry) -> bool:
    """Whether an entry is a symbolic link, or a junction of Windows, which Python does not take for one."""
    is_junction = os.name == "nt" and entry.stat(follow_symlinks=False).st_reparse_tag == _JUNCTION
    return is_junction or entry.is_symlink()


def _lies_in(path: str, folder: str) -> bool:
    """Whether one real path is the other or lies below it."""
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # they are on two drives of Windows
        return False


def _printable(name: str) -> str:
    return name if is_text(name) else ascii(name)[1:-1]


def first_tree(root: Path, trees: Sequence[str], contains_data: Callable[[Path], bool]) -> str | None:
    """The first of these folders below ``root`` that holds photographs of the data set, or None."""
    return next((tree for tree in trees if (root / tree).is_dir() and contains_data(root / tree)), None)
