"""The map of an embedding to walk about in: each point shows its face, its labels and its nearest neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
from IPython.display import HTML, Image

from facelab.errors import BadParameterError
from facelab.labs.explorers.page import frame, render, sheet, table_columns
from facelab.plots import COLORS, thumbnail_map
from facelab.plots.maps import check_points
from facelab.progress import is_interactive

MAX_FACES = 3000  #: more make a page that a browser draws slowly and a notebook stores badly
_SIDE = 64  # of a face in the page
_HEIGHT = 640  # of the page in the notebook


def explore(
    points: np.ndarray, images: np.ndarray, table: pd.DataFrame, neighbors: np.ndarray | None = None
) -> HTML | Image:
    """An explorer where somebody watches (``facelab.progress.is_interactive``), and elsewhere the plain ``thumbnail_map``.

    Args:
        points: float (N, 2), from ``plots.project_to_2d``, N <= 3000.
        images: uint8 (N, S, S, C), grey or RGB.
        table: N rows, the labels to colour by and to show.
        neighbors: int (N, k), row numbers, nearest first, from ``plots.nearest_neighbors``; None: none are shown.

    Raises:
        BadParameterError: too many faces, sizes that differ, or a neighbour that is no row.
    """
    _check(points, images, table, neighbors)
    if not is_interactive():
        return thumbnail_map(points, images, width=380, side=24)
    near = None if neighbors is None else neighbors[None]
    return show_map("Map of embeddings", points[None], images, table, near, _SIDE)


def show_map(
    title: str,
    points: np.ndarray,
    images: np.ndarray,
    table: pd.DataFrame,
    neighbors: np.ndarray | None,
    side: int,
    ranks: dict[int, float] | None = None,
) -> HTML:
    """The page of a map, of one time or of several.

    Args:
        title: above it.
        points: float (E, N, 2), one map an epoch; all are drawn on one scale.
        images, table: of the N faces, as of ``explore``.
        neighbors: int (E, N, k), or None.
        side: of a face in the page, in pixels.
        ranks: the number of each of the E epochs and its effective rank; None: there is one map, of no epoch.
    """
    low = points.min(axis=(0, 1))
    span = max(np.ptp(points, axis=(0, 1)).max(), 1e-12)
    data = {
        "title": title,
        "points": np.round((points - low) / span, 4).tolist(),
        "table": table_columns(table),
        "neighbours": None if neighbors is None else neighbors.tolist(),
        "epochs": [0] if ranks is None else list(ranks),
        "ranks": None if ranks is None else [round(rank, 2) for rank in ranks.values()],
        "colours": COLORS,
        "faces": sheet(images, side),
    }
    return frame(render("map.html", data), title, _HEIGHT)


def _check(points: np.ndarray, images: np.ndarray, table: pd.DataFrame, neighbors: np.ndarray | None) -> None:
    check_points(points)
    if len(points) > MAX_FACES:
        raise BadParameterError(
            f"{len(points)} faces are too many to explore.", f"Draw {MAX_FACES} or fewer, of each array the same rows."
        )
    if not len(points) == len(images) == len(table):
        raise BadParameterError(
            f"{len(points)} points, {len(images)} images, {len(table)} rows of labels.", "Give one of each a face."
        )
    if neighbors is not None and (
        neighbors.ndim != 2
        or len(neighbors) != len(points)
        or neighbors.dtype.kind != "i"
        or not ((neighbors >= 0) & (neighbors < len(points))).all()
    ):
        raise BadParameterError(
            "The neighbours are not rows of these points.", "Give plots.nearest_neighbors(embeddings, k)[0]."
        )
