"""Lines that one may publish: without what names files of a machine, and perhaps people."""

from __future__ import annotations

import shlex
from dataclasses import replace

from facelab.backbones import PUBLISHED_WEIGHTS
from facelab.records import Record


def without_paths(command: str) -> str:
    """A command line as one may publish it: what names files of a machine, and perhaps people, is ``PATH``."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    return shlex.join(_publishable(word, before) for before, word in zip(["", *words], words, strict=False))


def _publishable(word: str, before: str) -> str:
    """A word of a command line by itself and the word before it: ``--weights anna.pt``, ``-p weights=anna.pt``."""
    name, equals, value = word.partition("=")
    if before == "--weights":
        return published_weights(word)
    if equals and name in ("--weights", "weights"):
        return f"{name}={published_weights(value)}"
    return without_path(word)


def published_weights(weights: str) -> str:
    """The name of first weights, ``PATH`` in place of a file, whose name alone may be that of a person."""
    return weights if weights in PUBLISHED_WEIGHTS or not weights else "PATH"


def without_path(word: str) -> str:
    """A word of a command line, ``PATH`` in place of a path: ``folder:/home/anna`` is ``folder:PATH``."""
    family, colon, _ = word.partition(":")
    if colon and "/" not in family:
        return f"{family}:PATH"
    return "PATH" if "/" in word or "\\" in word or word.startswith("~") else word


def without_set_paths(record: Record) -> Record:
    """A record whose metrics name no files of a machine, as those of ``facelab verify``, ``accuracy//home/anna/lfw.bin``, do.

    Names that are alike then are numbered, in the order of the sets in ``data``.
    """
    short = {name: without_path(name) for name in record.data}
    places = {one: [name for name in short if short[name] == one] for one in short.values()}
    shown = {
        name: one if len(places[one]) == 1 else f"{one} {places[one].index(name) + 1}" for name, one in short.items()
    }
    metrics = {}
    for name, metric in record.metrics.items():
        figure, slash, measured_on = name.partition("/")
        metrics[f"{figure}{slash}{shown.get(measured_on, measured_on)}"] = metric
    return replace(record, metrics=metrics)
