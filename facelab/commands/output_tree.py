"""What ``crop`` and ``split`` say of files in the folder that they write to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from facelab.commands.console import console


def print_mended(files: Iterable[tuple[str, str]], what: str) -> None:
    """Which files of an earlier run were made again.

    Args:
        files: (file, what had become of it).
        what: how the line begins.
    """
    for file, fault in files:
        console.print(f"{what} was {fault}: {file}")


def print_some(files: Sequence[str], one: str, many: str, what: str, fate: str = "") -> None:
    """How many files something holds for, and the names of a few; no line where there are none.

    Args:
        files: their names.
        one, many: what they are, as ``output_tree.count_of`` takes them.
        what: holds for them.
        fate: what became of them, to end the line with.
    """
    from facelab.datasets.output_tree import count_of, some_names

    if files:
        console.print(f"{count_of(files, one, many)} {what} ({some_names(files)}){fate}")


def print_foreign(files: Sequence[str], out_dir: Path) -> None:
    """Which files were never written here, and stay."""
    print_some(files, "file", "files", f"in {out_dir} not from here", ": left alone")
