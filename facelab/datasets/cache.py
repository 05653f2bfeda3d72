"""Decoded data sets on disk, keyed by source, size and version: written whole or not at all, read as a memory map."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.faceset import FaceSet, Rejected
from facelab.errors import FacelabError
from facelab.paths import cache_root

_META, _PIXELS, _TABLE = "meta.json", "pixels.npy", "table.pkl"


@dataclass(frozen=True)
class CacheKey:
    """What decides the pixels of a decoded set.

    Attributes:
        source: name of the source.
        size: side of the square in pixels.
        version: the source's version.
        origin: fingerprint of what lies in the source's folder, so that a changed folder is decoded anew.
    """

    source: str
    size: int
    version: int
    origin: str

    @property
    def folder(self) -> Path:
        """Where this set is kept below the cache root."""
        return cache_root() / "datasets" / f"{self.source}-{self.size}-v{self.version}-{self.origin[:12]}"


def read(key: CacheKey) -> FaceSet | None:
    """The set that is cached under ``key``, its pixels a read-only memory map; None where there is none, or it is damaged."""
    folder = key.folder
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        images = np.load(folder / _PIXELS, mmap_mode="r")
        table = pd.read_pickle(folder / _TABLE)
    except (OSError, ValueError, EOFError):  # not there, or cut short by a crash of the machine: made again by the caller
        return None
    faces = FaceSet(
        images=images,
        identity=table.pop("__identity__").to_numpy(np.int64),
        names=tuple(meta["names"]),
        attributes=table,
        source=f"{key.source}@{key.size}",
        rejected=tuple(Rejected(*row) for row in meta["rejected"]),
    )
    faces.__dict__["sha256"] = meta["sha256"]  # computed when written: hashing again would read every pixel
    return faces


def write(key: CacheKey, faces: FaceSet) -> FaceSet:
    """Keep a set under ``key`` and hand back the cached copy.

    Raises:
        FacelabError: the disk is full or the cache folder cannot be written; what was half written is removed.
    """
    folder = key.folder
    partial = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        np.save(partial / _PIXELS, faces.images)
        faces.attributes.assign(__identity__=faces.identity).to_pickle(partial / _TABLE)
        meta = {"names": faces.names, "rejected": faces.rejected, "sha256": faces.sha256}
        (partial / _META).write_text(json.dumps(meta), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    except OSError as error:
        if folder.exists() and (cached := read(key)) is not None:  # another process was faster
            return cached
        raise FacelabError(
            f"The cache {folder.parent} cannot be written ({error.strerror or error}).",
            "Free some space, or point FACELAB_CACHE to another disk.",
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    cached = read(key)
    if cached is None:
        raise FacelabError(f"The cache {folder} cannot be read back.", "Remove it, and check the disk.")
    return cached
