"""Writing files so that a reader never meets a half-written one."""

from __future__ import annotations

import glob
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facelab.errors import FacelabError

_PARTIAL = re.compile(r"^\..+-[a-z0-9_]{8}$")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes the place of ``path`` when the block ends without an error.

    Raises:
        FacelabError: the disk is full or the folder cannot be written; ``path`` is as it was before.
    """
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        os.close(handle)
        partial = Path(name)
        partial.chmod(0o644)  # mkstemp makes it private; a result is for everybody who may read the folder
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise FacelabError(
            f"{path} cannot be written ({error.strerror or error}).",
            "Free some space or check the rights of the folder.",
        ) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def remove_partials(folder: Path, of: str = "") -> None:
    """Remove what ``atomic_write`` left below a folder where the process was killed.

    Args:
        folder: where to look.
        of: name of the file that was to be written; empty: any.
    """
    for path in folder.rglob(f".{glob.escape(of)}*"):
        if _PARTIAL.match(path.name):
            path.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Make a folder, and prove that a file can be written there.

    Raises:
        FacelabError: it cannot be made or written.
    """
    probe = folder / "writable"
    with atomic_write(probe) as partial:
        partial.write_bytes(b"\0")
    probe.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write JSON whole or not at all, indented, ending in a newline; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
