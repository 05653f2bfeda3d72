"""Two faults of unequal classes: one class predicted for everybody, and a validation set that lacks one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from facelab.datasets import FaceSet
from facelab.datasets.splits import stratified_split
from facelab.evaluation import Estimate, balanced_accuracy
from facelab.exercises.faults.verdict import Fault, Verdict

Rows = tuple[np.ndarray, np.ndarray]  #: of training and validation


def plain_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """As found. The share of photographs that were predicted right."""
    return float((labels == predicted).mean())


def check_summary(summary: Callable[[np.ndarray, np.ndarray], float | Estimate]) -> Verdict:
    """Whether a constant prediction comes out as chance, whichever class it names and however large that class is.

    The figure of 90 photographs of one class and 10 of another must be the same for "all are the first" and "all are the
    second", no more than 1/2, and 1 where all are right. Balanced accuracy passes with 1/2, Cohen's kappa with 0; plain
    accuracy and F1 do not.

    Args:
        summary: (labels (N,), predicted (N,)) -> figure, 1 at best, as ``evaluation.balanced_accuracy``.
    """
    labels = np.repeat([0, 1], [90, 10])
    figures = [summary(labels, predicted) for predicted in (np.zeros_like(labels), np.ones_like(labels), labels)]
    many, few, all_right = (figure.value if isinstance(figure, Estimate) else float(figure) for figure in figures)
    return Verdict(
        math.isclose(many, few, abs_tol=1e-9) and many <= 0.5 and math.isclose(all_right, 1),
        f"of 90 and 10 photographs, calling all of them the first class gives {many:.1%}, the second {few:.1%}; "
        f"all right gives {all_right:.1%}.",
    )


def ordered_split(labels: np.ndarray) -> Rows:
    """As found. The first four fifths of the files train, the others validate; files are sorted by name."""
    cut = len(labels) * 4 // 5
    return np.arange(cut), np.arange(cut, len(labels))


def split_within_classes(labels: np.ndarray) -> Rows:
    """Four fifths of each class train, the others validate: ``splits.stratified_split``."""
    files = pd.DataFrame({"file": np.arange(len(labels)).astype(str)})
    names = tuple(f"class {number}" for number in range(labels.max() + 1))
    split = stratified_split(
        FaceSet(np.zeros((len(labels), 1, 1, 1), np.uint8), labels, names, files, "labels"), train=0.8
    )
    return split.train, split.test


def check_split(split: Callable[[np.ndarray], Rows]) -> Verdict:
    """Whether training and validation have all classes, and no photograph in common, in 20 sets.

    A set is 100 photographs of four classes, the smallest of 5; once sorted by class, then in other orders. A split that
    shuffles and cuts loses the smallest class in a third of them.

    Args:
        split: labels (N,) -> rows of training, rows of validation.
    """
    labels, rng = np.repeat(np.arange(4), [60, 25, 10, 5]), np.random.default_rng(0)
    missing = shared = 0
    for ordered in [labels, *(rng.permutation(labels) for _ in range(19))]:
        parts = split(ordered)
        missing += any(len(np.unique(ordered[rows])) < 4 for rows in parts)
        shared += bool(np.intersect1d(*parts).size)
    return Verdict(
        missing == shared == 0,
        f"in {missing} of 20 sets a class is missing from training or validation, in {shared} they share a photograph.",
    )


FAULTS = [
    Fault(
        "one class read as an accuracy",
        "The network called every face one gender, and the share of that gender was read as an accuracy.",
        plain_accuracy,
        balanced_accuracy,
        check_summary,
    ),
    Fault(
        "a class missing from validation",
        "The validation set had no Asian face, so its accuracy said nothing of them.",
        ordered_split,
        split_within_classes,
        check_split,
    ),
]
