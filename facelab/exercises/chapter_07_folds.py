"""Exercises of notebook 07: a threshold that was not fitted on its test, and a guess about alignment."""

from __future__ import annotations

import numpy as np

from facelab.evaluation import best_threshold, pair_accuracy
from facelab.exercises.exercise import Exercise, refuse_mistakes, require_returned, require_value
from facelab.exercises.prediction import Prediction


def fold_accuracies(scores: np.ndarray, same: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Accuracy of each fold, in the order of their numbers, at the threshold that is best on the other folds: (F,).

    Scores (M,), ``same`` bool (M,), fold int (M,). A pair is accepted where its score is the threshold or more.
    """
    found = []
    for number in np.unique(fold):
        own = fold == number
        rest, truth = scores[~own], same[~own]
        threshold = max(np.unique(rest), key=lambda cut: np.mean((rest >= cut) == truth))
        found.append(np.mean((scores[own] >= threshold) == same[own]))
    return np.array(found)


def _threshold_pairs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Folds 1, 2 and 4, mixed. Every score is a tenth, so that any way of looking for the best threshold decides alike."""
    rng = np.random.default_rng(0)
    fold, same = rng.permutation(np.repeat([1, 2, 4], [120, 120, 180])), rng.random(420) < 0.5
    return (rng.normal(0.1, 0.15, 420) + 0.25 * same + 0.15 * (fold == 1)).clip(-0.2, 0.6).round(1), same, fold


def _check_threshold(answer) -> None:
    scores, same, fold = _threshold_pairs()
    got = answer(scores.copy(), same.copy(), fold.copy())
    require_returned(got)
    refuse_mistakes(got, _THRESHOLD_MISTAKES, scores, same, fold)
    require_value(got, fold_accuracies(scores, same, fold), "three folds, numbered 1, 2 and 4")


def _by_fold(judge):
    """An answer (scores, same, fold) from a judgement of one fold (scores, same, own rows)."""
    return lambda scores, same, fold: np.array([judge(scores, same, fold == n) for n in np.unique(fold)])


def _strictly(s, t, own):
    """The best threshold is looked for among the scores and the pair accepted above it: > for >=."""
    cut = max(np.unique(s[~own]), key=lambda value: np.mean((s[~own] >= value) == t[~own]))
    return np.mean((s[own] > cut) == t[own])


_THRESHOLD_MISTAKES = {
    "in-sample": (
        _by_fold(lambda s, t, own: pair_accuracy(s[own], t[own], best_threshold(s[own], t[own])[0])),
        "each threshold is the best on the very fold that it is tested on: it has seen the answers. Fit it on the other folds.",
    ),
    "all folds": (
        _by_fold(lambda s, t, own: pair_accuracy(s[own], t[own], best_threshold(s, t)[0])),
        "you fit one threshold on all folds, among them the fold that it is tested on. Leave that fold out.",
    ),
    "judged on the others": (
        _by_fold(lambda s, t, own: best_threshold(s[~own], t[~own])[1]),
        "these are the accuracies on the folds that the threshold was fitted on. Test it on the fold left out.",
    ),
    "one half": (
        _by_fold(lambda s, t, own: pair_accuracy(s[own], t[own], 0.5)),
        "your threshold is 0.5 for every fold. Cosines have no natural middle: fit it on the other folds.",
    ),
    "> for >=": (
        _by_fold(_strictly),
        "a pair whose score equals the threshold is accepted: use >=, as in the fit.",
    ),
    "turned round": (
        lambda s, t, fold: 1 - fold_accuracies(s, t, fold),
        "these are the error rates, or you accept below the threshold: score >= threshold means the same person.",
    ),
    "the mean": (
        lambda s, t, fold: fold_accuracies(s, t, fold).mean(),
        "this is the mean over the folds. Return one accuracy a fold: their spread tells how far the mean can be trusted.",
    ),
}
FOLD_ACCURACIES = Exercise(
    "7.3 a threshold from the other folds",
    fold_accuracies,
    _check_threshold,
    mistakes=_THRESHOLD_MISTAKES
    | {
        "folds 0, 1, 2": (lambda s, t, fold: fold_accuracies(s, t, fold)[1:], "1, 2 and 4: the shape is (2,)"),
        "a constant": (lambda s, t, fold: np.full(3, 0.5), "numbered 1, 2 and 4: got"),
    },
    minutes=12,
    difficulty=2,
    importance=5,
    hints=(
        "One loop over `np.unique(fold)`. Within it there are two sets of pairs: which of them may the threshold see?",
        "With `own = fold == number`, try every score of `scores[~own]` as threshold and keep the one with the most right "
        "decisions on `same[~own]`. Then count the right decisions on `scores[own]`.",
    ),
)

GUESS_ALIGNED_TEST = Prediction(
    "7.6 guess: alignment in the test alone",
    "guess_aligned_test",
    "prepared/trained as they are, tested detected and aligned",
    importance=4,
    hints=(
        "The network has seen faces at many places, sizes and angles, each with its surroundings. What has it never seen?",
    ),
)
