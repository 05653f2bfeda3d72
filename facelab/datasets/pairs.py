"""Verification pairs: two photographs, and whether they show one person."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.errors import BadParameterError
from facelab.whole_numbers import check_seed, check_whole_number


@dataclass(frozen=True)
class Pairs:
    """Pairs of photographs of one FaceSet.

    Attributes:
        first: int64 (M,), row of the first photograph.
        second: int64 (M,), row of the second photograph.
        same: bool (M,), True where both show one person (a genuine pair), False for an impostor pair.
        fold: int64 (M,), fold of a cross-validation protocol, from 1; 0 where there is none.
        population: how many genuine and how many impostor pairs there are, where these were drawn from them at random; None
            where these are all that are meant.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray
    population: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not len(self.first) == len(self.second) == len(self.same) == len(self.fold):
            raise BadParameterError("The four columns of the pairs differ in length.", "Give one of each a pair.")

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        genuine = int(self.same.sum())
        drawn = f", drawn from {self.population[0]} and {self.population[1]}" if self.population else ""
        return f"Pairs({genuine} genuine, {len(self) - genuine} impostor{drawn}, {len(np.unique(self.fold))} folds)"

    def subset(self, rows: np.ndarray) -> Pairs:
        """The pairs at ``rows`` (indices, or a boolean mask)."""
        return Pairs(self.first[rows], self.second[rows], self.same[rows], self.fold[rows])


def all_pairs(faces: FaceSet, exclude_same: str | None = None) -> Pairs:
    """Every pair of photographs of a set, each once.

    Args:
        faces: photographs of known people; those of ``UNKNOWN`` people are in no pair.
        exclude_same: a column of the attributes; pairs of one person with an equal value in it are left out.
            ``"photo"`` for orl-wild, where two renderings of one photograph are too easy a genuine pair.

    Returns:
        At most N (N - 1) / 2 pairs, ordered by first, then second; all in fold 0.

    Raises:
        BadParameterError: no such column.
    """
    known = np.flatnonzero(faces.identity != UNKNOWN)
    first, second = (known[side] for side in np.triu_indices(len(known), k=1))
    same = faces.identity[first] == faces.identity[second]
    if exclude_same is not None:
        value = column_codes(faces, exclude_same)
        keep = ~(same & (value[first] == value[second]))
        first, second, same = first[keep], second[keep], same[keep]
    return Pairs(first, second, same, np.zeros(len(first), dtype=np.int64))


def restrict_to_pairs(faces: FaceSet, pairs: Pairs) -> tuple[FaceSet, Pairs]:
    """Of a set only the photographs that are in any of the pairs, in their order, and the pairs of these rows."""
    rows, renumbered = np.unique([pairs.first, pairs.second], return_inverse=True)
    first, second = renumbered.reshape(2, -1)
    return faces.subset(rows), replace(pairs, first=first, second=second)


def column_codes(faces: FaceSet, column: str) -> np.ndarray:
    """An attribute as whole numbers, equal where its values are equal: int64 (N,).

    Raises:
        BadParameterError: no such column, or a value is missing in it.
    """
    if column not in faces.attributes:
        raise BadParameterError(
            f"{faces.source} has no attribute {column!r}.", f"It has: {', '.join(faces.attributes.columns)}."
        )
    values = faces.attributes[column]
    if values.isna().any():
        raise BadParameterError(
            f"The attribute {column!r} of {faces.source} is missing for {int(values.isna().sum())} photographs.",
            f"Choose another column, or a set without them: faces.subset(faces.attributes[{column!r}].notna()).",
        )
    return np.unique(values.to_numpy(), return_inverse=True)[1].astype(np.int64)


def people_by_pairs(pairs: Pairs, photographs: int) -> np.ndarray:
    """Who is on each photograph as far as the pairs tell it: photographs that genuine pairs join, directly or through others,
    show one person.

    Everybody else counts as a person of their own, so that one who is in several pairs may count as several people.

    Args:
        pairs: rows of the photographs.
        photographs: N, how many there are.

    Returns:
        int64 (N,), equal within a person.
    """
    first, second = pairs.first[pairs.same], pairs.second[pairs.same]
    joined = coo_matrix((np.ones(len(first)), (first, second)), shape=(photographs, photographs))
    return connected_components(joined, directed=False)[1].astype(np.int64)


