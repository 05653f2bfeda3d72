"""Decoding by all cores, in processes: a small photograph spends half of its time in Python, which runs one thread at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2
import pandas as pd

from facelab.datasets.decode import THREADS
from facelab.errors import FacelabError
from facelab.processes import single_thread_processes

MIN_PHOTOGRAPHS = 20_000  #: fewer are decoded by threads of this process before others have started
_AHEAD = 8  # parts a process that are held in memory at once

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

    cores = joblib.cpu_count()
    if photographs < MIN_PHOTOGRAPHS or cores == 1:
        yield from (decode(part, THREADS) for part in parts)
        return
    parts = iter(parts)
    try:
        # Parts are small: they are sent through pipes (max_nbytes), not files.
        with single_thread_processes(cores, _begin, ordered=True, max_nbytes=None) as parallel:
            while ahead := list(itertools.islice(parts, _AHEAD * cores)):
                yield from parallel(joblib.delayed(decode)(part, 1) for part in ahead)
    except BrokenProcessPool as error:
        raise FacelabError(
            "A process that decoded photographs was killed, perhaps for want of memory.",
            f"What was done is kept: call it again, with LOKY_MAX_CPU_COUNT={cores // 2} in the environment.",
        ) from error


def _begin() -> None:
    """In a new process: no threads of OpenCV."""
    cv2.setNumThreads(1)
