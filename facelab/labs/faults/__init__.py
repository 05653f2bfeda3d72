"""Lessons: faults of earlier student projects as they were found, each with a check that catches it in any implementation."""

from __future__ import annotations

import pandas as pd

from facelab.evaluation import topk_by_neighbours
from facelab.evaluation.clusters import topk_by_clusters
from facelab.labs.faults.batch_norm import batch_leak, check_batch_norm, check_encoders, shuffled_groups, whole_batch
from facelab.labs.faults.losses import check_broadcast, check_exp, info_nce_broadcast, sup_con_raw_exp
from facelab.labs.faults.neighbours import (
    check_kmeans_topk,
    check_knn,
    clusters_in_array_order,
    neighbours_without_the_nearest,
)
from facelab.labs.faults.queue import (
    all_of_the_data,
    check_queue,
    check_queue_size,
    eighth_of_the_data,
    expected_stale_share,
    rows_of_an_epoch,
    stale_share,
)
from facelab.labs.faults.verdict import Fault, Verdict
from facelab.losses import info_nce, sup_con

__all__ = [
    "Fault",
    "Verdict",
    "as_table",
    "batch_leak",
    "check_batch_norm",
    "check_broadcast",
    "check_encoders",
    "check_exp",
    "check_kmeans_topk",
    "check_knn",
    "check_queue",
    "check_queue_size",
    "expected_stale_share",
    "lessons",
    "rows_of_an_epoch",
    "stale_share",
]


def lessons() -> list[Fault]:
    """The six faults, in the order in which a project meets them: loss, training, evaluation."""
    return [
        Fault(
            "(N,) + (N, 1) in InfoNCE",
            "The negatives of each query were weighed against the positives of all. The gradient had the right sign and the "
            "wrong size: it trained, and nobody noticed.",
            info_nce_broadcast,
            info_nce,
            check_broadcast,
        ),
        Fault(
            "exp without log-sum-exp",
            "The loss was NaN or infinite at low temperatures, where the training ended.",
            sup_con_raw_exp,
            sup_con,
            check_exp,
        ),
        Fault(
            "batch norm that tells",
            "Queries and keys of one batch shared its statistics. The loss can fall by recognising the batch, not the person.",
            whole_batch,
            shuffled_groups,
            check_encoders,
        ),
        Fault(
            "a queue as long as the data set",
            "Keys of the same photograph, an epoch old, were negatives: the loss pushed apart what it had to join.",
            all_of_the_data,
            eighth_of_the_data,
            check_queue_size,
        ),
        Fault(
            "kNN without the nearest",
            "The probes were other photographs, so the neighbour that was dropped was the best: top-1 was place 2.",
            neighbours_without_the_nearest,
            topk_by_neighbours,
            check_knn,
        ),
        Fault(
            "k-means top-k by array order",
            "Within a cluster, people came in the order of the array: top-1 was chance among its members.",
            clusters_in_array_order,
            topk_by_clusters,
            check_kmeans_topk,
        ),
    ]


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
