"""Names as text of a figure: drawn letter by letter, short enough to fit, in a font that has the letters where there is one."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Set
from functools import cache
from itertools import accumulate

import matplotlib
import matplotlib.pyplot as plt
from matplotlib import font_manager
from rich.cells import cell_len

from facelab.terminal import printable

#: Fonts with the letters that DejaVu Sans, matplotlib's own, has not: of Linux, Windows and macOS. Those that are installed
#: are asked in this order, letter by letter.
FALLBACK_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo",
    "Noto Sans Arabic", "Segoe UI", "Geeza Pro",
    "Noto Sans Devanagari", "Lohit Devanagari", "Nirmala UI", "Kohinoor Devanagari",
    "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai", "Leelawadee UI", "Thonburi",
    "Noto Emoji", "Segoe UI Emoji", "Symbola", "Arial Unicode MS", "Unifont",
)  # fmt: skip

#: Letters of a name, of which a Chinese one counts as two; a longer name is shortened in its middle, or it would leave no room
#: for the data.
LONGEST_NAME = 80
LONGEST_LABEL = 40  #: letters of a name in a legend, or beside a square of a matrix
LONGEST_TITLE = 90  #: letters of a title or of an axis's label


class MissingFontWarning(UserWarning):
    """No font of this machine has the letters of a name: they are drawn as boxes."""


def literal(text: object, longest: int = LONGEST_NAME) -> str:
    r"""Text that comes from data, for any text of a matplotlib figure: ``$`` begins no mathematics, and ``_`` hides no legend.

    Args:
        text: a name, or a title with a name in it; control characters are escaped.
        longest: letters that are drawn at most.

    Example:
        >>> literal("A$AP & $hort")
        'A\\$AP & \\$hort'
    """
    families = tuple(plt.rcParams["font.family"])
    shown = _shorten(printable(str(text)), longest, _letters(families))
    if any(unicodedata.category(letter)[0] in "LNPS" for letter in set(shown) - _letters(families)):
        _hint_at_fonts(families)
    shown = shown.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown  # matplotlib leaves "_x" out of a legend


def literal_label(text: object) -> str:
    """A name as ``literal`` text for a legend inside a figure, or for a row and a column of a matrix."""
    return literal(text, LONGEST_LABEL)


def literal_title(text: object) -> str:
    """A title or an axis's label as ``literal`` text."""
    return literal(text, LONGEST_TITLE)


def installed_fallback_fonts() -> list[str]:
    """The fallback fonts that matplotlib finds on this machine, in the order in which they are asked."""
    installed = set(font_manager.fontManager.get_font_names())
    return [name for name in FALLBACK_FONTS if name in installed]


def font_file(text: str) -> str:
    """The file of the first font that has every letter of a text, else of the first, for what matplotlib does not draw."""
    families = ["sans-serif", *installed_fallback_fonts()]
    fitting = (family for family in families if _letters((family,)).issuperset(text))
    return _path(next(fitting, families[0]))


def _shorten(text: str, longest: int, letters: Set[str]) -> str:
    """The beginning and the end of a text that is too long; a wide letter, and the box of one that no font has, count twice."""
    widths = [2 if letter not in letters or cell_len(letter) == 2 else 1 for letter in text]
    if sum(widths) <= longest:
        return text
    half = (longest - 1) // 2
    first = sum(width <= half for width in accumulate(widths))
    last = sum(width <= half for width in accumulate(reversed(widths)))
    return f"{text[:first]}…{text[len(text) - last :]}"


@cache
def _letters(families: tuple[str, ...]) -> set[str]:
    """Every letter that one of the fonts has."""
    return {chr(code) for family in families for code in font_manager.get_font(_path(family)).get_charmap()}


def _path(family: str) -> str:
    return font_manager.findfont(font_manager.FontProperties(family=[family]))


@cache  # one hint is enough, however many names there are
def _hint_at_fonts(families: tuple[str, ...]) -> None:
    warnings.warn(
        "No font of this machine has all letters of these names: some are drawn as boxes. Install one (Debian and Ubuntu: "
        "fonts-noto-cjk for Chinese, Japanese and Korean, fonts-noto-core for other scripts); matplotlib finds it once "
        f"its list of fonts, fontlist*.json in {matplotlib.get_cachedir()}, is deleted.",
        MissingFontWarning,
        stacklevel=4,
    )
