"""Lessons: faults of earlier student projects as they were found, each with a check that catches it in any implementation."""

from __future__ import annotations

import pandas as pd

from facelab.exercises.faults import batch_norm, labels, losses, neighbours, queue, search, vicreg
from facelab.exercises.faults.batch_norm import batch_leak, check_batch_norm, check_encoders
from facelab.exercises.faults.labels import check_split, check_summary
from facelab.exercises.faults.losses import check_broadcast, check_exp
from facelab.exercises.faults.neighbours import check_kmeans_topk, check_knn
from facelab.exercises.faults.queue import (
    check_queue,
    check_queue_size,
    expected_stale_share,
    rows_of_an_epoch,
    stale_share,
)
from facelab.exercises.faults.search import check_ids, check_similarity
from facelab.exercises.faults.verdict import Fault, Verdict
from facelab.exercises.faults.vicreg import check_covariance, check_embedding

__all__ = [
    "Fault",
    "Verdict",
    "as_table",
    "batch_leak",
    "check_batch_norm",
    "check_broadcast",
    "check_covariance",
    "check_embedding",
    "check_encoders",
    "check_exp",
    "check_ids",
    "check_kmeans_topk",
    "check_knn",
    "check_queue",
    "check_queue_size",
    "check_similarity",
    "check_split",
    "check_summary",
    "expected_stale_share",
    "lessons",
    "rows_of_an_epoch",
    "stale_share",
]


def lessons() -> list[Fault]:
    """All faults, in the order in which a project meets them: loss, training, evaluation, search.

    A notebook picks its own by their checks: ``[fault for fault in lessons() if fault.check is check_exp]``.
    """
    modules = (losses, vicreg, batch_norm, queue, neighbours, labels, search)
    return [fault for module in modules for fault in module.FAULTS]


def as_table(faults: list[Fault]) -> pd.DataFrame:
    """One row for each fault: what it did, what its check says of the code as found, and what of ours."""
    return pd.DataFrame(
        {
            "what it did": [fault.effect for fault in faults],
            "the code as found": [str(fault.check(fault.faulty)) for fault in faults],
            "ours": [str(fault.check(fault.right)) for fault in faults],
        },
        index=pd.Index([fault.name for fault in faults], name="fault"),
    )
