"""FaceSet: the one form in which photographs travel through the course."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from facelab.datasets.image_rows import ImageRows, select_images
from facelab.errors import BadParameterError
from facelab.progress import progress_bar

UNKNOWN = -1  #: identity of a photograph whose person is not known (UTKFace, FFHQ)


class RejectedFile(NamedTuple):
    """A file that was found but could not be used, and why."""

    file: str
    reason: str


class RejectedFilesWarning(UserWarning):
    """A data set has files that could not be used; ``FaceSet.rejected_files`` lists them."""


def pixels_sha256(shape: Sequence[int], pieces: Iterable[bytes | memoryview]) -> str:
    """SHA-256 of a shape (N, H, W, C) and of the pixels in order, however they are cut into pieces: 64 hexadecimal digits."""
    digest = hashlib.sha256(str(tuple(int(length) for length in shape)).encode())
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True)
class FaceSet:
    """Photographs with who is on them and what is known about each.

    Attributes:
        images: uint8 (N, H, W, C), RGB where C = 3, grey where C = 1. May be a read-only memory map, or rows of one: then
            the pixels stay on disk. ``images[rows]`` is an array either way.
        identity: int64 (N,), index into ``names``; ``UNKNOWN`` (-1) where the person is not known.
        names: name of each person, in sorted order of the source; people without a photograph here keep their number.
        attributes: one row a photograph, in the same order; the column ``file`` names it within its source.
        source: what ``datasets.load`` was asked for, with the working size: ``"orl@64"``.
        rejected_files: files of the source that could not be used.
    """

    images: np.ndarray | ImageRows
    identity: np.ndarray
    names: tuple[str, ...]
    attributes: pd.DataFrame
    source: str
    rejected_files: tuple[RejectedFile, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise BadParameterError(
                f"FaceSet {self.source}: images are {self.images.dtype} {self.images.shape}.",
                "Give uint8 (N, H, W, C).",
            )
        if not len(self.images) == len(self.identity) == len(self.attributes):
            raise BadParameterError(
                f"FaceSet {self.source}: {len(self.images)} images, {len(self.identity)} identities, "
                f"{len(self.attributes)} attribute rows.",
                "Give one of each a photograph.",
            )
        if "file" not in self.attributes:
            raise BadParameterError(f"FaceSet {self.source}: no column 'file'.", "Name each photograph in it.")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        _, height, width, channels = self.images.shape
        return f"FaceSet({self.source}: {len(self)} images {height}x{width}x{channels}, {len(self.people)} people)"

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the pixels in order, the same on every machine: 64 hexadecimal digits."""
        with progress_bar(f"hashing {self.source}", len(self), delay=1.0) as shown:

            def pieces() -> Iterator[bytes]:  # so that a memory map is never copied whole
                for start in range(0, len(self), 4096):
                    piece = np.ascontiguousarray(self.images[start : start + 4096])
                    yield piece.tobytes()
                    shown.advance(len(piece))

            return pixels_sha256(self.images.shape, pieces())

    @property
    def people(self) -> np.ndarray:
        """Numbers of the people who are on at least one photograph: int64 (P,), sorted, without ``UNKNOWN``."""
        found = np.unique(self.identity)
        return found[found != UNKNOWN]

    def subset(self, rows: np.ndarray | Sequence[int]) -> FaceSet:
        """The photographs at ``rows`` (indices, or a boolean mask of N), in that order; people keep their numbers.

        The pixels are copied; those of a large part of a memory map stay where they are (``image_rows.select_images``).
        """
        rows = np.asarray(rows)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise BadParameterError(
                    f"The mask has {rows.shape}, the set {len(self)} images.", "Give one per image."
                )
            rows = np.flatnonzero(rows)
        rows = rows.astype(np.int64)
        return replace(
            self,
            images=select_images(self.images, rows),
            identity=self.identity[rows],
            attributes=self.attributes.iloc[rows].reset_index(drop=True),
        )

    def select_people(self, people: np.ndarray | Sequence[int]) -> FaceSet:
        """All photographs of the given people (numbers as in ``identity``)."""
        return self.subset(np.isin(self.identity, np.asarray(people)))

    def mirrored(self) -> FaceSet:
        """The same photographs with left and right exchanged."""
        return replace(self, images=self.images[:, :, ::-1])

    def labels(self) -> np.ndarray:
        """Classes 0 ... P-1 for a classifier over the people present: int64 (N,).

        Raises:
            BadParameterError: a photograph's person is not known.
        """
        if (self.identity == UNKNOWN).any():
            raise BadParameterError(f"{self.source} has photographs of unknown people.", "Use a set with identities.")
        return np.searchsorted(self.people, self.identity)

    def describe(self) -> dict[str, object]:
        """What a record needs to name these very pixels: source, counts, size and hash."""
        return {
            "source": self.source,
            "images": len(self),
            "people": len(self.people),
            "size": list(self.images.shape[1:]),
            "sha256": self.sha256,
            "rejected": len(self.rejected_files),
        }
