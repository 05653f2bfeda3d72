"""What each kind of search gives: rows of the nearest vectors, and its bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import BinaryIO, ClassVar

import numpy as np


class Engine(ABC):
    """Vectors of unit norm, numbered 0 ... N-1, that can be searched by cosine.

    Attributes:
        OPTIONS: option -> default and least value.
        SEARCH_OPTIONS: those of them that can change after the building.
        options: their values, all of them.
    """

    OPTIONS: ClassVar[Mapping[str, tuple[int, int]]] = {}
    SEARCH_OPTIONS: ClassVar[tuple[str, ...]] = ()
    options: dict[str, int]

    @classmethod
    @abstractmethod
    def build(cls, vectors: np.ndarray, options: dict[str, int]) -> Engine:
        """From float32 (N, D) of unit norm, N and D at least 1."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """N and D."""

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows int64 (n, k) and cosines (n, k), greatest first, of queries float32 (n, D) of unit norm; 1 <= k <= N."""

    @abstractmethod
    def write(self, stream: BinaryIO) -> None:
        """Everything but the options."""

    @classmethod
    @abstractmethod
    def read(cls, stream: BinaryIO, dimension: int, options: dict[str, int]) -> Engine:
        """What ``write`` wrote."""
