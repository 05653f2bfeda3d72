"""What became of each try of a task: counted, and locked so that a task which is started twice at once runs once.

The lock is the system's own: it is free again however its process ends, on whatever node that was.
"""

from __future__ import annotations

import datetime
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from facelab.batches.plan import Batch
from facelab.errors import FacelabError
from facelab.files import make_folder, read_json_object, write_json

_MOST_OF_ERROR = 500  # characters that are kept; a cell can raise an error of any length
_LOOK_SECONDS = 2.0  # that a task waits for its lock: whoever only looks whether it is held has it for a moment


class TaskRunningError(FacelabError):
    """The task is being done elsewhere at this moment."""


@dataclass(frozen=True)
class Attempts:
    """The tries of a task.

    Attributes:
        count: how many were begun.
        started: when the last one was, UTC, ISO 8601.
        host, job: where, and in which job of Slurm; no job elsewhere.
        seconds: that it took; None: it runs, or ended without a word.
        error: what was wrong with it, in one line; empty where nothing was.
    """

    count: int = 0
    started: str = ""
    host: str = ""
    job: str = ""
    seconds: float | None = None
    error: str = ""


def read_attempts(batch: Batch, index: int) -> Attempts:
    """The tries of a task; FacelabError where their file is damaged."""
    path = _path(batch, index)
    try:
        return Attempts(**read_json_object(path))
    except FileNotFoundError:
        return Attempts()
    except (OSError, ValueError, TypeError) as error:
        raise FacelabError(f"{path} is damaged ({error}).", "Remove it: the tries are counted anew.") from error


def is_running(batch: Batch, index: int) -> bool:
    """Whether some process is at the task just now, here or on another node."""
    path = _lock_path(batch, index)
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def begin_attempt(batch: Batch, index: int) -> Iterator[None]:
    """One try of a task, for as long as the block lasts: it is counted, and what ends it is kept.

    Raises:
        TaskRunningError: it is being done elsewhere.
        FacelabError: the folder of the batch cannot be written.
    """
    with _held(batch, index):
        before, started = read_attempts(batch, index), time.monotonic()
        now = Attempts(before.count + 1, _utc(), socket.gethostname(), _slurm_job())
        write_json(_path(batch, index), asdict(now))

        def end(error: str) -> None:
            seconds = round(time.monotonic() - started, 1)
            one_line = " ".join(error.split())[:_MOST_OF_ERROR]
            write_json(_path(batch, index), asdict(replace(now, seconds=seconds, error=one_line)))

        try:
            yield
        except FacelabError as error:
            end(error.problem)
            raise
        except Exception as error:
            end(f"{type(error).__name__}: {error}")
            raise
        except BaseException as error:
            end(f"It was stopped ({type(error).__name__}).")
            raise
        end("")


def note_failure(batch: Batch, index: int, error: str) -> bool:
    """Keep why the last try of a task came to nothing, or why none was begun.

    Args:
        batch, index: which task.
        error: one line.

    Returns:
        Whether it was kept; False: somebody is at the task, and will say how that ends.
    """
    try:
        with _held(batch, index):
            write_json(_path(batch, index), asdict(replace(read_attempts(batch, index), error=error)))
    except TaskRunningError:
        return False
    return True


@contextmanager
def _held(batch: Batch, index: int) -> Iterator[None]:
    path = _lock_path(batch, index)
    lock = FileLock(path, timeout=_LOOK_SECONDS)
    try:
        make_folder(path.parent)
        lock.acquire()
    except Timeout as error:
        last = read_attempts(batch, index)
        where = f" on {last.host}" + (f", job {last.job}" if last.job else "") + f", since {last.started}"
        raise TaskRunningError(
            f"Task {index} of {batch.name} is running{where if last.started else ''}.", "Wait until it has ended."
        ) from error
    except OSError as error:
        raise FacelabError(
            f"{path} cannot be written ({error.strerror}).", "Free some space or check the rights."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _path(batch: Batch, index: int) -> Path:
    return batch.folder / "tasks" / f"{index}.json"


def _lock_path(batch: Batch, index: int) -> Path:
    return batch.folder / "tasks" / f"{index}.lock"


def _utc() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _slurm_job() -> str:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