def rows_by_value(values: np.ndarray) -> list[np.ndarray]:
    """The rows of each value of int (N,), the least value first: int64, each sorted; by one sort for all values."""
    _, counts = np.unique(values, return_counts=True)
    return np.split(np.argsort(values, kind="stable"), np.cumsum(counts)[:-1])[: len(counts)]


def photo_codes(faces: FaceSet) -> np.ndarray:
    """Which photograph each picture shows: int64 (N,), equal for renderings of one (equal values in the column ``photo``)."""
    return column_codes(faces, "photo") if "photo" in faces.attributes else np.arange(len(faces))


def photographs_per_person(faces: FaceSet) -> np.ndarray:
    """How many photographs there are of each of ``faces.people``: int64 (P,); renderings of one photograph count as one."""
    known = faces.identity != UNKNOWN
    shown = np.unique(np.stack([faces.identity[known], photo_codes(faces)[known]]), axis=1)[0]  # a person once for each
    return np.unique(shown, return_counts=True)[1]


def sample_pairs(faces: FaceSet, genuine: int, impostor: int, seed: int = 0, exclude_same: str | None = None) -> Pairs:
    """Some genuine and some impostor pairs, none twice, drawn so that no person with many photographs rules the list.

    Genuine pairs are taken from the people in turn; for an impostor pair two people are drawn first, then a photograph of
    each.

    Args:
        faces: photographs of known people; those of ``UNKNOWN`` people are in no pair.
        genuine: number of genuine pairs.
        impostor: number of impostor pairs, at most half of all that there are.
        seed: of the NumPy generator.
        exclude_same: as in ``all_pairs``.

    Returns:
        The genuine pairs, then the impostor pairs, each first < second; all in fold 0.

    Raises:
        BadParameterError: more asked for than there are, or no such column.
    """
    genuine, impostor = (
        check_whole_number(count, f"The number of {kind} pairs", 0)
        for count, kind in ((genuine, "genuine"), (impostor, "impostor"))
    )
    rng = np.random.default_rng(check_seed(seed))
    known = np.flatnonzero(faces.identity != UNKNOWN)
    rows = [known[own] for own in rows_by_value(faces.identity[known])]
    value = np.arange(len(faces)) if exclude_same is None else column_codes(faces, exclude_same)
    first = np.concatenate(
        [_genuine(rows, value, genuine, rng, faces.source), _impostor(rows, impostor, rng, faces.source)]
    )
    same = np.arange(len(first)) < genuine
    return Pairs(first[:, 0], first[:, 1], same, np.zeros(len(first), dtype=np.int64))


def _genuine(
    rows: list[np.ndarray], value: np.ndarray, count: int, rng: np.random.Generator, source: str
) -> np.ndarray:
    """Pairs (count, 2): every round takes the next pair of each person, in an order drawn for that person."""
    found, rounds = [np.empty((0, 2), dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for own in rows:
        first, second = (own[side] for side in np.triu_indices(len(own), k=1))
        other = value[first] != value[second]
        pairs = rng.permutation(np.stack([first[other], second[other]], axis=1))[:count]
        found.append(pairs)
        rounds.append(np.arange(len(pairs)))
    pairs, turn = np.concatenate(found), np.concatenate(rounds)
    if len(pairs) < count:
        raise BadParameterError(f"{source} has {len(pairs)} genuine pairs, not {count}.", "Ask sample_pairs for fewer.")
    return pairs[np.lexsort((rng.random(len(pairs)), turn))[:count]]


def _impostor(rows: list[np.ndarray], count: int, rng: np.random.Generator, source: str) -> np.ndarray:
    sizes = np.array([len(own) for own in rows])
    available = (sizes.sum() ** 2 - (sizes**2).sum()) // 2
    if count > available // 2:
        raise BadParameterError(f"{source} has {available} impostor pairs; {count} is over half.", "Take all_pairs.")
    chosen: dict[tuple[int, int], None] = {}
    while len(chosen) < count:
        a, b = rng.integers(len(rows), size=2)
        if a != b:
            pair = sorted((int(rows[a][rng.integers(sizes[a])]), int(rows[b][rng.integers(sizes[b])])))
            chosen[tuple(pair)] = None
    return np.array(list(chosen), dtype=np.int64).reshape(-1, 2)
