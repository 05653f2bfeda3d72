"""The engine of this machine: processes that compute cells side by side, and end with whoever started them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import psutil
import torch

from facelab import progress
from facelab.errors import FacelabError
from facelab.experiments.cells import Job, Outcome, compute_cell
from facelab.files import remove_partials
from facelab.interrupts import hold_back_interrupts

_STANDSTILL = 5.0  # seconds; a process that waits for a device longer is killed as it is


def run_in_local_processes(jobs: Sequence[Job], workers: int) -> Generator[Outcome]:
    """An ``Engine``: processes of this machine, one a worker, which are killed when it is closed before its end.

    One worker is a process of its own too, so that no figure depends on their number.

    Raises:
        FacelabError: a process was killed from outside, for want of memory perhaps.
    """
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn"), _begin_worker)
    try:
        with hold_back_interrupts():  # new processes inherit that, so that Ctrl-C never meets them
            submitted = [pool.submit(compute_cell, job) for job in jobs]
        for done in as_completed(submitted):
            yield done.result()
        pool.shutdown()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            _suspend(child.pid)  # or it would begin its next cell once what it waits for is killed
            _kill_all(_descendants(child.pid))
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


def _suspend(process: int) -> None:
    """Suspend a process, and wait until it stands: what it was starting just then is one of its descendants only afterwards."""
    deadline = time.monotonic() + _STANDSTILL
    with contextlib.suppress(psutil.NoSuchProcess):
        suspended = psutil.Process(process)
        suspended.suspend()
        while suspended.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE) and time.monotonic() < deadline:
            time.sleep(0.001)


def _descendants(process: int) -> list[int]:
    """What a process has started, and what these have, such as the kernel of a notebook."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [descendant.pid for descendant in psutil.Process(process).children(recursive=True)]
    return []


def _kill_all(processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows ends a process by either name


def _begin_worker() -> None:
    """In a new process: one thread, no bar, prints go to stderr; Ctrl-C is the parent's affair, whose end is also its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of libraries that are loaded later
    torch.set_num_threads(1)
    progress.silence()
    holds = threading.Event()

    def hold(*_: object) -> None:
        """In the cell's thread, between two of its steps: it starts nothing any more."""
        holds.set()
        threading.Event().wait()

    def leave_with_parent() -> None:
        multiprocessing.parent_process().join()
        signal.raise_signal(signal.SIGTERM)
        holds.wait(_STANDSTILL)
        _kill_all(_descendants(os.getpid()))
        os._exit(1)

    signal.signal(signal.SIGTERM, hold)

    threading.Thread(target=leave_with_parent, daemon=True).start()
