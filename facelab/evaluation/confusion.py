"""Who is taken for whom."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn import metrics

from facelab.errors import BadParameterError


class ConfusedPair(NamedTuple):
    """Two classes that are taken for each other.

    Attributes:
        first: name of the one.
        second: name of the other.
        first_as_second: images of the first that were predicted as the second.
        second_as_first: the reverse.
    """

    first: str
    second: str
    first_as_second: int
    second_as_first: int


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """The confusion matrix: int64 (classes, classes), rows the true class, columns the predicted one.

    Args:
        labels: int (N,), true class 0 ... classes-1.
        predicted: int (N,), predicted class.
        classes: number of classes, those without an image included.

    Raises:
        BadParameterError: a class is outside 0 ... classes-1.
    """
    both = np.concatenate([labels, predicted])
    if len(both) and not 0 <= both.min() <= both.max() < classes:
        raise BadParameterError(f"Classes {both.min()} to {both.max()} were given for {classes}.", "Count from 0.")
    return metrics.confusion_matrix(labels, predicted, labels=np.arange(classes))


def most_confused_pairs(matrix: np.ndarray, names: tuple[str, ...] | list[str], count: int = 5) -> list[ConfusedPair]:
    """The pairs of classes with the most images taken for one another, both directions added, worst first.

    Args:
        matrix: int (C, C), as ``confusion_matrix`` gives it.
        names: the C names.
        count: at most so many; pairs that are never confused are not listed.

    Raises:
        BadParameterError: names and matrix differ in number.
    """
    if len(names) != len(matrix):
        raise BadParameterError(f"{len(names)} names for {len(matrix)} classes.", "Give one a class.")
    first, second = np.triu_indices(len(matrix), k=1)
    total = matrix[first, second] + matrix[second, first]
    worst = np.argsort(-total, kind="stable")[:count]
    return [
        ConfusedPair(names[a], names[b], int(matrix[a, b]), int(matrix[b, a]))
        for a, b in zip(first[worst], second[worst], strict=True)
        if matrix[a, b] + matrix[b, a] > 0
    ]
