"""One task of a batch: done once, whoever calls it and how often."""

from __future__ import annotations

from facelab.batches.attempts import begin_attempt
from facelab.batches.plan import Batch
from facelab.errors import FacelabError
from facelab.labs import batch as notebooks


def run_task(batch: Batch, index: int) -> bool:
    """Run the notebook of a task, unless its record is there.

    Args:
        batch, index: which task.

    Returns:
        Whether it was run; False: its record was there.

    Raises:
        BadParameterError: there is no such task, or a parameter of it is no longer allowed.
        DataMissingError: its data set is not on this machine.
        TaskRunningError: it is being done elsewhere.
        PreemptedError: it was asked to make room; the next call goes on.
        FacelabError: the notebook failed.
    """
    task = batch.task(index)
    if task.record() is not None:
        return False
    with begin_attempt(batch, index):
        if task.record() is not None:  # made while this one waited for its turn
            return False
        # checked again: what a parameter may be can have changed since the batch was made
        planned = notebooks.plan_source(task.run().notebook, task.parameters, parse=False)
        executed = notebooks.execute(planned, makes_room=True)
        if task.record() is None:
            raise FacelabError(f"{task.notebook} ended without a record.", f"Look at {executed}.")
    return True
