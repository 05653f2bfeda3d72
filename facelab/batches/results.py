"""What the tasks of a batch measured, together."""

from __future__ import annotations

from facelab.batches.plan import Batch, Task
from facelab.batches.status import DONE, batch_status, summary
from facelab.errors import FacelabError
from facelab.labs.parameters import declared_parameters, find_source
from facelab.records import Record


def records_by_setting(batch: Batch) -> dict[str, list[Record]]:
    """The records of a batch, those that differ in the seed alone together.

    Returns:
        Notebook, preset, data set and whatever else differs from the defaults -> records, in the order of the plan.

    Raises:
        FacelabError: a task is not done.
    """
    found = batch_status(batch)
    if any(status.state != DONE for status in found):
        raise FacelabError(
            f"The batch {batch.name} is not done ({summary(found)}).", f"Call first: facelab batch run {batch.name}."
        )
    together: dict[str, list[Record]] = {}
    for status in found:
        together.setdefault(_setting(status.task), []).append(status.task.record())
    return together


def _setting(task: Task) -> str:
    declared = declared_parameters(find_source(task.notebook))
    words = [task.notebook, str(task.parameters["preset"]), str(task.parameters["dataset"])]
    words += [
        f"{name}={value}"
        for name, value in task.parameters.items()
        if name not in ("preset", "dataset", "seed") and value != declared[name].default
    ]
    return ", ".join(words)
