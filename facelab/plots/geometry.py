"""The geometry of margin losses: what happens to the target's cosine, and where embeddings and classes lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from facelab.errors import BadParameterError
from facelab.plots.style import COLORS
from facelab.plots.text import literal

_PEOPLE = plt.get_cmap("tab10").colors  # more than the seven of the course


@dataclass(frozen=True)
class MarginGeometry:
    """Embeddings and the directions of their classes.

    Attributes:
        points: float (N, D), not normalised; D = 2 where they are drawn as points.
        person: int (N,), 0 ... C-1, the row of ``directions``.
        directions: float (C, D), the weight of each class, of any norm.
        names: of the C classes.
    """

    points: np.ndarray
    person: np.ndarray
    directions: np.ndarray
    names: tuple[str, ...]

    def angles(self) -> np.ndarray:
        """Of each embedding to each class, in degrees 0 to 180: (N, C)."""
        x, w = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (self.points, self.directions))
        return np.degrees(np.arccos((x @ w.T).clip(-1, 1)))

    def own_and_nearest_angles(self) -> tuple[np.ndarray, np.ndarray]:
        """Angles of each embedding to its own class and to the nearest other, in degrees: (N,) each."""
        angles, own = self.angles(), np.eye(len(self.directions), dtype=bool)[self.person]
        return angles[own], np.where(own, np.inf, angles).min(axis=1)


def target_curves(margin_functions: Mapping[str, Callable[[Tensor], Tensor]], gradient: bool = True) -> Figure:
    """What each loss makes of the target's cosine, over the angle; and how steep that is, by autograd.

    Args:
        margin_functions: name -> f of cosines (N, 1): ``{"ArcFace": partial(arc_face, margin=0.5)}``.
        gradient: a second panel with the slope df / dtheta, per radian: what pulls at an embedding of that angle.
    """
    theta = torch.linspace(1e-3, math.pi - 1e-3, 721, dtype=torch.float64, requires_grad=True)
    degrees = theta.detach().rad2deg().numpy()
    figure, several = plt.subplots(1, 2 if gradient else 1, figsize=(7.5, 3.2), squeeze=False)
    for number, (name, margin_function) in enumerate(margin_functions.items()):
        width = max(4 - number, 1.3)  # curves that lie on each other are all seen
        value = margin_function(theta.cos()[:, None])[:, 0]
        (slope,) = torch.autograd.grad(value.sum(), theta)
        for axes, heights in zip(several[0], (value.detach(), slope), strict=False):
            axes.plot(
                degrees, heights.numpy(), color=COLORS[number % len(COLORS)], linewidth=width, label=literal(name)
            )
    labels = ("target's score / s", "slope, per radian")
    for axes, label in zip(several[0], labels, strict=False):
        axes.set(xlabel="angle to the own class (degrees)", ylabel=label, xlim=(0, 180), xticks=range(0, 181, 45))
    figure.legend(*several[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    return figure


def embedding_plane(panels: Mapping[str, MarginGeometry]) -> Figure:
    """Embeddings of two dimensions: colour is the person, a ray the direction of a class, the circle the mean norm.

    Args:
        panels: loss -> embeddings (N, 2), ten people at most; from ``experiments.analysis.margin_geometry.train_plane``.

    Raises:
        BadParameterError: the embeddings have not two dimensions, or more than ten classes.
    """
    figure, several = _panels(panels)
    for axes, (name, panel) in zip(several, panels.items(), strict=True):
        reach, mean = (function(np.linalg.norm(panel.points, axis=1)) for function in (np.max, np.mean))
        for number, (x, y) in enumerate(_unit(panel.directions)):
            axes.plot([0, reach * x], [0, reach * y], color=_PEOPLE[number], linewidth=1)
            axes.scatter(*panel.points[panel.person == number].T, s=6, color=_PEOPLE[number], linewidths=0, alpha=0.7)
        axes.add_patch(plt.Circle((0, 0), mean, fill=False, color="grey", linewidth=0.8, linestyle="--"))
        axes.set_title(f"{literal(name)}\nmean norm {mean:.1f}", fontsize="small")
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    return figure


def direction_circle(panels: Mapping[str, MarginGeometry], bins: int = 72) -> Figure:
    """Directions alone: how many embeddings of each person point where, outwards from the unit circle; margins are gaps.

    The title says how many embeddings point nearest to their own class. Rays are the directions of the classes, dotted
    lines the angle half-way between neighbours: where a loss of cosines decides without a margin. A softmax with biases and
    weights of unlike norm decides elsewhere.

    Args:
        panels: loss -> embeddings (N, 2), ten people at most.
        bins: of the whole circle.

    Raises:
        BadParameterError: as ``embedding_plane``.
    """
    figure, several = _panels(panels)
    edges = np.linspace(-np.pi, np.pi, bins + 1)
    for axes, (name, panel) in zip(several, panels.items(), strict=True):
        axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="black", linewidth=0.8))
        angles = np.arctan2(panel.points[:, 1], panel.points[:, 0])
        counts = [np.histogram(angles[panel.person == number], edges)[0] for number in range(len(panel.directions))]
        heights, inner = np.array(counts) / max(np.max(np.sum(counts, axis=0)), 1), np.ones(bins)
        for number, height in enumerate(heights):
            _ring(axes, edges, inner, inner + height, _PEOPLE[number])
            inner = inner + height
            axes.plot(*np.outer(_unit(panel.directions)[number], [0, 1]), color=_PEOPLE[number], linewidth=1)
        for angle in _between(panel.directions):
            axes.plot(*np.outer([np.cos(angle), np.sin(angle)], [0, 2]), color="grey", linewidth=0.8, linestyle=":")
        own, other = panel.own_and_nearest_angles()
        axes.set_title(f"{literal(name)}\n{100 * np.mean(own < other):.0f} % right", fontsize="small")
        axes.set(xlim=(-2, 2), ylim=(-2, 2))
    return figure


def norms_and_angles(panels: Mapping[str, MarginGeometry]) -> Figure:
    """Two panels: norms of the embeddings, and their angle to the own class (filled) and to the nearest other (line).

    Args:
        panels: loss -> embeddings (N, D), any D; seven losses at most, and two or three are legible.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2))
    norms = {name: np.linalg.norm(panel.points, axis=1) for name, panel in panels.items()}
    angles = {name: panel.own_and_nearest_angles() for name, panel in panels.items()}
    everything = np.concatenate(list(norms.values()))
    bins = np.geomspace(max(everything.min(), 1e-3), everything.max() * 1.001, 41)  # one loss has ten times another's
    degrees = np.linspace(0, max(np.max(both) for both in angles.values()), 61)
    filled, line = {"histtype": "stepfilled", "alpha": 0.35}, {"histtype": "step", "linewidth": 1.5}
    for (name, (own, other)), colour in zip(angles.items(), COLORS, strict=False):
        left.hist(norms[name], bins=bins, color=colour, label=literal(name), **filled)
        right.hist(own, bins=degrees, color=colour, **filled)
        right.hist(other, bins=degrees, color=colour, **line)
    left.set(xlabel="norm of the embedding", ylabel="photographs", xscale="log")
    right.set(xlabel="degrees to the own class (filled)\nand to the nearest other (line)")
    figure.legend(loc="outside lower center", ncols=4, fontsize="small")
    return figure


