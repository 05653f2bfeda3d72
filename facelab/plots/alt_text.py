"""What a picture shows, in words: the alternative text of charts and of sheets of faces, for readers who do not see them.

A chart is described from its own titles, axes and legend, and a sheet from what it is made of; ``describe`` and the argument
``alt`` of the sheets put the author's sentence in front: what there is to see. The text is stored beside the picture, in the
output's metadata, where nbconvert, the book and screen readers take it from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

_NAMES = 8  # of a legend, or of an axis, that are read out
_LONGEST_NAMES = 200  # letters of them
_INTERVALS = "points with intervals"
_SYMBOLS = {"leq": "at most", "geq": "at least", "cdot": "times"}


def describe(figure: Figure, sentence: str) -> Figure:
    """Give a chart the author's sentence: what there is to see in it. Titles and axes are read out by themselves.

    Args:
        figure: a chart that is not yet displayed.
        sentence: plain words without markup. No measured number that another seed would change, unless it is computed.

    Returns:
        The same figure.
    """
    figure.set_label(sentence)
    return figure


def chart_alt_text(figure: Figure) -> str:
    """The alternative text of a chart: the author's sentence (``describe``), then its kind, titles, axes and names."""
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.has_data()]
    parts = [_sentence(str(figure.get_label()))]
    title = plain_words(figure.get_suptitle())
    if len(panels) > 1:
        title = f"{len(panels)} panels: {title}" if title else f"{len(panels)} panels"
    parts.append(_sentence(title))
    parts += _merged([_panel(axes, panels[:number]) for number, axes in enumerate(panels)])
    parts.append(_names("Names", [text.get_text() for legend in figure.legends for text in legend.get_texts()]))
    return " ".join(part for part in parts if part)


