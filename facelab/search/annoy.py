"""Approximate search by Annoy (E. Bernhardsson, github.com/spotify/annoy): a forest of random splits of the vectors.

Each tree halves the vectors by a random plane again and again. A query goes down all trees at once, the most promising
branch first, until it has met ``search_k`` vectors; those are compared with it exactly.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np
from annoy import AnnoyIndex

from facelab.search.checks import unit_vectors
from facelab.search.engine import Engine
from facelab.search.exact import ExactEngine


class AnnoyBrokenWarning(UserWarning):
    """Annoy, as it was built on this machine, finds wrong neighbours."""


def cosine_of_angular(distance: np.ndarray) -> np.ndarray:
    """Cosine of Annoy's distance "angular", which is the Euclidean one of unit vectors: d = sqrt(2 - 2 cos).

    Args:
        distance: 0 (same direction) to 2 (opposite). It is no angle, and "100 - d" is no percentage.
    """
    return 1 - np.square(distance) / 2


@dataclass(frozen=True, eq=False)
class AnnoyEngine(Engine):
    """A forest; see ``Engine``.

    Options:
        trees: more find more neighbours, and take more time to build and more memory.
        search_k: vectors that a search looks at; -1: as Annoy has it, k times the trees. Trees show some of them twice:
            a query that meets fewer than k different ones is searched again with twice as many.
        seed: of the random planes. One thread builds, so that equal seeds give equal forests.
    """

    OPTIONS: ClassVar[Mapping[str, tuple[int, int]]] = {"trees": (50, 1), "search_k": (-1, -1), "seed": (0, 0)}
    SEARCH_OPTIONS: ClassVar[tuple[str, ...]] = ("search_k",)

    forest: AnnoyIndex
    options: dict[str, int]

    @classmethod
    def build(cls, vectors: np.ndarray, options: dict[str, int]) -> AnnoyEngine:
        """Plant the trees."""
        forest = AnnoyIndex(vectors.shape[1], "angular")
        forest.set_seed(options["seed"])
        for row, vector in enumerate(vectors):
            forest.add_item(row, vector.tolist())  # a list is taken in twice as fast as an array
        forest.build(options["trees"], n_jobs=1)
        return cls(forest, options)

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        return self.forest.get_n_items(), self.forest.f

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """As ``Engine.search``, query by query."""
        rows, distance = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
        for at, query in enumerate(queries):
            rows[at], distance[at] = self.search_one(query.tolist(), k)
        return rows, cosine_of_angular(distance)

    def search_one(self, query: list[float], k: int) -> tuple[list[int], list[float]]:
        """Rows and distances of the up to k nearest of one query."""
        trees, wanted = self.options["trees"], self.options["search_k"]
        wanted = wanted if wanted > 0 else k * trees
        rows, distances = self.forest.get_nns_by_vector(query, k, wanted, include_distances=True)
        while len(rows) < k and wanted < trees * len(self):  # beyond that, each tree has shown every vector
            wanted *= 2
            rows, distances = self.forest.get_nns_by_vector(query, k, wanted, include_distances=True)
        return rows, distances

    def write(self, stream: BinaryIO) -> None:
        """Annoy's own file. Annoy writes to a path only, and goes on reading from that file when it has gone."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "forest")
            self.forest.save(str(path))
            with path.open("rb") as source:
                shutil.copyfileobj(source, stream)

    @classmethod
    def read(cls, stream: BinaryIO, dimension: int, options: dict[str, int]) -> AnnoyEngine:
        """What ``write`` wrote."""
        forest = AnnoyIndex(dimension, "angular")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "forest")
            with path.open("wb") as target:
                shutil.copyfileobj(stream, target)
            forest.load(str(path))
        return cls(forest, options)


@cache
def is_annoy_reliable() -> bool:
    """Whether Annoy, as built on this machine, finds what an exact search finds. Some builds give one neighbour only.

    100 vectors are searched so widely that each is compared: the neighbours must be the right ones. Tested once a process.
    """
    vectors = unit_vectors(np.random.default_rng(0).normal(size=(100, 8)), "vectors")
    k, forest = 10, AnnoyEngine.build(vectors, {"trees": 5, "search_k": 1000, "seed": 0})
    found = [forest.search_one(query.tolist(), k) for query in vectors]
    rows, cosine = ExactEngine(vectors, {}).search(vectors, k)
    return all(
        list(one) == list(right) and np.allclose(cosine_of_angular(distance), near, atol=1e-5)
        for (one, distance), right, near in zip(found, rows, cosine, strict=True)
    )
