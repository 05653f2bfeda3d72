"""Decoding shard by shard: some hundred photographs at a time, each shard noted when it is on the disk.

A decode that was killed goes on behind the last shard that is whole. The shards stand one after another in the file of the
pixels; what is known of each is a line of ``shards.jsonl`` beside it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from facelab.datasets.decode import Crop, Photograph, decode_into
from facelab.datasets.decoding_processes import run_by_all_cores
from facelab.datasets.faceset import RejectedFile
from facelab.datasets.pixel_file import PixelWriter, cache_writes
from facelab.progress import ProgressBar

_MOST_PHOTOGRAPHS, _MOST_BYTES = 500, 16 * 2**20  # of a shard: what a kill costs a process, and what a process holds

Read = Callable[[Path, pd.DataFrame], Iterator[tuple[int, str, Photograph]]]


class ShardNote(NamedTuple):
    """What there is to know of a shard besides its pixels.

    Attributes:
        count: of its photographs, rows of the index.
        unwritten: which of them, counted from its first, have no pixels.
        rejected: the files that could not be used.
    """

    count: int
    unwritten: list[int]
    rejected: list[RejectedFile]

    def sha256(self, pixels: bytes | memoryview) -> str:
        """Of the note and the pixels together."""
        digest = hashlib.sha256(json.dumps(self).encode())
        digest.update(pixels)
        return digest.hexdigest()


class ShardLog:
    """The notes of the shards that are in a file of pixels, a line of JSON each: the note, then its hash with its pixels.

    Args:
        path: made where it is not there.
        pixels: the file that the shards are appended to.
    """

    def __init__(self, path: Path, pixels: PixelWriter) -> None:
        self._path, self._pixels = path, pixels

    def whole_shards(self) -> Iterator[ShardNote]:
        """The shards from the first on, as long as line and pixels agree; what stands behind them is then cut off both."""
        row = end = 0
        for line in self._lines():
            note = _parse(line)
            if note is None:
                break
            count = note[0].count - len(note[0].unwritten)
            if note[0].sha256(self._pixels.read(row, count)) != note[1]:
                break
            row, end = row + count, end + len(line)
            yield note[0]
        self._pixels.truncate(row)
        with cache_writes(), self._path.open("ab") as file:
            file.truncate(end)

    def _lines(self) -> list[bytes]:
        with cache_writes():
            return self._path.read_bytes().splitlines(keepends=True) if self._path.exists() else []

    def add(self, note: ShardNote, images: np.ndarray) -> None:
        """Append a shard: its pixels uint8 (n, H, W, C) first, then its note."""
        self._pixels.append(images)
        line = json.dumps([*note, note.sha256(np.ascontiguousarray(images).data)]).encode() + b"\n"
        with cache_writes(), self._path.open("ab") as file:
            file.write(line)


def _parse(line: bytes) -> tuple[ShardNote, str] | None:
    try:
        count, unwritten, rejected, sha256 = json.loads(line)
        return ShardNote(count, unwritten, [RejectedFile(*file) for file in rejected]), sha256
    except (ValueError, TypeError, RecursionError):  # cut off, or damaged
        return None


def decode_shard(
    part: pd.DataFrame, threads: int, root: Path, read: Read, crop: Crop, shape: tuple[int, int, int]
) -> tuple[ShardNote, np.ndarray]:
    """Decode some rows of an index.

    Args:
        part: the rows, numbered from 0.
        threads: how many decode at once.
        root: folder of the source.
        read, crop: as in ``sources.Source``.
        shape: (size, size, C) of a decoded photograph.

    Returns:
        What is known of the shard, and its pixels uint8 (n, size, size, C).
    """
    images = np.zeros((len(part), *shape), np.uint8)
    written, rejected = decode_into(images, read(root, part), crop, threads)
    return ShardNote(len(part), np.flatnonzero(~written).tolist(), rejected), images[written]


def decode_in_shards(
    pixels: PixelWriter, log_path: Path, root: Path, index: pd.DataFrame, read: Read, crop: Crop, shown: ProgressBar
) -> tuple[np.ndarray, list[RejectedFile]]:
    """Decode all rows of an index into a file, but for those whose shards are in it already.

    Args:
        pixels: the file of shape (N, size, size, C); left with the rows that could be used, in order.
        log_path: the notes of its shards.
        root: folder of the source.
        index: N rows.
        read, crop: as in ``sources.Source``.
        shown: goes on by photographs, and says how many a second are decoded.

    Returns:
        bool (N,), true where a photograph was written, and the rejected files.

    Raises:
        FacelabError: the disk is full, or a process was killed; the shards that are in the file count at the next call.
    """
    log, shape = ShardLog(log_path, pixels), pixels.shape[1:]
    notes = []
    for note in log.whole_shards():
        notes.append(note)
        shown.advance(note.count)
    before, start = shown.seconds, sum(note.count for note in notes)
    size = max(1, min(_MOST_PHOTOGRAPHS, _MOST_BYTES // int(np.prod(shape))))
    parts = (index.iloc[row : row + size].reset_index(drop=True) for row in range(start, len(index), size))
    decode = functools.partial(decode_shard, root=root, read=read, crop=crop, shape=shape)
    done = 0
    for note, images in run_by_all_cores(decode, parts, len(index) - start):
        log.add(note, images)
        notes.append(note)
        done += note.count
        shown.advance(note.count, f"{done / max(shown.seconds - before, 1e-9):,.0f} photographs a second")
    written, rejected, row = np.ones(len(index), bool), [], 0
    for note in notes:
        written[row + np.array(note.unwritten, int)] = False
        rejected += note.rejected
        row += note.count
    pixels.truncate(int(written.sum()))
    return written, rejected
