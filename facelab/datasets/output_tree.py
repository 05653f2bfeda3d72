"""A folder tree that is made from a tree of photographs (crops, copies of a split): where it may lie, and what is left over."""

from __future__ import annotations

import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping, Sized
from pathlib import Path

from facelab.datasets.trees import reached_folders, walk
from facelab.errors import BadParameterError, FacelabError


def check_output(out_dir: Path) -> None:
    """Refuse what can be no output folder.

    Raises:
        BadParameterError: it is, or would lie in, a file or a link that leads nowhere: the disk that the link means may be
            away for now, and what is written there would land on another one.
    """
    there = next(path for path in (out_dir, *out_dir.parents) if os.path.lexists(path))
    if not there.is_dir():
        what = "a link that leads nowhere" if there.is_symlink() and not os.path.exists(there) else "not a folder"
        raise BadParameterError(f"{there} is {what}.", "Name a new or an empty folder.")


def check_apart(in_dir: Path, out_dir: Path, out_files: Iterable[str] = ()) -> None:
    """Refuse an output folder that lies in the input or around it, also by a link further down.

    Args:
        in_dir: the photographs.
        out_dir: the output folder; it need not be there.
        out_files: what is written, below ``out_dir``.

    Raises:
        BadParameterError: they are not apart.
    """
    source, target = _real(in_dir), _real(out_dir)
    apart = not (source in (target, *target.parents) or target in source.parents)  # before anything is walked
    if apart:
        read = set(map(Path, reached_folders(source)))
        written = {target, *(_real(target / folder) for folder in set(map(os.path.dirname, out_files)))}
        apart = not any(target in folder.parents for folder in read) and not any(
            read & {folder, *folder.parents} for folder in written
        )
    if not apart:
        raise BadParameterError(f"{out_dir} and {in_dir} lie in one another.", "Name a folder beside it.")


def file_fault(path: Path, sha256: str) -> str:
    """Why a file that was written with this SHA-256 is not there as it was: ``"missing"``, ``"damaged"``, or empty."""
    if not os.path.lexists(path):
        return "missing"
    try:
        return "" if path.is_file() and _file_sha256(path) == sha256 else "damaged"
    except OSError:
        return "damaged"


def _file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read piece by piece."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def entries_out_of_sight(in_dir: Path, rejected: Iterable[str]) -> set[str]:
    """Which entries of a tree may hold photographs that only cannot be seen now: closed folders, and links that lead nowhere.

    Args:
        in_dir: the tree.
        rejected: what could not be used, as ``walk`` names it.

    Returns:
        The names, without a ``/`` behind them.
    """
    return {name.rstrip("/") for name in rejected if _is_out_of_sight(in_dir / name, name.endswith("/"))}


def _is_out_of_sight(path: Path, is_folder: bool) -> bool:
    if not is_folder:
        return os.path.lexists(path) and not os.path.exists(path)
    try:
        with os.scandir(path):
            return False
    except OSError:
        return True


def lies_in(file: str, entries: set[str]) -> bool:
    """Whether a file, named as ``walk`` names it, is one of these entries or lies below one."""
    parts = file.split("/")
    return any("/".join(parts[:length]) in entries for length in range(1, len(parts) + 1))


def source_name(in_dir: Path) -> str:
    """Name of the folder of photographs, by which a later run knows that the output was begun from it."""
    return os.fsencode(_real(in_dir).name).decode(errors="backslashreplace")


def shadowed_files(names: Mapping[str, str], folder: Path, what: str) -> dict[str, str]:
    """Which files would be written over those of another, or into the folder of another person.

    Args:
        names: file -> name that its output is to have below ``folder``.
        folder: where they are written; some systems take ``A.jpg`` and ``a.jpg`` for one name.
        what: the output, for the reasons: ``"crop"``, ``"copy"``.

    Returns:
        File -> why; the other one keeps its own name or comes first.
    """
    people = {_person(name) for name in names.values()}
    alike = any(len(set(map(_caseless, some))) < len(some) for some in (list(names.values()), people))
    same_name = _caseless if alike and _ignores_case(folder) else str
    owners: dict[str, str] = {}
    people_there: dict[str, str] = {}
    shadowed = {}
    for file in sorted(names, key=lambda file: (names[file] != file, file)):
        person = _person(names[file])
        owner = owners.setdefault(same_name(names[file]), file)
        there = people_there.setdefault(same_name(person), person)
        if owner != file:
            shadowed[file] = f"Its {what} would have the name of that of {owner}."
        elif there != person:
            shadowed[file] = f"Its {what} would lie in the folder of another person, {there}: the disk ignores case."
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


def other_files(folder: Path, needed: Iterable[str]) -> set[str]:
    """Files below a folder that are none of the needed ones, as ``walk`` names them.

    Some disks take names that differ in case or Unicode form for one, and list the first by which a file or folder was
    called: such a file is needed under either name.
    """
    needed, there = set(needed), set(_files_below(folder))
    unseen: dict[str, list[str]] = {}
    for name in needed - there:
        unseen.setdefault(_caseless(name), []).append(name)
    return {
        file
        for file in there - needed
        if not any(_is_one_file(folder / file, folder / name) for name in unseen.get(_caseless(file), ()))
    }


def _files_below(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones and what file managers leave behind excepted; empty where there is no folder."""
    return [file for file, _ in walk(folder)] if folder.is_dir() else []


def _is_one_file(first: Path, second: Path) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:  # one is not there
        return False


def count_of(files: Sized, one: str, many: str = "") -> str:
    """How many of a thing, ``1 crop`` or ``2 crops``; ``many`` where it is not ``one`` and an s."""
    return f"{len(files)} {one if len(files) == 1 else many or one + 's'}"


def some_names(files: Iterable[str], most: int = 3) -> str:
    """The first names of many, ``a, b, c and 7 more``."""
    files = list(files)
    more = f" and {len(files) - most:,} more" if len(files) > most else ""
    return ", ".join(files[:most]) + more


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # as Path.resolve(), which has no answer to links in a circle


def _person(name: str) -> str:
    """The first folder of a name, as ``person_tree`` has it: two Unicode forms of one name are one person."""
    return unicodedata.normalize("NFC", name.split("/")[0])


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
