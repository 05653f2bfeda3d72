"""Exercises of notebook 02: top-k, a split that keeps renderings together, the equal error rate, and a guess. A training step
by hand: ``chapter_02_gradients``."""

from __future__ import annotations

import numpy as np

from facelab.exercises.exercise import Exercise, refuse, require, require_share, require_value, require_written
from facelab.exercises.prediction import Prediction


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of rows of (N, C) scores whose right class is among the k highest."""
    best = np.argsort(-scores, axis=1)[:, :k]
    return float((best == labels[:, None]).any(axis=1).mean())


def _check_top_k(answer) -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(50, 7)), rng.integers(7, size=50)
    got = answer(scores.copy(), labels.copy(), 1)
    require_share(got)
    require_value(got, top_k_accuracy(scores, labels, 1), "top-1")
    got = answer(scores.copy(), labels.copy(), 3)
    expected, lowest = top_k_accuracy(scores, labels, 3), top_k_accuracy(-scores, labels, 3)
    counted_thrice = "top-3: this is k times the share. Use any over the k places, then mean over the rows."
    refuse(got, 3 * expected, counted_thrice)
    refuse(got, top_k_accuracy(scores, labels, 1), "top-3: this is top-1. Use k.")
    refuse(got, lowest, "top-3: you took the three lowest scores. argsort sorts upwards.")
    require_value(got, expected, "top-3")
    require_value(
        answer(scores, labels, 7), 1.0, "with k = number of classes the right class is always among them: the share"
    )


TOP_K_ACCURACY = Exercise(
    "2.1 top-k accuracy",
    top_k_accuracy,
    _check_top_k,
    mistakes={
        "top-1 for every k": (lambda s, y, k: float((s.argmax(1) == y).mean()), "this is top-1"),
        "lowest scores": (lambda s, y, k: top_k_accuracy(s if k == 1 else -s, y, k), "three lowest"),
        "counted k times": (lambda s, y, k: k * top_k_accuracy(s, y, k), "k times the share"),
        "a count": (lambda s, y, k: top_k_accuracy(s, y, k) * len(y), "a share lies between 0 and 1"),
    },
    minutes=8,
    difficulty=2,
    importance=5,
    hints=(
        "`np.argsort` sorts upwards and returns column numbers. Which columns hold the k highest scores of each row?",
        "Take the first k columns of `np.argsort(-scores, axis=1)`. Compare them with `labels[:, None]`: "
        "`any(axis=1)` says for each row whether the right class is among them, and the mean of that is the share.",
    ),
)


def split_by_photo(photo: np.ndarray, test_share: float, rng: np.random.Generator) -> np.ndarray:
    """bool (N,), true for the test rows: whole photographs, about ``test_share`` of them."""
    photos = np.unique(photo)
    test = rng.permutation(photos)[: round(test_share * len(photos))]
    return np.isin(photo, test)


def _check_split(answer) -> None:
    photo = np.repeat(np.array([f"s{p}/{k}" for p in range(3) for k in range(10)]), 4)
    mask = answer(photo.copy(), 0.3, np.random.default_rng(0))
    require_written(mask)
    mask = np.asarray(mask)
    require(mask.shape == photo.shape and mask.dtype == bool, "return one True or False for each row, True for test.")
    both = set(photo[mask]) & set(photo[~mask])
    require(
        not both,
        f"{len(both)} photographs have renderings on both sides: the network is tested on photographs that it has "
        "seen.",
    )
    require(abs(mask.mean() - 0.3) < 0.02, f"{mask.mean():.2f} of the rows are test, expected 0.30.")
    other = np.asarray(answer(photo.copy(), 0.3, np.random.default_rng(1)))
    require(
        (mask != other).any(),
        "another generator gives the same split: draw with rng, do not simply take the first photographs.",
    )


def _rows(photo, share, rng):
    mask = np.zeros(len(photo), bool)
    mask[rng.permutation(len(photo))[: round(share * len(photo))]] = True
    return mask


SPLIT_BY_PHOTO = Exercise(
    "2.2 a split that keeps renderings together",
    split_by_photo,
    _check_split,
    mistakes={
        "by rows": (_rows, "both sides"),
        "the first photographs": (
            lambda p, s, rng: np.isin(p, np.unique(p)[: round(s * len(np.unique(p)))]),
            "same split",
        ),
        "train and test swapped": (lambda p, s, rng: ~split_by_photo(p, s, rng), "0.70 of the rows are test"),
        "indices": (lambda p, s, rng: np.flatnonzero(split_by_photo(p, s, rng)), "True or False for each row"),
    },
    minutes=8,
    difficulty=2,
    importance=5,
    hints=(
        "Draw photographs, not rows: `np.unique(photo)` names each once.",
        "Permute these names with `rng.permutation`, take the first `round(test_share * number)` of them, and ask "
        "with `np.isin` of each row whether its photograph is among them.",
    ),
)


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float:
    """Where the false match rate equals the false non-match rate, to the nearest threshold among the scores."""
    thresholds = np.sort(scores)
    fmr = np.array([(scores[~same] >= t).mean() for t in thresholds])
    fnmr = np.array([(scores[same] < t).mean() for t in thresholds])
    nearest = np.abs(fmr - fnmr).argmin()
    return float((fmr[nearest] + fnmr[nearest]) / 2)


def _check_eer(answer) -> None:
    rng = np.random.default_rng(2)
    same = np.arange(400) < 100
    scores = rng.normal(size=400) + 1.5 * same
    got = answer(scores.copy(), same.copy())
    require_written(got)
    expected = equal_error_rate(scores, same)
    refuse(
        got,
        1 - expected,
        f"got {got}: that is the accuracy at that threshold. The error rate is one minus it.",
        tolerance=0.01,
    )
    refuse(
        got,
        _pooled_errors(scores, same),
        "this is the least share of wrong decisions among all pairs, in which the 300 impostor pairs count three "
        "times as much as the 100 genuine ones. Take each rate over the pairs of its own kind.",
    )
    refuse(
        got,
        ((scores >= 0) != same).mean(),
        "this is the share of wrong decisions at the threshold 0. Look for the threshold at which both rates are "
        "equal.",
    )
    require_value(got, expected, "100 genuine and 300 impostor pairs", tolerance=0.015)
    apart = np.where(same, 1.0, 0.0) + 0.01 * rng.normal(size=400)
    require_value(answer(apart, same), 0.0, "scores that separate perfectly", tolerance=1e-6)


def _pooled_errors(scores, same):
    thresholds = np.sort(scores)
    return float(min((((scores >= t) != same).mean()) for t in thresholds))


EQUAL_ERROR_RATE = Exercise(
    "2.3 the equal error rate",
    equal_error_rate,
    _check_eer,
    mistakes={
        "accuracy": (lambda s, y: 1 - equal_error_rate(s, y), "accuracy"),
        "least total error": (_pooled_errors, "Take each rate over the pairs of its own kind"),
        "at zero": (lambda s, y: float(((s >= 0) != y).mean()), "at the threshold 0"),
    },
    minutes=12,
    difficulty=3,
    importance=5,
    hints=(
        "Two rates, each over its own kind of pairs: the false match rate is the share of the pairs of *two* people "
        "at or above the threshold, the false non-match rate that of the pairs of *one* person below it. Try every "
        "score as a threshold.",
        "`(scores[~same] >= t).mean()` and `(scores[same] < t).mean()` for each `t` of the sorted scores. Where "
        "their difference is least, return the mean of the two.",
    ),
)

GUESS_STRANGER_EER = Prediction(
    "2.5 guess: the error on people never seen",
    "guess_stranger_eer",
    "eer/CNN",
    minutes=3,
    difficulty=2,
    importance=5,
    hints=(
        "An equal error rate of .5 is no better than chance. Notebook 00 measured raw pixels and whitened PCA on "
        "such pairs. How much of what the network learned of 20 people helps with 20 others?",
    ),
)
