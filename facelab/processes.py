"""Processes of one thread each, for work that Python or small matrices keep on one core."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from joblib import Parallel

_LOOKS_EVERY = 1.0  # seconds: whether the process that it works for is there

# What joblib has to say where the results are no longer wanted, as on a full disk or Ctrl-C.
warnings.filterwarnings(
    "ignore", message=".*tasks (have been successfully|which were still)", module=r"joblib\.parallel"
)


@contextmanager
def single_thread_processes(
    count: int, begin: Callable[[], None], *, ordered: bool, **options: object
) -> Iterator[Parallel]:
    """Processes that need no protected main module, and end with the block and with this process, also when it is killed.

    Args:
        count: how many.
        begin: called in each of them before its first work; a function of a module.
        ordered: whether results come in the order of their calls, or as they are done.
        options: of ``joblib.Parallel``.

    Yields:
        What takes calls, ``joblib.delayed(work)(...)``, one at a time, and gives their results while they are done. It raises
        ``concurrent.futures.process.BrokenProcessPool`` where a process was killed.
    """
    from joblib import Parallel  # takes a tenth of a second, for the few who need it
    from joblib.externals.loky import get_reusable_executor

    start = {"initializer": _begin, "initargs": (os.getpid(), begin), "inner_max_num_threads": 1}
    order = "generator" if ordered else "generator_unordered"
    try:
        with Parallel(count, "loky", return_as=order, batch_size=1, **start, **options) as parallel:
            yield parallel
    finally:
        get_reusable_executor().shutdown(kill_workers=True)  # or they would wait five minutes for more to do


def _begin(parent: int, begin: Callable[[], None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    begin()


def _leave_with(parent: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(parent)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_LOOKS_EVERY)
    os._exit(1)
