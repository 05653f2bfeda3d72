"""Linear detectors of attacks: fitted on some people, asked about others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint

FOLDS = 5
TARGET_BPCER = 0.05
_STRENGTH = 0.3  # of scikit-learn's C: the smaller, the smoother


def fit_linear(values: np.ndarray, instrument: Sequence[str], bona_fide: str) -> tuple[np.ndarray, float]:
    """Logistic regression: weights (F,) and intercept of log odds for the bona fide.

    Bona fide weigh as much as all attacks together, and each instrument as much as any other.

    Args:
        values: float (N, F).
        instrument: N names.
        bona_fide: the name of those that are none.
    """
    names = np.asarray(instrument)
    kinds, kind, count = np.unique(names, return_inverse=True, return_counts=True)
    live = names == bona_fide
    weight = np.where(live, 1.0, 1 / (len(kinds) - 1)) / count[kind]
    scaler = StandardScaler().fit(values)
    fitted = LogisticRegression(C=_STRENGTH, max_iter=2000).fit(
        scaler.transform(values), live, sample_weight=weight * len(names) / weight.sum()
    )
    weights = fitted.coef_[0] / scaler.scale_
    return weights, float(fitted.intercept_[0] - weights @ scaler.mean_)


def draw_folds(faces: FaceSet, seed: int) -> np.ndarray:
    """A fold of each person, (P,): in each, people who are in no other; the leakage is looked for."""
    fold = np.random.default_rng(seed).permutation(len(faces.people)) % FOLDS
    for held_out in range(FOLDS):
        tested = fold[faces.identity] == held_out
        train, test = (faces.subset(np.flatnonzero(rows)) for rows in (~tested, tested))
        assert_disjoint(train, test, kinds=("identity", "file"))
    return fold


def cross_fitted(
    values: np.ndarray, instrument: np.ndarray, person: np.ndarray, fold: np.ndarray, trains: np.ndarray, bona_fide: str
) -> np.ndarray:
    """Log odds of each presentation by a detector that was fitted without its person, float (N,).

    Args:
        values: float (N, F).
        instrument: (N,) names.
        person: int (N,).
        fold: (P,), of each person.
        trains: bool (N,), which may be fitted on at all.
        bona_fide: as in ``fit_linear``.
    """
    scores = np.empty(len(values))
    for held_out in range(FOLDS):
        tested = fold[person] == held_out
        weights, intercept = fit_linear(values[~tested & trains], instrument[~tested & trains], bona_fide)
        scores[tested] = values[tested] @ weights + intercept
    return scores


def held_out_thresholds(scores: np.ndarray, live: np.ndarray, person: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """For each presentation the threshold at the target BPCER that the bona fide of other folds give, float (N,)."""
    thresholds = np.empty(len(scores))
    for held_out in range(FOLDS):
        tested = fold[person] == held_out
        thresholds[tested] = np.quantile(scores[live & ~tested], TARGET_BPCER)
    return thresholds
