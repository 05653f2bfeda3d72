"""A figure of each group over its share of the training: points with intervals, and a straight line through them."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from facelab.errors import BadParameterError
from facelab.plots.style import COLORS
from facelab.plots.text import literal, literal_label, literal_title

_APART = 0.006  #: sideways, so that the intervals of two groups do not cover each other


def share_trends(panels: Mapping[str, Mapping[str, pd.DataFrame]], ylabel: str, *, one_axis: bool = True) -> Figure:
    """Panels side by side, in each a line a group over its own share of the training.

    Args:
        panels: title -> group -> table with the columns ``share`` and ``value``, 0 to 1 (a difference: -1 to 1); ``low`` and
            ``high`` are drawn as an interval, ``line`` as a line, where they are there.
        ylabel: what the values are; they are shown as per cent.
        one_axis: the panels have one vertical axis; not where a rate is much smaller than its neighbour.

    Raises:
        BadParameterError: no panel, or one without a group.
    """
    if not panels or not all(panels.values()):
        raise BadParameterError("There is nothing to draw.", "Give each panel a group or more.")
    width = max(7.5, 3.7 * len(panels))
    figure, several = plt.subplots(1, len(panels), figsize=(width, 3.4), sharey=one_axis, squeeze=False)
    names = list(dict.fromkeys(name for groups in panels.values() for name in groups))
    colour = dict(zip(names, COLORS * (1 + len(names) // len(COLORS)), strict=False))
    for axes, (title, groups) in zip(several[0], panels.items(), strict=True):
        for number, (name, table) in enumerate(groups.items()):
            x = 100 * (table["share"] + _APART * (number - (len(groups) - 1) / 2))
            if "line" in table:
                axes.plot(100 * table["share"], 100 * table["line"], color=colour[name], linewidth=1)
            if "low" in table:
                axes.vlines(x, 100 * table["low"], 100 * table["high"], color=colour[name], linewidth=1.5)
            axes.plot(x, 100 * table["value"], "o", markersize=4, color=colour[name], label=literal_label(name))
        axes.set(title=literal(title))
        axes.set_xlabel("share of the group in training, per cent", fontsize="small")
        axes.legend(fontsize=8)
    several[0][0].set(ylabel=literal_title(f"{ylabel}, per cent"))
    return figure
