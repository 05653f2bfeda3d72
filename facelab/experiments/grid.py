"""Runs the cells of any experiment: side by side, kept as they are done, stopped at any time, and summarised into its record.

A cell that is done lies in ``runs/experiments/NAME`` under a hash of everything that decides it, and a second call reads it.
Who computes the missing cells is an ``Engine``; ``run_in_local_processes`` is the one there is.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

import psutil
import torch
from threadpoolctl import threadpool_limits

from facelab import progress, records
from facelab.errors import BadParameterError, FacelabError
from facelab.experiments.experiment import Cell, Experiment, Figures
from facelab.files import check_writable, remove_partials, write_json
from facelab.paths import project_data, runs_root
from facelab.records import Record

_NOT_DECIDING = ("python", "machine")  # of records.versions(): they change the last digits at the most


@dataclass(frozen=True)
class Job:
    """One cell to be computed.

    Attributes:
        run: of its experiment, a function of a module, so that another process can import it.
        cell: which one.
        path: where its figures go.
        code: ``code_digest`` when the work began.
    """

    run: Callable[[Cell], Figures]
    cell: Cell
    path: Path
    code: str


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its seconds, and the traceback of one that failed; no traceback where its figures are kept."""

    job: Job
    seconds: float
    error: str = ""


#: Computes jobs, so many at a time, in any order, and tells of each when it is done (by ``compute_cell``, which keeps the
#: figures). When the generator is closed, nothing of it goes on. A cluster is another engine.
Engine = Callable[[Sequence[Job], int], Generator[Outcome]]


@dataclass(frozen=True)
class CellResult:
    """A cell that is done.

    Attributes:
        figures: what it measured.
        seconds: that it took.
        code: ``code_digest`` of the package that computed it.
    """

    figures: Figures
    seconds: float
    code: str


def run_experiment(
    experiment: Experiment,
    seeds: int | None = None,
    workers: int | None = None,
    only: str | None = None,
    engine: Engine | None = None,
) -> tuple[dict[str, CellResult], Path | None]:
    """Compute the cells that are not kept yet, and write the record when all of them are there.

    Args:
        experiment: which one.
        seeds: 0 ... seeds-1; None: as many as the experiment usually has.
        workers: cells at a time, a core each; None: one a core, four at most. The figures do not depend on it.
        only: a regular expression; only cells whose label it finds are computed, and no record is written.
        engine: who computes them; None: ``run_in_local_processes``.

    Returns:
        Label of each cell that was asked for -> what is kept of it, and the path of the record; None with ``only``.

    Raises:
        BadParameterError: too few seeds, a pattern that finds no cell, cells of one label, or more than one worker where time
            is measured.
        DataMissingError: a data set is not there.
        FacelabError: a cell failed (the others were computed first), a process was killed, a kept file is damaged, or the
            folder of the cells cannot be written.
    """
    seeds, workers = _checked_seeds(experiment, seeds), _checked_workers(experiment, workers)
    cells = matching_cells(experiment.grid(seeds), only)
    data = experiment.data()
    jobs = [Job(experiment.run, cell, cell_path(experiment, cell, data), code_digest()) for cell in cells]
    compute_missing(experiment.name, jobs, workers, engine or run_in_local_processes)
    kept = {job.cell: read_cell(job.path) for job in jobs}
    by_label = {cell.label: entry for cell, entry in kept.items()}
    if only is not None:
        return by_label, None
    record = Record(experiment.name, experiment.command(seeds), experiment.parameters(seeds))
    record.versions = records.versions(threads=1) | _versions_of(experiment.packages)
    record.data |= data
    record.metrics = experiment.summarise({cell.key: entry.figures for cell, entry in kept.items()})
    record.wall_seconds = round(sum(entry.seconds for entry in kept.values()), 1)
    return by_label, record.write(project_data("results", f"{experiment.name}.json"))


def matching_cells(cells: Sequence[Cell], only: str | None) -> list[Cell]:
    """The cells whose label a regular expression finds; all without one.

    Raises:
        BadParameterError: no regular expression, or one that finds no cell; or two cells have one label.
    """
    try:
        pattern = re.compile(only or "")
    except re.error as error:
        raise BadParameterError(f"{only!r} is no regular expression ({error}).", "Write a part of a label.") from error
    labels = [f"'{cell.label}'" for cell in cells]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise BadParameterError(f"Two cells of the grid are called {twice}.", "Give each a key of its own.")
    found = [cell for cell in cells if pattern.search(cell.label)]
    if not found:
        shown = " ".join(labels[:5]) + (f" ... {labels[-1]}" if len(labels) > 5 else "")
        raise BadParameterError(f"No cell's label contains {only!r}.", f"There are {len(labels)}: {shown}.")
    return found


def cell_path(experiment: Experiment, cell: Cell, data: Mapping[str, Mapping[str, object]]) -> Path:
    """Where the figures of a cell are kept: named by its label and by a hash of all that decides them.

    Args:
        experiment, cell: which one.
        data: of the experiment: the hashes of its photographs count.
    """
    pixels = {role: entry["sha256"] for role, entry in data.items()}
    packages = {name: version for name, version in records.versions().items() if name not in _NOT_DECIDING}
    decides = [experiment.name, cell.key, cell.settings, pixels, packages | _versions_of(experiment.packages)]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    plain = re.sub(r"[^A-Za-z0-9.,+-]+", "-", cell.label)[:80]
    return runs_root().resolve() / "experiments" / experiment.name / f"{plain}-{digest}.json"


