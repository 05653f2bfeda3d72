"""What a data set is: its facts and terms, where it lies, and how it becomes a FaceSet. One file a source registers one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.decode import Crop, Photograph, center_square, read_photograph
from facelab.datasets.trees import is_text
from facelab.errors import BadImageError, BadParameterError, nearest_name
from facelab.paths import absolute_path, user_path

ALIGNED_FAMILIES = ("bin", "rec")  #: whose photographs are aligned crops by custom: the forms that insightface packs


@dataclass(frozen=True)
class Source:
    """A data set that ``datasets.load`` knows by name.

    Attributes:
        name: how it is asked for.
        title: its full name.
        facts: people and images as published, in words.
        license: licence and terms of use, in words.
        instructions: how to get it by hand, and into which folder.
        layout: what lies in that folder.
        citation: what to cite.
        locate: the folder where it lies, or None where it is not on this machine.
        index: table of the photographs found in the folder: ``file``, ``identity`` (name of the person, empty where not
            known), and one column for each attribute. Reads no pixels. A column ``rejected`` may give the reason why a
            file cannot be used (empty where it can): its row is listed in ``FaceSet.rejected_files`` and not read.
        read: yields (row number of the index, file, photograph) for the rows of an index, in whatever order is fast. The
            photograph is encoded bytes, or pixels (H, W, C) already, or the error that reading it met. Where nothing is
            packed, or it is ``seekable``, it is called for some hundred rows at a time, also in other processes.
        render: instead of ``read``, for a set that is made and not decoded: yields (row, file, uint8 (size, size, C)).
        channels: 1 grey, 3 RGB.
        crop: cuts the square that is kept of a decoded photograph.
        version: raised when a change here changes the pixels or the table, so that caches are made anew.
        fetch: downloads it, where its terms and the network allow; None where a person must ask for it.
        archives: the files that hold the photographs, where these are packed; a change of one makes caches anew.
        seekable: whether ``read`` finds each photograph in them without reading those before it, as where none is packed.
        published_counts: the published counts, ``images`` and ``people``, where they are known.
    """

    name: str
    title: str
    facts: str
    license: str
    instructions: str
    layout: str
    citation: str
    locate: Callable[[], Path | None]
    index: Callable[[Path], pd.DataFrame]
    read: Callable[[Path, pd.DataFrame], Iterator[tuple[int, str, Photograph]]] | None = None
    render: Callable[[Path, pd.DataFrame, int], Iterator[tuple[int, str, np.ndarray]]] | None = None
    channels: int = 3
    crop: Crop = center_square
    version: int = 1
    fetch: Callable[[], Path] | None = None
    archives: Callable[[Path], list[Path]] | None = None
    seekable: bool = False
    published_counts: Mapping[str, int] = field(default_factory=dict)

    def packed_files(self, root: Path) -> list[Path]:
        """Its ``archives`` in a folder; empty where every photograph is a file of its own."""
        return self.archives(root) if self.archives is not None else []

    @property
    def remedy(self) -> str:
        """What to do where it is not on this machine."""
        command = "" if self.fetch is None else f"Run: facelab data fetch {self.name}. Or by hand: "
        return command + self.instructions


def source_by_path(**fields: object) -> Source:
    """The source of what somebody has at a path, of which nothing is known but what is read; ``fields`` as of ``Source``."""
    return Source(facts="Counted when it is read", license="Yours to know", citation="", **fields)


_SOURCES: dict[str, Source] = {}
_FAMILIES: dict[str, Callable[[str], Source]] = {}
_FORMS: dict[str, str] = {}  # of the families


def register(source: Source) -> Source:
    """Make a source known by its name, and hand it back."""
    _SOURCES[source.name] = source
    return source


def register_family(prefix: str, make: Callable[[str], Source], form: str) -> None:
    """Make every name ``prefix:rest`` known: ``make(rest)`` is its source, and ``form`` says in words what it reads."""
    _FAMILIES[prefix], _FORMS[prefix] = make, form


def family_forms() -> dict[str, str]:
    """What is read by a path: ``folder:PATH`` and the like -> in words."""
    return {f"{prefix}:PATH": form for prefix, form in _FORMS.items()}


def get_source(name: str) -> Source:
    """The source called ``name``.

    Raises:
        BadParameterError: no source has that name; the message lists those that there are.
    """
    prefix, colon, rest = name.partition(":")
    if colon and prefix in _FAMILIES:
        return _FAMILIES[prefix](rest)
    if name not in _SOURCES:
        known = [*sorted(_SOURCES), *(f"{family}:PATH" for family in sorted(_FAMILIES))]
        raise BadParameterError(
            f"No data set is called {name!r}.{nearest_name(name, known)}", f"There are: {', '.join(known)}."
        )
    return _SOURCES[name]


def path_of_family(path: str) -> Path:
    """The path of a name ``family:PATH``; ``~`` is the home folder, and a relative path stays relative.

    Raises:
        BadParameterError: no such path can be, or it is not text and so cannot stand in a record.
    """
    if not is_text(path):
        raise BadParameterError(
            f"The path {ascii(path)[1:-1]} is not text (UTF-8).", "Rename what it names, or name a link to it."
        )
    return user_path(path)


def all_sources() -> list[Source]:
    """Every registered source, by name."""
    return [_SOURCES[name] for name in sorted(_SOURCES)]


def is_of_aligned_crops(name: str) -> bool:
    """Whether all photographs of a data set come in a form of aligned crops; errors as of ``parse_joined_name``."""
    return all(part.partition(":")[0] in ALIGNED_FAMILIES for part in parse_joined_name(name))


def parse_joined_name(name: str) -> list[str]:
    """The sources of a joined set: ``"utkface+ffhq"`` is two.

    A ``+`` in the path of ``folder:PATH`` or another family is left alone, unless the name of a source follows it and nothing
    with such a path is there.

    Raises:
        BadParameterError: both are there, what has such a path and what would be joined.
    """
    pieces, parts = name.split("+"), []
    while pieces:
        count = _pieces_of_path(pieces) if pieces[0].partition(":")[0] in _FAMILIES else 1
        parts.append("+".join(pieces[:count]))
        del pieces[:count]
    return parts


def _pieces_of_path(pieces: list[str]) -> int:
    """How many of the pieces, from the first on, are one ``family:PATH``."""
    named = (n for n, piece in enumerate(pieces) if n and (piece in _SOURCES or piece.partition(":")[0] in _FAMILIES))
    count = next(named, len(pieces))
    there = [n for n in range(count, len(pieces) + 1) if os.path.exists(_path("+".join(pieces[:n])))]
    if len(there) > 1 and there[0] == count:
        whole, first = "+".join(pieces[: there[-1]]), "+".join(pieces[:count])
        join = f"'{'+'.join([*pieces[count : there[-1]], first])}' to join the other"
        raise BadParameterError(
            f"There is {_kind(whole)} {_path(whole)!r} and {_kind(first)} {_path(first)!r}.",
            f"Write '{whole}/' for the one, or {join}."
            if _kind(whole) == "a folder"
            else f"Rename the one, or write {join}.",
        )
    return there[-1] if there else count


def _kind(part: str) -> str:
    return "a folder" if os.path.isdir(_path(part)) else "a file"


def _path(part: str) -> str:
    return os.path.expanduser(part.partition(":")[2])


def parse_different_names(name: str) -> list[str]:
    """As ``parse_joined_name``, each of them another data set.

    Raises:
        BadParameterError: one is named twice, be it by two paths of one place, or no source has that name.
    """
    parts = parse_joined_name(name)
    places: list[str] = []
    for part in parts:
        source = get_source(part)
        folder = source.locate() if ":" in part else None  # several sets of ours lie in one folder
        place = part if folder is None else os.path.realpath(folder)
        if place in places:
            other = parts[places.index(place)]
            what = "folder" if os.path.isdir(place) else "file"
            same = "" if part == other else f": {other} and {part} are one {what}"
            raise BadParameterError(f"{name!r} names a data set twice{same}.", "Name each once.")
        places.append(place)
    return parts


def absolute_name(name: str) -> str:
    """The name of the same data set from wherever it is asked for: each path in it is absolute.

    Raises:
        BadParameterError: as ``parse_joined_name``, or a path cannot be one.
    """
    parts = []
    for part in parse_joined_name(name):
        family, colon, path = part.partition(":")
        if colon:
            end = os.sep if path.endswith(os.sep) and "+" in path else ""  # by which it is known to be a folder
            part = f"{family}:{absolute_path(path)}{end}"
            get_source(part)  # the folder where the user stands may have a name that cannot be taken
        parts.append(part)
    return "+".join(parts)


def loaded_names(source: str) -> list[str]:
    """The names that a set was loaded by, one of each joined part, from its ``FaceSet.source``: ``"utkface+ffhq@64"`` has two.

    What follows the working size, or says that one photograph a person was kept, is no name.
    """
    with_size = re.match(r"(.+)@\d+(?:, .*)?$", source, re.DOTALL)
    return parse_joined_name((with_size[1] if with_size else source).removesuffix(", one per person"))


def read_files(root: Path, index: pd.DataFrame) -> Iterator[tuple[int, str, Photograph]]:
    """The ``read`` of a source whose photographs are files below a folder."""
    for row, name in enumerate(index["file"]):
        try:
            yield row, name, read_photograph(root / name)
        except (OSError, BadImageError) as error:
            yield row, name, error
