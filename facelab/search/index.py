"""One interface to all kinds of nearest-neighbour search among embeddings of faces."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facelab.errors import BadParameterError
from facelab.search.annoy import AnnoyBrokenWarning, AnnoyEngine, is_annoy_reliable
from facelab.search.checks import check_ids, check_options, check_unique_ids, unit_vectors
from facelab.search.engine import Engine
from facelab.search.exact import ExactEngine
from facelab.search.faiss import HnswEngine
from facelab.whole_numbers import is_whole_number

ENGINES: dict[str, type[Engine]] = {"exact": ExactEngine, "annoy": AnnoyEngine, "faiss": HnswEngine}


@dataclass(frozen=True, eq=False)
class Index:
    """Embeddings that can be searched; made by ``build_index`` or ``load_index``.

    Nothing can be added: Annoy's trees are fixed once built, and an index that differs from the embeddings it is named after
    is worse than a slow one. Build it again from all of them.

    Attributes:
        ids: int64 or strings (N,), in the order of the vectors.
        model: what made the embeddings, as the caller named it.
        kind: key in ``ENGINES`` of what searches.
        engine: searches by rows 0 ... N-1. Annoy makes room up to its greatest number, so it never sees the ids.
    """

    ids: np.ndarray
    model: str
    kind: str
    engine: Engine

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimension(self) -> int:
        """D of the embeddings."""
        return self.engine.shape[1]

    @property
    def options(self) -> dict[str, int]:
        """Those that it was built with and is searched with, defaults included."""
        return dict(self.engine.options)

    def with_options(self, **options: int) -> Index:
        """The same index, searched with another effort: ``search_k`` of Annoy, ``ef_search`` of faiss. Nothing is copied.

        Raises:
            BadParameterError: no such option, or one that only a new building can change.
        """
        known = {name: self.engine.OPTIONS[name] for name in self.engine.SEARCH_OPTIONS}
        checked = check_options(f"{self.kind} (once built)", known, options)
        changed = {name: checked[name] for name in options}
        return replace(self, engine=replace(self.engine, options=self.options | changed))

    def search(
        self,
        queries: np.ndarray,
        k: int,
        exclude: Sequence | np.ndarray | None = None,
        farthest: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest embeddings of each query, or the k farthest.

        The farthest of q are the nearest of -q, since cos(-q, x) = -cos(q, x). There are no faces around -q, and the ways of
        Annoy and HNSW do not lead there: of 10 000 simulated faces HNSW found 75 % of the ten farthest and 99.9 % of the
        ten nearest, Annoy 29 % and 95 %. Where the farthest matter, search exactly.

        Args:
            queries: real (n, D), of any norm but 0.
            k: how many, at most N without those excluded.
            exclude: ids (n,) or (n, E) that each query must not find: itself, or all renderings of its photograph.
                They are left out by their id, never by their distance.
            farthest: search the least similar.

        Returns:
            ids (n, k), and their cosines float32 (n, k), -1 to 1, the most similar first, or the least.

        Raises:
            BadParameterError: unsuitable queries, a k that cannot be, or ids to exclude that are not in the index.
        """
        queries = unit_vectors(queries, "queries", self.dimension)
        barred = self._barred(exclude, len(queries))
        if not is_whole_number(k) or not 1 <= k <= len(self) - barred.shape[1]:
            raise BadParameterError(
                f"{k} neighbours, {barred.shape[1]} excluded, of an index of {len(self)}.",
                f"Ask for 1 to {len(self) - barred.shape[1]}.",
            )
        k = int(k)  # faiss takes no NumPy number
        rows, cosine = self.engine.search(-queries if farthest else queries, k + barred.shape[1])
        ids, cosine = self.ids[rows], np.clip(-cosine if farthest else cosine, -1, 1).astype(np.float32)
        # those to keep first, else in the order that they are in
        order = np.argsort((ids[:, :, None] == barred[:, None, :]).any(2), axis=1, kind="stable")[:, :k]
        return np.take_along_axis(ids, order, axis=1), np.take_along_axis(cosine, order, axis=1)

    def _barred(self, exclude: Sequence | np.ndarray | None, count: int) -> np.ndarray:
        """Ids (count, E) to leave out of each query's neighbours."""
        if exclude is None:
            return np.empty((count, 0), self.ids.dtype)
        barred = check_ids(exclude, "ids to exclude")
        barred = barred[:, None] if barred.ndim == 1 else barred
        if barred.ndim != 2 or len(barred) != count:
            raise BadParameterError(
                f"{count} queries, ids to exclude of shape {np.shape(exclude)}.",
                "Give one id, or one row of ids, a query.",
            )
        absent = barred[~np.isin(barred, self.ids)] if barred.dtype.kind == self.ids.dtype.kind else barred
        if absent.size:
            raise BadParameterError(
                f"{absent.size} ids to exclude are not in the index (first {absent[0].item()!r}).",
                "Exclude nothing where the queries are not in the index.",
            )
        return barred


def build_index(
    vectors: np.ndarray, ids: Sequence | np.ndarray, kind: str = "exact", *, model: str, **options: int
) -> Index:
    """An index of embeddings, which are normalised first: a neighbour is near by its cosine.

    Args:
        vectors: real (N, D), one row a face.
        ids: (N,) whole numbers or strings, each once; with gaps and in any order, if you like.
        kind: ``"exact"``, ``"annoy"`` or ``"faiss"`` (HNSW). Exact is fast enough for some ten thousand faces.
        model: what made the embeddings, such as the SHA-256 of the weights; ``load_index`` asks for the same.
        options: of the kind, see ``AnnoyEngine`` and ``HnswEngine``.

    Returns:
        The index; an exact one, with an ``AnnoyBrokenWarning``, where Annoy does not work on this machine.

    Raises:
        BadParameterError: unsuitable vectors, ids, kind, model or options.
        FacelabError: faiss is not installed.
    """
    if kind not in ENGINES:
        raise BadParameterError(f"No search is of the kind {kind!r}.", f"There are: {', '.join(ENGINES)}.")
    if not isinstance(model, str) or not model:
        raise BadParameterError(
            f"The model is {model!r}.", "Name what made the embeddings, by the hash of its weights."
        )
    options = check_options(kind, ENGINES[kind].OPTIONS, options)
    unit = unit_vectors(vectors, "vectors")
    ids = check_unique_ids(ids, len(unit))
    if kind == "annoy" and not is_annoy_reliable():
        warnings.warn(
            "Annoy finds wrong neighbours on this machine. The search is exact.", AnnoyBrokenWarning, stacklevel=2
        )
        kind, options = "exact", {}
    return Index(ids, model, kind, ENGINES[kind].build(unit, options))
