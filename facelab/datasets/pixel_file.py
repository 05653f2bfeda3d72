"""The pixels of a data set that is being made, as rows of a file, and the error of a cache that cannot be written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from facelab.datasets.faceset import pixels_sha256
from facelab.errors import FacelabError
from facelab.paths import cache_root

_PIECE = 8 * 2**20  # bytes read at once when the pixels are gone through


class PixelWriter:
    """The pixels of a set that is being made: rows of a file, appended in order, or each assigned once as if it were an array.

    Written with ordinary writes, not through a memory map: there, a full disk is no error but a signal that ends the
    process.

    Args:
        file: opened for reading and writing.
        shape: (N, H, W, C), N being the most rows that there can be.
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, int, int, int]) -> None:
        self._file, self.shape = file, shape
        self._row = int(np.prod(shape[1:]))

    def __setitem__(self, row: int, pixels: np.ndarray) -> None:
        self._check(row, pixels.dtype, pixels.shape)
        with cache_writes():
            self._file.seek(row * self._row)
            self._file.write(np.ascontiguousarray(pixels).data)

    def append(self, images: np.ndarray) -> None:
        """Write rows uint8 (n, H, W, C) behind the last one of the file, and hand them to the system."""
        with cache_writes():
            end = self._file.seek(0, os.SEEK_END)
            self._check(end // self._row, images.dtype, images.shape[1:])
            self._file.write(np.ascontiguousarray(images).data)
            self._file.flush()

    def _check(self, row: int, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        if dtype != np.uint8 or shape != self.shape[1:]:
            raise ValueError(f"row {row} is {dtype} {shape}, not uint8 {self.shape[1:]}")

    def read(self, start: int, count: int) -> bytes:
        """The pixels of ``count`` rows from ``start`` on, fewer where the file ends before."""
        with cache_writes():
            self._file.seek(start * self._row)
            return self._file.read(count * self._row)

    def keep(self, rows: np.ndarray) -> None:
        """Leave out every row where the mask bool (N,) is False; the others close up in order."""
        for to, row in enumerate(np.flatnonzero(rows)):
            if to != row:
                pixels = self.read(int(row), 1)
                with cache_writes():
                    self._file.seek(to * self._row)
                    self._file.write(pixels)
        self.truncate(int(np.count_nonzero(rows)))

    def truncate(self, count: int) -> None:
        """End the file, and the set, after ``count`` rows."""
        self.shape = (count, *self.shape[1:])
        with cache_writes():
            self._file.truncate(count * self._row)

    def sha256(self, advance: Callable[[int], object] = lambda count: None) -> str:
        """As ``FaceSet.sha256``. ``advance`` is called with the number of rows that were gone through, again and again."""
        with cache_writes():
            self._file.flush()
            os.fsync(self._file.fileno())  # some file systems say only now that there was no room
            return hash_pixel_file(self._file, self.shape, advance)


def hash_pixel_file(
    file: BinaryIO, shape: tuple[int, int, int, int] | list[int], advance: Callable[[int], object]
) -> str:
    """``FaceSet.sha256`` of the pixels in a file.

    Args:
        file: opened for reading.
        shape: (N, H, W, C) that it should hold; it is read to its end, whatever that is.
        advance: called with the number of rows that were gone through, again and again.
    """
    row = max(1, int(np.prod(shape[1:])))
    piece = max(1, _PIECE // row) * row

    def pieces() -> Iterator[bytes]:
        while data := file.read(piece):
            yield data
            advance(len(data) // row)

    file.seek(0)
    return pixels_sha256(shape, pieces())


@contextmanager
def cache_writes() -> Iterator[None]:
    """What the system does not allow within the block becomes the error of a cache that cannot be written.

    Raises:
        FacelabError: it cannot be written, as on a full disk.
    """
    try:
        yield
    except OSError as error:
        raise FacelabError(
            f"The cache {cache_root()} cannot be written ({error.strerror or error}).",
            "Free some space, or point FACELAB_CACHE to another disk.",
        ) from error
