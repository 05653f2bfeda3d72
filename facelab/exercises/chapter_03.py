"""Exercises of notebook 03 on the loss and nearest photographs; others: ``chapter_03_clusters``, ``..._gradient_cache``."""

from __future__ import annotations

import numpy as np
import torch

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    refuse_mistakes,
    require,
    require_loss,
    require_value,
    require_written,
)
from facelab.exercises.prediction import Prediction
from facelab.losses import sup_con


def sup_con_loss(cosines: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """L_out of M rows from their (M, M) cosines; every row has a positive."""
    itself = torch.eye(len(labels), dtype=torch.bool)
    positive = (labels[:, None] == labels) & ~itself
    log_p = (cosines / temperature).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    return -(log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


def _check_sup_con(answer) -> None:
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2, 2])
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(9, 4))).float()
    z = torch.nn.functional.normalize(z)
    cosines, itself = (z @ z.T).clamp(-1, 1), torch.eye(9, dtype=torch.bool)
    got = answer(cosines.clone().requires_grad_(), labels, 0.5)
    require_loss(got)

    def value(cosines, temperature):
        return float(answer(cosines.clone(), labels, temperature))

    refuse(value(cosines, 0.5), value(cosines, 1.0), "the temperature changes nothing. Divide the cosines by it.")
    require(
        np.isclose(value(cosines, 0.5), value(cosines.masked_fill(itself, 0.3), 0.5)),
        "the diagonal, which is each row's cosine with itself, changes your loss. An anchor is neither its own "
        "positive nor one of those in its denominator.",
    )
    require(
        value(torch.ones(9, 9), 0.5) > np.log(8) - 1e-4,
        f"all cosines equal: each of 8 other rows is as likely as the next, so the loss is log(8) = {np.log(8):.3f}. "
        f"You have {value(torch.ones(9, 9), 0.5):.3f}: the other positives are missing from the denominator.",
    )
    require(
        np.isfinite(value(cosines, 0.01)),
        "at a temperature of 0.01 the loss is not finite: exp(100) overflows in float32. Use log_softmax or logsumexp.",
    )
    positive = (labels[:, None] == labels) & ~itself
    log_p = (cosines / 0.5).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    refuse(
        value(cosines, 0.5),
        -log_p[positive].mean(),
        "this is the mean over all pairs: a class of four has 12 pairs and a class of two has 2. "
        "Take the mean over the positives of each anchor first, then over the anchors.",
    )
    for temperature in (0.5, 0.1, 0.01):
        expected = sup_con(z, labels, temperature)
        require_value(value(cosines, temperature), expected, f"the loss at {temperature}", tolerance=1e-2 * temperature)


def _masks(cosines, labels):
    itself = torch.eye(len(labels), dtype=torch.bool)
    return itself, (labels[:, None] == labels) & ~itself


