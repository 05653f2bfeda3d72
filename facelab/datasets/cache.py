"""Decoded data sets on disk, keyed by source, size and version: written whole or not at all, read as a memory map.

A set is a folder with ``pixels.u8`` (uint8, N x size x size x C, nothing else), ``table.npz`` and ``meta.json``. No pickles:
they break between versions of pandas. ``meta.json`` has the hashes of the other two and of itself; a set that does not agree
with them is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from facelab.datasets import tables
from facelab.datasets.faceset import FaceSet, RejectedFile, pixels_sha256
from facelab.errors import FacelabError
from facelab.files import read_json_object
from facelab.paths import cache_root

_META, _PIXELS, _TABLE = "meta.json", "pixels.u8", "table.npz"
_FORMAT = 3  # of the three files; a folder of another format is made anew
_STALE = 24 * 3600  # seconds after which a half-written folder is one that a killed process left behind
_PIECE = 8 * 2**20  # bytes read at once when the pixels are gone through

# files of pixels that agreed with their hash: path, inode, size, time
_verified: set[tuple[str, int, int, int]] = set()


class DamagedCacheWarning(UserWarning):
    """A cached set was not what was written, and was made again."""


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
        name = re.sub(r"[^A-Za-z0-9+_-]+", "_", self.source)[-60:]  # the name of a source may hold a path
        return cache_root() / "datasets" / f"{name}-{self.size}-v{self.version}-{self.origin[:16]}"


class Contents(NamedTuple):
    """All of a FaceSet but its pixels; see ``FaceSet`` for the fields."""

    identity: np.ndarray
    names: tuple[str, ...]
    attributes: pd.DataFrame
    rejected_files: tuple[RejectedFile, ...]


class PixelWriter:
    """The pixels of a set that is being made: rows of a file, each assigned once, as if it were an array.

    Written with ordinary writes, not through a memory map: there, a full disk is no error but a signal that ends the
    process.

    Args:
        file: opened for reading and writing, empty.
        shape: (N, H, W, C).
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, int, int, int]) -> None:
        self._file, self.shape = file, shape
        self._row = int(np.prod(shape[1:]))

    def __setitem__(self, row: int, pixels: np.ndarray) -> None:
        if pixels.dtype != np.uint8 or pixels.shape != self.shape[1:]:
            raise ValueError(f"row {row} is {pixels.dtype} {pixels.shape}, not uint8 {self.shape[1:]}")
        with _writing():
            self._file.seek(row * self._row)
            self._file.write(np.ascontiguousarray(pixels).data)

    def keep(self, rows: np.ndarray) -> None:
        """Leave out every row where the mask bool (N,) is False; the others close up in order."""
        with _writing():
            for to, row in enumerate(np.flatnonzero(rows)):
                if to != row:
                    self._file.seek(int(row) * self._row)
                    pixels = self._file.read(self._row)
                    self._file.seek(to * self._row)
                    self._file.write(pixels)
            self.shape = (int(np.count_nonzero(rows)), *self.shape[1:])
            self._file.truncate(self.shape[0] * self._row)

    def sha256(self) -> str:
        """As ``FaceSet.sha256``."""
        with _writing():
            self._file.flush()
            os.fsync(self._file.fileno())  # some file systems say only now that there was no room
            self._file.seek(0)
            return pixels_sha256(self.shape, iter(lambda: self._file.read(_PIECE), b""))


def read(key: CacheKey) -> FaceSet | None:
    """The set that is cached under ``key``, its pixels a read-only memory map; None where there is none, or it is damaged.

    The pixels are read through and hashed once in a process, which takes .3 seconds for LFW at 64 pixels (163 MB).
    """
    folder = key.folder
    try:
        meta = read_json_object(folder / _META)
        table = (folder / _TABLE).read_bytes()
        written = meta.pop("meta_sha256"), meta["table_sha256"]
        if meta["format"] != _FORMAT or written != (_meta_sha256(meta), hashlib.sha256(table).hexdigest()):
            return None
        if not _pixels_agree(folder / _PIXELS, meta["shape"], meta["sha256"]):
            return None
        images = np.memmap(folder / _PIXELS, np.uint8, "r", shape=tuple(meta["shape"]))
        with np.load(io.BytesIO(table), allow_pickle=False) as arrays:
            identity = arrays["identity"]
            attributes = tables.unpack(meta["columns"], arrays)
        faces = FaceSet(
            images=images,
            identity=identity,
            names=tuple(meta["names"]),
            attributes=attributes,
            source=f"{key.source}@{key.size}",
            rejected_files=tuple(RejectedFile(*row) for row in meta["rejected"]),
        )
        faces.__dict__["sha256"] = meta["sha256"]  # as was just proved
    # Not there, of another format, or damaged: made again by the caller.
    except (OSError, ValueError, EOFError, LookupError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error):
        return None
    return faces


