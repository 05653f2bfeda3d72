"""Exercises of notebook 07: two margins on the target's cosine, a threshold that was not fitted on its test, centres."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from facelab.evaluation import best_threshold, pair_accuracy
from facelab.exercises.exercise import Exercise, refuse, refuse_mistakes, require, require_returned, require_value
from facelab.losses import arc_face, updated_centers


def _of_degrees(degrees) -> Tensor:
    """Cosines (N, 1)."""
    return torch.tensor(degrees, dtype=torch.float64)[:, None].deg2rad().cos()


def _acos(cos: Tensor) -> Tensor:
    return torch.acos(cos.clamp(-1 + 1e-7, 1 - 1e-7))


def _require_changed(answer, cos: Tensor, m: float) -> None:
    """Refuse a stub, and what is not a tensor of the shape of the cosines that hangs on them."""
    got = answer(cos.clone().requires_grad_(), m)
    require_returned(got)
    require(isinstance(got, Tensor), f"return a tensor, yours is {type(got).__name__}: stay in torch.")
    require(got.shape == cos.shape, f"the shape is {tuple(got.shape)}, that of the cosines {tuple(cos.shape)}.")
    require(got.requires_grad, "the result carries no gradient: stay in torch, without numpy() or detach().")


def _slopes(answer, cos: Tensor, m: float) -> Tensor:
    """Of an answer, by the cosine: (N, 1)."""
    cos = cos.clone().requires_grad_()
    return torch.autograd.grad(answer(cos, m).sum(), cos)[0]


def arc_face_target(cos: Tensor, m: float) -> Tensor:
    """cos(theta + m) from the target's cosines (N, 1), and cos theta - m sin m beyond theta = pi - m: (N, 1)."""
    shifted = torch.cos(torch.acos(cos.clamp(-1 + 1e-7, 1 - 1e-7)) + m)
    return torch.where(cos > -math.cos(m), shifted, cos - m * math.sin(m))


def _check_arc_face(answer) -> None:
    cos = _of_degrees([20, 60, 80, 100, 140])
    _require_changed(answer, cos, 0.5)
    refuse_mistakes(answer(cos.clone(), 0.5), _ARC_MISTAKES, cos, 0.5)
    for m in (0.5, 0.2):
        found = answer(cos.clone(), m)
        require_value(found, np.cos(np.arccos(cos) + m), f"20, 60, 80, 100 and 140 degrees, m = {m}", tolerance=1e-5)

    edge = torch.tensor([[1.0], [1.0000001]])
    found = answer(edge.clone(), 0.5)
    require(
        bool(found.isfinite().all()),
        "a cosine of 1.0000001 gives NaN. Rounding makes such cosines of embeddings that lie on their class: clamp first.",
    )
    require_value(found, [[math.cos(0.5)]] * 2, "cosines of 1 and 1.0000001, m = 0.5", tolerance=1e-3)
    require(
        bool(_slopes(answer, edge, 0.5).isfinite().all()),
        "at a cosine of 1 the gradient is not finite: acos and the root are infinitely steep there, and one such "
        "photograph ends a training. Clamp the cosine a little below 1, or take the root only where it is above 0.",
    )

    rises = np.flatnonzero(np.diff(answer(_of_degrees(range(0, 181, 2)), 0.5).flatten()) > 1e-6)
    require(
        not len(rises),
        f"from {2 * rises.min(initial=90)} degrees on your function rises: a worse embedding would get a smaller loss. "
        "Beyond theta = pi - m go on with cos theta - m sin m.",
    )
    far = _of_degrees([155, 170, 179])
    found = answer(far.clone(), 0.5)
    refuse(found, -np.ones((3, 1)), "beyond theta = pi - m you stay at -1: without slope, nobody is brought back.")
    require_value(found, far - 0.5 * math.sin(0.5), "155, 170 and 179 degrees, beyond theta = pi - m", tolerance=1e-5)


