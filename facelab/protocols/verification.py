"""An embedder judged by a verification set: accuracy in folds, EER, and TAR at the FMRs that the set can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facelab.cropping import Detector
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint, original_sources
from facelab.datasets.pairs import Pairs
from facelab.errors import LeakageError
from facelab.evaluation import (
    Estimate,
    View2Result,
    cosine_scores,
    lfw_view2,
    measurable_fmrs,
    verification_estimates,
)
from facelab.exchange.embedders import Embedder
from facelab.exchange.photographs import DETECTOR, PhotographEmbeddings, embed_photographs, embed_squares
from facelab.protocols.pair_sets import PairSet, is_aligned
from facelab.scoring import Cohort, s_norm

#: Pairs that a photograph must be in on average, so that photographs are drawn again within people, too. In a list like that of
#: View 2, where most are in one or two, that would drop half of the genuine pairs in each draw.
MIN_PAIRS_EACH = 10
#: Photographs of a cohort; the mean of so many impostor scores is known to a thirtieth of their spread.
MOST_COHORT = 1000
_AT_A_TIME = 4096  # photographs whose scores with the cohort are in memory
_TOLD_BY_PAIRS = "as far as the pairs tell people"


@dataclass(frozen=True, eq=False)
class Verification:
    """What one embedder gives on one set.

    Attributes:
        accuracy: over the folds (``evaluation.lfw_view2``).
        estimates: ``eer``, ``auc``, and ``tar@FMR`` of each measurable FMR, with intervals over people.
        undetected: photographs on which no face was found, and which were embedded whole; None where none was looked for.
    """

    accuracy: View2Result
    estimates: dict[str, Estimate]
    undetected: int | None


def verify(
    embedder: Embedder,
    pair_set: PairSet,
    *,
    mirror: bool = False,
    cohort: np.ndarray | None = None,
    detector: Detector = DETECTOR,
    draws: int = 1000,
    seed: int = 0,
) -> Verification:
    """Embed the photographs of a set, score its pairs, and measure.

    Args:
        embedder: of ``exchange.embedders``.
        pair_set: loaded for this embedder.
        mirror: as for ``exchange.photographs.embed_squares``.
        cohort: float (K, D) of norm 1, photographs of other people by the same embedder: scores are s-normalised. None: the
            score is the cosine.
        detector: for whole photographs.
        draws, seed: of the intervals.

    Raises:
        BadParameterError: fewer than 3 people, or one kind of pair is missing.
    """
    found = embed_for(embedder, pair_set.faces, pair_set.aligned, mirror=mirror, detector=detector)
    scores = score_pairs(found.embeddings, pair_set.pairs, cohort)
    searches = needs_search(embedder, pair_set.aligned)
    undetected = int((~found.found).sum()) if searches else None
    return Verification(*measure_scores(scores, pair_set, draws, seed), undetected)


def needs_search(embedder: Embedder, aligned: bool) -> bool:
    """Whether faces must be found first: on whole photographs, for a network that learned from aligned crops."""
    return embedder.crop == "arcface" and not aligned


def embed_for(
    embedder: Embedder, faces: FaceSet, aligned: bool, *, mirror: bool = False, detector: Detector = DETECTOR
) -> PhotographEmbeddings:
    """Embeddings of photographs, whose faces are found first where ``needs_search`` says so."""
    if needs_search(embedder, aligned):
        return embed_photographs(faces, embedder, detector, mirror)
    return PhotographEmbeddings(embed_squares(faces, embedder, mirror), np.ones(len(faces), dtype=bool))


def draw_cohort(faces: FaceSet, seed: int = 0) -> FaceSet:
    """The photographs of a cohort: all, or ``MOST_COHORT`` drawn at random."""
    if len(faces) <= MOST_COHORT:
        return faces
    return faces.subset(np.sort(np.random.default_rng(seed).choice(len(faces), MOST_COHORT, replace=False)))


def embed_cohort(
    embedder: Embedder,
    name: str,
    sets: Sequence[PairSet],
    search_side: int,
    *,
    aligned: bool = False,
    mirror: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Embeddings of a cohort, one photograph a person, of whom nobody is in one of the sets as far as names tell.

    Args:
        embedder: of ``exchange.embedders``.
        name: of a data set. ``draw_cohort`` says which of its photographs are taken.
        sets: that it is the cohort of.
        search_side: in pixels, at which whole photographs are searched for faces.
        aligned: whether its photographs are aligned crops, whatever their form says.
        mirror: as for ``verify``.
        seed: of the draw.

    Returns:
        float32 (K, D), of norm 1.

    Raises:
        LeakageError: it shows somebody of a set.
    """
    cut = is_aligned(name, aligned)
    side = search_side if needs_search(embedder, cut) else embedder.side
    faces = draw_cohort(load(name, side, one_per_person=True), seed)
    for one in sets:
        if original_sources(faces.source) & original_sources(one.faces.source):
            try:
                assert_disjoint(faces, one.faces, kinds=("identity", "file"))
            except LeakageError as error:
                raise LeakageError(
                    f"The cohort {name} is not of other people than {one.name}.", "Take another data set."
                ) from error
    return embed_for(embedder, faces, cut, mirror=mirror).embeddings


def score_pairs(embeddings: np.ndarray, pairs: Pairs, cohort: np.ndarray | None = None) -> np.ndarray:
    """The cosine of each pair, or where a cohort is given the s-normalised one (``scoring.s_norm``): float64 (M,).

    Args:
        embeddings: float32 (N, D), of norm 1.
        pairs: M pairs of rows.
        cohort: float32 (K, D), of norm 1.
    """
    scores = cosine_scores(embeddings, pairs)
    if cohort is None:
        return scores
    blocks = (embeddings[at : at + _AT_A_TIME] for at in range(0, len(embeddings), _AT_A_TIME))
    parts = [Cohort.from_scores(block @ cohort.T, axis=1) for block in blocks]
    mean, std = (np.concatenate([getattr(part, name) for part in parts]) for name in ("mean", "std"))
    return s_norm(scores, *(Cohort(mean[rows], std[rows]) for rows in (pairs.first, pairs.second)))


def measure_scores(
    scores: np.ndarray, pair_set: PairSet, draws: int = 1000, seed: int = 0
) -> tuple[View2Result, dict[str, Estimate]]:
    """Accuracy over the folds, and ``eer``, ``auc`` and ``tar@FMR`` of all pairs with intervals over people.

    Args:
        scores: float (M,), of each pair of the set.
        pair_set: the set.
        draws, seed: of the bootstrap.
    """
    pairs = pair_set.pairs
    folded = pairs.fold > 0
    accuracy = lfw_view2(scores[folded], pairs.same[folded], pairs.fold[folded])
    dense = 2 * len(pairs) >= MIN_PAIRS_EACH * len(pair_set.faces)
    fmrs = measurable_fmrs(int((~pairs.same).sum()))
    estimates = verification_estimates(scores, pairs, pair_set.person, fmrs, draws, seed, photographs=dense)
    if not pair_set.people_known:
        estimates = {name: replace(one, method=f"{one.method}, {_TOLD_BY_PAIRS}") for name, one in estimates.items()}
    return accuracy, estimates
