"""Silhouettes of some embeddings among many: scikit-learn computes those of all, at a cost that grows with their square."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import pairwise_distances

from facelab.progress import progress_bar

MAX_DISTANCES = 2**24  #: that are held at a time, 64 MB


def silhouettes_of(rows: np.ndarray, embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Silhouettes (Rousseeuw 1987) of some embeddings, each against all, by Euclidean distance.

        a = mean distance to the others of its group,  b = least mean distance to another group,  (b - a) / max(a, b)

    Args:
        rows: int (n,), whose silhouettes are wanted.
        embeddings: float (N, D).
        labels: (N,), the group of each, two groups or more.

    Returns:
        float64 (n,), -1 to 1; 0 for an embedding that is alone in its group.
    """
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(np.asarray(labels)[order], return_index=True, return_counts=True)
    group = np.empty(len(order), np.int64)
    group[order] = np.repeat(np.arange(len(sizes)), sizes)
    by_group = embeddings[order]
    result = np.empty(len(rows))
    step = max(1, MAX_DISTANCES // len(embeddings))
    with progress_bar("silhouettes", len(rows), delay=1.0) as shown:
        for at in range(0, len(rows), step):
            part = rows[at : at + step]
            sums = np.add.reduceat(pairwise_distances(embeddings[part], by_group), starts, axis=1).astype(np.float64)
            own = group[part][:, None]
            alone = sizes[own[:, 0]] == 1
            within = np.take_along_axis(sums, own, axis=1)[:, 0] / np.maximum(sizes[own[:, 0]] - 1, 1)
            means = sums / sizes
            np.put_along_axis(means, own, np.inf, axis=1)
            nearest = means.min(axis=1)
            largest = np.maximum(within, nearest)
            score = np.divide(nearest - within, largest, out=np.zeros(len(part)), where=largest > 0)
            result[at : at + step] = np.where(alone, 0.0, score)
            shown.advance(len(part))
    return result
