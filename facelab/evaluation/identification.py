"""Identification: who is this, among the people of a gallery? The split, the searches, and the figure of a closed set (CMC).

    split = open_set_split(faces, seed=0)
    searches = search_gallery(embeddings, faces.identity, split)
    cmc(searches.mated, searches.mated_person)

Most who pass a camera are in no gallery: for what strangers do to it see ``open_set``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.preprocessing import normalize

from facelab.datasets import UNKNOWN, FaceSet
from facelab.datasets.pairs import photo_codes
from facelab.datasets.splits import identity_disjoint_split
from facelab.errors import BadParameterError, LeakageError
from facelab.evaluation.intervals import Estimate
from facelab.evaluation.resampling import rate_over_people
from facelab.evaluation.topk import TIE, TopK
from facelab.whole_numbers import check_seed, check_whole_number, is_whole_number

PROBE_BATCH = 1024  #: probes that are scored at a time, so that the matrix of scores stays small


@dataclass(frozen=True)
class OpenSetSplit:
    """Rows of one FaceSet for an open-set test.

    Attributes:
        gallery: int64, photographs of the enrolled people.
        mated: int64, other photographs of enrolled people: searches that should find.
        non_mated: int64, photographs of people who are not enrolled: searches that should find nobody.
        recipe: how it was made, for the record.
    """

    gallery: np.ndarray
    mated: np.ndarray
    non_mated: np.ndarray
    recipe: Mapping[str, object] = field(default_factory=dict)


def open_set_split(faces: FaceSet, enrolled: int | float = 0.5, gallery_photos: int = 1, seed: int = 0) -> OpenSetSplit:
    """Who is enrolled, and by which photographs. Their others are the mated probes; other people the non-mated ones.

    Renderings of one photograph (equal values in the column ``photo``) stay together and count as one.

    Args:
        faces: photographs of known people, none of whom was in training.
        enrolled: number of people (whole number) or share of the people (between 0 and 1).
        gallery_photos: photographs by which each is enrolled.
        seed: of the NumPy generator.

    Raises:
        BadParameterError: as ``splits.identity_disjoint_split``, or an enrolled person has no photograph left for a probe.
    """
    seed = check_seed(seed)
    people = identity_disjoint_split(faces, enrolled, seed=seed)
    photo = photo_codes(faces)
    rng, chosen = np.random.default_rng([seed, 1]), []
    for person in np.unique(faces.identity[people.train]):
        own = np.unique(photo[faces.identity == person])
        if not is_whole_number(gallery_photos) or not 1 <= gallery_photos < len(own):
            raise BadParameterError(
                f"{faces.names[person]} of {faces.source} has {len(own)} photographs, the gallery takes {gallery_photos}.",
                "Enrol by 1 or more, and leave out people who have no other (faces.select_people).",
            )
        chosen.append(rng.permutation(own)[:gallery_photos])
    in_gallery = np.isin(photo[people.train], np.concatenate(chosen))
    recipe = {
        "split": "open_set",
        "enrolled": people.recipe["train"],
        "gallery_photos": int(gallery_photos),
        "seed": seed,
    }
    return OpenSetSplit(people.train[in_gallery], people.train[~in_gallery], people.test, recipe)


@dataclass(frozen=True)
class Searches:
    """What the searches of a gallery gave.

    Attributes:
        mated: of M mated searches, the rank of the mate and the person in the first place.
        mate_score: float64 (M,), cosine of the mate, -1 to 1.
        mated_person: int64 (M,), who was searched.
        top_score: float64 (N,), greatest cosine that each non-mated search gave, -1 to 1.
        non_mated_person: int64 (N,), who was searched.
    """

    mated: TopK
    mate_score: np.ndarray
    mated_person: np.ndarray
    top_score: np.ndarray
    non_mated_person: np.ndarray


def search_gallery(embeddings: np.ndarray, identity: np.ndarray, split: OpenSetSplit) -> Searches:
    """Search each probe in the gallery. A person's score is the greatest cosine over that person's photographs there.

    Args:
        embeddings: float (N, D), one row a photograph of the set that was split; need not be of unit norm.
        identity: int (N,), their people.
        split: rows of gallery and probes.

    Raises:
        LeakageError: a probe is in the gallery, or the person of a non-mated probe is enrolled.
        BadParameterError: the person of a mated probe is not enrolled, an unknown person, no rows, a value not finite.
    """
    identity = np.asarray(identity)
    _check(embeddings, identity, split)
    unit = normalize(np.asarray(embeddings, dtype=np.float64))
    gallery = split.gallery[np.argsort(identity[split.gallery], kind="stable")]
    people, starts = np.unique(identity[gallery], return_index=True)

    def person_scores(probes: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Scores (probes of the piece, people), piece by piece."""
        for at in range(0, len(probes), PROBE_BATCH):
            part = slice(at, at + PROBE_BATCH)
            yield part, np.maximum.reduceat(unit[probes[part]] @ unit[gallery].T, starts, axis=1)

    mate_score = np.empty(len(split.mated))
    rank, first = np.empty(len(split.mated), np.int64), np.empty(len(split.mated), np.int64)
    mate = np.searchsorted(people, identity[split.mated])
    for part, scores in person_scores(split.mated):
        own = np.take_along_axis(scores, mate[part, None], axis=1)
        mate_score[part], first[part] = own[:, 0], people[scores.argmax(1)]
        rank[part] = (scores >= own - TIE).sum(1)  # a tie counts against the mate, as in TopK
    top_score = np.concatenate([scores.max(1) for _, scores in person_scores(split.non_mated)])
    return Searches(TopK(rank, first), mate_score, identity[split.mated], top_score, identity[split.non_mated])


