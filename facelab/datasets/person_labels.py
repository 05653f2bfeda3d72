"""Which of the labels of a packed data set says the person, by the names that people give them; and its values as text."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Sequence

from facelab.datasets.trees import is_text

#: Names that a person's label usually has, those that leave least doubt first.
_USUAL_NAMES = (
    [
        f"{word}{end}"
        for word in ("identity", "person", "subject", "celebrity", "celeb")
        for end in ("", "_id", "_name", "_label")
    ],
    ["label", "labels", "class", "cls", "class_id", "class_name", "target"],
    ["name", "id"],
)
_MOST_CHARACTERS = 1000

#: In a message: the names that are looked for.
USUAL_NAMES_IN_WORDS = "identity, person, subject, celebrity, label, class, target, name or id"


def usual_label(names: Iterable[str]) -> list[str]:
    """The names, of those that there are, that say the person with least doubt: one where it is clear, none, or several."""
    names = list(names)
    for usual in _USUAL_NAMES:
        found = [name for name in names if name.casefold().replace(" ", "_").replace("-", "_") in usual]
        if found:
            return found
    return []


@functools.lru_cache(1000)
def is_usual_label(name: str) -> bool:
    """Whether a person's label may be called so."""
    return bool(usual_label([name]))


def label_text(value: object, names: Sequence[str] | None = None) -> str:
    """A person's name of the value of a label; empty where it says that the person is not known.

    Args:
        value: text, a whole number, or None; Unicode NFC, as names of folders are read.
        names: of a ClassLabel: its number is the place in them, and -1 stands for no class.

    Raises:
        ValueError: it is something else; says what, as the end of "Its label ...".
    """
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        if names is None:
            return str(value)
        if value == -1:
            return ""
        if not 0 <= value < len(names):
            raise ValueError(f"is {value}, and its classes are numbered 0 to {len(names) - 1}")
        value = names[value]
    if not isinstance(value, str):
        raise ValueError(f"is a {type(value).__name__}, and neither text nor a whole number")
    if not is_text(value) or "\0" in value:
        raise ValueError("is not text (UTF-8)")
    if len(value) > _MOST_CHARACTERS:
        raise ValueError(f"is {len(value):,} characters long, as nobody's name is")
    return unicodedata.normalize("NFC", value.strip())
