"""Decoded data sets on disk, keyed by source, size and version: written whole or not at all, read as a memory map.

A set is a folder with ``pixels.u8`` (uint8, N x size x size x C, nothing else), ``table.npz`` and ``meta.json``. No pickles:
they break between versions of pandas. ``meta.json`` has the hashes of the other two and of itself; a set that does not agree
with them is made again.

It is made in a hidden folder beside, by one process at a time, and takes its name when it is whole. Where that process is
stopped before, the shards that it has finished (``shards.ShardLog``) stay for the next one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from facelab.datasets import tables
from facelab.datasets.faceset import FaceSet, RejectedFile
from facelab.datasets.pixel_file import PixelWriter, cache_writes, hash_pixel_file
from facelab.errors import FacelabError
from facelab.files import read_json_object
from facelab.paths import cache_root
from facelab.progress import progress_bar

_META, _PIXELS, _TABLE = "meta.json", "pixels.u8", "table.npz"
_SHARDS = "shards.jsonl"  # beside them while the set is made
_FORMAT = 3  # of the three files; a folder of another format is made anew
_STALE = 7 * 24 * 3600  # seconds after which nobody goes on with a half-written folder
_PARTIAL = ".partial"
_SHOWN_AFTER = 2.0  # seconds that going through the pixels may take without a word

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

    @property
    def partial_folder(self) -> Path:
        """Where it is made."""
        return self.folder.with_name(f".{self.folder.name}{_PARTIAL}")


class Contents(NamedTuple):
    """All of a FaceSet but its pixels; see ``FaceSet`` for the fields."""

    identity: np.ndarray
    names: tuple[str, ...]
    attributes: pd.DataFrame
    rejected_files: tuple[RejectedFile, ...]


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
        if not _pixels_agree(folder / _PIXELS, meta["shape"], meta["sha256"], key.source):
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


def forget(key: CacheKey, rejected: tuple[RejectedFile, ...]) -> None:
    """Remove the set that is cached under ``key``, unless another process has made it anew meanwhile.

    Args:
        key: what it is kept under.
        rejected: the files that could not be used for the set that is to go.

    Raises:
        FacelabError: it cannot be removed.
    """
    with _only_process(key):
        cached = read(key)
        is_same = cached is not None and cached.rejected_files == rejected
        del cached  # Windows removes no file that is mapped
        if is_same:
            with cache_writes():
                shutil.rmtree(key.folder)


def _meta_sha256(meta: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _pixels_agree(path: Path, shape: list[int], sha256: str, name: str) -> bool:
    with path.open("rb") as file:
        status = os.stat(file.fileno())
        version = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
        if version in _verified:
            return True
        with progress_bar(f"Checking {name}", shape[0], _SHOWN_AFTER) as shown:
            if hash_pixel_file(file, shape, shown.advance) != sha256:
                return False
    _verified.add(version)
    return True


def build(key: CacheKey, shape: tuple[int, int, int, int], fill: Callable[[PixelWriter, Path], Contents]) -> FaceSet:
    """Make a set, keep it under ``key``, and hand back the cached copy. Its pixels are never in memory as a whole.

    Where another process makes the same set just now, its copy is waited for.

    Args:
        key: what it is kept under.
        shape: (N, size, size, C), N being the most rows that there can be.
        fill: is given the pixels and the path of a ``shards.ShardLog``: where it notes its shards there, those of a process
            that was stopped are in the file already; else this is empty. It leaves the rows that are good, and returns the
            rest of the set.

    Raises:
        FacelabError: the disk is full or the cache folder cannot be written. Whatever ends ``fill``, nothing is left behind
            but finished shards.
    """
    partial = key.partial_folder
    with _only_process(key):
        if (cached := read(key)) is not None:
            return cached
        with cache_writes():
            partial.parent.mkdir(parents=True, exist_ok=True)
            _sweep(key)
            partial.mkdir(exist_ok=True)
        try:
            _fill(partial, shape, fill, key.source)
            return _publish(partial, key)
        finally:
            if not _has_shards(partial):
                shutil.rmtree(partial, ignore_errors=True)


def _has_shards(partial: Path) -> bool:
    """Whether pixels and their shards were written; where no photograph can be used, there is nothing to go on with."""
    return all(path.is_file() and path.stat().st_size for path in (partial / _PIXELS, partial / _SHARDS))


@contextmanager
def _only_process(key: CacheKey) -> Iterator[None]:
    """Wait until no other process makes this set. The system lets go of the lock however a process ends."""
    path = _lock_path(key.folder.name)
    lock = FileLock(path)
    with cache_writes():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with progress_bar(f"Waiting for another process that decodes {key.source}", 1):
                lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _lock_path(name: str) -> Path:
    """Outside of the folders of sets, which come and go: a lock that was removed would let two in."""
    return cache_root() / "locks" / f"{name}.lock"


def _fill(
    partial: Path, shape: tuple[int, int, int, int], fill: Callable[[PixelWriter, Path], Contents], name: str
) -> None:
    with cache_writes():
        file = (partial / _PIXELS).open("r+b" if _has_shards(partial) else "w+b")
    try:
        pixels = PixelWriter(file, shape)
        contents = fill(pixels, partial / _SHARDS)
        with progress_bar(f"Checking {name}", pixels.shape[0], _SHOWN_AFTER) as shown:
            sha256 = pixels.sha256(shown.advance)
    finally:
        with cache_writes():
            file.close()
    _write_rest(partial, contents, pixels.shape, sha256)


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
    with cache_writes():
        (partial / _TABLE).write_bytes(table.getbuffer())
        (partial / _META).write_text(json.dumps(meta), encoding="utf-8")


def _publish(partial: Path, key: CacheKey) -> FaceSet:
    """Give the finished folder its name."""
    with cache_writes():
        if key.folder.exists():
            if not _is_of_earlier_format(key.folder):
                warnings.warn(
                    f"The cached copy of {key.source} was damaged, and was made again.",
                    DamagedCacheWarning,
                    stacklevel=5,
                )
            shutil.rmtree(key.folder)
        os.replace(partial, key.folder)
        (key.folder / _SHARDS).unlink(missing_ok=True)  # only now: a process killed before goes on with them
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


def _sweep(key: CacheKey) -> None:
    """Remove what stopped processes left half made: of another state of this set, or of any that nobody went on with."""
    of_this_set = f".{key.folder.name.removesuffix(f'{key.version}-{key.origin[:16]}')}"
    for entry in key.partial_folder.parent.glob(".*-*"):
        if entry == key.partial_folder or not entry.is_dir():
            continue
        with contextlib.suppress(OSError), FileLock(_lock_path(entry.name[1:].removesuffix(_PARTIAL)), timeout=0):
            newest = max(path.stat().st_mtime for path in (entry, *entry.iterdir()))
            superseded = entry.name.startswith(of_this_set) and entry.name.endswith(_PARTIAL)
            if superseded or time.time() - newest > _STALE:
                shutil.rmtree(entry, ignore_errors=True)
