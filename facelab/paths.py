"""Where things are: the user's data sets, the cache of decoded images, and the small tables that are ours."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from facelab.errors import BadParameterError, DataMissingError

_MOST_OF_NAME, _MOST_OF_PATH = 255, 4095  # bytes that file systems allow


def user_path(text: str | os.PathLike[str]) -> Path:
    """A path that a user typed, with ``~`` for the home folder; a relative one stays relative.

    Raises:
        BadParameterError: it is empty, holds a NUL character, is longer than systems allow, or names the home folder of
            nobody (``~nosuchuser``).
    """
    typed = os.fspath(text)
    if not typed:
        raise BadParameterError("A path is empty.", "Name a file or a folder; '.' is the current folder.")
    if "\0" in typed:
        raise BadParameterError(f"The path {typed!r} holds a NUL character.", "No file's name can; leave it out.")
    try:
        path = Path(typed).expanduser()
    except RuntimeError as error:
        raise BadParameterError(
            f"{typed!r} is in nobody's home folder.",
            f"Write {os.path.join(os.curdir, typed)!r} if the name begins with '~', else the whole path.",
        ) from error
    long = [part for part in path.parts if _length(part) > _MOST_OF_NAME]
    if long or _length(str(path)) > _MOST_OF_PATH:
        name = [*long, str(path)][0]
        raise BadParameterError(
            f"The path '{name[:20]}...' is {_length(name):,} bytes long.",
            f"Choose a shorter one: the name of a file or folder has at most {_MOST_OF_NAME} bytes, a path {_MOST_OF_PATH:,}.",
        )
    return path


def absolute_path(text: str | os.PathLike[str]) -> Path:
    """A path that a user typed, from the root and without ``..``, so that it is written in one way; links stay, but for those
    that ``..`` leads out of. Errors as for ``user_path``."""
    path = user_path(text).absolute()
    if os.pardir not in path.parts:
        return path
    steps = len(path.parts) - path.parts[::-1].index(os.pardir)  # up to the last of them
    return Path(os.path.realpath(Path(*path.parts[:steps])), *path.parts[steps:])


def _length(name: str) -> int:
    """As the system counts it: Windows by UTF-16 units (beyond ASCII fewer than bytes), the others by bytes."""
    return len(name) if os.name == "nt" else len(os.fsencode(name))


def data_root() -> Path:
    """Folder with the user's data sets: ``FACELAB_DATA``, else the user's data folder of this system; errors as for
    ``runs_root``."""
    return _folder_named_by("FACELAB_DATA") or Path(platformdirs.user_data_dir("facelab", appauthor=False))


def cache_root() -> Path:
    """Folder for decoded images, safe to delete: ``FACELAB_CACHE``, else the user's cache folder of this system; errors as for
    ``runs_root``."""
    return _folder_named_by("FACELAB_CACHE") or Path(platformdirs.user_cache_dir("facelab", appauthor=False))


def project_data(*parts: str) -> Path:
    """Path below ``data/``: labels, pair lists, references and measured results that come with the project.

    Raises:
        DataMissingError: neither a checkout's ``data/`` nor an installed copy of it is there.
    """
    package = Path(__file__).resolve().parent
    for root in (package / "_data", package.parent / "data"):
        if root.is_dir():
            return root.joinpath(*parts)
    raise DataMissingError(
        "The project's own tables (data/) are not there.", "Install facelab again from a full clone."
    )


def project_root() -> Path:
    """The checkout that holds ``notebooks/``: where this package was installed from, else the current folder."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def runs_root() -> Path:
    """Folder for everything that a run writes (executed notebooks, records, checkpoints): ``FACELAB_RUNS``, else ``runs/``.

    Raises:
        BadParameterError: the variable names what cannot be a folder, as a file.
    """
    return _folder_named_by("FACELAB_RUNS") or project_root() / "runs"


def _folder_named_by(variable: str) -> Path | None:
    """The folder that a variable of the environment names, whether or not it is there yet; None where it is not set."""
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        folder = user_path(text)
    except BadParameterError as error:
        raise BadParameterError(f"{variable}: {error.problem}", error.remedy) from error
    blocker = file_in_the_way(folder)
    if blocker is not None:
        raise BadParameterError(f"{variable} is {text!r}, but {blocker} is no folder.", f"Set {variable} to a folder.")
    return folder


def file_in_the_way(folder: Path) -> Path | None:
    """What is no folder where this one is, or would be made; None where nothing is."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    return None if os.path.isdir(there) else there
