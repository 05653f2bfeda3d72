"""Exercise of notebook 07: how center loss moves its centres."""

from __future__ import annotations

import numpy as np
import torch

from facelab.exercises.exercise import Exercise, refuse_mistakes, require, require_returned, require_value
from facelab.losses import updated_centers


def update_centers(centers: torch.Tensor, x: torch.Tensor, labels: torch.Tensor, alpha: float) -> torch.Tensor:
    """c_j - alpha sum(c_j - x_i) / (1 + n_j) over the n_j embeddings of class j: (C, D), x (N, D), labels (N,)."""
    moved = centers.clone()
    for j in labels.unique():
        own = x[labels == j]
        moved[j] -= alpha * (centers[j] - own).sum(dim=0) / (1 + len(own))
    return moved


def _check_centers(answer) -> None:
    rng = np.random.default_rng(0)
    centers, x = (torch.from_numpy(rng.normal(size=(rows, 3))) for rows in (4, 6))
    labels = torch.tensor([2, 0, 2, 2, 3, 0])  # nobody of class 1
    given = centers.clone()
    got = answer(given, x.clone(), labels.clone(), 0.5)
    require_returned(got)
    require(
        torch.equal(given, centers),
        "you change the given centres in place, which the caller still uses. Start from clone().",
    )
    refuse_mistakes(got, _CENTER_MISTAKES, centers, x, labels, 0.5)
    require_value(np.shape(got), (4, 3), "the shape of 4 centres")
    for alpha in (0.5, 0.2):
        found = answer(centers.clone(), x.clone(), labels.clone(), alpha)
        require_value(found, updated_centers(x, labels, centers, alpha), f"4 centres, 6 embeddings, alpha = {alpha}")


def _pull(centers, x, labels):
    """Sum of x_i - c_j of each class: (C, D)."""
    return torch.zeros_like(centers).index_add_(0, labels, x - centers[labels])


def _one_by_one(centers, x, labels, alpha):
    for row, j in zip(x, labels, strict=True):
        centers = update_centers(centers, row[None], j[None], alpha)
    return centers


def _last_of_each(centers, x, labels, alpha):
    moved, count = centers.clone(), torch.bincount(labels)[labels][:, None]
    moved[labels] -= alpha * (centers[labels] - x) / (1 + count)
    return moved


_CENTER_MISTAKES = {
    "n_j": (
        lambda c, x, y, a: c + a * _pull(c, x, y) / torch.bincount(y, minlength=len(c))[:, None].clamp(min=1),
        "you divide by n_j. The paper divides by 1 + n_j, so that one photograph alone moves its centre half as far.",
    ),
    "no denominator": (
        lambda c, x, y, a: c + a * _pull(c, x, y),
        "you do not divide the sum by 1 + n_j: three photographs of one person move the centre beyond them.",
    ),
    "the batch": (
        lambda c, x, y, a: c + a * _pull(c, x, y) / (1 + len(x)),
        "you divide by 1 + N. n_j counts those of class j.",
    ),
    "all centres": (
        lambda c, x, y, a: c - a * (len(x) * c - x.sum(dim=0)) / (1 + len(x)),
        "every centre moves towards all embeddings. Sum over those of its own class.",
    ),
    "wrong direction": (
        lambda c, x, y, a: update_centers(c, x, y, -a),
        "your centres move away from their embeddings. c_j - x_i points away from x_i: subtract it.",
    ),
    "alpha ignored": (lambda c, x, y, a: update_centers(c, x, y, 1.0), "alpha has no effect. Multiply the step by it."),
    "one after the other": (
        _one_by_one,
        "you move the centre after each photograph, and the next one meets a moved centre. Sum over the class first.",
    ),
    "the last of each class": (
        _last_of_each,
        "of several photographs of a class only the last counts: centers[labels] -= ... writes a row once. Sum them first.",
    ),
}
UPDATE_CENTERS = Exercise(
    "7.4 the centres",
    update_centers,
    _check_centers,
    mistakes=_CENTER_MISTAKES
    | {
        "in place": (lambda c, x, y, a: c.copy_(updated_centers(x, y, c, a)), "change the given centres"),
        "alpha fixed": (lambda c, x, y, a: update_centers(c, x, y, 0.5), "alpha = 0.2: got"),
        "only those of the batch": (
            lambda c, x, y, a: update_centers(c, x, y, a)[y.unique()],
            "the shape of 4 centres",
        ),
    },
    minutes=12,
    difficulty=2,
    importance=2,
    hints=(
        "Which centres move at all? A loop over `labels.unique()` is short, and right.",
        "Start from `centers.clone()`. For class j, sum `centers[j] - x` over the rows with label j, divide by one more than "
        "their number, and subtract alpha times that.",
    ),
)
