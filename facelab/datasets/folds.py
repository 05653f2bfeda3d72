"""Verification pairs in folds of people, in the manner of LFW's View 2, for any set of known people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facelab.datasets.faceset import FaceSet
from facelab.datasets.pairs import Pairs, all_pairs, sample_pairs
from facelab.errors import BadParameterError
from facelab.whole_numbers import MAX_SEED, check_seed, is_whole_number

_COLUMNS = ("first", "second", "same", "fold")


def sample_fold_pairs(
    faces: FaceSet, folds: int = 5, genuine_per_fold: int = 300, seed: int = 0, exclude_same: str | None = None
) -> Pairs:
    """Folds that share nobody: in each as many genuine as impostor pairs, all of them within the fold.

    A threshold that is fitted on some folds and judged on another then meets strangers there.

    Args:
        faces: photographs of known people.
        folds: how many, at least 2; the people are divided as evenly as can be, 2 or more in each.
        genuine_per_fold: genuine pairs in each fold, and as many impostor pairs.
        seed: of who is in which fold, and of the pairs.
        exclude_same: as in ``pairs.all_pairs``.

    Returns:
        The pairs of fold 1, 2, ..., rows of ``faces``.

    Raises:
        BadParameterError: fewer than two folds, too few people for them, or too few pairs (``sample_pairs``).
    """
    seed, parts = check_seed(seed), []
    for number, rows in enumerate(_fold_rows(faces, folds, seed)):
        own_seed = (seed + number) % (MAX_SEED + 1)
        pairs = sample_pairs(faces.subset(rows), genuine_per_fold, genuine_per_fold, own_seed, exclude_same)
        fold = np.full(len(pairs), number + 1)
        parts.append(replace(pairs, first=rows[pairs.first], second=rows[pairs.second], fold=fold))
    return Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))


def most_fold_pairs(faces: FaceSet, folds: int, seed: int = 0, exclude_same: str | None = None) -> int:
    """The largest ``genuine_per_fold`` that ``sample_fold_pairs`` can draw: all genuine pairs of a fold, half of its impostors.

    Args:
        faces, folds, seed, exclude_same: as in ``sample_fold_pairs``.

    Raises:
        BadParameterError: fewer than two folds, or too few people for them.
    """
    pairs = [all_pairs(faces.subset(rows), exclude_same).same for rows in _fold_rows(faces, folds, seed)]
    return min(min(int(same.sum()), int((~same).sum()) // 2) for same in pairs)


def contiguous_folds(pairs: Pairs, folds: int = 10) -> Pairs:
    """Pairs in folds of those that follow each other, whose sizes differ by one at most: as insightface divides a list.

    Raises:
        BadParameterError: fewer pairs than folds.
    """
    if len(pairs) < folds:
        raise BadParameterError(f"{len(pairs)} pairs are too few for {folds} folds.", "Give a longer list.")
    sizes = [len(part) for part in np.array_split(pairs.same, folds)]
    return replace(pairs, fold=np.repeat(np.arange(1, folds + 1), sizes))


def folds_of_people(pairs: Pairs, person: np.ndarray, folds: int = 10, seed: int = 0) -> Pairs | None:
    """Listed pairs in folds that share nobody, in each as many genuine as impostor pairs; the others are in fold 0.

    The people are divided by the seed. A pair of two people of different folds is in no fold, and of the kind that a fold has
    more of as many are drawn as of the other.

    Args:
        pairs: the list.
        person: int (N,), of each photograph that the pairs point into, all of them known.
        folds: how many, at least 2; fewer where there are fewer than four people for each, who would be in few pairs.
        seed: of the division and of the draw.

    Returns:
        The pairs in their order with their folds; None where that cannot be: fewer than four people, or a fold without a pair
        of either kind.
    """
    rng = np.random.default_rng(check_seed(seed))
    first, second = person[pairs.first], person[pairs.second]
    people = rng.permutation(np.unique(np.concatenate([first, second])))
    if len(people) < 4:
        return None
    folds = max(2, min(folds, len(people) // 4))
    fold_of = np.zeros(people.max() + 1, np.int64)
    for number, own in enumerate(np.array_split(people, folds), start=1):
        fold_of[own] = number
    within, fold = fold_of[first] == fold_of[second], np.zeros(len(pairs), np.int64)
    for number in range(1, folds + 1):
        kinds = [np.flatnonzero(within & (fold_of[first] == number) & (pairs.same == kind)) for kind in (True, False)]
        count = min(map(len, kinds))
        if not count:
            return None
        for rows in kinds:
            fold[rng.choice(rows, count, replace=False)] = number
    return replace(pairs, fold=fold)


def _fold_rows(faces: FaceSet, folds: int, seed: int) -> list[np.ndarray]:
    """Rows of each fold, who share nobody."""
    people = np.random.default_rng(check_seed(seed)).permutation(faces.people)
    if not is_whole_number(folds) or folds < 2 or len(people) < 2 * folds:
        raise BadParameterError(f"{folds} folds of {len(people)} people.", "Take 2 folds or more, of 2 people or more.")
    return [np.flatnonzero(np.isin(faces.identity, own)) for own in np.array_split(people, folds)]
