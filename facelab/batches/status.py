"""How far the tasks of a batch are. The truth is what lies on the disk: records, tries and locks, whatever an engine says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from facelab.batches.attempts import Attempts, is_running, read_attempts
from facelab.batches.plan import Batch, Task

DONE, RUNNING, FAILED, MISSING = "done", "running", "failed", "missing"
_KILLED = "It ended without a word: killed, for want of memory perhaps, or at a time limit."


@dataclass(frozen=True)
class TaskStatus:
    """A task and what became of it.

    Attributes:
        index: of the task.
        task: what is to be run.
        state: ``done``: its record is there; ``running``: some process is at it; ``failed``: its last try came to nothing;
            ``missing``: it was not tried yet.
        attempts: its tries; ``error`` says what was wrong with the last one also where that one was killed.
    """

    index: int
    task: Task
    state: str
    attempts: Attempts

    @property
    def error(self) -> str:
        """What is wrong, in one line; empty where nothing is."""
        if self.state != FAILED:
            return ""
        return self.attempts.error or _KILLED

    def as_json(self) -> dict[str, object]:
        """As ``facelab batch status --json`` prints it."""
        return {
            "index": self.index,
            "notebook": self.task.notebook,
            "parameters": self.task.parameters,
            "state": self.state,
            "attempts": self.attempts.count,
            "started": self.attempts.started,
            "seconds": self.attempts.seconds,
            "host": self.attempts.host,
            "job": self.attempts.job,
            "error": self.error,
            "executed": str(self.task.run().executed),
        }


def task_status(batch: Batch, index: int) -> TaskStatus:
    """What became of one task; FacelabError where the file of its tries is damaged."""
    task, attempts = batch.task(index), read_attempts(batch, index)
    if task.record() is not None:
        state = DONE
    elif is_running(batch, index):
        state = RUNNING
    else:
        state = FAILED if attempts.count or attempts.error else MISSING
    return TaskStatus(index, task, state, attempts)


def batch_status(batch: Batch) -> list[TaskStatus]:
    """What became of all tasks, in their order."""
    return [task_status(batch, index) for index in range(len(batch.tasks))]


def summary(found: Sequence[TaskStatus]) -> str:
    """``"40 tasks: 31 done, 2 failed, 7 missing"``."""
    counts = Counter(status.state for status in found)
    parts = [f"{counts[state]} {state}" for state in (DONE, RUNNING, FAILED, MISSING) if counts[state]]
    return f"{len(found)} task{'s' if len(found) != 1 else ''}: {', '.join(parts)}"
