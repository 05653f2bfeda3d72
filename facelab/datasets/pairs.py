"""Verification pairs: two photographs, and whether they show one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.errors import BadParameterError


@dataclass(frozen=True)
class Pairs:
    """Pairs of photographs of one FaceSet.

    Attributes:
        first: int64 (M,), row of the first photograph.
        second: int64 (M,), row of the second photograph.
        same: bool (M,), True where both show one person (a genuine pair), False for an impostor pair.
        fold: int64 (M,), fold of a cross-validation protocol, from 1; 0 where there is none.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.first) == len(self.second) == len(self.same) == len(self.fold):
            raise BadParameterError("The four columns of the pairs differ in length.", "Give one of each a pair.")

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        genuine = int(self.same.sum())
        return f"Pairs({genuine} genuine, {len(self) - genuine} impostor, {len(np.unique(self.fold))} folds)"

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
            "Leave those photographs out with FaceSet.subset.",
        )
    return np.unique(values.to_numpy(), return_inverse=True)[1].astype(np.int64)
