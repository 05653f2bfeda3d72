"""What is kept of a person: the mean direction of some embeddings. Calibration measures this, and log-in compares by it."""

from __future__ import annotations

import numpy as np

from facelab.errors import BadParameterError


def make_template(embeddings: np.ndarray) -> np.ndarray:
    """The template of some embeddings: the mean of their directions, of norm 1.

    Args:
        embeddings: float (n, D), n >= 1, of one embedder and one person; need not be of unit norm.

    Returns:
        float32 (D,), of norm 1.

    Raises:
        BadParameterError: no embedding, one that is zero or not finite, or directions that cancel out.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
        raise BadParameterError(f"Embeddings {rows.shape} make no template.", "Give finite ones, (n, D), n at least 1.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    mean = (rows / np.where(lengths > 0, lengths, 1)).mean(axis=0)
    length = float(np.linalg.norm(mean))
    if not (lengths > 0).all() or length < 1e-6:
        raise BadParameterError("The embeddings have no common direction.", "Look for embeddings that are zero.")
    return (mean / length).astype(np.float32)


def comparison_score(template: np.ndarray, embedding: np.ndarray) -> float:
    """Cosine of a template and an embedding, both float (D,) of norm 1: -1 to 1."""
    return float(np.dot(template.astype(np.float64), embedding.astype(np.float64)))