def sheet_alt_text(count: int, columns: int, titles: Sequence[str] | None = None, sentence: str = "") -> str:
    """The alternative text of a sheet of pictures: the author's sentence, then how many there are and what is written below."""
    rows = -(-count // columns)
    size = "One picture." if count == 1 else f"{count} pictures in a row."
    if rows > 1:
        size = f"{count} pictures in {rows} rows of {columns}."
    return " ".join(filter(None, [_sentence(sentence), size, _names("Below them", titles or ())]))


def plain_words(text: str) -> str:
    r"""Text of a figure as words in a line: without mathematics and line breaks.

    Example:
        >>> plain_words(r"error, $\theta \leq 2^{5}$")
        'error, theta at most 2^5'
    """

    def say(formula: re.Match) -> str:
        words = re.sub(r"\\(?:mathdefault|mathrm|mathbf|mathit|text|operatorname|hat|bar)\s*", "", formula[1])
        words = re.sub(r"\\([A-Za-z]+)", lambda symbol: f" {_SYMBOLS.get(symbol[1], symbol[1])} ", words)
        return re.sub(r"[{}\\]", "", words)

    text = re.sub(r"(?<!\\)\$(.+?)(?<!\\)\$", say, text).replace(r"\$", "$")
    return " ".join(text.split())


def add_alt_text_to_charts() -> None:
    """Have this kernel send every chart with its alternative text; without a kernel nothing happens."""
    shell = get_ipython()
    if shell is None:
        return
    plt.switch_backend(
        matplotlib.get_backend()
    )  # a kernel's own registers how it draws a chart when it is first loaded
    formatter = shell.display_formatter.formatters["image/png"]
    if Figure in formatter and not isinstance(formatter.lookup_by_type(Figure), _WithAltText):
        formatter.for_type(Figure, _WithAltText(formatter.lookup_by_type(Figure)))


class _WithAltText:
    """How a kernel draws a chart, and its alternative text beside it."""

    def __init__(self, draw) -> None:
        self.draw = draw

    def __call__(self, figure: Figure) -> tuple[str, dict[str, object]] | None:
        drawn = self.draw(figure)
        if drawn is None:
            return None
        data, metadata = drawn if isinstance(drawn, tuple) else (drawn, {})
        return data, {**metadata, "alt": chart_alt_text(figure)}


def _panel(axes: Axes, before: Sequence[Axes]) -> tuple[str, str]:
    """The title of a panel, and what is said of its kind, its axes, its names and its extremes; rows that it shares with a
    panel before it are said there."""
    kind = _kind(axes)
    x, y = (plain_words(label) for label in (axes.get_xlabel(), axes.get_ylabel()))
    said = f"{kind} of {y} over {x}" if x and y else f"{kind} of {x or y}" if x or y else kind
    logarithmic = [name for name, scale in (("x", axes.get_xscale()), ("y", axes.get_yscale())) if scale == "log"]
    if logarithmic and axes.axison:
        said += f", logarithmic in {' and '.join(logarithmic)}"
    parts = [_sentence(said)]
    if axes.axison:
        parts.append(_names("Columns", _categories(axes.xaxis)))
        shared = axes.get_shared_y_axes()
        parts.append(
            "" if any(shared.joined(axes, other) for other in before) else _names("Rows", _categories(axes.yaxis))
        )
    if kind == _INTERVALS:
        parts.append(_extremes(axes))
    legend = axes.get_legend()
    parts.append(_names("Names", [text.get_text() for text in legend.get_texts()] if legend else ()))
    return plain_words(axes.get_title()), " ".join(filter(None, parts))


def _kind(axes: Axes) -> str:
    """What a reader would call the panel, from what is drawn in it."""
    lines = [line for line in axes.get_lines() if line.get_transform().contains_branch(axes.transData)]
    if any(isinstance(part, QuadMesh) for part in axes.collections) or (axes.images and axes.axison):
        return "heat map"
    if axes.images:
        return "picture"
    if any(isinstance(part, PathCollection) for part in axes.collections):
        return "scatter plot"
    if axes.containers:
        return "histogram" if _bars_touch(axes.containers[0].patches) else "bar chart"
    if lines and max(len(line.get_xdata()) for line in lines) <= 2 and _categories(axes.yaxis):
        return _INTERVALS
    return "line chart" if lines else "histogram" if axes.patches else "chart"


def _bars_touch(bars: Sequence[Rectangle]) -> bool:
    return len(bars) > 1 and bool(np.isclose(bars[0].get_x() + bars[0].get_width(), bars[1].get_x()))


def _extremes(axes: Axes) -> str:
    """The rows of points with intervals whose points lie farthest to the right and to the left."""
    names = dict(zip(axes.get_yticks(), _categories(axes.yaxis), strict=True))
    points = [line.get_xydata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 1]
    found = [(x, names[y]) for x, y in points if names.get(y) and np.isfinite(x)]
    if len(found) < 2:
        return ""
    (low, last), (high, first) = min(found), max(found)
    return f"Highest: {first}, {high:.3g}; lowest: {last}, {low:.3g}."


def _categories(axis: Axis) -> list[str]:
    """The names at the ticks of an axis, where they are names; numbers are none. Panels that share an axis share them."""
    texts = [plain_words(str(text)) for text in axis.get_major_formatter().format_ticks(axis.get_majorticklocs())]
    return texts if any(re.search(r"[^\W\d_]", text) for text in texts) else []


def _names(role: str, names: Sequence[str]) -> str:
    """``"Rows: a; b and 12 more."``, or nothing."""
    said = list(filter(None, (plain_words(str(name)) for name in names)))
    some = said[:_NAMES]
    while len("; ".join(some)) > _LONGEST_NAMES and len(some) > 1:
        some.pop()
    rest = f" and {len(said) - len(some)} more" if len(said) > len(some) else ""
    return _sentence(f"{role}: {'; '.join(some)}{rest}") if some else ""


def _merged(panels: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence or more for each panel; panels that are alike but for their titles share it."""
    together: dict[str, list[str]] = {}
    for title, said in panels:
        together.setdefault(said, []).append(title)
    named = ((" / ".join(filter(None, titles)), said) for said, titles in together.items())
    return [f"{titles}: {said}" if titles else f"{said[0].upper()}{said[1:]}" for titles, said in named]


def _sentence(text: str) -> str:
    """A text that ends as a sentence does."""
    text = plain_words(text)
    return text if not text or text[-1] in ".!?" else f"{text}."
