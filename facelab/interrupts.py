"""Ctrl-C, held back for a moment."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hold_back_interrupts() -> Iterator[None]:
    """Ctrl-C waits until the block is left, and never reaches a process that is started within it, which inherits this.

    Where the system has no signal masks (Windows) the block runs as it would without.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
