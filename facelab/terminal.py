"""Text for a terminal: names that others chose are shown letter by letter, and one thing is one line."""

from __future__ import annotations

import io
import sys
import unicodedata

from rich.console import Console
from rich.text import Text

# Unicode's categories of what is no letter: control and format characters, lone surrogates, separators of lines
_CONTROLS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # format characters, but Persian, Hindi and emoji are spelled with them


def printable(text: str) -> str:
    r"""The text with every control character escaped: line ends, tabs, escape sequences, bytes that are no UTF-8, bidi marks.

    Example:
        >>> printable("a name\nin two lines")
        'a name\\nin two lines'
    """
    return "".join(_escaped(char) if unicodedata.category(char) in _CONTROLS else char for char in text)


def _escaped(char: str) -> str:
    return char if char in _JOINERS else char.encode("unicode_escape").decode("ascii")


def escape_what_cannot_be_encoded() -> None:
    """Let stdout and stderr write ``\\u5f20`` for a letter that their encoding lacks (cp1252, ASCII), instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook's stream writes every letter, and a StringIO too
            stream.reconfigure(errors="backslashreplace")


class LiteralConsole(Console):
    """A console of rich to which text is text: nothing in it is markup, an emoji's name or a control character.

    Each string is one line, which is neither broken nor cut: a terminal folds what is longer than itself, and a file name can
    be copied from there as from a pipe. Where bold is wanted, give ``style="bold"``.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: object) -> Text:
        """As rich's, of escaped text; what a single call asks of markup, emoji or highlighting is not heard."""
        return super().render_str(printable(text), **options | {"markup": False, "emoji": False, "highlight": False})
