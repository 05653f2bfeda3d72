"""k-means of embeddings: how far its clusters stand apart, and who is found in them.

All of it takes embeddings at unit norm with Euclidean distance: the mean that k-means takes is one for that distance, and
its square is twice the cosine distance, so neighbours are those of the cosine.

Of many embeddings the silhouette is that of a sample. k-means of many, with many clusters, is in ``search.kmeans``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples
from sklearn.preprocessing import normalize

from facelab.errors import BadParameterError
from facelab.evaluation.intervals import Estimate
from facelab.evaluation.resampling import bootstrap_over_people
from facelab.evaluation.silhouette import silhouettes_of
from facelab.evaluation.topk import TopK, topk_by_neighbors
from facelab.whole_numbers import check_seed, is_whole_number

#: Embeddings, number of clusters and seed to what finds the nearest centroid of any embeddings.
FitKmeans = Callable[[np.ndarray, int, int], Callable[[np.ndarray], np.ndarray]]

RESTARTS = 10  #: of k-means, from other starting centroids; the one of least inertia is kept
MAX_SILHOUETTES = 20_000  #: embeddings up to which each has its silhouette computed: they take a number for each pair
SAMPLED_SILHOUETTES = 5_000  #: beyond: of so many, each of them against all embeddings


def fit_kmeans(embeddings: np.ndarray, clusters: int, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """k-means: float (N, D) -> int (N,), the nearest centroid 0 ... clusters-1 of any embeddings, those fitted or new ones.

    Args:
        embeddings: float (N, D) that the centroids are fitted on, in any order: it does not change the result.
        clusters: number of centroids, 2 ... N.
        seed: of the starting centroids.

    Raises:
        BadParameterError: too few or too many clusters, or an embedding that is not finite.
    """
    rows = _unit(embeddings)
    if not is_whole_number(clusters) or not 2 <= clusters <= len(rows):
        raise BadParameterError(
            f"{clusters!r} clusters of {len(rows)} embeddings.", "Ask for 2 or more, at most so many."
        )
    in_order = rows[np.lexsort(rows.T)]  # the starting centroids are drawn by row number
    model = KMeans(clusters, n_init=RESTARTS, random_state=check_seed(seed)).fit(in_order)
    return lambda others: model.predict(_unit(others))


def silhouette_sweep(embeddings: np.ndarray, ks: Sequence[int], seed: int = 0) -> pd.DataFrame:
    """Mean silhouette of k-means for several k; ``table["silhouette"].idxmax()`` is the k that the data choose.

    Args:
        embeddings: float (N, D).
        ks: numbers of clusters, each 2 ... N-1.
        seed: of k-means.

    Returns:
        One row a k, index ``clusters``, column ``silhouette`` (-1 ... 1; Rousseeuw 1987); of more than ``MAX_SILHOUETTES``
        embeddings it is the mean of a sample of them.

    Raises:
        BadParameterError: as ``fit_kmeans``, a k that leaves every embedding its own cluster, or embeddings that are all the
            same.
    """
    if not len(ks) or max(ks) >= len(embeddings):
        raise BadParameterError(
            f"k = {list(ks)} for {len(embeddings)} embeddings.", "Give some k, all below that number."
        )
    rows = _unit(embeddings)
    if (rows == rows[0]).all():
        raise BadParameterError("All embeddings are the same.", "The network has collapsed: give those of another.")
    chosen = _silhouette_rows(len(rows), seed)
    found = [_silhouettes(rows, fit_kmeans(rows, k, seed)(rows), chosen).mean() for k in ks]
    return pd.DataFrame({"silhouette": found}, index=pd.Index(ks, name="clusters"))


def silhouette_estimate(
    embeddings: np.ndarray, labels: np.ndarray, person: np.ndarray | None = None, draws: int = 1000, seed: int = 0
) -> Estimate:
    """Mean silhouette of given groups, such as the true people, with its interval over people.

    Of more than ``MAX_SILHOUETTES`` embeddings it is the mean of ``SAMPLED_SILHOUETTES`` that are drawn, each computed against
    all the others; the method of the interval says so, and ``n`` counts the people who were drawn.

    Args:
        embeddings: float (N, D).
        labels: (N,), the group of each; one that is alone in its group counts 0.
        person: (N,), whom the interval resamples; the groups where not given.
        draws: of the bootstrap.
        seed: of the bootstrap, and of the sample.

    Raises:
        BadParameterError: fewer than 2 groups, nothing but groups of one, or as ``bootstrap_over_people``.
    """
    groups = len(np.unique(labels))
    if len(labels) != len(embeddings) or not 2 <= groups < len(labels):
        raise BadParameterError(
            f"{groups} groups of {len(labels)} labels for {len(embeddings)} embeddings.",
            "Give each a label, 2 or more groups, and one of them with more than one embedding.",
        )
    chosen = _silhouette_rows(len(embeddings), seed)
    values = _silhouettes(_unit(embeddings), labels, chosen)
    person = np.asarray(labels if person is None else person)[chosen]
    found = bootstrap_over_people(lambda rows: values[rows].mean(), person, draws, seed)
    if len(chosen) == len(embeddings):
        return found
    return replace(found, method=f"{found.method}; silhouettes of {len(chosen)} of {len(embeddings)} embeddings")


def topk_by_clusters(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    probes: np.ndarray,
    labels: np.ndarray,
    clusters: int,
    seed: int = 0,
    fit: FitKmeans = fit_kmeans,
) -> TopK:
    """Top-k within clusters: people in the order of their nearest photograph among those of the probe's cluster.

    k-means is fitted on the gallery. A probe goes to the nearest centroid, and of the gallery only the photographs that went
    there are candidates, in the order of their distance to the probe, whatever their order in the array.

    Args:
        gallery: float (G, D), embeddings that are searched.
        gallery_labels: int (G,), their people.
        probes: float (N, D), embeddings that are looked up: other photographs than the gallery.
        labels: int (N,), their people, each of whom is in the gallery.
        clusters: number of centroids, 2 ... G.
        seed: of k-means.
        fit: k-means, called as ``fit_kmeans``.

    Returns:
        Ranks and the nearest person. A person without a photograph in the probe's cluster ranks behind everybody: number of
        people in the gallery + 1, so that top-k for any k up to their number counts a miss. So does everybody where the
        cluster holds no photograph; the nearest person is then that of the whole gallery.

    Raises:
        BadParameterError: as ``fit_kmeans``; sizes that differ; a probe's person has no photograph in the gallery.
    """
    gallery, gallery_labels, probes, labels = map(np.asarray, (gallery, gallery_labels, probes, labels))
    if not len(labels) or len(gallery) != len(gallery_labels) or len(probes) != len(labels):
        raise BadParameterError("Embeddings and labels differ in number, or there are none.", "Give each a label.")
    if not np.isin(labels, gallery_labels).all():
        raise BadParameterError("A person of the probes is not in the gallery.", "Split stratified by person.")
    assign = fit(gallery, clusters, seed)
    home, probe_home = assign(gallery), assign(probes)
    rank = np.full(len(labels), len(np.unique(gallery_labels)) + 1)
    predicted = np.empty(len(labels), np.int64)
    for cluster in np.unique(probe_home):
        members, here = home == cluster, np.flatnonzero(probe_home == cluster)
        if not members.any():  # k-means by search leaves a centroid that nobody is nearest to where it is
            predicted[here] = topk_by_neighbors(gallery, gallery_labels, probes[here], labels[here]).predicted
            continue
        people = gallery_labels[members]
        present = np.isin(labels[here], people)
        sought = np.where(present, labels[here], people[0])  # ranks of people who are absent are not read
        found = topk_by_neighbors(gallery[members], people, probes[here], sought)
        rank[here[present]], predicted[here] = found.rank[present], found.predicted
    return TopK(rank, predicted)


def _silhouette_rows(count: int, seed: int) -> np.ndarray:
    """Rows int64, sorted, whose silhouettes stand for all."""
    if count <= MAX_SILHOUETTES:
        return np.arange(count)
    return np.sort(np.random.default_rng(check_seed(seed)).choice(count, SAMPLED_SILHOUETTES, replace=False))


def _silhouettes(unit: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if len(rows) == len(unit):
        return silhouette_samples(unit, labels)
    return silhouettes_of(rows, unit.astype(np.float32), labels)


def _unit(embeddings: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 2 or not np.isfinite(embeddings).all():
        raise BadParameterError(
            "The embeddings are not a table of finite numbers.", "Look for the step where they broke."
        )
    return normalize(embeddings)
