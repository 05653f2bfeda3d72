"""Exercises of notebook 05 on labels: balanced accuracy, a list of few labels, a guess. Those on its loss: ``chapter_05``."""

from __future__ import annotations

import re

import numpy as np
from sklearn.metrics import precision_score, recall_score

from facelab.exercises.exercise import (
    Exercise,
    ExerciseError,
    refuse_mistakes,
    require,
    require_number,
    require_share,
    require_value,
    require_written,
)
from facelab.exercises.prediction import Prediction


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """The mean, over those of the classes 0 ... classes-1 that occur in the labels, of the share that was found right."""
    there = np.bincount(labels, minlength=classes)
    right = np.bincount(labels[labels == predicted], minlength=classes)
    return float((right[there > 0] / there[there > 0]).mean())


def _check_balanced(answer) -> None:
    labels = np.repeat([0, 1, 3], [12, 4, 2])  # class 2 does not occur
    predicted = np.array([0] * 10 + [1, 2] + [1, 0, 0, 3] + [3, 0])
    got = answer(labels.copy(), predicted.copy(), 4)
    require_number(got)
    require(not np.isnan(got), "NaN: a class without photographs is 0 / 0. Take the mean over the classes that occur.")
    require_share(got)
    refuse_mistakes(got, _BALANCED_MISTAKES, labels, predicted, 4)
    expected = recall_score(labels, predicted, labels=[0, 1, 3], average="macro")
    require_value(got, expected, "three classes of 12, 4 and 2 photographs")
    require_value(
        answer(labels, np.zeros(18, int), 4),
        1 / 3,
        "a classifier that always says class 0 has one class of three right",
    )


_BALANCED_MISTAKES = {
    "plain accuracy": (
        lambda y, p, n: (y == p).mean(),
        "this is the plain accuracy, in which the large class decides. Take the share of each class first.",
    ),
    "absent classes as 0": (
        lambda y, p, n: balanced_accuracy(y, p, n) * len(np.unique(y)) / n,
        "class 2 does not occur, and you count its share as 0. Divide by the number of classes that occur.",
    ),
    "absent classes as 1": (
        lambda y, p, n: (balanced_accuracy(y, p, n) * len(np.unique(y)) + n - len(np.unique(y))) / n,
        "class 2 does not occur, and you count its share as 1. Leave it out.",
    ),
    "precision": (
        lambda y, p, n: precision_score(y, p, labels=np.unique(y), average="macro"),
        "this is the precision: of those called c, the share that are c. Of those that are c, which share was found?",
    ),
}


@np.errstate(invalid="ignore")
def _not_a_number(labels, predicted, classes):
    there, right = (np.bincount(y, minlength=classes) for y in (labels, labels[labels == predicted]))
    return (right / there).mean()


BALANCED_ACCURACY = Exercise(
    "5.3 balanced accuracy",
    balanced_accuracy,
    _check_balanced,
    mistakes=_BALANCED_MISTAKES
    | {
        "NaN": (_not_a_number, "0 / 0"),
        "per cent": (lambda y, p, n: 100 * balanced_accuracy(y, p, n), "between 0 and 1"),
        "a share a class": (lambda y, p, n: recall_score(y, p, labels=[0, 1, 3], average=None), "of the shape (3,)"),
        "each class against the rest": (
            lambda y, p, n: np.mean([((y == c) == (p == c)).mean() for c in np.unique(y)]),
            "three classes of 12",
        ),
        "only the classes predicted": (
            lambda y, p, n: balanced_accuracy(y[np.isin(y, p)], p[np.isin(y, p)], n),
            "always says class 0",
        ),
    },
    minutes=8,
    difficulty=2,
    importance=5,
    hints=(
        "Go class by class: of the photographs whose label is c, which share was predicted as c?",
        "Take the classes from the labels with `np.unique(labels)`, so that one without photographs is left out. For each "
        "of them `(predicted[labels == c] == c).mean()`; return the mean of these.",
    ),
)


def label_list(labels: np.ndarray, each: int, rng: np.random.Generator) -> np.ndarray:
    """``each`` rows of every class, drawn without replacement, in rising order; ValueError where a class has too few."""
    rows = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(own) < each:
            raise ValueError(f"Class {label} has {len(own)} photographs, {each} are wanted.")
        rows.append(rng.choice(own, each, replace=False))
    return np.sort(np.concatenate(rows))


