"""All tasks of a batch that are not done, by an engine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence

from facelab.batches.attempts import note_failure, read_attempts
from facelab.batches.jobs import Engine, require_submitit, run_jobs
from facelab.batches.plan import Batch
from facelab.batches.status import FAILED, MISSING, TaskStatus, task_status
from facelab.labs.kernel import fix_folders
from facelab.threads import MOST_VARIABLES


def run_batch(batch: Batch, indices: Sequence[int], engine: Engine) -> Generator[TaskStatus]:
    """Do tasks of a batch, and tell of each what became of it when its job has ended.

    Args:
        batch: of the tasks.
        indices: which of them.
        engine: where they are done.

    Raises:
        BadParameterError, FacelabError: as ``run_jobs``; of a task that fails, its status says so.
    """
    if not indices:
        return
    require_submitit()
    from facelab.batches.task_job import TaskJob  # which needs it

    environment = _environment(engine)
    before = {index: read_attempts(batch, index).count for index in indices}
    calls = [TaskJob(batch.name, index, environment, engine.limit) for index in indices]
    with contextlib.closing(run_jobs(calls, engine)) as ends:
        for end in ends:
            index, problem = indices[end.index], str(end.result or end.problem)
            status = task_status(batch, index)
            if status.state in (FAILED, MISSING):
                if status.attempts.count == before[index]:
                    note_failure(batch, index, f"It never started. {problem or f'Its output is in {engine.folder}.'}")
                elif problem:
                    note_failure(batch, index, problem)
                status = task_status(batch, index)
            yield status


def _environment(engine: Engine) -> dict[str, str | None]:
    """Variables of a task's command; None: it is not to have this one."""
    environment: dict[str, str | None] = {**fix_folders()}
    if engine.kind == "local":
        environment["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES")  # which submitit empties
        if engine.workers > 1:
            share = str(max(1, (os.cpu_count() or 1) // engine.workers))
            environment[MOST_VARIABLES[0]] = os.environ.get(MOST_VARIABLES[0], share)
    return environment
