"""Where things are: the user's data sets, the cache of decoded images, what comes with the project, and where runs are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from facelab.errors import BadParameterError, DataMissingError

COURSE_MANIFEST = ".facelab-course.json"  #: in a student's copy: which files were laid out, and of which version

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


def checkout() -> Path | None:
    """The clone that this package is imported from; None where it was installed without one."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "notebooks" / "src").is_dir() else None


def project_root() -> Path:
    """As ``checkout``, for what needs one.

    Raises:
        DataMissingError: facelab was installed without one.
    """
    root = checkout()
    if root is None:
        raise DataMissingError(
            "This facelab was installed without its clone.", "Clone the project, and there: pip install -e ."
        )
    return root


def project_folder(name: str) -> Path:
    """A folder that comes with the project: ``"notebooks"`` (with their sources in ``src/``), ``"figures"`` or ``"data"``.

    It is the checkout's; without one it is the copy that the installed package carries.

    Raises:
        DataMissingError: it is not there.
    """
    root = checkout()
    folder = Path(__file__).resolve().parent / f"_{name}" if root is None else root / name
    if not folder.is_dir():
        raise DataMissingError(
            f"The folder {name}/ of the project is not there.", "Install facelab again from its wheel or a full clone."
        )
    return folder


def project_data(*parts: str) -> Path:
    """Path below ``data/``: labels, pair lists, references and measured results that come with the project; errors as for
    ``project_folder``."""
    return project_folder("data").joinpath(*parts)


def course_folder() -> Path | None:
    """The student's copy of the course (``facelab start``) that the current folder is in, which its manifest marks; None
    outside of any."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / COURSE_MANIFEST).is_file()), None)


def work_root() -> Path:
    """The folder whose ``notebooks/`` are worked on and whose ``runs/`` are written: the student's copy that the current
    folder is in, else the checkout, else the current folder."""
    return course_folder() or checkout() or Path.cwd()


def runs_root() -> Path:
    """Folder for everything that a run writes (executed notebooks, records, checkpoints): ``FACELAB_RUNS``, else ``runs/`` of
    ``work_root``.

    Raises:
        BadParameterError: the variable names what cannot be a folder, as a file.
    """
    return _folder_named_by("FACELAB_RUNS") or work_root() / "runs"


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
        raise BadParameterError(
            f"{variable} is {text!r}, but {blocker} is not a folder.", f"Set {variable} to a folder."
        )
    return folder


def file_in_the_way(folder: Path) -> Path | None:
    """What is not a folder where this one is, or would be made; None where nothing is."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    return None if os.path.isdir(there) else there
