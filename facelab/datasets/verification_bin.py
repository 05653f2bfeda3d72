"""Verification sets as insightface hands them round, ``lfw.bin`` and the like: ``load("bin:/path/to/lfw.bin")``.

Such a file is a pickle of two lists: encoded photographs, and for each two of them that follow each other whether both show
one person. It is read by ``plain_pickle``: nothing in it is executed.

Source: ``eval/verification.py`` (``load_bin``, ``evaluate``) of arcface_torch in insightface, and ``lfw2pack.py``, which packs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.decode import MAX_BYTES, Photograph
from facelab.datasets.faceset import FaceSet
from facelab.datasets.pairs import Pairs
from facelab.datasets.plain_pickle import read_plain_pickle
from facelab.datasets.sources import Source, path_of_family, register_family, source_by_path
from facelab.errors import BadParameterError, DataMissingError, FacelabError

FOLDS = 10  #: of the protocol, as of LFW's View 2

_MOST_USES = 1000  # of a photograph in a set, on average; in LFW's View 2 it is two
_AGAIN = "Get the file again."


def bin_source(path: str) -> Source:
    """The source of ``bin:PATH``; ``~`` is the home folder, and a relative path starts from the working folder.

    Raises:
        BadParameterError: no such path can be, or it is not text and so cannot stand in a record.
    """
    place = path_of_family(path)
    return source_by_path(
        name=f"bin:{path}",
        title=f"Verification set {place}",
        instructions=f"There is no file {place}: give the path of a .bin file.",
        layout="PATH is a pickle of encoded photographs and of one truth value for each two of them, as insightface's lfw.bin",
        locate=lambda: place if os.path.isfile(place) else None,
        index=index,
        read=read,
        archives=lambda found: [found],
    )


def index(path: Path) -> pd.DataFrame:
    """The photographs in their order, ``file`` being their number from 0 (``000000``), of unknown people.

    Raises:
        DataMissingError: the file cannot be opened.
        FacelabError: it is no verification set, or asks for what such a set does not need.
    """
    photographs, _ = _read(path)
    faults = list(map(_fault, photographs))
    names = [f"{number:06d}" for number in range(len(photographs))]
    return pd.DataFrame({"file": names, "identity": "", "rejected": faults})


def read(path: Path, table: pd.DataFrame) -> Iterator[tuple[int, str, Photograph]]:
    """The photographs of some rows of the index. All of the file is in memory meanwhile."""
    try:
        photographs, _ = _read(path)
    except FacelabError as error:  # it changed since it was looked at
        yield from ((row, name, OSError(error.problem)) for row, name in enumerate(table["file"]))
        return
    for row, name in enumerate(table["file"]):
        fault = _fault(photographs[int(name)]) if int(name) < len(photographs) else "It is no longer there."
        yield row, name, OSError(fault) if fault else bytes(photographs[int(name)])


def bin_pairs(faces: FaceSet, path: Path) -> Pairs:
    """The pairs of a verification set, in its order.

    Args:
        faces: ``load("bin:PATH", size)``, whole.
        path: of the file that it was loaded from.

    Returns:
        Pairs in ten folds of pairs that follow each other, whose sizes differ by one at most, the larger ones first: those of
        scikit-learn's ``KFold(10)``, which insightface uses.

    Raises:
        DataMissingError: the file cannot be opened, or a photograph is not in the set, perhaps since it could not be used.
        BadParameterError: there are fewer pairs than folds.
        FacelabError: as ``index``.
    """
    _, same = _read(path)
    if len(same) < FOLDS:
        raise BadParameterError(f"{path} has {len(same)} pairs, too few for {FOLDS} folds.", "Give a larger set.")
    row = {name: place for place, name in enumerate(faces.attributes["file"])}
    names = [f"{number:06d}" for number in range(2 * len(same))]
    missing = [name for name in names if name not in row]
    if missing:
        raise DataMissingError(
            f"{faces.source} lacks {len(missing)} photographs of the pairs of {path} ({missing[0]}).",
            "Load it whole; facelab data check names what could not be used.",
        )
    rows = np.array([row[name] for name in names], dtype=np.int64)
    sizes = [len(fold) for fold in np.array_split(same, FOLDS)]
    return Pairs(rows[0::2], rows[1::2], same, np.repeat(np.arange(1, FOLDS + 1), sizes))


def _read(path: Path) -> tuple[list[object], np.ndarray]:
    """What stands for the photographs, and bool (M,) for M pairs; errors as of ``index``."""
    try:
        content = read_plain_pickle(path)
    except OSError as error:
        raise DataMissingError(f"{path} cannot be read ({error.strerror}).", "Check its rights.") from error
    if not isinstance(content, list) or len(content) != 2 or not isinstance(content[0], list):
        raise FacelabError(f"{path} is no verification set: not two lists, photographs and truth values.", _AGAIN)
    photographs, same = content[0], _truth_values(path, content[1])
    if len(photographs) != 2 * len(same):
        raise FacelabError(f"{path} has {len(photographs)} photographs for {len(same)} pairs.", _AGAIN)
    different = len(set(map(id, photographs)))  # a pickle may name what it holds once a million times, two bytes each
    if len(photographs) > _MOST_USES * different:
        raise FacelabError(f"{path} has {different} different photographs for {len(same)} pairs.", _AGAIN)
    return photographs, same


def _truth_values(path: Path, values: object) -> np.ndarray:
    if isinstance(values, np.ndarray):
        values = values.tolist() if values.ndim == 1 else None
    if not isinstance(values, list) or not all(type(value) in (bool, int) and value in (0, 1) for value in values):
        raise FacelabError(f"{path} is no verification set: it does not say of each pair True or False.", _AGAIN)
    return np.array(values, dtype=bool)


def _fault(photograph: object) -> str:
    """Why it is none; empty where it may be one: bytes, or an array of them of one dimension (OpenCV adds one of length 1)."""
    if isinstance(photograph, np.ndarray):
        if photograph.dtype != np.uint8 or photograph.size != max(photograph.shape, default=0):
            return f"It is an array of {photograph.dtype} {photograph.shape}, and no encoded photograph."
    elif not isinstance(photograph, bytes):
        return f"It is of type {type(photograph).__name__}, and no encoded photograph."
    return f"It is larger than {MAX_BYTES // 2**20} MiB, as no photograph is." if len(photograph) > MAX_BYTES else ""


register_family("bin", bin_source, "a verification set of insightface (lfw.bin)")
