"""What may be searched: vectors of unit norm, ids that tell them apart, options that the kind of index has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facelab.errors import BadParameterError
from facelab.whole_numbers import check_whole_number, is_whole_number

MAX_OPTION = 2**31 - 1  #: of an option: Annoy and faiss keep them as C ints
MIN_NORM = 1e-30  #: below it float32 holds a direction no longer


def unit_vectors(vectors: np.ndarray, what: str, dimension: int | None = None) -> np.ndarray:
    """The vectors with norm 1.

    Args:
        vectors: real (N, D), of any norm but 0 (1e-30).
        what: their name in an error.
        dimension: the D that they must have; None: any.

    Returns:
        float32 (N, D), a copy.

    Raises:
        BadParameterError: another shape, no vectors, or rows that are zero or hold NaN or infinity; they are named.
    """
    vectors = np.asarray(vectors)
    right = vectors.dtype.kind in "fiu" and vectors.ndim == 2 and vectors.size
    if not right or (dimension and vectors.shape[1] != dimension):
        raise BadParameterError(
            f"The {what} are {vectors.dtype} of shape {vectors.shape}.",
            f"Give real numbers of shape (N, {dimension or 'D'}), one row a face.",
        )
    precision = np.float64 if vectors.dtype == np.float64 else np.float32
    vectors = vectors.astype(precision)  # a copy, to be divided in place
    norm = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    wrong = np.flatnonzero(~np.isfinite(norm) | (norm < MIN_NORM))
    if len(wrong):
        raise BadParameterError(
            f"{_first(wrong)} of the {len(vectors)} {what}: all zero, or NaN or infinity in it, so without a direction.",
            "Look for the step that made them, or leave them out.",
        )
    vectors /= norm[:, None].astype(vectors.dtype)
    return vectors.astype(np.float32, copy=False)


def _first(rows: np.ndarray, shown: int = 5) -> str:
    """For a message: "Row 3" or "Rows 3, 4, 8, 9, 12 and 2 more"."""
    more = f" and {len(rows) - shown} more" if len(rows) > shown else ""
    return f"Row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:shown]))}{more}"


def check_ids(ids: Sequence | np.ndarray, what: str = "ids") -> np.ndarray:
    """The ids as an array, int64 or of strings, of their own shape.

    Raises:
        BadParameterError: they are not all whole numbers, nor all strings.
    """
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iU":
        return ids.astype(np.int64 if ids.dtype.kind == "i" else str)
    values = np.asarray(ids, dtype=object).ravel().tolist()  # as they are: an array of 1 and "a" would hold two strings
    if values and all(isinstance(value, str) for value in values):
        return np.asarray(ids).astype(str)
    if values and all(_is_int64(value) for value in values):
        return np.asarray(ids).astype(np.int64)
    kinds = sorted({type(value).__name__ for value in values})
    raise BadParameterError(
        f"The {what} are of the types {', '.join(kinds) or 'none'}.",
        "Give whole numbers of 64 bits or strings, not both.",
    )


def _is_int64(value: object) -> bool:
    return is_whole_number(value) and -(2**63) <= value < 2**63


def check_unique_ids(ids: Sequence | np.ndarray, count: int) -> np.ndarray:
    """``check_ids`` of shape (count,), each of them once.

    Raises:
        BadParameterError: another number of ids, or one that is there twice.
    """
    array = check_ids(ids)
    if array.shape != (count,):
        raise BadParameterError(f"{count} vectors, ids of shape {array.shape}.", "Give one id a vector.")
    values, seen = np.unique(array, return_counts=True)
    if len(values) < count:
        raise BadParameterError(
            f"{count - len(values)} ids are there again (first {values[seen > 1][0].item()!r}).",
            "Give each vector an id of its own, such as its photograph's name.",
        )
    return array


def check_options(kind: str, specs: Mapping[str, tuple[int, int]], options: Mapping[str, object]) -> dict[str, int]:
    """All options of a kind of index: those of ``options``, else the defaults.

    Args:
        kind: its name in an error.
        specs: option -> default and least value.
        options: option -> value.

    Raises:
        BadParameterError: no such option, or no whole number of at least the least value.
    """
    for name in options:
        if name not in specs:
            raise BadParameterError(
                f"A search of kind {kind!r} has no option {name!r}.", f"It has: {', '.join(specs) or 'none'}."
            )
    return {
        name: check_whole_number(options.get(name, default), f"The option {name}", least, MAX_OPTION)
        for name, (default, least) in specs.items()
    }
