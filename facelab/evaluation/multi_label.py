"""Several yes-or-no attributes of one photograph: figures of each, and their mean over the attributes."""

from __future__ import annotations

import numpy as np

from facelab.errors import BadParameterError

ATTRIBUTE_METRICS = ("balanced accuracy", "F1", "accuracy")  #: what ``attribute_metrics`` gives, in this order


def attribute_metrics(labels: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Figures of each attribute, 0 to 1; the usual figure of several is their mean.

    - ``balanced accuracy``: mean of the shares found right of those with and of those without it. One answer to all gets 1/2.
    - ``F1`` of "yes", 2 TP / (2 TP + FP + FN). Always "no" gets 0; always "yes" gets 2 p / (1 + p) for a share p that has it.
    - ``accuracy``: share found right. The more frequent answer to all gets max(p, 1 - p), so rare attributes look easy.

    Args:
        labels: bool (N, A), whether each of N photographs has each of A attributes.
        predicted: bool (N, A).

    Returns:
        Each of ``ATTRIBUTE_METRICS`` -> float64 (A,).

    Raises:
        BadParameterError: shapes differ or are not (N, A), or all or none of the photographs have an attribute.
    """
    labels, predicted = np.asarray(labels, dtype=bool), np.asarray(predicted, dtype=bool)
    if labels.ndim != 2 or labels.shape != predicted.shape:
        raise BadParameterError(
            f"The labels are {labels.shape}, the predictions {predicted.shape}.", "Give one of each, (N, A)."
        )
    yes, count = labels.sum(axis=0), len(labels)
    if len(constant := np.flatnonzero((yes == 0) | (yes == count))):
        raise BadParameterError(
            f"Attribute {constant[0]} has {yes[constant[0]]} of {count} photographs.", "Leave it out: nothing tells."
        )
    both = (labels & predicted).sum(axis=0)
    neither = (~labels & ~predicted).sum(axis=0)
    return {
        "balanced accuracy": (both / yes + neither / (count - yes)) / 2,
        "F1": 2 * both / (yes + predicted.sum(axis=0)),
        "accuracy": (both + neither) / count,
    }
