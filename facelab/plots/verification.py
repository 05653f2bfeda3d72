"""What the scores of pairs look like: error curves and distributions."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from facelab.plots.style import COLORS
from facelab.plots.text import literal_label, literal_title


def det_curves(rates: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str = "") -> Figure:
    """False match against false non-match rate on logarithmic axes, with the line of equal error rates.

    Args:
        rates: name -> (FMR, FNMR), arrays of one length.
        title: title.
    """
    figure, axes = plt.subplots(figsize=(5.2, 4.2))
    lowest = 1e-2  # of the axis, or what a curve reaches where hardly anybody else is accepted
    for name, (fmr, fnmr) in rates.items():
        axes.plot(fmr, fnmr, label=literal_label(name))
        strict = (np.asarray(fmr) <= 1e-2) & (np.asarray(fnmr) > 0)  # a logarithm has no 0
        lowest = np.min(fnmr, where=strict, initial=lowest)
    axes.plot([1e-3, 1], [1e-3, 1], color="grey", linewidth=1, linestyle=":", label="equal error rate")
    axes.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(lowest, 1), title=literal_title(title))
    axes.set(xlabel="false match rate (other people accepted)", ylabel="false non-match rate (same person refused)")
    axes.legend(loc="lower left")
    return figure


def score_histograms(
    genuine: np.ndarray, impostor: np.ndarray, threshold: float | None = None, title: str = ""
) -> Figure:
    """Distributions of the scores of pairs of one person and of two people."""
    figure, axes = plt.subplots()
    low, high = min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max())
    if high - low < 1e-3:  # a network that has collapsed: all stand in the middle
        low, high = low - 0.5, high + 0.5
    bins = np.linspace(low, high, 61)
    for scores, name, colour in ((impostor, "two people", COLORS[1]), (genuine, "one person", COLORS[0])):
        axes.hist(scores, bins=bins, density=True, alpha=0.6, label=f"{name} (n = {len(scores)})", color=colour)
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.2f}")
    axes.set(xlabel="cosine similarity", ylabel="density", title=literal_title(title))
    axes.legend()
    return figure