@cache
def code_digest() -> str:
    """A hash of the package's source: a kept cell that has another one was made by other code."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def read_cell(path: Path) -> CellResult:
    """What is kept of a cell.

    Raises:
        FacelabError: the file is damaged.
    """
    try:
        result = CellResult(**json.loads(path.read_text(encoding="utf-8")))
        if not isinstance(result.figures, dict) or not isinstance(result.seconds, int | float):
            raise TypeError("figures and seconds are not what they should be")
        return result
    except (OSError, ValueError, TypeError) as error:
        raise FacelabError(
            f"{path} holds no figures ({error}).", "Move it away; the cell is computed again."
        ) from error


def compute_missing(title: str, jobs: Sequence[Job], workers: int, engine: Engine) -> None:
    """Let an engine compute the jobs whose figures are not kept, with progress and time left.

    Raises:
        FacelabError: jobs failed, and all others were computed first; or, before anything is computed, a kept file is damaged
            or the folder cannot be written.
    """
    missing = [job for job in jobs if not job.path.exists()]
    for job in jobs:
        if job.path.exists():
            read_cell(job.path)
    if not missing:
        return
    for folder in {job.path.parent for job in missing}:
        check_writable(folder)
    started, failed = time.monotonic(), []
    with (
        _terminated_as_interrupt(),
        progress.progress_bar(title, len(missing)) as bar,
        contextlib.closing(engine(missing, workers)) as done,
    ):
        for number, outcome in enumerate(done, start=1):
            bar.advance(note=outcome.job.cell.label)
            if outcome.error:
                failed.append(outcome)
            if not progress.is_interactive():
                left = (time.monotonic() - started) / number * (len(missing) - number) / 60
                state = "failed" if outcome.error else f"{outcome.seconds:.0f} s"
                print(
                    f"{number}/{len(missing)} {outcome.job.cell.label}: {state}, about {left:.0f} min left",
                    file=sys.stderr,
                    flush=True,
                )
    if failed:
        for outcome in failed:
            print(f"{outcome.job.cell.label}:\n{outcome.error}", file=sys.stderr)
        labels = ", ".join(outcome.job.cell.label for outcome in failed)
        raise FacelabError(
            f"{len(failed)} of {len(missing)} cells failed: {labels}.",
            "The others are kept: mend these, and call it again.",
        )


def compute_cell(job: Job) -> Outcome:
    """Compute one cell with one thread and keep its figures. Whatever it raises is handed back: it does not end the others.

    Raises:
        FacelabError: the figures cannot be written; nor could those of the other cells.
    """
    started = time.monotonic()
    try:
        with threadpool_limits(1):
            figures = job.run(job.cell)
        if not isinstance(figures, dict) or not all(isinstance(name, str) for name in figures):
            raise TypeError(f"A cell gives a dict of figures by name, not {figures!r:.80}.")
        json.dumps(figures, allow_nan=False)
    except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001  (reported when the other cells are done)
        return Outcome(job, time.monotonic() - started, traceback.format_exc())
    seconds = round(time.monotonic() - started, 1)
    write_json(job.path, {"figures": figures, "seconds": seconds, "code": job.code})
    return Outcome(job, seconds)


def run_in_local_processes(jobs: Sequence[Job], workers: int) -> Generator[Outcome]:
    """An ``Engine``: processes of this machine, one a worker, which are killed when it is closed before its end.

    One worker is a process of its own too, so that no figure depends on their number.

    Raises:
        FacelabError: a process was killed from outside, for want of memory perhaps.
    """
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn"), _begin_worker)
    try:
        with _interrupts_held_back():  # new processes inherit that, so that Ctrl-C never meets them
            submitted = [pool.submit(compute_cell, job) for job in jobs]
        for done in as_completed(submitted):
            yield done.result()
        pool.shutdown()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            _kill_descendants(child.pid)
            child.kill()
            child.join()
        for job in jobs:
            remove_partials(job.path.parent, of=job.path.name)
        if isinstance(error, BrokenProcessPool):
            raise FacelabError(
                "A process that computed a cell was killed, perhaps for want of memory.",
                "What was done is kept: call it again, with fewer --workers.",
            ) from error
        raise


def _kill_descendants(process: int) -> None:
    """Kill what a process has started, such as the kernel of a notebook."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for descendant in psutil.Process(process).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                descendant.kill()


def _begin_worker() -> None:
    """In a new process: one thread, no bar, prints go to stderr; Ctrl-C is the parent's affair, whose end is also its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of libraries that are loaded later
    torch.set_num_threads(1)
    progress.silence()

    def leave_with_parent() -> None:
        multiprocessing.parent_process().join()
        _kill_descendants(os.getpid())
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C waits until the block is left, where the system can do that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _terminated_as_interrupt() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: by an exception, so that whoever has processes ends them."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _versions_of(packages: Sequence[str]) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in packages}


def _checked_seeds(experiment: Experiment, seeds: int | None) -> int:
    if seeds is None:
        return experiment.seeds
    if not experiment.seeds:
        raise BadParameterError(f"{experiment.name} draws nothing that has a seed.", "Leave --seeds out.")
    if seeds < experiment.least_seeds:
        raise BadParameterError(
            f"{seeds} seeds are too few for {experiment.name}.", f"Give --seeds {experiment.least_seeds} or more."
        )
    return seeds


def _checked_workers(experiment: Experiment, workers: int | None) -> int:
    if experiment.alone and workers not in (None, 1):
        raise BadParameterError(f"{experiment.name} measures time: its cells run alone.", "Leave --workers out.")
    if workers is not None and workers < 1:
        raise BadParameterError(f"{workers} workers.", "Give --workers 1 or more.")
    return 1 if experiment.alone else workers or min(os.cpu_count() or 1, 4)
