"""Writing files so that a reader never meets a half-written one, and that what was written outlives a loss of power."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from facelab.errors import FacelabError

_SUFFIX = ".partial"
_DRAWN = r"-[a-z0-9_]{8}"  # what tempfile draws, behind our hyphen
_PARTIAL = re.compile(rf"\..+{_DRAWN}{re.escape(_SUFFIX)}", re.DOTALL)
_MOST_BYTES = 255 - len(f".-12345678{_SUFFIX}")  # of a name, so that its partial file has a name too
_REMEDY = "Free some space or check the rights of the folder."
_REMEDIES = {errno.ENAMETOOLONG: "Give a shorter name.", errno.EISDIR: "A folder has this name: choose another."}


@contextmanager
def atomic_write(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes the place of ``path`` when the block ends without an error.

    Args:
        path: the file; its folder is made where there is none.
        sync: wait until the disk has the file, its name and its new folders: some milliseconds. Who writes a tree of
            thousands of files leaves it out, and calls ``sync_tree`` once at the end.

    Raises:
        FacelabError: the disk is full or the folder cannot be written; ``path`` is as it was before.
    """
    partial = None
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        make_folder(path.parent, sync=sync)
        handle, name = tempfile.mkstemp(prefix=f"{_stem(path.name)}-", suffix=_SUFFIX, dir=path.parent)
        os.close(handle)
        partial = Path(name)
        partial.chmod(0o644)  # mkstemp makes it private; a result is for everybody who may read the folder
        yield partial
        if sync:
            sync_path(partial)
        os.replace(partial, path)
        if sync:
            sync_path(path.parent)
    except OSError as error:
        raise _write_error(path, error, _REMEDIES.get(error.errno, _REMEDY)) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def sync_tree(folder: Path) -> None:
    """Wait until the disk has every file and folder below a folder, and the folder itself: once, after a tree was written.

    Raises:
        FacelabError: the disk cannot take them.
    """
    try:
        for parent, _, names in os.walk(folder):
            for name in names:
                if (path := Path(parent, name)).is_file():
                    sync_path(path)
            sync_path(Path(parent))
        sync_path(folder.parent)
    except OSError as error:
        raise _write_error(folder, error, "Free some space or check the disk.") from error


def remove_partials(folder: Path, of: str = "") -> None:
    """Remove what ``atomic_write`` left below a folder where the process was killed.

    Args:
        folder: where to look.
        of: name of the file that was to be written; empty: any.
    """
    pattern = re.compile(re.escape(_stem(of)) + _DRAWN + re.escape(_SUFFIX)) if of else _PARTIAL
    for path in folder.rglob(f".*{_SUFFIX}"):
        if pattern.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _stem(name: str) -> str:
    """What the partial file's name begins with: a name too long for it is cut, and told from others by its hash."""
    encoded = os.fsencode(name)
    if len(encoded) <= _MOST_BYTES:
        return f".{name}"
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f".{encoded[: _MOST_BYTES - 17].decode(errors='ignore')}-{digest}"


def make_folder(folder: Path, *, sync: bool = True, mode: int = 0o777) -> None:
    """Make a folder with those above it where there are none.

    Args:
        folder: which.
        sync: wait until the disk has their names.
        mode: its rights where it is new, less the umask; those above it have the usual ones.

    Raises:
        OSError: it cannot be made.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    for path in reversed(new) if sync else ():
        sync_path(path.parent)


def sync_path(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder where the system can be asked to."""
    windows = os.name == "nt"
    if windows and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have nothing to do for a folder
            raise
    finally:
        os.close(handle)


@contextmanager
def lock_folder(folder: Path, command: str) -> Iterator[None]:
    """As ``try_lock_folder``, where nothing can be done without the lock.

    Args:
        folder: made where there is none.
        command: who would be in the way, for the error.

    Raises:
        FacelabError: another process has the folder, or it cannot be written.
    """
    with try_lock_folder(folder) as held:
        if not held:
            raise FacelabError(
                f"{folder} is in use by another {command}.", "Wait until that one has ended, or choose another folder."
            )
        yield


@contextmanager
def try_lock_folder(folder: Path, timeout: float = 0) -> Iterator[bool]:
    """Keep a folder to this process while the block lasts; the system lets go of it however the process ends.

    Args:
        folder: made where there is none; the lock is its hidden file ``.lock``.
        timeout: seconds to wait for another process that has it; -1: until that one has ended.

    Yields:
        Whether this process has it; another one may.

    Raises:
        FacelabError: it cannot be written.
    """
    lock = FileLock(folder / ".lock", timeout=timeout)
    try:
        make_folder(folder)
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise _write_error(folder, error, "Check its rights, or choose another folder.") from error
    try:
        yield True
    finally:
        lock.release()


def check_writable(folder: Path) -> None:
    """Make a folder, and prove that a file can be written there.

    Raises:
        FacelabError: it cannot be made or written.
    """
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except OSError as error:
        raise _write_error(folder, error, _REMEDY) from error


def _write_error(path: Path, error: OSError, remedy: str) -> FacelabError:
    return FacelabError(f"{path} cannot be written ({error.strerror or error}).", remedy)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; bytes of a name that are no text become ``\\udcff``, which JSON reads back."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, content: object) -> None:
    """Write JSON whole or not at all, indented, ending in a newline; NaN is refused, since JSON has none.

    Numbers of NumPy are written as those of Python.
    """
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=_python_scalar)
    write_text(path, text + "\n")


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is the few lines that a clone without Git LFS has in its place; not where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(64).startswith(b"version https://git-lfs.github.com/spec/")
    except OSError:
        return False


def read_json_object(path: Path) -> dict[str, object]:
    """As ``parse_json_object``, of a file; OSError where it cannot be read."""
    return parse_json_object(path.read_text(encoding="utf-8"))


def parse_json_object(text: str | bytes) -> dict[str, object]:
    """The JSON object that a text is; who reads a file of ours says in its own words what to do where it is none.

    Raises:
        ValueError: it is another kind of JSON, none at all, or so deeply nested that nobody wrote it.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    if not isinstance(content, dict):
        raise ValueError(f"a JSON {type(content).__name__} and no object")
    return content


def _python_scalar(value: object) -> object:
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is nothing that JSON holds")
