"""Charts of numbers: curves, intervals, matrices. Each returns the matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from facelab.plots.style import COLORS
from facelab.plots.text import literal, literal_label, literal_title


def curves(series: Mapping[str, Sequence[float]], xlabel: str, ylabel: str, title: str = "") -> Figure:
    """Lines over the steps or epochs 1, 2, ...; NaN leaves a gap."""
    figure, axes = plt.subplots()
    for name, values in series.items():
        axes.plot(range(1, len(values) + 1), values, label=literal_label(name))
    axes.set(xlabel=literal_title(xlabel), ylabel=literal_title(ylabel), title=literal_title(title))
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
    colours = {name: COLORS[at % len(COLORS)] for at, name in enumerate(dict.fromkeys(name for _, name in names))}
    for row, (group, name) in enumerate(names):
        estimate = groups[group][name]
        value, low, high = (scale * float(getattr(estimate, side)) for side in ("value", "low", "high"))
        axes.plot([low, high], [row, row], color=colours[name], linewidth=2.5)
        axes.plot(value, row, "o", color=colours[name])
    if chance is not None:
        axes.axvline(scale * chance, color="grey", linestyle=":", label="chance")
    labels = [literal(name if len(groups) == 1 else f"{group}: {name}") for group, name in names]
    axes.set_yticks(range(len(names)), labels)
    axes.set(xlabel=literal_title(xlabel), title=literal_title(title), ylim=(len(names) - 0.5, -0.5))
    return figure


def interval_panels(panels: Mapping[str, Mapping[str, object]], title: str = "") -> Figure:
    """Points with their 95 % intervals, one row a name and one panel a figure: who is ahead at what.

    Args:
        panels: figure -> name -> estimate (``value``, ``low``, ``high``), rates of 0 to 1; a name may be missing in a panel.
        title: of all.
    """
    names = list(dict.fromkeys(name for row in panels.values() for name in row))
    figure, several = plt.subplots(
        1, len(panels), figsize=(3.6 * len(panels), 1.1 + 0.24 * len(names)), sharey=True, squeeze=False
    )
    for axes, (what, row) in zip(several[0], panels.items(), strict=True):
        for name, estimate in row.items():
            value, low, high = (100 * float(getattr(estimate, side)) for side in ("value", "low", "high"))
            colour = COLORS[names.index(name) % len(COLORS)]
            axes.plot([low, high], [names.index(name)] * 2, color=colour, linewidth=2.5)
            axes.plot(value, names.index(name), "o", color=colour)
        axes.set(title=literal(what), xlabel="per cent", ylim=(len(names) - 0.5, -0.5))
    several[0][0].set_yticks(range(len(names)), [literal(name) for name in names])
    figure.suptitle(literal_title(title))
    return figure


def confusion_matrix(matrix: np.ndarray, title: str = "", names: Sequence[str] | None = None) -> Figure:
    """A confusion matrix, true class in rows, each row in shares of its images.

    Args:
        matrix: counts or shares (classes, classes).
        title: title.
        names: of the classes; with them the shares are written into the squares, as per cent.
    """
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1e-12)
    figure, axes = plt.subplots(figsize=(5, 4.2))
    percent = {}
    if names is not None:
        labels = [literal_label(name) for name in names]
        percent = {"annot": 100 * share, "fmt": ".0f", "xticklabels": labels, "yticklabels": labels}
    bar = {"label": "share of the row"}
    sns.heatmap(share, vmin=0, vmax=1, cmap="viridis", square=True, ax=axes, cbar_kws=bar, **percent)
    axes.set(xlabel="predicted", ylabel="true", title=literal_title(title))
    return figure


def rate_grids(grids: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """Heat maps side by side of rates (0 to 1) over two parameters, written as per cent.

    Args:
        grids: title of a map -> table whose index and columns are the values of the two parameters, named.
        title: title of all.
    """
    figure, several = plt.subplots(1, len(grids), figsize=(2.6 * len(grids) + 0.6, 2.9), sharey=True, squeeze=False)
    for axes, (name, grid) in zip(several[0], grids.items(), strict=True):
        sns.heatmap(100 * grid, vmin=0, vmax=100, annot=True, fmt=".0f", cmap="viridis", cbar=False, ax=axes)
        axes.set(title=literal(name), ylabel=str(grid.index.name) if axes is several[0][0] else "")
    figure.suptitle(literal_title(title))
    return figure


def silhouette_curve(ks: Sequence[int], scores: Sequence[float], chosen_k: int, true_k: int, title: str = "") -> Figure:
    """Mean silhouette over the number of clusters, with the number that was chosen and the true one.

    Args:
        ks: numbers of clusters.
        scores: silhouette of each, -1 to 1 (Rousseeuw, J. Comput. Appl. Math. 20, 1987).
        chosen_k: the number that the scores led to.
        true_k: how many people there are.
        title: title.
    """
    figure, axes = plt.subplots()
    axes.plot(ks, scores, "o-", color=COLORS[0], markersize=4)
    axes.axvline(chosen_k, color=COLORS[1], label=f"chosen: {chosen_k}")
    axes.axvline(true_k, color="black", linestyle="--", label=f"people: {true_k}")
    axes.set(xlabel="number of clusters", ylabel="mean silhouette", title=literal_title(title))
    axes.legend()
    return figure
