"""Faults of earlier student projects as they were found, each with a check that catches it in any implementation."""

from __future__ import annotations

import pandas as pd

from facelab.exercises.faults import batch_norm, labels, losses, neighbors, queue, search, vicreg
from facelab.exercises.faults.batch_norm import batch_leak, check_batch_norm, check_encoders
from facelab.exercises.faults.labels import check_split, check_summary
from facelab.exercises.faults.losses import check_broadcast, check_exp
from facelab.exercises.faults.neighbors import check_kmeans_topk, check_knn
from facelab.exercises.faults.queue import (
    check_queue,
    check_queue_size,
    epoch_rows,
    expected_stale_share,
    stale_share,
)
from facelab.exercises.faults.search import check_ids, check_similarity
from facelab.exercises.faults.verdict import Fault, Verdict
from facelab.exercises.faults.vicreg import check_covariance, check_embedding

__all__ = [
    "Fault",
    "Verdict",
    "all_faults",
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
    "epoch_rows",
    "expected_stale_share",
    "fault_table",
    "stale_share",
]


def all_faults() -> list[Fault]:
    """All faults, in the order in which a project meets them: loss, training, evaluation, search.

    A notebook picks its own by their checks: ``[fault for fault in all_faults() if fault.check is check_exp]``.
    """
    modules = (losses, vicreg, batch_norm, queue, neighbors, labels, search)
    return [fault for module in modules for fault in module.FAULTS]


def fault_table(faults: list[Fault]) -> pd.DataFrame:
    """One row for each fault: what it did, what its check says of the code as found, and what of ours."""
    return pd.DataFrame(
        {
            "what it did": [fault.effect for fault in faults],
            "the code as found": [str(fault.check(fault.faulty_version)) for fault in faults],
            "ours": [str(fault.check(fault.correct_version)) for fault in faults],
        },
        index=pd.Index([fault.name for fault in faults], name="fault"),
    )
