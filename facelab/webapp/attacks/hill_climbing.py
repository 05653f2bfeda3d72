"""An attack on what the service tells: climbing on a score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def hill_climb(
    score: Callable[[np.ndarray], float],
    start: np.ndarray,
    directions: np.ndarray,
    queries: int,
    step: float,
    seed: int = 0,
) -> tuple[np.ndarray, list[float]]:
    """Hill climbing on a score that is told: change the picture a little, keep what scores higher (Galbally et al. 2010).

    Args:
        score: of a picture, uint8 like ``start``.
        start: uint8 (H, W), anybody's face.
        directions: float (K, H, W), such as eigenfaces; of unit norm.
        queries: how often the score may be asked.
        step: length of a change, in grey values over the whole picture.
        seed: of the NumPy generator.

    Returns:
        The best picture, and the best score after each query.
    """
    rng = np.random.default_rng(seed)
    best, picture = score(start), start.astype(np.float64)
    told = [best]
    for _ in range(queries - 1):
        tried = picture + np.tensordot(rng.normal(0, step / np.sqrt(len(directions)), len(directions)), directions, 1)
        found = score(np.clip(tried, 0, 255).astype(np.uint8))
        if found > best:
            best, picture = found, tried
        told.append(best)
    return np.clip(picture, 0, 255).astype(np.uint8), told
