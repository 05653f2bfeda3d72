"""Names of accounts: how one is written, and when two are the same.

After Unicode's security profiles (UTS 39), as far as Python's data reach: one script a name, nothing that cannot be seen, and
two names are one where their skeletons are. Look-alikes within one alphabet (l and 1) stay two.
"""

from __future__ import annotations

import unicodedata

from facelab.webapp.problems import Problem

MAX_LENGTH = 64
#: Drawn as nothing, though neither controls nor unassigned: "default ignorable" in Unicode, and an empty Braille cell.
_UNSEEN = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)} | {
    *range(0xE0100, 0xE01F0)
}
#: Scripts that are written together; any other name keeps to one.
_WRITTEN_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "HANGUL"},
    {"LATIN", "CJK", "BOPOMOFO"},
)
#: Cyrillic, then Greek letters, as they remain after case folding, and the Latin ones that they or their capitals look like.
_LOOK_ALIKES = str.maketrans("авекмнорстухіјѕԁԛԝһӏαβεζηικμνορτυχı", "abekmhopctyxijsdqwhlabezhikmnoptyxi")


def display_name(name: str) -> str:
    """A name as it is shown: Unicode NFKC, single spaces.

    Raises:
        Problem: ``bad_name``: empty, longer than 64 characters, with a character that cannot be seen, or with letters of
            scripts that are not written together, such as a Cyrillic A in a Latin name.
    """
    shown = " ".join(unicodedata.normalize("NFKC", name).split())
    if not 0 < len(shown) <= MAX_LENGTH or any(_is_unseen(letter) for letter in shown):
        raise Problem("bad_name")
    scripts = {_script(letter) for letter in shown if unicodedata.category(letter).startswith("L")} - {"MODIFIER"}
    if len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER):
        raise Problem("bad_name")
    return shown


def comparison_key(name: str) -> str:
    """What names share that people take for one: case, compatible characters and look-alike alphabets do not matter.

    Errors as ``display_name``.
    """
    folded = unicodedata.normalize("NFKC", display_name(name).casefold())
    return unicodedata.normalize("NFKC", folded.translate(_LOOK_ALIKES))


def _is_unseen(letter: str) -> bool:
    # C: control characters, marks of direction, lone surrogates and places without a character
    return unicodedata.category(letter).startswith("C") or ord(letter) in _UNSEEN


def _script(letter: str) -> str:
    """The first word of a letter's name in Unicode, which is its script; MODIFIER for signs of all scripts, as in Hawai'i."""
    word = unicodedata.name(letter, "").replace("-", " ").partition(" ")[0]
    return "CJK" if word == "IDEOGRAPHIC" else word
