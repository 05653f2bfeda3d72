"""The map of an embedding to walk about in: each point shows its face, its labels and its nearest neighbours."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML, Image

from facelab.errors import BadParameterError
from facelab.plots import COLORS, as_jpeg, sprite, thumbnail_map
from facelab.plots.maps import check_points
from facelab.progress import is_interactive
from facelab.terminal import printable

MAX_FACES = 3000  #: more make a page that a browser draws slowly and a notebook stores badly
_TEMPLATE = Path(__file__).with_name("explorer.html")
_SIDE = 64  # of a face in the page
_HEIGHT = 600  # of the page in the notebook


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
    document = render_page(points, images, table, neighbors)
    if not is_interactive():
        return thumbnail_map(points, images)
    # The sandbox keeps the page from the notebook around it, and the notebook's styles from the page.
    return HTML(
        f'<div><iframe sandbox="allow-scripts" srcdoc="{html.escape(document)}" width="100%" height="{_HEIGHT}" '
        'style="border: 0"></iframe></div>'
    )


def render_page(
    points: np.ndarray, images: np.ndarray, table: pd.DataFrame, neighbors: np.ndarray | None = None
) -> str:
    """The explorer as one HTML document that needs nothing else; arguments and errors as for ``explore``."""
    _check(points, images, table, neighbors)
    span = max(np.ptp(points, axis=0).max(), 1e-12)
    side = min(images.shape[1], _SIDE)
    data = {
        "points": np.round((points - points.min(axis=0)) / span, 4).tolist(),
        "table": {
            printable(str(name)): ["" if pd.isna(value) else printable(str(value)) for value in table[name]]
            for name in table
        },
        "neighbours": None if neighbors is None else neighbors.tolist(),
        "colours": COLORS,
        "side": side,
        "sprite": "data:image/jpeg;base64," + base64.b64encode(as_jpeg(sprite(images, side)).data).decode(),
    }
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")  # so that no label can end the script it stands in
    return _TEMPLATE.read_text(encoding="utf-8").replace("__DATA__", text)


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
