"""One function a picture. Each takes numbers and returns the matplotlib figure, or the JPEG where it shows faces."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Image
from matplotlib.figure import Figure

from facelab.cropping.boxes import Box, Face

#: colours that stay apart for colour-blind readers and in grey print (Okabe and Ito)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def use_course_style() -> None:
    """One look for all figures of the course."""
    sns.set_theme(context="notebook", style="whitegrid", palette=list(COLOURS))
    plt.rcParams.update(
        {
            "figure.dpi": 88,
            "figure.figsize": (7.5, 3.6),
            "figure.constrained_layout.use": True,
            "axes.titlesize": "medium",
        }
    )


def face_sheet(
    images: np.ndarray, columns: int = 10, titles: Sequence[str] | None = None, zoom: float = 1.0
) -> np.ndarray:
    """Faces side by side as one picture.

    Args:
        images: uint8 (N, H, W, C).
        columns: how many stand in a row.
        titles: a few letters below each face.
        zoom: factor by which each face is enlarged.

    Returns:
        uint8 (h, w, 3), RGB, white where there is no face.
    """
    height, width = (round(side * zoom) for side in images.shape[1:3])
    strip = 15 if titles is not None else 0
    rows = math.ceil(len(images) / columns)
    sheet = np.full((rows * (height + strip + 2), columns * (width + 2), 3), 255, dtype=np.uint8)
    for number, image in enumerate(images):
        top, left = (number // columns) * (height + strip + 2), (number % columns) * (width + 2)
        face = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_CUBIC)
        sheet[top : top + height, left : left + width] = face if face.ndim == 3 else face[:, :, None]
        if titles is not None:
            where = (left + 1, top + height + 11)
            cv2.putText(sheet, titles[number], where, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (30, 30, 30), 1, cv2.LINE_AA)
    return sheet


def show_faces(images: np.ndarray, columns: int = 10, titles: Sequence[str] | None = None, zoom: float = 1.0) -> Image:
    """``face_sheet`` as a JPEG that a notebook displays: small, and never compared by nbval."""
    sheet = face_sheet(images, columns, titles, zoom)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not done:
        raise ValueError(f"a sheet of {sheet.shape} cannot be encoded")
    return Image(data=data.tobytes(), format="jpeg")


def curves(series: Mapping[str, Sequence[float]], xlabel: str, ylabel: str, title: str = "") -> Figure:
    """Lines over the steps or epochs 1, 2, ...; NaN leaves a gap."""
    figure, axes = plt.subplots()
    for name, values in series.items():
        axes.plot(range(1, len(values) + 1), values, label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if len(series) > 1:
        axes.legend()
    return figure


def intervals(
    groups: Mapping[str, Mapping[str, object]],
    xlabel: str,
    title: str = "",
    *,
    percent: bool = True,
    chance: float | None = None,
) -> Figure:
    """Points with their 95 % intervals, one row a name, grouped: what the eye needs to see whether two intervals touch.

    Args:
        groups: group -> name -> estimate (``value``, ``low``, ``high``).
        xlabel: what is measured.
        title: title.
        percent: show rates as per cent.
        chance: where guessing stands, drawn as a line.
    """
    names = [(group, name) for group, row in groups.items() for name in row]
    scale = 100 if percent else 1
    figure, axes = plt.subplots(figsize=(7.5, 0.9 + 0.27 * len(names)))
    colours = dict(zip(dict.fromkeys(name for _, name in names), COLOURS * 9, strict=False))
    for row, (group, name) in enumerate(names):
        estimate = groups[group][name]
        value, low, high = (scale * float(getattr(estimate, side)) for side in ("value", "low", "high"))
        axes.plot([low, high], [row, row], color=colours[name], linewidth=2.5)
        axes.plot(value, row, "o", color=colours[name])
    if chance is not None:
        axes.axvline(scale * chance, color="grey", linestyle=":", label="chance")
    labels = [name if len(groups) == 1 else f"{group}: {name}" for group, name in names]
    axes.set_yticks(range(len(names)), labels)
    axes.set(xlabel=xlabel, title=title, ylim=(len(names) - 0.5, -0.5))
    return figure


def confusion(matrix: np.ndarray, title: str = "") -> Figure:
    """A confusion matrix, true class in rows, each row in shares of its images."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(5, 4.2))
    sns.heatmap(share, vmin=0, vmax=1, cmap="viridis", square=True, ax=axes, cbar_kws={"label": "share of the row"})
    axes.set(xlabel="predicted", ylabel="true", title=title)
    return figure


