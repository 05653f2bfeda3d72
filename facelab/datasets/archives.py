"""Photographs packed into tar files, read from front to back without unpacking them to disk."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from facelab.datasets.decode import MAX_BYTES, Photograph


def tar_files(root: Path) -> list[Path]:
    """The tar files in a folder, by name."""
    return sorted(path for path in root.glob("*.tar*") if not path.name.startswith("."))


def read_archives(root: Path, index: pd.DataFrame) -> Iterator[tuple[int, str, Photograph]]:
    """The ``read`` of a source whose photographs are in tar files; those that no tar file gives are errors, one by one."""
    wanted = {name: row for row, name in enumerate(index["file"])}
    damage = ""
    for path in tar_files(root):
        try:
            with tarfile.open(path, "r|*") as archive:
                for member in archive:
                    archive.members = []  # or it would remember every member
                    name = member.name.removeprefix("./")
                    if name in wanted and member.isfile() and member.size <= MAX_BYTES:
                        content = archive.extractfile(member).read()
                        yield wanted.pop(name), name, content  # not taken out of those wanted before it could be read
        except (tarfile.TarError, OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            damage += f"; {path.name} cannot be read to its end ({error})"
    for name, row in wanted.items():
        yield row, name, OSError(f"no packed file holds it{damage}")
