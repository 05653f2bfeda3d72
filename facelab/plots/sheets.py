"""What an embedding gets right and wrong, in faces: nearest neighbours, and pairs that fail."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from IPython.display import Image
from sklearn.preprocessing import normalize

from facelab.datasets.faceset import UNKNOWN
from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.plots.faces import as_jpeg, face_sheet, thumbnails
from facelab.plots.style import COLORS, hex_to_rgb

_ALIKE, _OTHER, _QUERY = (hex_to_rgb(COLORS[number]) for number in (2, 1, 6))
_PAIRS_IN_A_ROW = 5


def nearest_neighbors(
    embeddings: np.ndarray, k: int, rows: Sequence[int] | None = None, group: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The photographs with the greatest cosine to each of some rows, the row itself left out.

    Args:
        embeddings: float (N, D), need not be of unit norm.
        k: how many.
        rows: the rows that are looked up, Q of them; None: all N.
        group: (N,), photographs of an equal group never find each other (renderings of one photograph); None: no groups.

    Returns:
        int64 (Q, k), row numbers, nearest first, and float64 (Q, k), their cosines.

    Raises:
        BadParameterError: a photograph has fewer than k others.
    """
    unit = normalize(np.asarray(embeddings, dtype=np.float64))
    rows = np.arange(len(unit)) if rows is None else np.asarray(rows)
    group = np.arange(len(unit)) if group is None else np.asarray(group)
    cosine = unit[rows] @ unit.T
    cosine[group[rows, None] == group[None, :]] = -np.inf
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(cosine, order, axis=1)
    if k < 1 or np.isinf(found).any():
        raise BadParameterError(f"Not every photograph has {k} others to find.", "Ask for fewer, and for one or more.")
    return order, found


def neighbor_sheet(
    images: np.ndarray,
    embeddings: np.ndarray,
    person: np.ndarray,
    queries: Sequence[int],
    k: int = 8,
    group: np.ndarray | None = None,
    side: int = 70,
    alt: str = "",
) -> Image:
    """A row for each query: its photograph, then the nearest ones with their cosine, green where it is the same person.

    Another person is framed in orange and called "other" below, so that nobody needs to tell the colours apart.

    Args:
        images: uint8 (N, S, S, C), grey or RGB.
        embeddings: float (N, D).
        person: int (N,), who is shown.
        queries: rows that are looked up among all others.
        k: how many neighbours.
        group: see ``nearest_neighbors``.
        side: of each face in pixels.
        alt: see ``search_sheet``.

    Returns:
        JPEG, (k + 1) * (side + 2) pixels wide.

    Raises:
        BadParameterError: an unknown person, or fewer than k others.
    """
    neighbors, cosine = nearest_neighbors(embeddings, k, queries, group)
    return search_sheet(images, person, queries, neighbors, cosine, side, alt)


def search_sheet(
    images: np.ndarray,
    person: np.ndarray,
    queries: Sequence[int],
    neighbors: np.ndarray,
    cosine: np.ndarray,
    side: int = 70,
    alt: str = "",
) -> Image:
    """``neighbor_sheet`` of what was found already, by an index or otherwise.

    Args:
        images: uint8 (N, S, S, C), grey or RGB.
        person: int (N,), who is shown.
        queries: Q rows that were looked up.
        neighbors: int (Q, k), rows that were found for each, in the order to be shown.
        cosine: float (Q, k), theirs.
        side: of each face in pixels.
        alt: a sentence for readers who do not see the picture. How many neighbours are the same person is said by itself.

    Raises:
        BadParameterError: an unknown person.
    """
    k = neighbors.shape[1]
    rows = np.column_stack([queries, neighbors])
    if (person[rows] == UNKNOWN).any():
        raise BadParameterError("Some people are unknown: who is right cannot be said.", "Leave their photographs out.")
    same = person[rows] == person[rows[:, :1]]
    tiles = thumbnails(images[rows.ravel()], side)
    titles = []
    for query in range(len(rows)):
        titles.append("query")
        titles += [f"{c:.2f}" if s else f"{c:.2f} other" for c, s in zip(cosine[query], same[query, 1:], strict=True)]
    for number, tile in enumerate(tiles):
        query, place = divmod(number, k + 1)
        colour = _QUERY if place == 0 else _ALIKE if same[query, place] else _OTHER
        cv2.rectangle(tile, (1, 1), (side - 2, side - 2), colour, 3)
    counted = f"{_rows(len(rows))}: a query, then the {k} photographs found for it, with their cosine."
    counted += f" Of {same[:, 1:].size} neighbours, {same[:, 1:].sum()} show the same person."
    return as_jpeg(face_sheet(tiles, columns=k + 1, titles=titles), f"{alt} {counted}".strip())


def pair_sheet(
    images: np.ndarray,
    pairs: Pairs,
    scores: np.ndarray,
    threshold: float | np.ndarray,
    per_kind: int = 10,
    side: int = 62,
    alt: str = "",
) -> Image:
    """The pairs that a threshold decides wrongly, the worst first: one person refused, and two people accepted.

    Args:
        images: uint8 (N, S, S, C), grey or RGB.
        pairs: M pairs of rows.
        scores: float (M,), accepted where score >= threshold; printed below each pair.
        threshold: one for all, or (M,), one a pair, as in LFW View 2.
        per_kind: how many of each kind are shown at most.
        side: of each face in pixels.
        alt: a sentence for readers who do not see the picture. How many pairs are decided wrongly is said by itself.

    Returns:
        JPEG, five pairs wide.

    Raises:
        BadParameterError: scores and pairs differ in number.
    """
    if len(scores) != len(pairs):
        raise BadParameterError(f"{len(pairs)} pairs, {len(scores)} scores.", "Give one score a pair.")
    margin = np.asarray(scores) - threshold
    kinds = [("one person, refused", pairs.same, margin), ("two people, accepted", ~pairs.same, -margin)]
    parts, counted = [], []
    for name, kind, right_by in kinds:
        wrong = kind & ((margin >= 0) != pairs.same)
        worst = np.flatnonzero(wrong)[np.argsort(right_by[wrong], kind="stable")][:per_kind]
        tiles = np.full((len(worst), side, 2 * side + 6, 3), 255, np.uint8)
        tiles[:, :, :side] = thumbnails(images[pairs.first[worst]], side)
        tiles[:, :, side + 1 : 2 * side + 1] = thumbnails(images[pairs.second[worst]], side)
        sheet = face_sheet(tiles, _PAIRS_IN_A_ROW, [f"{score:.2f}" for score in np.asarray(scores)[worst]])
        counted.append(f"{name}: {wrong.sum()} of {kind.sum()} pairs")
        parts += [_heading(counted[-1], sheet.shape[1]), sheet]
    said = f"Pairs of photographs that the threshold decides wrongly, the worst first. {'; '.join(counted)}."
    return as_jpeg(np.concatenate(parts), f"{alt} {said}".strip())


def _rows(count: int) -> str:
    return "One row" if count == 1 else f"{count} rows"


def _heading(text: str, width: int) -> np.ndarray:
    """A white strip with a line of text: uint8 (24, width, 3)."""
    strip = np.full((24, width, 3), 255, np.uint8)
    cv2.putText(strip, text, (2, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
    return strip
