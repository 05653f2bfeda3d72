"""Lines that one may publish: without what names files of a machine, and perhaps people."""

from __future__ import annotations

import shlex


def without_paths(command: str) -> str:
    """A command line as one may publish it: what names files of a machine, and perhaps people, is ``PATH``."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    return shlex.join(map(without_path, words))


def without_path(word: str) -> str:
    """A word of a command line, ``PATH`` in place of a path: ``folder:/home/anna`` is ``folder:PATH``."""
    family, colon, _ = word.partition(":")
    if colon and "/" not in family:
        return f"{family}:PATH"
    return "PATH" if "/" in word or "\\" in word or word.startswith("~") else word
