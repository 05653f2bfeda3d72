"""Linear probe: what a frozen embedding knows about a label, read off by logistic regression.

probe = fit_probe(embed(train), train.labels(), group=train.attributes["photo"])
found = probe.topk(embed(test), test.labels())
found.accuracy(1), accuracy_over_people(found, test.identity)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from facelab.errors import BadParameterError
from facelab.evaluation.topk import TopK, topk_by_scores
from facelab.whole_numbers import check_seed

GRID = (0.001, 0.01, 0.1, 1.0, 10.0)  #: C from strong to weak regularisation, for standardised features


@dataclass(frozen=True)
class Probe:
    """A fitted probe. It has seen the training photographs alone.

    Attributes:
        model: standardisation and logistic regression, fitted on all training photographs.
        c: inverse strength of the L2 penalty that was chosen.
        validation: accuracy on the validation photographs for each C tried; empty where only one was given.
    """

    model: Pipeline
    c: float
    validation: dict[float, float]

    def topk(self, embeddings: np.ndarray, labels: np.ndarray) -> TopK:
        """Top-k of photographs that were not in training: float (N, D) and int (N,), a class of the training each.

        Raises:
            BadParameterError: as ``topk_by_scores``.
        """
        scores = self.model.decision_function(embeddings)
        if scores.ndim == 1:  # scikit-learn gives two classes one score
            scores = np.stack([-scores, scores], axis=1)
        return topk_by_scores(scores, labels)


def fit_probe(
    embeddings: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray | None = None,
    grid: Sequence[float] = GRID,
    seed: int = 0,
) -> Probe:
    """Logistic regression with an L2 penalty on standardised embeddings, its strength chosen within the training set.

    A fifth of the training photographs, alike in classes, is held out to choose C by accuracy (of equal ones the smallest);
    then all are fitted. Where the network was trained on these photographs it has seen the held-out ones too: ``validation``
    serves to choose, and is no result.

    Args:
        embeddings: float (N, D) of training photographs, from a network that stays as it is.
        labels: int (N,), 0 ... K-1, each of the K classes at least once.
        group: (N,), photographs of an equal group are never split between fitting and choosing. The photograph where there
            are renderings; the person where the label is an attribute, or the probe recognises people. None: no groups.
        grid: values of C to choose from. With one value nothing is chosen, as few labels ask for.
        seed: of the held-out fifth.

    Raises:
        BadParameterError: sizes that differ, a value that is not finite, a class without a photograph, or too few groups
            of a class to hold one out.
    """
    labels = np.asarray(labels)
    _check(embeddings, labels)
    validation = {}
    if len(grid) > 1:
        fitting, chosen = _hold_out(labels, np.arange(len(labels)) if group is None else np.asarray(group), seed)
        for c in sorted(grid):
            model = _pipeline(c).fit(embeddings[fitting], labels[fitting])
            validation[c] = float(model.score(embeddings[chosen], labels[chosen]))
    best = max(validation, key=validation.__getitem__) if validation else grid[0]
    return Probe(_pipeline(best).fit(embeddings, labels), best, validation)


def _pipeline(c: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))


def _hold_out(labels: np.ndarray, group: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit on and rows to choose by."""
    if np.bincount(labels).max() < 5 or len(np.unique(group)) < 5:
        raise BadParameterError("The classes have too few photographs to hold some out.", "Give one C, such as (0.1,).")
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=check_seed(seed))
    fitting, chosen = next(folds.split(np.empty(len(labels)), labels, group))
    lost = np.setdiff1d(labels, labels[fitting])
    if len(lost):
        raise BadParameterError(f"Class {lost[0]} has one group alone.", "Give one C, such as (0.1,), or other groups.")
    return fitting, chosen


def _check(embeddings: np.ndarray, labels: np.ndarray) -> None:
    if len(embeddings) != len(labels) or not np.array_equal(
        np.unique(labels), np.arange(max(labels.max(initial=0), 1) + 1)
    ):
        raise BadParameterError(
            f"{len(embeddings)} embeddings, {len(labels)} labels of classes {np.unique(labels)[:5]}.",
            "Give one label an embedding, of two classes or more, counted from 0 without gaps.",
        )
    if not np.isfinite(embeddings).all():
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
