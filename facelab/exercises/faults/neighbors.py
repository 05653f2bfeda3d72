"""Two faults of top-k: the best neighbour dropped as if it were the probe, and a cluster read in the order of the array."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances

from facelab.evaluation import TopK, topk_by_clusters, topk_by_neighbors
from facelab.exercises.faults.verdict import Fault, Verdict


def neighbors_without_nearest(
    gallery: np.ndarray, gallery_labels: np.ndarray, probes: np.ndarray, labels: np.ndarray
) -> TopK:
    """As found. "The nearest one is the probe itself", which is true only where the gallery holds the probe."""
    nearest = pairwise_distances(probes, gallery, metric="cosine").argsort(axis=1)[:, 1:]
    return _ranked(gallery_labels[nearest], labels, behind=len(np.unique(gallery_labels)) + 1)


def check_knn(topk: Callable[..., TopK]) -> Verdict:
    """Whether a probe that has an exact copy in the gallery finds the person of that copy first.

    Args:
        topk: (gallery, gallery_labels, probes, labels) -> ``TopK``, as ``evaluation.topk_by_neighbors``: the probes are
            other photographs than the gallery.
    """
    rng = np.random.default_rng(0)
    gallery, people = rng.normal(size=(60, 16)), np.repeat(np.arange(20), 3)
    copied = np.arange(0, 60, 3)
    found = topk(gallery, people, gallery[copied].copy(), people[copied])
    missed = int((found.predicted != people[copied]).sum())
    return Verdict(missed == 0, f"{missed} of 20 probes with an exact copy in the gallery find somebody else first.")


def clusters_in_array_order(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    probes: np.ndarray,
    labels: np.ndarray,
    clusters: int,
    seed: int = 0,
) -> TopK:
    """As found. The members of the nearest centroid's cluster vote as they stand in the array."""
    kmeans = KMeans(clusters, n_init=10, random_state=seed).fit(gallery)
    members = [gallery_labels[kmeans.labels_ == cluster] for cluster in kmeans.predict(probes)]
    return _ranked(members, labels, behind=len(np.unique(gallery_labels)) + 1)


def check_kmeans_topk(topk: Callable[..., TopK]) -> Verdict:
    """Whether the answer is the same for a gallery in another order, and right for probes that are copies of members.

    Three groups of four people lie so far apart that k-means finds the groups in any order of the rows; what may
    differ is the order within. An order by distance to the centroid is the same for any order of rows, but wrong.

    Args:
        topk: (gallery, gallery_labels, probes, labels, clusters) -> ``TopK``, as ``evaluation.topk_by_clusters``.
    """
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(12), 3)
    gallery = 20 * np.eye(3, 8)[people // 4] + rng.normal(size=(36, 8))
    copied, other = np.arange(0, 36, 3), rng.permutation(36)
    found = topk(gallery, people, gallery[copied].copy(), people[copied], 3)
    again = topk(gallery[other], people[other], gallery[copied].copy(), people[copied], 3)
    changed, missed = int((found.predicted != again.predicted).sum()), int((found.rank != 1).sum())
    return Verdict(
        changed == missed == 0,
        f"with the gallery in another order, {changed} of 12 probes find another person; "
        f"{missed} of 12 with an exact copy in the gallery find somebody else first.",
    )


def _ranked(people_in_order: Iterable[np.ndarray], labels: np.ndarray, behind: int) -> TopK:
    """Ranks from the people of each probe's neighbours, the first first; ``behind`` for one who is not among them."""
    lists = [list(dict.fromkeys(people.tolist())) for people in people_in_order]
    pairs = zip(lists, labels.tolist(), strict=True)
    rank = [people.index(label) + 1 if label in people else behind for people, label in pairs]
    return TopK(np.array(rank), np.array([people[0] for people in lists]))


FAULTS = [
    Fault(
        "kNN without the nearest",
        "The probes were other photographs, so the neighbour that was dropped was the best: top-1 was place 2.",
        neighbors_without_nearest,
        topk_by_neighbors,
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
