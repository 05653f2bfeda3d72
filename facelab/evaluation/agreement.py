"""What do clusters agree with: the people, or their glasses, the light, the turn of the head?

    clusters = fit_kmeans(embeddings, 20)(embeddings)
    cluster_agreement(clusters, faces.identity, faces.identity)["ami"]
    agreement_by_label(clusters, faces.attributes, ["occlusion", "light_azimuth"], faces.identity)

The intervals are of the jackknife: a bootstrap would take the copies of a person for agreement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from facelab.errors import BadParameterError
from facelab.evaluation.intervals import Estimate
from facelab.evaluation.resampling import jackknife_over_people
from facelab.whole_numbers import is_whole_number


def matched_accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Share that is right when each cluster is given one label, no label twice, in the best way (Kuhn 1955; Hungarian)."""
    table = contingency_matrix(labels, clusters)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(labels))


AGREEMENT_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "nmi": normalized_mutual_info_score,
    "ami": adjusted_mutual_info_score,
    "ari": adjusted_rand_score,
    "accuracy": matched_accuracy,
}  #: figure of (labels, clusters)


def agreement(clusters: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """How far clusters and labels are one partition: 1 where they are, whatever the clusters are numbered.

    ``ami`` (Vinh et al., JMLR 2010) and ``ari`` (Hubert and Arabie 1985) are 0 for clusters at random. ``nmi``, mutual
    information over the mean entropy, and ``accuracy`` are not: the NMI of 20 random clusters of 800 photographs with a
    label of 4 values is about .02, and more for more clusters. Read the AMI; the NMI is for comparing with papers.

    Args:
        clusters: (N,), cluster of each photograph.
        labels: (N,), what it is compared with.

    Returns:
        ``nmi``, ``ami``, ``ari`` and ``accuracy``, that of ``matched_accuracy``.

    Raises:
        BadParameterError: clusters and labels differ in number, or there are none.
    """
    _check(clusters, labels)
    return {name: float(figure(labels, clusters)) for name, figure in AGREEMENT_METRICS.items()}


def cluster_agreement(clusters: np.ndarray, labels: np.ndarray, person: np.ndarray) -> dict[str, Estimate]:
    """``agreement`` with its jackknife interval over people.

    Args:
        clusters: (N,), cluster of each photograph.
        labels: (N,), what it is compared with.
        person: (N,), the person of each photograph.

    Raises:
        BadParameterError: the three differ in number, or show fewer than 3 people.
    """
    _check(clusters, labels, person)
    return {name: _over_people(figure, clusters, labels, person) for name, figure in AGREEMENT_METRICS.items()}


def agreement_by_label(
    clusters: np.ndarray, attributes: pd.DataFrame, columns: Sequence[str], person: np.ndarray, bins: int = 4
) -> dict[str, Estimate]:
    """AMI of the clusters with nuisances such as occlusion, head turn or light: 0 is chance, 1 says they are the clusters.

    What belongs to a person (gender, often glasses) agrees with clusters that are people, and rightly so. What perfect
    clusters would have there is ``agreement_by_label(person, attributes, columns, person)``.

    Args:
        clusters: (N,), cluster of each photograph.
        attributes: one row a photograph (``FaceSet.attributes``). Rows where a column is missing or empty are left out of
            that column's figure.
        columns: which to compare. Numbers of more than ``bins`` different values are cut by ``bin_by_quantile``.
        person: (N,), the person of each photograph.
        bins: see ``columns``.

    Returns:
        column -> AMI with its jackknife interval over people.

    Raises:
        BadParameterError: no such column, or one of a single value or bin; as ``cluster_agreement``.
    """
    clusters, person = np.asarray(clusters), np.asarray(person)
    _check(clusters, attributes, person)
    found = {}
    for column in columns:
        if column not in attributes:
            raise BadParameterError(f"There is no attribute {column!r}.", f"There are: {', '.join(attributes)}.")
        labels = _labels(attributes[column], bins)
        known = labels >= 0
        if len(np.unique(labels[known])) < 2:
            raise BadParameterError(f"The attribute {column!r} has one value, or one bin.", "Leave it out.")
        found[column] = _over_people(AGREEMENT_METRICS["ami"], clusters[known], labels[known], person[known])
    return found


def bin_by_quantile(values: np.ndarray | pd.Series, bins: int = 4) -> np.ndarray:
    """Numbers cut at their quantiles: int (N,), bin 0 ... bins-1, -1 where the number is missing.

    A value stands in one bin whole, so there are fewer bins where one value is frequent: a shadow that is mostly 0 has the
    bins "none" and "some".

    Args:
        values: float (N,).
        bins: at most so many, 2 or more.

    Raises:
        BadParameterError: fewer than 2 bins.
    """
    if not is_whole_number(bins) or bins < 2:
        raise BadParameterError(f"{bins!r} bins cannot tell values apart.", "Ask for 2 or more.")
    values = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(values)
    if not known.any():
        return np.full(len(values), -1)
    edges = np.unique(np.quantile(values[known], np.arange(1, bins) / bins))
    return np.where(known, np.searchsorted(edges, values, side="left"), -1)


def _labels(column: pd.Series, bins: int) -> np.ndarray:
    """A column as int (N,), -1 where it is missing or empty."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > bins:
        return bin_by_quantile(column, bins)
    return pd.factorize(column.mask(column.astype(str) == ""))[0]


def _over_people(
    figure: Callable[[np.ndarray, np.ndarray], float], clusters: np.ndarray, labels: np.ndarray, person: np.ndarray
) -> Estimate:
    clusters, labels = np.asarray(clusters), np.asarray(labels)
    return jackknife_over_people(lambda rows: figure(labels[rows], clusters[rows]), person)


def _check(*columns: np.ndarray | pd.DataFrame) -> None:
    if not len(columns[0]) or len({len(column) for column in columns}) > 1:
        raise BadParameterError(
            "Clusters, labels and people differ in number, or there are none.", "Give one of each a photograph."
        )
