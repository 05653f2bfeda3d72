"""Maps of embeddings: two dimensions of many, drawn as points or as the faces themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from facelab.errors import BadParameterError
from facelab.plots.faces import as_jpeg, thumbnails
from facelab.plots.style import COLORS
from facelab.plots.text import literal, literal_label, literal_title

_MARKERS = "os^DvP"  # with the colours, 42 people look different
_LEGEND = len(COLORS)  # names that a legend still shows
_SHORT = 25  # letters of names of which three stand side by side


def project_to_2d(embeddings: np.ndarray, method: str = "tsne", seed: int = 0) -> np.ndarray:
    """Points in the plane for embeddings of unit norm.

    t-SNE (van der Maaten and Hinton, JMLR 9, 2008) shows who is near whom; sizes of its groups and the distances between
    them mean nothing. PCA keeps large distances, and here little else: look at both before you believe one.

    Args:
        embeddings: float (N, D), N >= 4, D >= 2; brought to unit norm here, so that distances order as cosines do.
        method: ``"tsne"`` (perplexity 30, less where N < 91) or ``"pca"``.
        seed: of t-SNE, which starts from PCA.

    Returns:
        float32 (N, 2).

    Raises:
        BadParameterError: unknown method, too few embeddings or dimensions, or one that is not finite.
    """
    if method not in ("tsne", "pca"):
        raise BadParameterError(f"No map is called {method!r}.", "There are: tsne, pca.")
    if embeddings.ndim != 2 or len(embeddings) < 4 or embeddings.shape[1] < 2:
        raise BadParameterError(f"Embeddings of {embeddings.shape} give no map.", "Give (N, D), N >= 4, D >= 2.")
    if not np.isfinite(embeddings).all():
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
    unit = normalize(np.asarray(embeddings, dtype=np.float32))
    if method == "pca":
        return PCA(2, svd_solver="full").fit_transform(unit)
    return TSNE(perplexity=min(30, (len(unit) - 1) / 3), init="pca", random_state=seed).fit_transform(unit)


def embedding_map(points: np.ndarray, labels: Mapping[str, Sequence] | pd.DataFrame, title: str = "") -> Figure:
    """The same points once for each label, coloured by it: what does the embedding sort by, the person or the light?

    Args:
        points: float (N, 2), from ``project_to_2d``.
        labels: name -> category of each point, (N,); a DataFrame gives its columns. Up to seven categories are named in
            a legend; more differ in colour and sign. Points without a category are grey.
        title: title of all.

    Raises:
        BadParameterError: sizes differ, or there are no labels.
    """
    check_points(points)
    named = dict(labels)
    if not named:
        raise BadParameterError("There is no label to colour a map by.", "Give one or more, by name.")
    columns = 2 if len(named) == 4 else min(len(named), 3)
    rows, side = math.ceil(len(named) / columns), min(7.5 / columns, 5.5)
    size = np.clip(12000 / len(points) / columns, 5, 30)
    figure, several = plt.subplots(rows, columns, figsize=(side * columns, (side + 0.5) * rows), squeeze=False)
    for axes in several.flat:
        axes.set_axis_off()
    for axes, (name, values) in zip(several.flat, named.items(), strict=False):
        if len(values) != len(points):
            raise BadParameterError(f"{len(points)} points, {len(values)} of {name}.", "Give one of each a point.")
        _scatter(axes, points, name, pd.Categorical(pd.Series(values).replace("", None)), size)
    figure.suptitle(literal_title(title))
    return figure


def _scatter(axes: Axes, points: np.ndarray, name: str, category: pd.Categorical, size: float) -> None:
    few = len(category.categories) <= _LEGEND
    for number, value in enumerate([None, *category.categories], start=-1):
        x, y = points[category.codes == number].T
        colour = "lightgrey" if number < 0 else COLORS[number % len(COLORS)]
        marker = _MARKERS[max(number, 0) // len(COLORS) % len(_MARKERS)]
        label = literal_label(value) if few and number >= 0 else None
        axes.scatter(x, y, s=size, color=colour, marker=marker, label=label, linewidths=0)
    axes.set_aspect("equal", adjustable="box")
    axes.set_title(literal(name) if few else f"{literal(name)}: {len(category.categories)} different")
    if few and len(category.categories):
        short = max(len(str(value)) for value in category.categories) <= _SHORT
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3 if short else 1, fontsize="x-small",
                    markerscale=2, frameon=False, handletextpad=0.1, columnspacing=0.8)  # fmt: skip


def thumbnail_map(points: np.ndarray, images: np.ndarray, width: int = 500, side: int = 30, alt: str = "") -> Image:
    """Faces at their place in the map. Of faces that would cover each other the one in the earlier row is shown.

    Args:
        points: float (N, 2), from ``project_to_2d``.
        images: uint8 (N, S, S, C), grey or RGB.
        width: of the picture in pixels; its height follows the points.
        side: of each face in pixels.
        alt: a sentence for readers who do not see the picture: what is there to see.

    Returns:
        JPEG.

    Raises:
        BadParameterError: sizes differ.
    """
    check_points(points)
    if len(images) != len(points):
        raise BadParameterError(f"{len(points)} points, {len(images)} images.", "Give one of each a face.")
    spread = np.ptp(points, axis=0)
    scale = (width - side) / max(spread.max(), 1e-12)
    corners = np.rint((points - points.min(axis=0)) * scale).astype(int)
    corners[:, 1] = corners[:, 1].max() - corners[:, 1]  # as in a chart, the second coordinate grows upwards
    shown: list[int] = []
    for row, corner in enumerate(corners):
        if not shown or (abs(corners[shown] - corner).max(axis=1) >= side).all():
            shown.append(row)
    picture = np.full((corners[:, 1].max() + side, width, 3), 255, np.uint8)
    for (left, top), face in zip(corners[shown], thumbnails(images[shown], side), strict=True):
        picture[top : top + side, left : left + side] = face
    counted = f"Map of {len(points)} embeddings, drawn as faces; {len(shown)} are shown, and others would cover them."
    return as_jpeg(picture, f"{alt} {counted}".strip())


def check_points(points: np.ndarray) -> None:
    """Refuse what is not finite (N, 2), N >= 1, with a BadParameterError."""
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
        raise BadParameterError(f"Points of {points.shape} give no map.", "Give finite (N, 2), from project_to_2d.")