def _meta_sha256(meta: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _pixels_agree(path: Path, shape: list[int], sha256: str) -> bool:
    with path.open("rb") as file:
        status = os.stat(file.fileno())
        version = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
        if version in _verified:
            return True
        if pixels_sha256(shape, iter(lambda: file.read(_PIECE), b"")) != sha256:
            return False
    _verified.add(version)
    return True


def build(key: CacheKey, shape: tuple[int, int, int, int], fill: Callable[[PixelWriter], Contents]) -> FaceSet:
    """Make a set, keep it under ``key``, and hand back the cached copy. Its pixels are never in memory as a whole.

    Args:
        key: what it is kept under.
        shape: (N, size, size, C), N being the most rows that there can be.
        fill: writes the rows, ``keep``s those that are good, and returns the rest of the set.

    Raises:
        FacelabError: the disk is full or the cache folder cannot be written. Whatever ends ``fill``, nothing is left behind.
    """
    folder = key.folder
    with _writing():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with _writing():
            file = (partial / _PIXELS).open("w+b")
        try:
            pixels = PixelWriter(file, shape)
            contents = fill(pixels)
            sha256 = pixels.sha256()
        finally:
            with _writing():
                file.close()
        _write_rest(partial, contents, pixels.shape, sha256)
        return _publish(partial, key)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_rest(partial: Path, contents: Contents, shape: tuple[int, ...], sha256: str) -> None:
    columns, arrays = tables.pack(contents.attributes)
    meta = {
        "format": _FORMAT,
        "shape": shape,
        "names": contents.names,
        "columns": columns,
        "rejected": contents.rejected_files,
        "sha256": sha256,
    }
    table = io.BytesIO()
    np.savez(table, identity=contents.identity.astype(np.int64), **arrays)
    meta["table_sha256"] = hashlib.sha256(table.getbuffer()).hexdigest()
    meta["meta_sha256"] = _meta_sha256(meta)
    with _writing():
        (partial / _TABLE).write_bytes(table.getbuffer())
        (partial / _META).write_text(json.dumps(meta), encoding="utf-8")


def _publish(partial: Path, key: CacheKey) -> FaceSet:
    """Give the finished folder its name; where another process was faster, its copy is as good."""
    with _writing():
        if (cached := read(key)) is not None:
            return cached
        try:
            if key.folder.exists():
                if not _is_of_earlier_format(key.folder):
                    warnings.warn(
                        f"The cached copy of {key.source} was damaged, and was made again.",
                        DamagedCacheWarning,
                        stacklevel=5,
                    )
                shutil.rmtree(key.folder)
            os.replace(partial, key.folder)
        except OSError:
            if (cached := read(key)) is not None:
                return cached
            raise
    if (cached := read(key)) is None:
        raise FacelabError(
            f"The cache {key.folder} cannot be read back.", "Check the disk, or point FACELAB_CACHE to another."
        )
    return cached


def _is_of_earlier_format(folder: Path) -> bool:
    try:
        return read_json_object(folder / _META)["format"] < _FORMAT
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _sweep(parent: Path) -> None:
    """Remove what killed processes left half written."""
    for entry in parent.glob(".*-*"):
        if entry.is_dir() and all(time.time() - path.stat().st_mtime > _STALE for path in [entry, *entry.iterdir()]):
            shutil.rmtree(entry, ignore_errors=True)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FacelabError(
            f"The cache {cache_root()} cannot be written ({error.strerror or error}).",
            "Free some space, or point FACELAB_CACHE to another disk.",
        ) from error
