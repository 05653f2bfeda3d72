"""How a command of the benchmarks ends where it cannot go on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from facelab.errors import FacelabError


@contextmanager
def one_line_errors(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Within the block, a ``FacelabError`` (exit status 1) and Ctrl-C (130) end the process with one line of its program."""
    try:
        yield
    except FacelabError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"{parser.prog}: stopped\n")
