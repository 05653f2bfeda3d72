"""Progress of long work: shown to a person who watches, silent in batch runs, tests and stored notebooks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facelab.terminal import LiteralConsole, printable

_silenced = False


def is_interactive() -> bool:
    """Whether somebody watches: a terminal, or a notebook opened in Jupyter (papermill and nbval set no session name)."""
    return not _silenced and (sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ)


def silence() -> None:
    """Draw no bar in this process from now on: another one shows how far the work is."""
    global _silenced
    _silenced = True


class ProgressBar:
    """One progress bar; does nothing where nobody watches."""

    def __init__(self, progress: Progress | None, task: int) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Go on by some steps and show a short note."""
        if self._progress is not None:
            self._progress.update(self._task, advance=steps, note=printable(note))


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[ProgressBar]:
    """A progress bar on stderr that goes away when the work is done."""
    if not is_interactive():
        yield ProgressBar(None, 0)
        return
    name, note = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[note]"))
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note)
    with Progress(*columns, console=LiteralConsole(stderr=True), transient=True) as progress:
        yield ProgressBar(progress, progress.add_task(printable(description), total=total, note=""))
