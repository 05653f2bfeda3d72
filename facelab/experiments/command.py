"""How an experiment is started from the command line: what the user can mend is one line, not a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from facelab.errors import FacelabError


def run(main: Callable[..., None]) -> None:
    """Call ``main`` with the options that its annotations name; a ``FacelabError`` is printed, and the exit code is 1."""
    try:
        typer.run(main)
    except FacelabError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error