def _panels(panels: Mapping[str, MarginGeometry]) -> tuple[Figure, list[Axes]]:
    """A square for each, four a row, without axes."""
    for name, panel in panels.items():
        if panel.points.shape[1] != 2 or len(panel.directions) > len(_PEOPLE):
            raise BadParameterError(
                f"{name}: embeddings {panel.points.shape}, {len(panel.directions)} classes.",
                "Only two dimensions and ten classes can be drawn.",
            )
    columns = min(4, len(panels))
    rows, side = math.ceil(len(panels) / columns), min(6.8 / columns, 3.5)
    figure, several = plt.subplots(rows, columns, figsize=(side * columns, (side + 0.45) * rows), squeeze=False)
    for axes in several.flat:
        axes.set_axis_off()
        axes.set_aspect("equal", adjustable="box")
    return figure, list(several.flat)[: len(panels)]


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _between(directions: np.ndarray) -> np.ndarray:
    """The angles half-way between neighbouring directions (C, 2), in radians: (C,)."""
    angles = np.sort(np.arctan2(directions[:, 1], directions[:, 0]))
    return angles + np.diff(angles, append=angles[0] + 2 * np.pi) / 2


def _ring(axes: Axes, edges: np.ndarray, inner: np.ndarray, outer: np.ndarray, colour: tuple) -> None:
    """The bars of a histogram that stands on a circle."""
    for start, end, low, high in zip(edges[:-1], edges[1:], inner, outer, strict=True):
        if high > low:
            turn = np.array([start, end, end, start])
            radius = np.array([low, low, high, high])
            axes.fill(radius * np.cos(turn), radius * np.sin(turn), color=colour, linewidth=0)
