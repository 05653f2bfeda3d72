"""Some photographs of a memory map that is too large to be copied: read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MAX_COPIED = 2**28  #: bytes of pixels that a part of a memory map may have and still be read into memory at once


@dataclass(frozen=True, eq=False)
class ImageRows:
    """Rows of a memory map, in any order. It is indexed as the array that it stands for, and hands out arrays.

    Reading changes nothing, so that several threads may read at a time.

    Attributes:
        source: uint8 (M, H, W, C), the memory map.
        rows: int64 (N,), which of its photographs, in their order here.
    """

    source: np.memmap
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self.rows), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return self.source.dtype

    @property
    def ndim(self) -> int:
        """4."""
        return self.source.ndim

    @property
    def nbytes(self) -> int:
        """Of the pixels, all of them."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: object) -> np.ndarray:
        """One photograph, those of a slice, of indices or of a mask; with further indices, of all pixels as an array."""
        if isinstance(key, tuple):
            first, *rest = key
            part = self[first]
            return part[(..., *rest)] if first is Ellipsis else part[(*[slice(None)] * (part.ndim - 3), *rest)]
        return np.asarray(self.source[self.rows[key]])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """All of it in memory."""
        return np.asarray(self[:], dtype=dtype)


def select_images(images: np.ndarray | ImageRows, rows: np.ndarray) -> np.ndarray | ImageRows:
    """Some photographs, in the order of ``rows``: a copy, or a view of a memory map of more than ``MAX_COPIED`` bytes.

    Args:
        images: uint8 (M, H, W, C).
        rows: int64 (N,).
    """
    on_disk = isinstance(images, np.memmap | ImageRows)
    if not on_disk or len(rows) * int(np.prod(images.shape[1:])) <= MAX_COPIED:
        return images[rows]
    return ImageRows(images.source, images.rows[rows]) if isinstance(images, ImageRows) else ImageRows(images, rows)
