"""Closed-set top-k: is the right person among the first k? By class scores, and by nearest photographs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.preprocessing import normalize

from facelab.errors import BadParameterError
from facelab.evaluation.intervals import Estimate, wilson
from facelab.progress import progress_bar
from facelab.whole_numbers import check_whole_number

MAX_PRODUCT = 2**25  #: probes x gallery up to which all their distances are computed with both in memory
MAX_COSINES = 2**24  #: that are held at a time where the gallery comes in blocks, 64 MB
TIE = 1e-6  #: scores that differ by less are equal: sums in another order are other numbers


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
    if metric == "cosine" and len(gallery) * len(probes) > MAX_PRODUCT:
        _check(gallery, np.asarray(gallery_labels), probes, np.asarray(labels), metric)
        step = block_size(len(probes))
        blocks = (gallery[at : at + step] for at in range(0, len(gallery), step))
        return topk_by_neighbors_in_blocks(blocks, gallery_labels, probes, labels)
    return _ranked(gallery, gallery_labels, probes, labels, metric, barred=None)


def block_size(probes: int) -> int:
    """Photographs of the gallery that a block should have for so many probes."""
    return max(1, MAX_COSINES // max(probes, 1))


def topk_by_neighbors_in_blocks(
    blocks: Iterable[np.ndarray], gallery_labels: np.ndarray, probes: np.ndarray, labels: np.ndarray
) -> TopK:
    """``topk_by_neighbors`` by cosine of a gallery that comes block by block: exact, and never in memory as a whole.

    It takes probes x gallery steps, and the memory of one block and of one number for each probe and person.

    Args:
        blocks: float (B, D) each, together the embeddings that are searched; of ``block_size`` rows.
        gallery_labels: int (G,), their people.
        probes: float (N, D), embeddings that are looked up.
        labels: int (N,), their people, each of whom is in the gallery.

    Raises:
        BadParameterError: as ``topk_by_neighbors``.
    """
    gallery_labels, labels = np.asarray(gallery_labels), np.asarray(labels)
    _check_probes(gallery_labels, probes, labels)
    people, column = np.unique(gallery_labels, return_inverse=True)
    probes = normalize(np.asarray(probes, dtype=np.float32))
    nearest = np.full((len(probes), len(people)), -np.inf, dtype=np.float32)
    at = 0
    with progress_bar("nearest photographs", len(gallery_labels), delay=1.0) as shown:
        for block in blocks:
            _check_finite(block)
            order = np.argsort(column[at : at + len(block)], kind="stable")
            present, starts = np.unique(column[at : at + len(block)][order], return_index=True)
            cosine = probes @ normalize(np.asarray(block[order], dtype=np.float32)).T
            best = np.maximum.reduceat(cosine, starts, axis=1)
            nearest[:, present] = np.maximum(nearest[:, present], best)
            at += len(block)
            shown.advance(len(block))
    mate = np.take_along_axis(nearest, np.searchsorted(people, labels)[:, None], axis=1)
    return TopK((nearest >= mate - TIE).sum(1), people[nearest.argmax(1)])


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
        rank[rows] = (nearest <= mate + TIE).sum(1)
        predicted[rows] = people[nearest.argmin(1)]
        at = rows.stop
    return TopK(rank, predicted)


def _check(
    gallery: np.ndarray, gallery_labels: np.ndarray, probes: np.ndarray, labels: np.ndarray, metric: str
) -> None:
    if metric not in ("cosine", "euclidean"):
        raise BadParameterError(f"No metric is called {metric!r}.", "There are: cosine, euclidean.")
    if len(gallery) != len(gallery_labels):
        raise BadParameterError(
            f"{len(gallery)} embeddings, {len(gallery_labels)} labels.", "Give one of each an image."
        )
    _check_finite(gallery)
    _check_probes(gallery_labels, probes, labels)


def _check_finite(embeddings: np.ndarray) -> None:
    if not np.isfinite(embeddings).all():
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")


def _check_probes(gallery_labels: np.ndarray, probes: np.ndarray, labels: np.ndarray) -> None:
    if not len(labels) or len(probes) != len(labels):
        raise BadParameterError(
            "Embeddings and labels differ in number, or there are none.", "Give one of each an image."
        )
    _check_finite(probes)
    absent = np.setdiff1d(labels, gallery_labels)
    if len(absent):
        raise BadParameterError(
            f"{len(absent)} people of the probes are not in the gallery (number {absent[0]}).",
            "Split stratified by person, or measure open-set identification.",
        )