_ARC_MISTAKES = {
    "degrees": (lambda c, m: torch.cos(_acos(c) + math.radians(m)), "m counts as degrees with you. It is in radians."),
    "CosFace": (
        lambda c, m: c - m,
        "this is cos theta - m, a margin on the scale of the cosine: CosFace. ArcFace adds m to the angle.",
    ),
    "times": (lambda c, m: torch.cos(m * _acos(c)), "this is cos(m theta): A-Softmax. ArcFace adds m to the angle."),
    "minus": (lambda c, m: torch.cos(_acos(c) - m), "this is cos(theta - m), which makes the task easier. Add m."),
    "easy": (
        lambda c, m: arc_face(c, m, easy_margin=True),
        "beyond a right angle you leave out the margin. That is the easy margin; here it ends at theta = pi - m.",
    ),
    "the angle": (lambda c, m: _acos(c) + m, "this is the angle theta + m. Return its cosine."),
}
ARC_FACE_TARGET = Exercise(
    "7.1 the margin of ArcFace",
    arc_face_target,
    _check_arc_face,
    mistakes=_ARC_MISTAKES
    | {
        "no clamp": (lambda c, m: torch.cos(torch.acos(c) + m), "1.0000001 gives NaN"),
        "nothing above 1": (lambda c, m: torch.cos(torch.acos(torch.where(c > 1, 1, c)) + m), "is not finite"),
        "clamped too far": (lambda c, m: arc_face_target(c.clamp(max=0.99), m), "cosines of 1 and 1.0000001"),
        "no fallback": (lambda c, m: torch.cos(_acos(c) + m), "from 152 degrees on your function rises"),
        "stops at pi": (lambda c, m: torch.cos((_acos(c) + m).clamp(max=math.pi)), "you stay at -1"),
        "CosFace beyond": (lambda c, m: torch.where(c < -math.cos(m), c - m, arc_face_target(c, m)), "= pi - m: got"),
        "m fixed": (lambda c, m: arc_face_target(c, 0.5), "m = 0.2: got"),
        "a list": (lambda c, m: arc_face_target(c, m).tolist(), "yours is list"),
        "flat": (lambda c, m: arc_face_target(c, m).flatten(), "the shape is (5,)"),
        "without gradient": (lambda c, m: arc_face_target(c.detach(), m), "no gradient"),
    },
)


def psi(cos: Tensor, m: int) -> Tensor:
    """(-1)^k cos(m theta) - 2k from the target's cosines (N, 1), k = floor(m theta / pi): (N, 1)."""
    theta = torch.acos(cos.clamp(-1 + 1e-7, 1 - 1e-7))
    k = torch.floor(m * theta / math.pi)
    return (-1) ** k * torch.cos(m * theta) - 2 * k


