"""``load``: a data set by name, decoded once and then read from the cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets import cache
from facelab.datasets.decode import decode_into
from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.datasets.sources import Source, get_source
from facelab.errors import BadParameterError, DataMissingError


def load(name: str, size: int = 64) -> FaceSet:
    """A data set as square uint8 images of one size.

    Args:
        name: a source of ``facelab data list``.
        size: side of the square in pixels, 8 to 1024.

    Returns:
        The photographs in the order of the source's index; files that could not be used are in ``rejected``.

    Raises:
        BadParameterError: unknown name or impossible size.
        DataMissingError: the data set is not on this machine; the message says how to get it and where to put it.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 8 <= size <= 1024:
        raise BadParameterError(f"The working size is {size!r}.", "Give a whole number of pixels from 8 to 1024.")
    source = get_source(name)
    root = source.locate()
    if root is None:
        raise DataMissingError(f"The data set {name!r} is not on this machine.", source.obtain)
    index = source.index(root)
    key = cache.CacheKey(name, size, source.version, _fingerprint(root, index))
    return cache.read(key) or cache.write(key, _build(source, root, index, size))


def _fingerprint(root: Path, index: pd.DataFrame) -> str:
    """Changes when the folder or its table changes; reads no pixels."""
    rows = pd.util.hash_pandas_object(index.astype(str), index=False).to_numpy()
    return hashlib.sha256(str(root).encode() + rows.tobytes()).hexdigest()


def _build(source: Source, root: Path, index: pd.DataFrame, size: int) -> FaceSet:
    images = np.zeros((len(index), size, size, source.channels), dtype=np.uint8)
    if source.render is not None:
        written, rejected = np.ones(len(index), dtype=bool), []
        for row, _, pixels in source.render(root, index, size):
            images[row] = pixels
    else:
        written, rejected = decode_into(images, source.read(root, index), source.frame)
    index = index[written].reset_index(drop=True)
    people = index.pop("identity").fillna("").astype(str)
    names = tuple(sorted(set(people) - {""}))
    number = {name: row for row, name in enumerate(names)} | {"": UNKNOWN}
    return FaceSet(
        images=images[written] if not written.all() else images,
        identity=people.map(number).to_numpy(np.int64),
        names=names,
        attributes=index,
        source=f"{source.name}@{size}",
        rejected=tuple(rejected),
    )
