"""Approximate search by faiss (github.com/facebookresearch/faiss), optional: ``pip install "facelab[ann]"``.

HNSW, a hierarchy of graphs whose edges join near vectors (Malkov and Yashunin, TPAMI 2020, arXiv:1603.09320). A query walks
from vertex to vertex, always nearer. faiss has many other kinds; this one needs no training and finds most for its time
where the vectors fit into memory, as those of faces do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import numpy as np

from facelab.extras import needs_extra
from facelab.search.engine import Engine

if TYPE_CHECKING:
    import faiss


@dataclass(frozen=True, eq=False)
class HnswEngine(Engine):
    """A graph; see ``Engine``. Several threads build it, so that two graphs may differ in a few edges.

    Options:
        m: edges of a vertex in the upper layers, twice as many in the lowest (M of the paper, which recommends 5 to 48).
            16: 8 find fewer neighbours for the same effort, 32 take more memory and time to build.
        ef_construction: candidates among which the edges of a new vertex are chosen; 40, as in faiss.
        ef_search: candidates that a search keeps, k at least; 64: at 16, as in faiss, the edges of crowds are missed.
    """

    OPTIONS: ClassVar[Mapping[str, tuple[int, int]]] = {"m": (16, 2), "ef_construction": (40, 1), "ef_search": (64, 1)}
    SEARCH_OPTIONS: ClassVar[tuple[str, ...]] = ("ef_search",)

    graph: faiss.IndexHNSWFlat
    options: dict[str, int]

    @classmethod
    def build(cls, vectors: np.ndarray, options: dict[str, int]) -> HnswEngine:
        """Add the vectors one by one.

        Raises:
            FacelabError: faiss is not installed.
        """
        faiss = _faiss()
        graph = faiss.IndexHNSWFlat(vectors.shape[1], options["m"], faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = options["ef_construction"]
        graph.add(vectors)
        return cls(graph, options)

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        return self.graph.ntotal, self.graph.d

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """As ``Engine.search``. A query whose walk meets fewer than k vectors is compared with all of them."""
        faiss = _faiss()
        effort = faiss.SearchParametersHNSW(efSearch=self.options["ef_search"])
        cosine, rows = self.graph.search(queries, k, params=effort)
        short = (rows < 0).any(1)
        if short.any():
            cosine[short], rows[short] = faiss.downcast_index(self.graph.storage).search(queries[short], k)
        return rows, cosine

    def write(self, stream: BinaryIO) -> None:
        """faiss's own bytes, as a .npy."""
        np.lib.format.write_array(stream, _faiss().serialize_index(self.graph), allow_pickle=False)

    @classmethod
    def read(cls, stream: BinaryIO, dimension: int, options: dict[str, int]) -> HnswEngine:
        """What ``write`` wrote.

        Raises:
            FacelabError: faiss is not installed.
        """
        return cls(_faiss().deserialize_index(np.lib.format.read_array(stream, allow_pickle=False)), options)


def _faiss() -> ModuleType:
    with needs_extra("The kind 'faiss'", "ann", instead=", or take the kind 'exact'."):
        import faiss
    return faiss