def _check_psi(answer) -> None:
    degrees = np.array([10, 35, 50, 70, 100, 130, 145, 170])
    cos = _of_degrees(degrees)
    _require_changed(answer, cos, 4)
    refuse_mistakes(answer(cos.clone(), 4), _PSI_MISTAKES, cos, 4)
    for m in (4, 3):
        k = degrees // (180 // m)
        expected = (-1.0) ** k * np.cos(m * np.radians(degrees)) - 2 * k
        what = f"10, 35, 50, 70, 100, 130, 145 and 170 degrees, m = {m}"
        require_value(answer(cos.clone(), m), expected[:, None], what, tolerance=1e-5)
    theta = np.radians(degrees)
    expected = (-1.0) ** (degrees // 45) * 4 * np.sin(4 * theta) / np.sin(theta)
    what = (
        "the values are right, the slopes by the cosine are not. k is a constant between its steps, cos(m theta) is not"
    )
    require_value(_slopes(answer, cos, 4), expected[:, None], what, tolerance=1e-4)
    ends = torch.tensor([[1.0], [1.0000001], [-1.0]])
    found, slope = answer(ends.clone(), 4), _slopes(answer, ends, 4)
    require(
        bool(found.isfinite().all() and slope.isfinite().all()),
        "cosines of 1, 1.0000001 and -1 give NaN or an infinite slope: clamp a little inside -1 and 1 before acos.",
    )
    require_value(found, [[1.0], [1.0], [-7.0]], "cosines of 1, 1.0000001 and -1", tolerance=1e-2)


def _psi_with(k_of, sign=-1, step=2):
    """psi with another k, sign or step: what the mistakes are made of."""

    def mistaken(cos, m):
        k = k_of(m * _acos(cos) / math.pi)
        return sign**k * torch.cos(m * _acos(cos)) - step * k

    return mistaken


_PSI_MISTAKES = {
    "cos(m theta) alone": (
        lambda c, m: torch.cos(m * _acos(c)),
        "this is cos(m theta) alone, a wave that rises again beyond pi / m. Is k missing, or floor(theta / pi), which is 0?",
    ),
    "round": (_psi_with(torch.round), "your k is rounded. It counts the whole half-waves before theta: floor."),
    "ceil": (_psi_with(torch.ceil), "your k is one too large: it begins at 0. Use floor."),
    "sign missing": (_psi_with(torch.floor, sign=1), "the sign (-1)^k is missing: every second half-wave rises."),
    "no steps": (_psi_with(torch.floor, step=0), "- 2k is missing: each half-wave falls, the next begins at the top."),
    "k": (
        _psi_with(torch.floor, step=1),
        "you take k away, not 2k: a half-wave falls by 2, so the next begins 2 lower.",
    ),
    "plus": (_psi_with(torch.floor, step=-2), "you add 2k, and psi climbs from half-wave to half-wave. Subtract it."),
    "ArcFace": (lambda c, m: torch.cos(_acos(c) + m), "this is cos(theta + m). A-Softmax multiplies the angle by m."),
}
PSI = Exercise(
    "7.2 psi of A-Softmax",
    psi,
    _check_psi,
    mistakes=_PSI_MISTAKES
    | {
        "floor(theta / pi)": (_psi_with(lambda x: torch.floor(x / 4)), "floor(theta / pi), which is 0?"),
        "gradient through floor": (lambda c, m: psi(c, m) + m * (_acos(c).detach() - _acos(c)), "k is a constant"),
        "theta without gradient": (lambda c, m: psi(c.detach(), m) + 0 * c, "cos(m theta) is not: got"),
        "no clamp": (lambda c, m: psi(c, m) + 0 * torch.acos(c), "clamp a little inside"),
        "clamped too far": (lambda c, m: psi(c.clamp(-0.99, 0.99), m), "cosines of 1, 1.0000001 and -1: got"),
        "m fixed": (lambda c, m: psi(c, 4), "m = 3: got"),
        "one number": (lambda c, m: psi(c, m).mean(), "the shape is ()"),
    },
)


def fold_accuracies(scores: np.ndarray, same: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Accuracy of each fold, in the order of their numbers, at the threshold that is best on the other folds: (F,).

    Scores (M,), ``same`` bool (M,), fold int (M,). A pair is accepted where its score is the threshold or more.
    """
    found = []
    for number in np.unique(fold):
        own = fold == number
        threshold, _ = best_threshold(scores[~own], same[~own])
        found.append(pair_accuracy(scores[own], same[own], threshold))
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
        "each threshold is the best on the very fold that it is judged on: it has seen the answers. Fit it on the others.",
    ),
    "all folds": (
        _by_fold(lambda s, t, own: pair_accuracy(s[own], t[own], best_threshold(s, t)[0])),
        "one threshold, the best on all folds: the fold that is judged is among them. Leave it out.",
    ),
    "judged on the others": (
        _by_fold(lambda s, t, own: best_threshold(s[~own], t[~own])[1]),
        "these are the accuracies on the folds that the threshold was fitted on. Use it on the fold left out.",
    ),
    "one half": (
        _by_fold(lambda s, t, own: pair_accuracy(s[own], t[own], 0.5)),
        "the threshold is 0.5 with you. Cosines have no such middle: fit it on the other folds.",
    ),
    "> for >=": (_by_fold(_strictly), "a pair whose score is the threshold is accepted: judge by >=, as you fitted."),
    "turned round": (
        lambda s, t, fold: 1 - fold_accuracies(s, t, fold),
        "these are the errors, or you accept what lies below the threshold: score >= threshold is one person.",
    ),
    "the mean": (
        lambda s, t, fold: fold_accuracies(s, t, fold).mean(),
        "this is the mean over the folds. Return one accuracy a fold: their spread tells how sure the mean is.",
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
)


def update_centers(centers: Tensor, x: Tensor, labels: Tensor, alpha: float) -> Tensor:
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
    require(torch.equal(given, centers), "you change the given centres, which others still use. Start from clone().")
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
        "you divide by n_j. Eq. 4 divides by 1 + n_j, so that one photograph alone moves its centre half as far.",
    ),
    "no denominator": (
        lambda c, x, y, a: c + a * _pull(c, x, y),
        "this is the sum, not divided by 1 + n_j: three photographs of one person throw the centre past them.",
    ),
    "the batch": (lambda c, x, y, a: c + a * _pull(c, x, y) / (1 + len(x)), "you divide by 1 + N. n_j is of class j."),
    "all centres": (
        lambda c, x, y, a: c - a * (len(x) * c - x.sum(dim=0)) / (1 + len(x)),
        "every centre moves towards all embeddings. Sum over those of its own class.",
    ),
    "wrong direction": (
        lambda c, x, y, a: update_centers(c, x, y, -a),
        "your centres move away from their embeddings. c_j - x_i points away from x_i: subtract it.",
    ),
    "alpha ignored": (lambda c, x, y, a: update_centers(c, x, y, 1.0), "alpha does nothing. Multiply the step by it."),
    "one after the other": (
        _one_by_one,
        "each photograph finds the centre where the one before has left it. Sum over the class, from the old centre.",
    ),
    "the last of each class": (
        _last_of_each,
        "of several photographs of a class only one counts: centers[labels] -= ... writes once for each. Sum them first.",
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
)
