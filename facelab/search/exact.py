"""Exact search: the cosine of each query with every vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from facelab.search.engine import Engine

MAX_SCORES = 2**24  #: cosines that are held at a time, 64 MB


@dataclass(frozen=True, eq=False)
class ExactEngine(Engine):
    """All vectors, float32 (N, D); see ``Engine``."""

    vectors: np.ndarray
    options: dict[str, int]

    @classmethod
    def build(cls, vectors: np.ndarray, options: dict[str, int]) -> ExactEngine:
        """Nothing is built: the vectors are the index."""
        return cls(vectors, options)

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        return self.vectors.shape

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """As ``Engine.search``; of those found, equal cosines come in the order of their rows."""
        count = len(self.vectors)
        rows = np.empty((len(queries), k), np.int64)
        cosine = np.empty((len(queries), k), np.float32)
        step = max(1, MAX_SCORES // count)
        for at in range(0, len(queries), step):
            part = slice(at, at + step)
            scores = queries[part] @ self.vectors.T
            top = np.sort(np.argpartition(scores, count - k, axis=1)[:, count - k :], axis=1)
            order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
            rows[part] = np.take_along_axis(top, order, axis=1)
            cosine[part] = np.take_along_axis(scores, rows[part], axis=1)
        return rows, cosine

    def write(self, stream: BinaryIO) -> None:
        """The vectors as a .npy."""
        np.lib.format.write_array(stream, self.vectors, allow_pickle=False)

    @classmethod
    def read(cls, stream: BinaryIO, dimension: int, options: dict[str, int]) -> ExactEngine:
        """What ``write`` wrote."""
        return cls(np.lib.format.read_array(stream, allow_pickle=False), options)
