"""Packages that are not needed by all: what uses one of them says, in one line, which extra of the installation brings it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from facelab.errors import FacelabError


@contextmanager
def needs_extra(what: str, extra: str, instead: str = "") -> Iterator[None]:
    """Import what belongs to an extra within the block, or ask for its version.

    Args:
        what: needs it, as the subject of a sentence: ``"A sweep"``.
        extra: of ``pyproject.toml``.
        instead: another remedy, as the end of the sentence; empty where there is none.

    Raises:
        FacelabError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "facelab":  # a fault of ours
            raise
        raise FacelabError(
            f"{what} needs {package or 'a package'}, which is not installed.",
            f"pip install 'facelab[{extra}]'{instead}",
        ) from error
