"""Several systems' scores of the same pairs as one: Kittler, Hatef, Duin and Matas, On Combining Classifiers, 1998: the sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facelab.errors import BadParameterError


def fuse(scores: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """The weighted mean of scores that have one scale, such as that of ``Cohort.normalize``.

    Equal weights need no data to fit them on, and systems that err on different pairs gain most.

    Args:
        scores: of each system float (M,), in the same order of pairs.
        weights: one a system, 0 or more, not all 0; None: equal ones.

    Returns:
        Float64 (M,).

    Raises:
        BadParameterError: no system, another number of pairs or weights, or a weight below 0.
    """
    if not scores or len({len(own) for own in scores}) != 1:
        raise BadParameterError(
            "Fusion of no system, or of scores of different pairs.", "Score the same pairs by each."
        )
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(weights) != len(scores) or (weights < 0).any() or not weights.sum() > 0:
        raise BadParameterError(f"{len(scores)} systems with the weights {weights.tolist()}.", "Give one each, from 0.")
    return np.average(np.stack(scores), axis=0, weights=weights)
