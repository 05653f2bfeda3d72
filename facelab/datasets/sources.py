"""What a data set is: its facts and terms, where it lies, and how it becomes a FaceSet. One file a source registers one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.decode import Frame, centre_square
from facelab.errors import BadParameterError


@dataclass(frozen=True)
class Source:
    """A data set that ``datasets.load`` knows by name.

    Attributes:
        name: how it is asked for.
        title: its full name.
        facts: people and images as published, in words.
        licence: licence and terms of use, in words.
        obtain: how to get it, and into which folder.
        layout: what lies in that folder.
        citation: what to cite.
        locate: the folder where it lies, or None where it is not on this machine.
        index: table of the photographs found in the folder: ``file``, ``identity`` (name of the person, empty where not
            known), and one column for each attribute. Reads no pixels.
        read: yields (row number of the index, file, encoded bytes) for the rows of an index, in whatever order is fast.
        render: instead of ``read``, for a set that is made and not decoded: yields (row, file, uint8 (size, size, C)).
        channels: 1 grey, 3 RGB.
        frame: cuts the square that is kept of a decoded photograph.
        version: raised when a change here changes the pixels or the table, so that caches are made anew.
        fetch: downloads it, where its terms and the network allow; None where a person must ask for it.
    """

    name: str
    title: str
    facts: str
    licence: str
    obtain: str
    layout: str
    citation: str
    locate: Callable[[], Path | None]
    index: Callable[[Path], pd.DataFrame]
    read: Callable[[Path, pd.DataFrame], Iterator[tuple[int, str, bytes]]] | None = None
    render: Callable[[Path, pd.DataFrame, int], Iterator[tuple[int, str, np.ndarray]]] | None = None
    channels: int = 3
    frame: Frame = centre_square
    version: int = 1
    fetch: Callable[[], Path] | None = None


_SOURCES: dict[str, Source] = {}


def register(source: Source) -> Source:
    """Make a source known by its name, and hand it back."""
    _SOURCES[source.name] = source
    return source


def get_source(name: str) -> Source:
    """The source called ``name``.

    Raises:
        BadParameterError: no source has that name; the message lists those that there are.
    """
    if name not in _SOURCES:
        raise BadParameterError(f"No data set is called {name!r}.", f"There are: {', '.join(sorted(_SOURCES))}.")
    return _SOURCES[name]


def all_sources() -> list[Source]:
    """Every registered source, by name."""
    return [_SOURCES[name] for name in sorted(_SOURCES)]


def read_files(root: Path, index: pd.DataFrame) -> Iterator[tuple[int, str, bytes]]:
    """The ``read`` of a source whose photographs are files below a folder."""
    for row, name in enumerate(index["file"]):
        yield row, name, (root / name).read_bytes()
