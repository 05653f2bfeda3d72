"""Names of accounts: how one is written, and when two are the same."""

from __future__ import annotations

import unicodedata

from facelab.webapp.problems import Problem

MAX_LENGTH = 64


def display_name(name: str) -> str:
    """A name as it is shown: Unicode NFKC, single spaces.

    Raises:
        Problem: ``bad_name``: empty, longer than 64 characters, or with a character that cannot be seen.
    """
    shown = " ".join(unicodedata.normalize("NFKC", name).split())
    # C: control characters, marks of direction, lone surrogates and places without a character
    if not 0 < len(shown) <= MAX_LENGTH or any(unicodedata.category(letter).startswith("C") for letter in shown):
        raise Problem("bad_name")
    return shown


def comparison_key(name: str) -> str:
    """What two spellings of one name share: case and compatible characters do not matter. Errors as ``display_name``."""
    return unicodedata.normalize("NFKC", display_name(name).casefold())
