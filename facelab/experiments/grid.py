"""Work of many runs that can be stopped: what is done is kept as a small JSON, and a second call computes what is missing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from facelab.errors import FacelabError
from facelab.files import write_json
from facelab.paths import runs_root
from facelab.progress import bar

Figures = dict[str, float]


class Run(NamedTuple):
    """One run: its figures, and the seconds that it took when it was made."""

    figures: Figures
    seconds: float


def kept(folder: str, label: str, settings: dict[str, object], compute: Callable[[], Figures]) -> Run:
    """One run, made or read.

    Args:
        folder: below ``runs``.
        label: what a reader sees in the name of the file.
        settings: everything that decides the run; another run gets another file.
        compute: makes the figures.

    Raises:
        FacelabError: the file of the run holds no run.
    """
    key = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]
    path = runs_root() / folder / f"{label}-{key}.json"
    if not path.is_file():
        started = time.monotonic()
        figures = compute()
        write_json(path, {"figures": figures, "seconds": round(time.monotonic() - started, 1)})
    try:
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise FacelabError(f"{path} holds no run ({error}).", "Remove it; it is made again.") from error


def over(run: Callable[..., Run], asked: Sequence[tuple], title: str) -> dict[tuple, Run]:
    """``run`` of every one of ``asked``, a process a core, with progress: arguments -> run, in the order asked.

    Ctrl-C and errors end it without beginning another run.
    """
    found = {}
    workers = ProcessPoolExecutor(min(os.cpu_count() or 1, 4), get_context("spawn"), _end_at_interrupt)
    with workers, bar(title, len(asked)) as progress:
        # map, unlike submit, cancels what has not begun when it is left
        for arguments, done in zip(asked, workers.map(run, *zip(*asked, strict=True)), strict=True):
            found[arguments] = done
            progress.advance()
    return found


def _end_at_interrupt() -> None:
    """In a worker: Ctrl-C ends the process. As an exception it would end one run, and the worker would take the next."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def seconds_of(found: Mapping[tuple, Run]) -> float:
    """The seconds of all runs together, those made earlier included."""
    return round(sum(run.seconds for run in found.values()), 1)
