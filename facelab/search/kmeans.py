"""k-means of many embeddings with many clusters, whose nearest centroids are found by a search.

Restarted k-means (``evaluation.fit_kmeans``) compares each embedding with each centroid in every iteration: with a cluster a
person, its cost grows with the square of the set.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from facelab.errors import BadParameterError
from facelab.progress import progress_bar
from facelab.search.checks import unit_vectors
from facelab.search.index import Index, build_index
from facelab.whole_numbers import check_seed, is_whole_number

ITERATIONS = 12  #: at most; on LFW with 217 clusters k-means from four random starts had ended after 8 to 11
LEAST_MOVED = 0.001  #: share of the embeddings that must change their cluster, or it is done
PER_CLUSTER = 10  #: embeddings for each centroid that it is fitted on, drawn at random where there are more
#: Centroids up to which the search is exact. The nearest of 2,000 with 128 numbers takes 11 microseconds exactly and 33 by
#: faiss, of 10,000 it takes 75 and 51.
MAX_EXACT = 5_000


def engine_kind(clusters: int) -> str:
    """What searches: "exact", or "faiss", whose time hardly grows, for many clusters where it is installed."""
    return "faiss" if clusters > MAX_EXACT and importlib.util.find_spec("faiss") else "exact"


def describe_kmeans(embeddings: int, clusters: int) -> str:
    """What ``fit_kmeans_by_search`` does with so many embeddings, for a record."""
    fitted = min(embeddings, PER_CLUSTER * clusters)
    return f"k-means by search ({engine_kind(clusters)}), fitted on {fitted} of {embeddings}"


def fit_kmeans_by_search(embeddings: np.ndarray, clusters: int, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """Spherical k-means (Dhillon and Modha, Machine Learning 42, 2001), from one start: as ``evaluation.fit_kmeans``.

    The starting centroids are embeddings drawn at random; a centroid that nobody is nearest to stays where it is. On LFW
    (217 people with eight photographs or more, whitened PCA) the right person was first within the clusters for 19 and 20 %
    of 1,435 photographs from two starts, where restarted k-means had 21 %, each +- 2 %.

    Args:
        embeddings: float (N, D) that the centroids are fitted on; of more than ``PER_CLUSTER`` a cluster, a sample.
        clusters: number of centroids, 2 ... N.
        seed: of the starting centroids.

    Returns:
        float (n, D) -> int (n,), the nearest centroid 0 ... clusters-1 by cosine, as the search finds it.

    Raises:
        BadParameterError: too few or too many clusters, or as ``unit_vectors``.
    """
    rows = unit_vectors(embeddings, "embeddings")
    if not is_whole_number(clusters) or not 2 <= clusters <= len(rows):
        raise BadParameterError(
            f"{clusters!r} clusters of {len(rows)} embeddings.", "Ask for 2 or more, at most so many."
        )
    drawn = np.random.default_rng(check_seed(seed)).permutation(len(rows))
    rows, centroids = rows[np.sort(drawn[: PER_CLUSTER * clusters])], rows[drawn[: int(clusters)]]
    home = np.full(len(rows), -1)
    with progress_bar("k-means", ITERATIONS, delay=1.0) as shown:
        for _ in range(ITERATIONS):
            index, before = _index(centroids), home
            home = index.search(rows, 1)[0][:, 0]
            shown.advance()
            if (home != before).mean() < LEAST_MOVED:
                break
            centroids = _means(rows, home, centroids)
    return lambda others: index.search(others, 1)[0][:, 0]


def _index(centroids: np.ndarray) -> Index:
    with threadpool_limits(1, user_api="openmp"):  # so that equal centroids give equal graphs
        return build_index(centroids, np.arange(len(centroids)), engine_kind(len(centroids)), model="centroids")


def _means(rows: np.ndarray, home: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    order = np.argsort(home, kind="stable")
    present, starts = np.unique(home[order], return_index=True)
    sums = np.add.reduceat(rows[order], starts, axis=0)
    moved = centroids.copy()
    pointing = np.linalg.norm(sums, axis=1) > 1e-6  # embeddings that cancel out have no mean direction
    moved[present[pointing]] = sums[pointing]
    return moved