def _positives_out(cosines, labels, t):
    itself, positive = _masks(cosines, labels)
    exp = torch.exp(cosines / t)
    negatives = exp.masked_fill(itself | positive, 0).sum(dim=1, keepdim=True)
    log_p = torch.log(exp / (exp + negatives))
    return -(log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


def _itself_positive(cosines, labels, t):
    log_p = (cosines / t).log_softmax(dim=1)
    positive = labels[:, None] == labels
    return -(log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


def _over_pairs(cosines, labels, t):
    itself, positive = _masks(cosines, labels)
    return -(cosines / t).masked_fill(itself, -torch.inf).log_softmax(dim=1)[positive].mean()


def _raw_exp(cosines, labels, t):
    itself, positive = _masks(cosines, labels)
    exp = torch.exp(cosines / t).masked_fill(itself, 0)
    log_p = torch.log(exp / exp.sum(dim=1, keepdim=True))
    return -(log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


SUP_CON_LOSS = Exercise(
    "3.1 the supervised contrastive loss",
    sup_con_loss,
    _check_sup_con,
    mistakes={
        "positives out of the denominator": (_positives_out, "missing from the denominator"),
        "itself among the positives": (_itself_positive, "neither its own positive"),
        "mean over all pairs": (_over_pairs, "mean over all pairs"),
        "raw exp": (_raw_exp, "exp(100) overflows"),
        "temperature forgotten": (lambda c, y, t: sup_con_loss(c, y, 1.0), "temperature changes nothing"),
        "a sum over anchors": (lambda c, y, t: len(y) * sup_con_loss(c, y, t), "the loss at 0.5: got"),
        "without gradient": (lambda c, y, t: sup_con_loss(c, y, t).item(), "no gradient"),
        "one loss for each anchor": (lambda c, y, t: sup_con_loss(c, y, t).expand(len(y)), "the loss is one number"),
    },
    minutes=15,
    difficulty=3,
    importance=5,
    hints=(
        "The section *The loss, step by step* computes exactly this for six views. Three masks matter: the diagonal, the "
        "positives, and everything that stays in the denominator.",
        "Divide the cosines by the temperature, put minus infinity on the diagonal and call `log_softmax` along the rows. "
        "Set everything that is not a positive to 0, sum each row and divide by the number of its positives; then take the "
        "mean over the rows, with a minus sign.",
    ),
)


def nearest_person(cosines: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(N,), the person of the most similar other photograph, for each of N photographs with (N, N) cosines."""
    others = np.where(np.eye(len(person), dtype=bool), -np.inf, cosines)
    return person[others.argmax(axis=1)]


def _check_nearest(answer) -> None:
    # rows 0 and 1 are one photograph, filed under two people; row 2 is unlike all others; rounding has put the cosine
    # of row 6 with row 7 a little above that with itself
    person = np.array([0, 1, 0, 1, 2, 3, 2, 3])
    cosines = np.random.default_rng(0).uniform(0.2, 0.8, (8, 8))
    cosines = (cosines + cosines.T) / 2
    cosines[2] = cosines[:, 2] = [-0.3, -0.5, 0, -0.4, -0.6, -0.2, -0.7, -0.1]
    np.fill_diagonal(cosines, 1.0)
    cosines[0, 1] = cosines[1, 0] = 1.0
    cosines[6, 7] = cosines[7, 6] = 1 + 1e-7
    given = cosines.copy()
    got = answer(given, person.copy())
    require_written(got)
    require(np.array_equal(given, cosines), "your function changes the cosines that it was given. Work on a copy.")
    refuse_mistakes(got, _NEAREST_MISTAKES, cosines, person)
    require_value(got, nearest_person(cosines, person), "the people of the nearest photographs")


def _changes_its_input(cosines, person):
    np.fill_diagonal(cosines, -np.inf)
    return person[cosines.argmax(axis=1)]


_NEAREST_MISTAKES = {
    "the nearest dropped": (
        lambda c, y: y[np.argsort(-c, axis=1, kind="stable")[:, 1]],
        "you drop the most similar one, whatever it is. A copy, or a rounding error, may come before the photograph itself: "
        "then you drop a true neighbour and keep the probe. Leave the probe out by its row.",
    ),
    "itself kept": (lambda c, y: y, "every photograph finds itself, and 100 % of them are right. Leave its row out."),
    "0 on the diagonal": (
        lambda c, y: y[(c * (1 - np.eye(len(y)))).argmax(axis=1)],
        "a photograph may have negative cosines only, and 0 on the diagonal is then the largest. Use -inf.",
    ),
    "the least similar": (
        lambda c, y: y[c.argmin(axis=1)],
        "these are the least similar ones. A cosine is not a distance: the larger it is, the nearer they are.",
    ),
}
NEAREST_PERSON = Exercise(
    "3.2 the nearest photograph that is not the probe",
    nearest_person,
    _check_nearest,
    mistakes=_NEAREST_MISTAKES
    | {
        "in place": (_changes_its_input, "Work on a copy"),
        "rows instead of people": (
            lambda c, y: (c - 9 * np.eye(len(y))).argmax(axis=1),
            "the nearest photographs: got",
        ),
        "the accuracy": (lambda c, y: (nearest_person(c, y) == y).mean(), "the shape is ()"),
    },
    minutes=8,
    difficulty=2,
    importance=4,
    hints=(
        "The photograph itself must be left out by its place on the diagonal. Its value says nothing: a copy is just as near.",
        "Make a copy of the cosines whose diagonal is minus infinity, take `argmax` along each row, and look up the people of "
        "those rows.",
    ),
)


GUESS_MISSED = Prediction(
    "3.6 guess: how many of the enrolled are missed",
    "guess_missed",
    metric="fnir at fpir 0.1/SupCon",
    minutes=4,
    hints=(
        "The equal error rate is read where both errors are equal. Look at the curves of the DET figure where the false match "
        "rate is small.",
        "A search compares one photograph with the whole gallery. The threshold must be so high that the best of many "
        "impostor scores rarely reaches it, and a genuine score must then beat this threshold.",
    ),
)
