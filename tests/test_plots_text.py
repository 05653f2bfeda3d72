"""Names in figures: every letter is drawn as it is, whatever it means to matplotlib, and in a font that has it."""

from __future__ import annotations

import unicodedata
import warnings
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.cbook import is_math_text
from matplotlib.text import Text

from facelab import plots
from facelab.evaluation import wilson
from facelab.plots import text
from facelab.plots.text import literal, literal_title

NAMES = ["my $x_{1 faces$", "A$AP & $hort", "_hidden", "two\nlines\t", "caf\udce9", "back\\slash \\$1", "$", "{x}^2 %s"]
SHOWN = [
    "my $x_{1 faces$",
    "A$AP & $hort",
    "_hidden",
    "two\\nlines\\t",
    "caf\\udce9",
    "back\\slash \\$1",
    "$",
    "{x}^2 %s",
]


@pytest.fixture(autouse=True)
def _own_style():
    with plt.rc_context(), warnings.catch_warnings():
        plots.use_course_style()
        yield
    plt.close("all")


def drawn(figure) -> list[str]:
    """The texts of a figure as matplotlib draws them; it must be able to."""
    figure.canvas.draw()
    texts = [found.get_text() for found in figure.findobj(Text) if found.get_visible()]
    # a tick's 10^-1 is mathematics of matplotlib's own
    return [found.replace(r"\$", "$").strip() for found in texts if not is_math_text(found)]


def plane(count: int) -> plots.MarginGeometry:
    rng = np.random.default_rng(0)
    return plots.MarginGeometry(rng.normal(size=(40, 2)), np.arange(40) % count, rng.normal(size=(count, 2)), ())


ROW = wilson(3, 10)
RATES = np.linspace(0.01, 1, 20)
GRID = pd.DataFrame(np.eye(2), index=pd.Index([1, 2], name="a"), columns=pd.Index([1, 2], name="b"))
SHARES = pd.DataFrame({"share": [0.1, 0.5], "value": [0.2, 0.4]})
FIGURES = {
    "curves": lambda names: plots.curves({name: [1, 2] for name in names}, names[0], names[1], names[2]),
    "intervals": lambda names: plots.intervals({"": {name: ROW for name in names}}, names[0], names[1]),
    "groups": lambda names: plots.intervals({name: {"": ROW} for name in names}, "x"),
    "panels": lambda names: plots.interval_panels({name: {name: ROW} for name in names}, names[0]),
    "confusion": lambda names: plots.confusion_matrix(np.eye(len(names)), names[0], names),
    "rate_grids": lambda names: plots.rate_grids({name: GRID for name in names}, names[0]),
    "silhouette": lambda names: plots.silhouette_curve([2, 3], [0.1, 0.2], 2, 3, names[0]),
    "map": lambda names: plots.embedding_map(np.eye(len(names), 2), {name: names for name in names[:2]}, names[0]),
    "shares": lambda names: plots.share_trends({name: {name: SHARES} for name in names}, names[0]),
    "det": lambda names: plots.det_curves({name: (RATES, 1 - RATES) for name in names}, names[0]),
    "histograms": lambda names: plots.score_histograms(RATES, RATES, None, names[0]),
    "targets": lambda names: plots.target_curves({name: partial(torch.mul, other=1) for name in names}),
    "plane": lambda names: plots.embedding_plane({name: plane(3) for name in names}),
    "circle": lambda names: plots.direction_circle({name: plane(3) for name in names}),
    "norms": lambda names: plots.norms_and_angles({name: plane(3) for name in names[:7]}),
}
ONLY_A_TITLE = ("silhouette", "histograms")


@pytest.mark.parametrize("kind", FIGURES)
def test_a_name_is_drawn_letter_by_letter(kind):
    for start in (0, 4):  # a map names seven people at most
        names, shown = NAMES[start:][:4], SHOWN[start:][:4]
        if kind in ONLY_A_TITLE:
            names, shown = names[:1], shown[:1]
        texts = "\n".join(drawn(FIGURES[kind](names)))
        assert [name for name in shown if name not in texts] == []


def test_the_letters_are_those_that_matplotlib_draws_without_mathematics():
    pictures = []
    for options in ({"s": literal("A$AP & $hort")}, {"s": "A$AP & $hort", "parse_math": False}):
        figure = plt.figure()
        figure.text(0.1, 0.5, **options)
        figure.canvas.draw()
        pictures.append(np.asarray(figure.canvas.buffer_rgba()))
    np.testing.assert_array_equal(*pictures)


