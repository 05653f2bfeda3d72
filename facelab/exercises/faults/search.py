"""Two faults of searching with Annoy: its distance shown as per cent, and ids of photographs used as its item numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from annoy import AnnoyIndex

from facelab.exercises.faults.verdict import Fault, Verdict
from facelab.search import build_index, cosine_of_angular


def hundred_minus_distance(distance: float) -> float:
    """As found. "100 - distance", shown as per cent: here as a fraction."""
    return (100 - distance) / 100


def check_similarity(similarity: Callable[[float], float]) -> Verdict:
    """Whether a similarity is the cosine of Annoy's "angular" distance, d = sqrt(2 - 2 cos), from 0 to 180 degrees.

    Args:
        similarity: distance, 0 ... 2 -> 1 (same direction) ... -1 (opposite), as ``search.cosine_of_angular``.
    """
    cosines = np.cos(np.linspace(0, math.pi, 13))
    shown = [float(similarity(math.sqrt(2 - 2 * cosine))) for cosine in cosines]
    return Verdict(
        np.allclose(shown, cosines, atol=1e-6),
        f"faces in one direction are {shown[0]:.1%} alike, at right angles {shown[6]:.1%}, opposite {shown[-1]:.1%}; "
        "their cosines are 100 %, 0 % and -100 %.",
    )


def ids_as_item_numbers(ids: np.ndarray, vectors: np.ndarray) -> tuple[int, np.ndarray]:
    """As found. The id of the photograph is the number of the item, and Annoy makes room for every number up to it."""
    forest = AnnoyIndex(vectors.shape[1], "angular")
    for number, vector in zip(ids.tolist(), vectors.tolist(), strict=True):
        forest.add_item(number, vector)
    forest.build(10)
    return forest.get_n_items(), np.array([forest.get_nns_by_vector(vector, 1)[0] for vector in vectors.tolist()])


def rows_as_item_numbers(ids: np.ndarray, vectors: np.ndarray) -> tuple[int, np.ndarray]:
    """Items are counted from 0, and the ids stand in a list beside them: ``search.build_index``."""
    index = build_index(vectors, ids, "annoy", model="none")
    return index.engine.shape[0], index.search(vectors, 1)[0][:, 0]


def check_ids(index: Callable[[np.ndarray, np.ndarray], tuple[int, np.ndarray]]) -> Verdict:
    """Whether an index of 20 faces, whose ids have gaps, makes room for 20 and finds each under its id.

    Args:
        index: (ids (N,), vectors (N, D)) -> places in the index, id of the nearest neighbour (N,) of each of the vectors.
    """
    rng = np.random.default_rng(0)
    ids, vectors = rng.choice(20_000, size=20, replace=False), rng.normal(size=(20, 8))
    places, found = index(ids, vectors)
    own = int((np.asarray(found) == ids).sum())
    return Verdict(
        places == own == len(ids),
        f"{len(ids)} faces with ids up to {ids.max()} take {places} places; {own} of them are found under their id.",
    )


FAULTS = [
    Fault(
        "100 - distance as per cent",
        f"Everybody was nearly everybody: faces at right angles were {hundred_minus_distance(math.sqrt(2)):.1%} alike.",
        hundred_minus_distance,
        cosine_of_angular,
        check_similarity,
    ),
    Fault(
        "ids with gaps in Annoy",
        "The index took the memory of the largest id, not of the number of faces.",
        ids_as_item_numbers,
        rows_as_item_numbers,
        check_ids,
    ),
]
