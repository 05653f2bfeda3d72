"""Folders of photographs and the tables beside them, as most face data sets come: person/photo, or photos alone."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from facelab.errors import FacelabError
from facelab.paths import data_root

SUFFIXES = {".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
NO_TEXT = "Its name is not text (UTF-8)."
_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # what file managers leave behind; hidden files are litter too


def find_data_folder(*folders: str, contains_data: Callable[[Path], bool]) -> Path | None:
    """The first of these folders below ``FACELAB_DATA`` that is there and holds the data set."""
    for folder in folders:
        path = data_root() / folder
        if path.is_dir() and contains_data(path):
            return path
    return None


def is_litter(name: str) -> bool:
    """Whether a file or folder is one that a file manager or a packer made."""
    return name.startswith(".") or name.lower() in _LITTER


def is_text(name: str) -> bool:
    """Whether a name is text at all: some systems allow any bytes, which Python hands on as lone surrogates."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def is_photograph(name: str) -> bool:
    """Whether a file's name ends as a photograph's does."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def sorted_entries(folder: str | Path) -> list[os.DirEntry]:
    """What a folder holds, by name, without litter."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not is_litter(entry.name)), key=lambda entry: entry.name)


def walk(folder: str | Path, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every file below a folder, sorted: (path with ``/`` between its parts, reason why it cannot be used or empty)."""
    try:
        entries = sorted_entries(folder)
    except OSError as error:
        yield prefix, f"The folder cannot be opened ({error.strerror})."
        return
    for entry in entries:
        if not is_text(entry.name):
            yield prefix + ascii(entry.name)[1:-1], NO_TEXT
        elif entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path, f"{prefix}{entry.name}/")
        elif not is_photograph(entry.name):
            yield prefix + entry.name, "Its name does not end as a photograph's does."
        elif not entry.is_file():
            yield prefix + entry.name, "It is not a file, or a link to nothing."
        else:
            yield prefix + entry.name, ""


def person_tree(root: Path, people_dir: str = "") -> pd.DataFrame:
    """The photographs of a tree person/photo, at any depth below the person's folder.

    Args:
        root: folder that the paths in ``file`` start from.
        people_dir: the folder of people, relative to ``root``.

    Returns:
        Columns ``file``, ``identity`` (name of the first folder, Unicode NFC, so that it is the same on every system) and
        ``rejected``. A person without a photograph has one row that says so.
    """
    rows: list[tuple[str, str, str]] = []
    prefix = f"{people_dir}/" if people_dir else ""
    for entry in sorted_entries(root / people_dir):
        if not is_text(entry.name):
            rows.append((prefix + ascii(entry.name)[1:-1], "", NO_TEXT))
            continue
        if not entry.is_dir():
            if is_photograph(entry.name):
                rows.append((prefix + entry.name, "", "It lies outside any person's folder."))
            continue
        person = unicodedata.normalize("NFC", entry.name)
        found = [(file, person, reason) for file, reason in walk(entry.path, f"{prefix}{entry.name}/")]
        if all(reason for _, _, reason in found):
            found.append((f"{prefix}{person}/", person, "The folder of this person holds no photograph."))
        rows += found
    return pd.DataFrame(rows, columns=["file", "identity", "rejected"])


def first_tree(root: Path, trees: Sequence[str], contains_data: Callable[[Path], bool]) -> str | None:
    """The first of these folders below ``root`` that holds photographs of the data set, or None."""
    return next((tree for tree in trees if (root / tree).is_dir() and contains_data(root / tree)), None)


def read_table(path: Path, columns: Iterable[str], text_columns: Iterable[str] = ()) -> pd.DataFrame:
    """A table of labels in CSV.

    Args:
        path: the file.
        columns: those that must be there.
        text_columns: those that are kept as text. Only an empty field is missing: a person may be called None.

    Raises:
        FacelabError: it cannot be read, or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(text_columns, str), keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise FacelabError(f"{path} cannot be read as a table ({error}).", "Get it again.") from error
    if lacking := [column for column in columns if column not in table]:
        raise FacelabError(f"{path} has no column {lacking[0]!r}.", "Get it again.")
    return table