def det_curves(rates: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str = "") -> Figure:
    """False match against false non-match rate on logarithmic axes, with the line of equal error rates.

    Args:
        rates: name -> (FMR, FNMR), arrays of one length.
        title: title.
    """
    figure, axes = plt.subplots(figsize=(5.2, 4.2))
    for name, (fmr, fnmr) in rates.items():
        axes.plot(fmr, fnmr, label=name)
    axes.plot([1e-3, 1], [1e-3, 1], color="grey", linewidth=1, linestyle=":", label="equal error rate")
    axes.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(1e-2, 1), title=title)
    axes.set(xlabel="false match rate (other people accepted)", ylabel="false non-match rate (same person refused)")
    axes.legend(loc="lower left")
    return figure


def score_histograms(
    same: np.ndarray, different: np.ndarray, threshold: float | None = None, title: str = ""
) -> Figure:
    """Distributions of the scores of pairs of one person and of two people."""
    figure, axes = plt.subplots()
    bins = np.linspace(min(same.min(), different.min()), max(same.max(), different.max()), 61)
    for scores, name, colour in ((different, "two people", COLOURS[1]), (same, "one person", COLOURS[0])):
        axes.hist(scores, bins=bins, density=True, alpha=0.6, label=f"{name} (n = {len(scores)})", color=colour)
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.2f}")
    axes.set(xlabel="cosine similarity", ylabel="density", title=title)
    axes.legend()
    return figure


def mark_faces(image: np.ndarray, faces: Sequence[Face], references: Sequence[Box] = ()) -> np.ndarray:
    """A copy of a photograph with detected boxes and landmarks in orange, the largest drawn thicker, and known boxes in blue.

    Args:
        image: uint8 (H, W), (H, W, 1) or (H, W, 3).
        faces: what a detector returned.
        references: where the faces are known to be.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    marked = np.array(np.broadcast_to(image.reshape(*image.shape[:2], -1), (*image.shape[:2], 3)))
    blue, orange = ([int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS[:2])
    thin = max(1, round(min(image.shape[:2]) / 150))
    boxes = [(box, blue, thin) for box in references]
    boxes += [(face.box, orange, 2 * thin if face is faces[0] else thin) for face in faces]
    for (x, y, w, h), colour, width in boxes:
        cv2.rectangle(marked, (round(x), round(y)), (round(x + w) - 1, round(y + h) - 1), colour, width)
    for face in faces:
        for x, y in () if face.landmarks is None else face.landmarks:
            cv2.circle(marked, (round(x), round(y)), 2 * thin, orange, -1)
    return marked


def rate_grids(grids: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """Heat maps side by side of rates (0 to 1) over two parameters, written as per cent.

    Args:
        grids: title of a map -> table whose index and columns are the values of the two parameters, named.
        title: title of all.
    """
    figure, several = plt.subplots(1, len(grids), figsize=(2.6 * len(grids) + 0.6, 2.9), sharey=True, squeeze=False)
    for axes, (name, grid) in zip(several[0], grids.items(), strict=True):
        sns.heatmap(100 * grid, vmin=0, vmax=100, annot=True, fmt=".0f", cmap="viridis", cbar=False, ax=axes)
        axes.set(title=name, ylabel=str(grid.index.name) if axes is several[0][0] else "")
    figure.suptitle(title)
    return figure
