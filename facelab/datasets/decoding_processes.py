"""Decoding by all cores, in processes: a small photograph spends half of its time in Python, which runs one thread at once."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2
import pandas as pd
import psutil

from facelab.datasets.decode import THREADS
from facelab.errors import FacelabError

MIN_PHOTOGRAPHS = 20_000  #: fewer are decoded by threads of this process before others have started
_AHEAD = 8  # parts a process that are held in memory at once
_LOOKS_EVERY = 1.0  # seconds: whether the process that it works for is there

# What joblib has to say where the results are no longer wanted, as on a full disk or Ctrl-C.
warnings.filterwarnings(
    "ignore", message=".*tasks (have been successfully|which were still)", module=r"joblib\.parallel"
)

Result = TypeVar("Result")


def run_by_all_cores(
    decode: Callable[[pd.DataFrame, int], Result], parts: Iterable[pd.DataFrame], photographs: int
) -> Iterator[Result]:
    """The results of ``decode(part, threads)`` in the order of the parts.

    Processes of one thread each, or threads of this process where there is too little to do for processes. These need no
    protected main module, and end with this one, also when it is killed.

    Args:
        decode: a function of a module, or a small one of a notebook.
        parts: what there is to do. Some are taken before the results of those before them are.
        photographs: how many there are in all parts.

    Raises:
        FacelabError: a process was killed.
    """
    import joblib  # takes a tenth of a second, for the few who have so many photographs
    from joblib.externals.loky import get_reusable_executor

    cores = joblib.cpu_count()
    if photographs < MIN_PHOTOGRAPHS or cores == 1:
        yield from (decode(part, THREADS) for part in parts)
        return
    parts, start = iter(parts), {"initializer": _begin, "initargs": (os.getpid(),)}
    try:
        # Parts are small: one is sent at a time, and through pipes (max_nbytes), not files.
        with joblib.Parallel(cores, "loky", return_as="generator", batch_size=1, max_nbytes=None, **start) as parallel:
            while ahead := list(itertools.islice(parts, _AHEAD * cores)):
                yield from parallel(joblib.delayed(decode)(part, 1) for part in ahead)
    except BrokenProcessPool as error:
        raise FacelabError(
            "A process that decoded photographs was killed, perhaps for want of memory.",
            f"What was done is kept: call it again, with LOKY_MAX_CPU_COUNT={cores // 2} in the environment.",
        ) from error
    finally:
        get_reusable_executor().shutdown(kill_workers=True)  # or they would wait five minutes for more to do


def _begin(parent: int) -> None:
    """In a new process: no threads of OpenCV, and it does not outlive the one that it works for, however that ends."""
    cv2.setNumThreads(1)

    def leave_with_parent() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(parent)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(_LOOKS_EVERY)
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