def _check_label_list(answer) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([2, 5, 37], [60, 30, 10]))
    got = answer(labels.copy(), 8, np.random.default_rng(0))
    require_written(got)
    rows = np.asarray(got)
    require(
        rows.ndim == 1 and np.issubdtype(rows.dtype, np.integer),
        "return the numbers of the rows, one array of int, and no mask: labels[rows] are then the labels drawn.",
    )
    require(
        len(np.unique(rows)) == len(rows),
        f"{len(rows) - len(np.unique(rows))} rows are drawn twice: each would be labelled twice. Draw without replacement.",
    )
    counts = {label: int((labels[rows] == label).sum()) for label in (2, 5, 37)}
    require(
        set(counts.values()) == {8},
        f"8 rows of each class are wanted, these are {counts}. A draw from all rows follows the sizes: draw in each class.",
    )
    require(bool((np.diff(rows) > 0).all()), "the rows are not sorted. In rising order, two lists are easily compared.")
    require(
        np.array_equal(rows, answer(labels, 8, np.random.default_rng(0))),
        "the same generator gives another list. Draw with rng, and with nothing else.",
    )
    require(
        not np.array_equal(rows, answer(labels, 8, np.random.default_rng(1))),
        "another generator gives the same rows: draw with rng, do not take the first ones.",
    )
    try:
        few = answer(labels, 11, np.random.default_rng(0))
    except ValueError as error:
        require(
            re.search(r"\b37\b", str(error)) is not None,
            f"a class with too few rows: your ValueError says {str(error)!r}. Say which class it is: 37.",
        )
    else:
        raise ExerciseError(
            f"class 37 has 10 rows, 11 are wanted, and you return {np.shape(few)} without a word. Raise a ValueError."
        )
    require_value(len(answer(labels, 10, np.random.default_rng(0))), 30, "10 of each, all that class 37 has: the rows")


def _each_class(labels, take):
    return np.sort(np.concatenate([take(np.flatnonzero(labels == label)) for label in np.unique(labels)]))


def _by_share(labels, each, rng):
    return np.sort(rng.permutation(len(labels))[: each * len(np.unique(labels))])


def _all_the_same_size(labels, each, rng):
    if (np.bincount(labels)[np.unique(labels)] <= each).any():
        raise ValueError("Class 37 has too few rows.")
    return label_list(labels, each, rng)


LABEL_LIST = Exercise(
    "5.4 a list of few labels",
    label_list,
    _check_label_list,
    mistakes={
        "in proportion": (_by_share, "draw in each class"),
        "with replacement": (lambda y, n, rng: _each_class(y, lambda own: rng.choice(own, n)), "without replacement"),
        "the first rows": (lambda y, n, rng: _each_class(y, lambda own: own[:n]), "the first ones"),
        "fewer": (lambda y, n, rng: _each_class(y, lambda own: rng.permutation(own)[:n]), "without a word"),
        "NumPy's own words": (
            lambda y, n, rng: _each_class(y, lambda own: rng.choice(own, n, replace=False)),
            "which class it is",
        ),
        "another generator": (lambda y, n, rng: label_list(y, n, np.random.default_rng()), "another list"),
        "not sorted": (lambda y, n, rng: rng.permutation(label_list(y, n, rng)), "not sorted"),
        "a mask": (lambda y, n, rng: np.isin(np.arange(len(y)), label_list(y, n, rng)), "no mask"),
        "all of a class refused": (_all_the_same_size, "raised ValueError"),
    },
    minutes=10,
    difficulty=2,
    importance=3,
    hints=(
        "Draw within each class: a draw from all photographs would follow the sizes of the classes.",
        "For each class of `np.unique(labels)`: its rows are `np.flatnonzero(labels == label)`. Are there fewer than `each`? "
        "Raise a `ValueError` with the class in its text. Else `rng.choice(rows, each, replace=False)`. Join and sort.",
    ),
)


GUESS_FINE_TUNED = Prediction(
    "5.6 guess: fine-tuning with 1 % of the labels",
    "guess_fine_tuned",
    metric="glasses/0.01/SimCLR, fine-tuned",
    minutes=4,
    hints=(
        "How many photographs are 1 % of the pool, and how many of each class? How many weights does fine-tuning move?",
        "The embeddings of SimCLR already tell glasses apart to some degree, as the linear probe will show. Ask what dozens "
        "of steps on a handful of photographs do to them.",
    ),
)