def test_mathematics_of_ones_own_is_still_mathematics():
    figure = plots.det_curves({"$": (RATES, 1 - RATES)})
    figure.axes[0].set_title(r"$\lambda$")
    figure.canvas.draw()
    assert is_math_text(figure.axes[0].get_title())
    assert any(is_math_text(label.get_text()) for label in figure.axes[0].get_xticklabels())


@pytest.mark.parametrize("middle", ["long/", "张伟"])
@pytest.mark.parametrize("kind", FIGURES)
def test_a_very_long_name_leaves_room_for_the_data(kind, middle):
    name = "folder:/" + middle * 100 + "$end"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where a layout has no room
        # an old matplotlib calls pyparsing by old names
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(matplotlib|pyparsing)\.")
        warnings.simplefilter("ignore", text.MissingFontWarning)
        warnings.filterwarnings("ignore", r"Glyph \d+")
        figure = FIGURES[kind]([name, f"{name} 2", f"{name} 3"])
        figure.canvas.draw()
    if kind not in ("panels", "rate_grids", "shares", "plane", "circle"):  # whose titles stand on each other
        left, right = figure.axes[0].get_position().intervalx
        assert (right - left) * figure.get_figwidth() > 0.3  # inches
    found = [line for line in drawn(figure) if line.startswith("folder:/")]
    assert found and all(len(line) <= text.LONGEST_TITLE + 25 and "$en" in line and "…" in line for line in found)


def test_usual_names_are_left_alone():
    for name in ("Luis_Ernesto_Derbez_Bautista", "orl-wild: one network, one budget", "張偉", "Zoë (2)", "10 %"):
        assert literal(name) == literal_title(name) == name
    assert literal(7) == "7"


# fonts


def letter_of_another_font() -> str:
    """One that STIX has, which matplotlib brings, and the fonts of the style have not."""
    others = text._letters(("STIXGeneral",)) - text._letters(tuple(plt.rcParams["font.family"]))
    return min(letter for letter in others if unicodedata.category(letter)[0] in "LS")


def test_fonts_fall_back_letter_by_letter_where_the_system_has_one(monkeypatch):
    letter = letter_of_another_font()
    monkeypatch.setattr(text, "FALLBACK_FONTS", ("No Such Font", *text.FALLBACK_FONTS, "STIXGeneral"))
    plots.use_course_style()
    assert "STIXGeneral" in plt.rcParams["font.family"] and "No Such Font" not in plt.rcParams["font.family"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a letter that it has not
        plots.curves({"a": [1]}, f"x {letter}", "y", letter).canvas.draw()
    assert text.font_file(letter) == text._path("STIXGeneral")


def test_a_letter_that_no_font_has_is_said_once_and_not_by_every_figure(monkeypatch):
    letter = letter_of_another_font()
    text._hint_at_fonts.cache_clear()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        plots.use_course_style()
        for _ in range(3):
            plots.curves({f"{letter}{number}": [1] for number in range(4)}, letter, "y", letter).canvas.draw()
    (hint,) = heard
    assert hint.category is text.MissingFontWarning and "fonts-noto-cjk" in str(hint.message)


def test_joiners_and_accents_are_no_missing_letters(recwarn):
    text._hint_at_fonts.cache_clear()
    literal("e\u0301 \u200d\ufe0f")
    assert not recwarn


def test_a_figure_without_the_style_draws_names_too():
    plt.rcdefaults()
    assert "A$AP" in "".join(drawn(plots.intervals({"": {"A$AP & $x_{": ROW}}, "x")))


# faces


def test_a_title_below_a_face_is_written_in_any_letters():
    images = np.full((3, 40, 40, 1), 90, np.uint8)
    sheet = plots.face_sheet(images, columns=3, titles=["ab", "Жü", "a\udce9\n"])
    for left in (0, 42, 84):
        below = sheet[42:55, left : left + 42]
        assert below.min() < 128  # something is written
    question_marks = plots.face_sheet(images, columns=3, titles=["ab", "??", "a"])
    assert (sheet[42:55, 42:84] != question_marks[42:55, 42:84]).any()
