"""How much of what an exact search finds does an approximate one find?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facelab.errors import BadParameterError
from facelab.evaluation import Estimate, wilson_of_fraction
from facelab.search.index import Index


def recall_at_k(
    index: Index, exact: Index, queries: np.ndarray, k: int, exclude: Sequence | np.ndarray | None = None
) -> Estimate:
    """Share of the true k nearest embeddings that an index finds, mean over the queries.

    Args:
        index: the one to judge.
        exact: an index of kind ``"exact"`` of the same embeddings.
        queries: real (n, D).
        k: as ``Index.search``.
        exclude: as ``Index.search``. Queries that are in the index must exclude themselves: finding oneself is no art.

    Raises:
        BadParameterError: as ``Index.search``, or ``exact`` is not exact or holds other ids.
    """
    if exact.kind != "exact" or exact.model != index.model or not np.array_equal(exact.ids, index.ids):
        raise BadParameterError(
            f"A recall against an index of kind {exact.kind!r} with {len(exact)} faces, of one with {len(index)}.",
            "Compare with an exact index of the same vectors, ids and model.",
        )
    return recall_from_ids(index.search(queries, k, exclude)[0], exact.search(queries, k, exclude)[0])


def recall_from_ids(ids: np.ndarray, exact_ids: np.ndarray) -> Estimate:
    """``recall_at_k`` of what two searches gave: ids (n, k), and those of the exact one.

    Of two equally near embeddings one may be among the k and the other not, so that finding the other is a miss.

    Returns:
        The mean over queries. A query's share varies no more than a yes or no of the same mean would, so Wilson's interval of
        n trials, with the hits rounded outwards, holds for it and is rather wide; it takes the queries as independent.
    """
    n, k = exact_ids.shape
    hits = int((ids[:, :, None] == exact_ids[:, None, :]).sum())
    return wilson_of_fraction(hits / k, n, unit="queries")
