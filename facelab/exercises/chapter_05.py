"""Exercise of notebook 05 on its loss. Others: ``chapter_05_gradient``, ``chapter_05_lars``, ``chapter_05_labels``."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from facelab.exercises.exercise import Exercise, refuse, require, require_loss, require_value
from facelab.losses import nt_xent


def nt_xent_loss(z1: torch.Tensor, z2: torch.Tensor, temperature: float) -> torch.Tensor:
    """The mean over all 2N views, each to find the other view of its photograph among 2N - 1; rows (N, D) of any norm."""
    z = torch.nn.functional.normalize(torch.cat([z1, z2]))
    itself = torch.eye(len(z), dtype=torch.bool)
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(z)).roll(len(z1)))


def _check_nt_xent(answer) -> None:
    rng = np.random.default_rng(0)
    z1, z2 = (torch.from_numpy(rng.normal(size=(4, 5))).float() for _ in range(2))
    z2[:2] = z1[:2]  # half of the views have found their partner, so that their losses differ
    views = [z1.clone().requires_grad_(), z2.clone().requires_grad_()]
    got = answer(*views, 0.5)
    require_loss(got)
    require(
        None not in torch.autograd.grad(got, views, allow_unused=True),
        "one of the two views gets no gradient. There is no slow encoder here: one network makes both, and learns from both.",
    )

    def value(z1, z2, temperature=0.5):
        return float(answer(z1.clone(), z2.clone(), temperature))

    require(
        math.isclose(value(z1, z2), value(3 * z1, z2 / 2), rel_tol=1e-3),
        "longer vectors give another loss. Normalise the rows: only the direction is compared.",
    )
    equal = torch.eye(5)[:1].expand(4, 5)
    for mistaken, hint in _ALL_EQUAL:
        found = f"four photographs, all embeddings equal: got {mistaken:.3f}, expected log(7) = {math.log(7):.3f}."
        refuse(value(equal, equal), mistaken, f"{found} {hint}", tolerance=1e-4)
    require(
        math.isclose(value(z1, z2), value(z2, z1), rel_tol=1e-4),
        "with z1 and z2 exchanged the loss changes: only the N views of one half are your anchors. All 2N are anchors.",
    )
    inverse = "you multiply by the temperature. Divide: a lower one makes the softmax sharper."
    refuse(value(z1, z2), nt_xent(z1, z2, 2), inverse, tolerance=1e-4)
    require(math.isfinite(value(z1, z2, 0.01)), "at a temperature of 0.01, exp(100) overflows. Use cross_entropy.")
    for temperature in (0.5, 0.1):
        expected = float(nt_xent(z1, z2, temperature))
        require_value(value(z1, z2, temperature), expected, f"the loss at {temperature}", tolerance=1e-4)


_ALL_EQUAL = [
    (math.log(8), "Each view is in its own denominator. Leave the diagonal out."),
    (
        math.log(6),
        "The partner is missing from the denominator, where the paper leaves out nothing but the view itself.",
    ),
    (math.log(4), "The other views of the anchor's own half are negatives too. You have those of the other half only."),
    (math.log(7 + math.exp(-2)), "A 0 on the diagonal still counts: exp(0) is 1. Put -inf there, before the softmax."),
    (
        2 * math.log(7),
        "This is twice the loss: the sum of both halves, as in Google's code. The paper has the mean over 2N.",
    ),
    (8 * math.log(7), "This is the sum over all views. Take the mean."),
]


def _logits(z1, z2, t, diagonal=-torch.inf):
    z = normalize(torch.cat([z1, z2]))
    return (z @ z.T / t).masked_fill(torch.eye(len(z), dtype=torch.bool), diagonal)


def _partners(z1):
    return torch.arange(2 * len(z1)).roll(len(z1))


def _with_diagonal(z1, z2, t, diagonal):
    return cross_entropy(_logits(z1, z2, t, diagonal), _partners(z1))


def _one_half(z1, z2, t):
    return cross_entropy(_logits(z1, z2, t)[: len(z1)], _partners(z1)[: len(z1)])


def _partner_out(z1, z2, t):
    logits, partner = _logits(z1, z2, t), _partners(z1)[:, None]
    return (logits.scatter(1, partner, -torch.inf).logsumexp(dim=1) - logits.gather(1, partner)[:, 0]).mean()


def _other_half_only(z1, z2, t):
    logits = normalize(z1) @ normalize(z2).T / t
    return (cross_entropy(logits, torch.arange(len(z1))) + cross_entropy(logits.T, torch.arange(len(z1)))) / 2


def _without_norms(z1, z2, t):
    z = torch.cat([z1, z2])
    return cross_entropy((z @ z.T / t).fill_diagonal_(-torch.inf), _partners(z1))


def _raw_exp(z1, z2, t):
    exp = torch.exp(_logits(z1, z2, t))
    return -torch.log(exp.gather(1, _partners(z1)[:, None])[:, 0] / exp.sum(dim=1)).mean()


NT_XENT_LOSS = Exercise(
    "5.1 the loss of SimCLR",
    nt_xent_loss,
    _check_nt_xent,
    mistakes={
        "one half": (_one_half, "All 2N are anchors"),
        "itself in the denominator": (lambda z1, z2, t: _with_diagonal(z1, z2, t, 1 / t), "in its own denominator"),
        "0 on the diagonal": (lambda z1, z2, t: _with_diagonal(z1, z2, t, 0), "exp(0) is 1"),
        "both halves added": (lambda z1, z2, t: 2 * nt_xent_loss(z1, z2, t), "as in Google's code"),
        "sum over the views": (lambda z1, z2, t: 2 * len(z1) * nt_xent_loss(z1, z2, t), "sum over all views"),
        "partner out of the denominator": (_partner_out, "The partner is missing"),
        "the other half only": (_other_half_only, "those of the other half only"),
        "norms forgotten": (_without_norms, "only the direction"),
        "temperature multiplied": (lambda z1, z2, t: nt_xent_loss(z1, z2, 1 / t), "multiply by the temperature"),
        "temperature forgotten": (lambda z1, z2, t: nt_xent_loss(z1, z2, 1.0), "the loss at 0.5: got"),
        "partner in the next row": (
            lambda z1, z2, t: cross_entropy(_logits(z1, z2, t), torch.arange(2 * len(z1)) ^ 1),
            "the loss at 0.5: got",
        ),
        "raw exp": (_raw_exp, "exp(100) overflows"),
        "without gradient": (lambda z1, z2, t: nt_xent_loss(z1, z2, t).detach(), "no gradient"),
        "gradient into one view": (lambda z1, z2, t: nt_xent_loss(z1, z2.detach(), t), "learns from both"),
        "a float": (lambda z1, z2, t: nt_xent_loss(z1, z2, t).item(), "must be a tensor"),
        "one loss for each view": (lambda z1, z2, t: nt_xent_loss(z1, z2, t).expand(2 * len(z1)), "is one number"),
    },
    minutes=12,
    difficulty=3,
    importance=5,
    hints=(
        "The section *Find the partner* computes this for three photographs. There the rows had norm 1 already.",
        "Put both views below each other and normalise: 2N rows. Divide their cosines by the temperature, put minus infinity "
        "on the diagonal, and take `cross_entropy`. The right class of row i is i + N, and of row i + N it is i: `roll`.",
    ),
)
