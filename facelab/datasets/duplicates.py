"""Photographs that a data set holds twice: under two people, which no split can part, or within one person."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

import numpy as np

from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.datasets.near_duplicates import near_duplicates_within, part_sizes
from facelab.progress import progress_bar


def find_duplicates(faces: FaceSet, all_pairs: bool = False) -> Iterator[tuple[int, int]]:
    """Pairs of photographs that are one picture, or near-duplicates (``near_duplicates``), as they are found.

    Args:
        faces: the photographs.
        all_pairs: also those of one person, and those of unknown people, who may be one; otherwise of two people only.

    Yields:
        Rows of two photographs, the first below the second.
    """
    with progress_bar(f"Comparing {faces.source}", len(faces)) as shown:
        parts = near_duplicates_within(faces.images)
        for pairs, compared in zip(parts, part_sizes(len(faces)), strict=True):
            yield from _wanted(faces, pairs, all_pairs)
            shown.advance(compared)
    for rows in _blank_pictures(faces.images):
        for place, row in enumerate(rows):
            later = np.array(rows[place + 1 :], dtype=np.int64)
            yield from _wanted(faces, np.stack([np.full_like(later, row), later], axis=1), all_pairs)


def _wanted(faces: FaceSet, pairs: np.ndarray, all_pairs: bool) -> Iterator[tuple[int, int]]:
    people = faces.identity[pairs]
    of_two = (people[:, 0] != people[:, 1]) & (people != UNKNOWN).all(axis=1)
    yield from map(tuple, pairs[of_two | all_pairs].tolist())


def _blank_pictures(images: np.ndarray) -> list[list[int]]:
    """Rows of the pictures of each colour alone, which no correlation can compare."""
    rows: dict[bytes, list[int]] = {}
    for row, image in enumerate(images):
        if (image == image[0, 0]).all():
            rows.setdefault(image[0, 0].tobytes(), []).append(row)
    return list(rows.values())


def duplicates_command(names: Iterable[str], all_pairs: bool = False) -> str:
    """The line that lists the duplicates of a set, to be named by an error: ``facelab data duplicates NAME``.

    Args:
        names: what ``load`` was asked for, one of each joined part (``sources.loaded_names``).
        all_pairs: as for ``find_duplicates``.
    """
    return shlex.join(["facelab", "data", "duplicates", "+".join(names), *["--all"] * all_pairs])
