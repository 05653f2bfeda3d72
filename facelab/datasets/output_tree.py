"""A folder tree that is made from a tree of photographs (crops, copies of a split): where it may lie, and what is left over."""

from __future__ import annotations

import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from facelab.datasets.trees import walk
from facelab.errors import BadParameterError, FacelabError


def check_apart(in_dir: Path, out_dir: Path, in_files: Iterable[str] = (), out_files: Iterable[str] = ()) -> None:
    """Refuse an output folder that lies in the input or around it, also by a link further down.

    Args:
        in_dir: the photographs.
        out_dir: the output folder; it need not be there.
        in_files: what is read, below ``in_dir``.
        out_files: what is written, below ``out_dir``.

    Raises:
        BadParameterError: they are not apart.
    """
    source, target = _real(in_dir), _real(out_dir)
    read = {_real(source / folder) for folder in map(os.path.dirname, in_files)}
    written = {_real(target / folder) for folder in map(os.path.dirname, out_files)}
    if (
        source in (target, *target.parents)
        or any(target in (folder, *folder.parents) for folder in {source, *read})
        or any(source in (folder, *folder.parents) for folder in written)
    ):
        raise BadParameterError(f"{out_dir} and {in_dir} lie in one another.", "Name a folder beside it.")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read piece by piece."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_fault(path: Path, sha256: str) -> str:
    """Why a file that was written with this SHA-256 is not there as it was: ``"missing"``, ``"damaged"``, or empty."""
    if not os.path.lexists(path):
        return "missing"
    try:
        return "" if path.is_file() and file_sha256(path) == sha256 else "damaged"
    except OSError:
        return "damaged"


def shadowed_files(names: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Which files would be written over those of another.

    Args:
        names: file -> name that its output is to have below ``folder``.
        folder: where they are written; some systems take ``A.jpg`` and ``a.jpg`` for one name.

    Returns:
        File -> the other file, which keeps its own name or comes first.
    """
    alike = len(set(map(_caseless, names.values()))) < len(names)
    same_name = _caseless if alike and _ignores_case(folder) else str
    owners: dict[str, str] = {}
    shadowed = {}
    for file in sorted(names, key=lambda file: (names[file] != file, file)):
        owner = owners.setdefault(same_name(names[file]), file)
        if owner != file:
            shadowed[file] = owner
    return shadowed


def remove_file(folder: Path, file: str) -> None:
    """Remove a file below a folder, if it is there; never one elsewhere, that a link leads to.

    Raises:
        FacelabError: the system does not allow it.
    """
    path = folder / file
    if _real(folder) not in (_real(path.parent), *_real(path.parent).parents):
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FacelabError(
            f"{path} cannot be removed ({error.strerror}).", "Check the rights of the folder."
        ) from error


def remove_files(folder: Path, files: Iterable[str]) -> None:
    """As ``remove_file`` for many, and the folders that are empty then."""
    for file in files:
        remove_file(folder, file)
        _remove_empty_folders((folder / file).parent, folder)


def files_below(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones and what file managers leave behind excepted; empty where there is no folder."""
    return [file for file, _ in walk(folder)] if folder.is_dir() else []


def some_names(files: Iterable[str], most: int = 3) -> str:
    """The first names of many, ``a, b, c and 7 more``."""
    files = list(files)
    more = f" and {len(files) - most:,} more" if len(files) > most else ""
    return ", ".join(files[:most]) + more


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # as Path.resolve(), which has no answer to links in a circle


def _caseless(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _ignores_case(folder: Path) -> bool:
    """Whether two names that differ in their case are one to the file system of a folder, which need not be there yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".case-", dir=there) as probe:
            return os.path.lexists(there / Path(probe).name.swapcase())
    except OSError as error:
        raise FacelabError(
            f"{there} cannot be written ({error.strerror}).", "Check the rights of the folder."
        ) from error


def _remove_empty_folders(folder: Path, top: Path) -> None:
    while folder != top:
        try:
            folder.rmdir()
        except OSError:  # something else lies in it
            return
        folder = folder.parent
