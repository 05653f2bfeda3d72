"""What a parameter of a notebook may be: its line in the parameters cell says so, in square brackets before the help.

    temperature: float = 0.1  # [0 < temperature] of the loss
    epochs: int = 0  # [0, 2 ≤ epochs] passes over the photographs; 0: the preset's
    views: str = "supcon"  # [facelab.augment.PRESETS] a name of that registry
    rivals: str = "SimCLR, ArcFace"  # [some of facelab.experiments.comparison.CONTENDERS] names, with commas
    weights: str = ""  # ["", vicreg, a file] nothing, that word, or the path of a file
    embedder: str = "sface"  # [sface, a path] that word, or the path of a file or a folder

Alternatives are separated by commas. It is ≤, since papermill cannot read a line with two equals signs. ``a data set`` is any
name that ``datasets.load`` knows.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

from facelab.datasets.sources import absolute_name, parse_different_names
from facelab.datasets.trees import is_text
from facelab.errors import BadParameterError, nearest_name
from facelab.paths import absolute_path

_DATA_SET, _SOME = "a data set", "some of "
_PATHS = {
    "a file": ("the path of a file that is there", os.path.isfile),
    "a path": ("the path of a file or a folder that is there", os.path.exists),
}
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"(?:(?P<low>{_NUMBER}) (?P<above>[<≤]) )?[a-z_0-9]+(?: (?P<below>[<≤]) (?P<high>{_NUMBER}))?")


def check_allowed(name: str, value: object, allowed: str) -> object:
    """The value, if it is one of those that are allowed.

    Args:
        name: of the parameter.
        value: of the parameter's type.
        allowed: what stands in the brackets; empty: anything.

    Returns:
        The value as the notebook gets it: paths are absolute, since a kernel runs in another folder than the user stands in,
        and several names are written in one way.

    Raises:
        BadParameterError: it is not allowed; the message says what is, and which name is nearest.
    """
    if not allowed:
        return value
    alternatives = [alternative.strip() for alternative in allowed.split(",")]
    names: list[object] = []
    for alternative in alternatives:
        if alternative == _DATA_SET:
            parse_different_names(str(value))  # refuses what is no name
            return absolute_name(str(value))
        if alternative.startswith(_SOME):
            return ", ".join(_some_of(name, str(value), _registry(alternative.removeprefix(_SOME))))
        if _is_range(alternative):
            if _in_range(value, alternative):
                return value
        elif alternative not in _PATHS:
            words = _registry(alternative) if alternative.startswith("facelab.") else [alternative.strip('"')]
            names += [type(value)(word) for word in words]
    if value in names:  # also where a file has that name
        return value
    paths = [_PATHS[alternative] for alternative in alternatives if alternative in _PATHS]
    if value and any(is_there(absolute_path(str(value))) for _, is_there in paths):
        return _text(absolute_path(str(value)))
    choices = [str(word) or '""' for word in names] + [
        word.replace("≤", "<=") for word in alternatives if _is_range(word)
    ]
    choices += [words for words, _ in paths]
    nearest = nearest_name(value, map(str, names)) if isinstance(value, str) else ""
    raise BadParameterError(
        f"{name} is {value!r}.{nearest}",
        f"There are: {', '.join(choices)}." if len(choices) > 1 else f"Give {choices[0]}.",
    )


def _registry(path: str) -> list[str]:
    """The names of a registry of ours, as ``facelab.augment.PRESETS``."""
    module, _, name = path.rpartition(".")
    try:
        return list(getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise BadParameterError(
            f"A parameters cell names {path}, which is not there.", "Mend the line of the cell."
        ) from error


def _text(path: Path) -> str:
    if not is_text(str(path)):
        raise BadParameterError(
            f"The path {ascii(str(path))} is not text (UTF-8).",
            "No record can hold it: rename it, or name a link to it.",
        )
    return str(path)


def _some_of(name: str, value: str, known: list[str]) -> list[str]:
    chosen = [word.strip() for word in value.split(",")]
    for word in chosen:
        if word not in known:
            raise BadParameterError(
                f"{name} has {word!r}.{nearest_name(word, known)}", f"There are: {', '.join(known)}."
            )
        if chosen.count(word) > 1:
            raise BadParameterError(f"{name} has {word!r} twice.", "Name each once.")
    return chosen


def _is_range(alternative: str) -> bool:
    return "<" in alternative or "≤" in alternative


def _in_range(value: object, text: str) -> bool:
    """Whether a number is in a range as ``0 < temperature`` or ``0 ≤ momentum ≤ 1``."""
    ends = _RANGE.fullmatch(text)
    if ends is None:
        raise BadParameterError(f"A parameters cell has {text!r}.", "Write a range as 0 ≤ x < 1.")
    low, high = float(ends["low"] or "-inf"), float(ends["high"] or "inf")
    return (low < value or (ends["above"] == "≤" and low == value)) and (
        value < high or (ends["below"] == "≤" and value == high)
    )
