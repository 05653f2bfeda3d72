"""Closed-set top-k: is the right person among the first k? By class scores, and by nearest photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

from facelab.errors import BadParameterError
from facelab.evaluation.intervals import Estimate, wilson
from facelab.whole_numbers import check_whole_number


@dataclass(frozen=True)
class TopK:
    """Ranks of the right class.

    Attributes:
        rank: int64 (N,), place of the right class, from 1. A tie counts against it, so that a model that gives all
            classes one score is last and not first.
        predicted: int64 (N,), the class in the first place.
        unit: what N counts.
    """

    rank: np.ndarray
    predicted: np.ndarray
    unit: str = "images"

    def correct(self, k: int) -> np.ndarray:
        """bool (N,): whether the right class is among the first k, a whole number from 1; otherwise BadParameterError."""
        return self.rank <= check_whole_number(k, "k", 1)

    def accuracy(self, k: int, confidence: float = 0.95) -> Estimate:
        """Top-k accuracy with its Wilson interval, which takes the images as independent."""
        return wilson(int(self.correct(k).sum()), len(self.rank), confidence, self.unit)

    def accuracies(self, ks: Sequence[int] = (1, 2, 3)) -> dict[int, Estimate]:
        """``accuracy`` for several k."""
        return {check_whole_number(k, "k", 1): self.accuracy(k) for k in ks}


def topk_by_scores(scores: np.ndarray, labels: np.ndarray) -> TopK:
    """Top-k of a classifier.

    Args:
        scores: float (N, C), logits or probabilities, greater is likelier.
        labels: int (N,), right class 0 ... C-1.

    Raises:
        BadParameterError: nothing to judge, a score is not finite, or a label is outside 0 ... C-1.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if not len(labels) or len(scores) != len(labels):
        raise BadParameterError(f"{len(scores)} rows of scores, {len(labels)} labels.", "Give one of each an image.")
    if not np.isfinite(scores).all():
        raise BadParameterError("Some class scores are not finite.", "Look for the step where the training broke.")
    if not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        raise BadParameterError(f"Labels {labels.min()} to {labels.max()}, {scores.shape[1]} classes.", "Count from 0.")
    own = scores[np.arange(len(labels)), labels][:, None]
    return TopK(rank=(scores >= own).sum(1), predicted=scores.argmax(1))


def topk_by_neighbors(
    gallery: np.ndarray, gallery_labels: np.ndarray, probes: np.ndarray, labels: np.ndarray, metric: str = "cosine"
) -> TopK:
    """Top-k by nearest photographs: people in the order of their nearest gallery photograph to the probe.

    No neighbour is dropped: the probes must be other photographs than the gallery. For one set searched in itself take
    ``topk_leave_one_out``.

    Args:
        gallery: float (G, D), embeddings that are searched.
        gallery_labels: int (G,), their people.
        probes: float (N, D), embeddings that are looked up.
        labels: int (N,), their people, each of whom is in the gallery.
        metric: ``"cosine"`` or ``"euclidean"``.

    Raises:
        BadParameterError: a probe's person has no photograph in the gallery, an unknown metric, sizes that differ.
    """
    return _ranked(gallery, gallery_labels, probes, labels, metric, barred=None)


def topk_leave_one_out(
    embeddings: np.ndarray, labels: np.ndarray, group: np.ndarray | None = None, metric: str = "cosine"
) -> TopK:
    """Top-k of each photograph among all others of one set. The probe is left out by its row, never by its distance.

    Args:
        embeddings: float (N, D).
        labels: int (N,), their people.
        group: int (N,), photographs of an equal group are left out together (renderings of one photograph); None: none.
        metric: ``"cosine"`` or ``"euclidean"``.

    Raises:
        BadParameterError: a person has no other photograph.
    """
    group = np.arange(len(labels)) if group is None else np.asarray(group)
    return _ranked(embeddings, labels, embeddings, labels, metric, barred=group)


def _ranked(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    probes: np.ndarray,
    labels: np.ndarray,
    metric: str,
    barred: np.ndarray | None,
) -> TopK:
    """``barred``: group of each photograph where gallery and probes are one set; a probe never meets its own group."""
    gallery_labels, labels = np.asarray(gallery_labels), np.asarray(labels)
    _check(gallery, gallery_labels, probes, labels, metric)
    by_person = np.argsort(gallery_labels, kind="stable")  # so that the minimum over a person is one reduceat
    people, starts = np.unique(gallery_labels[by_person], return_index=True)
    own = np.searchsorted(people, labels)
    rank, predicted = np.empty(len(labels), np.int64), np.empty(len(labels), np.int64)
    at = 0
    for distance in pairwise_distances_chunked(probes, gallery[by_person], metric=metric, working_memory=64):
        rows = slice(at, at + len(distance))
        if barred is not None:
            distance[barred[rows, None] == barred[None, by_person]] = np.inf
        nearest = np.minimum.reduceat(distance, starts, axis=1)
        mate = np.take_along_axis(nearest, own[rows, None], axis=1)
        if np.isinf(mate).any():
            raise BadParameterError("A person has no other photograph to be found by.", "Leave such people out.")
        rank[rows] = (nearest <= mate).sum(1)
        predicted[rows] = people[nearest.argmin(1)]
        at = rows.stop
    return TopK(rank, predicted)


def _check(
    gallery: np.ndarray, gallery_labels: np.ndarray, probes: np.ndarray, labels: np.ndarray, metric: str
) -> None:
    if metric not in ("cosine", "euclidean"):
        raise BadParameterError(f"No metric is called {metric!r}.", "There are: cosine, euclidean.")
    if not len(labels) or len(gallery) != len(gallery_labels) or len(probes) != len(labels):
        raise BadParameterError(
            "Embeddings and labels differ in number, or there are none.", "Give one of each an image."
        )
    if not (np.isfinite(gallery).all() and np.isfinite(probes).all()):
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
    absent = np.setdiff1d(labels, gallery_labels)
    if len(absent):
        raise BadParameterError(
            f"{len(absent)} people of the probes are not in the gallery (number {absent[0]}).",
            "Split stratified by person, or measure open-set identification.",
        )
