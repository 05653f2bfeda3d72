"""Progress of long work: shown to a person who watches, silent in batch runs, tests and stored notebooks.

What each piece of work took is logged as well, at the level INFO of the logger ``facelab.progress``: nobody sees it unless
the logger is given a handler.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facelab.terminal import LiteralConsole, printable

LOG = logging.getLogger(__name__)  #: one record a piece of work: its description, its total and its seconds

_silenced = False
_display: Progress | None = None  # of the outermost bar; a terminal can hold one display at a time


def is_interactive() -> bool:
    """Whether somebody watches: a terminal, or a notebook opened in Jupyter (papermill and nbval set no session name)."""
    return not _silenced and (sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ)


def silence() -> None:
    """Draw no bar in this process from now on: another one shows how far the work is."""
    global _silenced
    _silenced = True


class ProgressBar:
    """One progress bar; draws nothing where nobody watches, nor before the work has lasted ``delay`` seconds."""

    def __init__(self, description: str, total: int, delay: float) -> None:
        self._description, self._total, self._delay = printable(description), total, delay
        self._done, self._started = 0, time.monotonic()
        self._task = self._progress = None
        self._owns_display = False

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Go on by some steps and show a short note."""
        self._done += steps
        if self._progress is not None:
            self._progress.update(self._task, completed=self._done, note=printable(note))
        elif is_interactive() and self._done < self._total and self.seconds >= self._delay:
            self._show(printable(note))

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self._started

    def _show(self, note: str = "") -> None:
        global _display
        if _display is None:
            name, said = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[note]"))
            columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), said)
            _display, self._owns_display = Progress(*columns, console=LiteralConsole(stderr=True), transient=True), True
            _display.start()
        self._progress = _display
        self._task = _display.add_task(self._description, total=self._total, completed=self._done, note=note)

    def _close(self) -> None:
        global _display
        if self._owns_display:
            self._progress.stop()
            _display = None
        elif self._progress is not None:
            self._progress.remove_task(self._task)


@contextmanager
def progress_bar(description: str, total: int, delay: float = 0.0) -> Iterator[ProgressBar]:
    """A progress bar on stderr that goes away when the work is done; one within another is drawn below it.

    Args:
        description: of the work.
        total: how many steps it has.
        delay: seconds after which the bar is drawn: for work that is mostly too short to be worth one.
    """
    bar = ProgressBar(description, total, delay)
    try:
        if is_interactive() and not delay:
            bar._show()
        yield bar
    finally:
        bar._close()
    LOG.info("%s: %d in %.2f s", description, total, bar.seconds)