def accuracy_over_people(topk: TopK, person: np.ndarray, k: int = 1, draws: int = 1000, seed: int = 0) -> Estimate:
    """Top-k accuracy, its interval by ``rate_over_people``; ``person`` (N,): who each photograph shows."""
    return rate_over_people(topk.correct(k), person, draws, seed)


def cmc(
    topk: TopK, person: np.ndarray, ranks: Sequence[int] = (1, 5, 10, 20), draws: int = 1000, seed: int = 0
) -> dict[int, Estimate]:
    """Cumulative match characteristic: share of the mated searches whose mate is among the first R, for several R.

    The interval is over the people who are searched; the gallery stays as it is. Its size belongs to the figure: the more
    people are enrolled, the lower the curve.

    Args:
        topk: of mated searches, from ``search_gallery`` or ``topk_by_neighbors``.
        person: (N,), who was searched.
        ranks: the R, from 1.
        draws: number of bootstrap draws, at least 100.
        seed: of the NumPy generator.

    Raises:
        BadParameterError: fewer than 3 people, or too few draws.
    """
    return {check_whole_number(rank, "k", 1): accuracy_over_people(topk, person, rank, draws, seed) for rank in ranks}


def _check(embeddings: np.ndarray, identity: np.ndarray, split: OpenSetSplit) -> None:
    if len(embeddings) != len(identity) or not all(len(rows) for rows in (split.gallery, split.mated, split.non_mated)):
        raise BadParameterError(
            f"{len(embeddings)} embeddings, {len(identity)} people; {len(split.gallery)} gallery, {len(split.mated)} mated "
            f"and {len(split.non_mated)} non-mated rows.",
            "Give one embedding and one person a photograph, and rows of all three kinds.",
        )
    if not np.isfinite(embeddings).all():
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
    probes = np.concatenate([split.mated, split.non_mated])
    if (identity[np.concatenate([split.gallery, probes])] == UNKNOWN).any():
        raise BadParameterError("Some photographs are of unknown people.", "They may be anybody: leave them out.")
    again, enrolled = np.intersect1d(probes, split.gallery), identity[split.gallery]
    if len(again):
        raise LeakageError(f"{len(again)} probes are in the gallery (row {again[0]}).", "Use open_set_split.")
    known = np.intersect1d(identity[split.non_mated], enrolled)
    if len(known):
        raise LeakageError(f"{len(known)} non-mated people are enrolled (number {known[0]}).", "Use open_set_split.")
    absent = np.setdiff1d(identity[split.mated], enrolled)
    if len(absent):
        raise BadParameterError(
            f"{len(absent)} people of mated probes are not enrolled (number {absent[0]}).", "Use open_set_split."
        )
