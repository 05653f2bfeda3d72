"""Exercises of notebook 05 on its training: the loss of SimCLR, a step of LARS. Those on labels: ``chapter_05_labels``."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    require,
    require_loss,
    require_returned,
    require_value,
)
from facelab.losses import nt_xent


def nt_xent_loss(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """The mean over all 2N views, each to find the other view of its photograph among 2N - 1; rows (N, D) of any norm."""
    z = normalize(torch.cat([z1, z2]))
    itself = torch.eye(len(z), dtype=torch.bool)
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    return cross_entropy(logits, torch.arange(len(z)).roll(len(z1)))


def _check_nt_xent(answer) -> None:
    rng = np.random.default_rng(0)
    z1, z2 = (torch.from_numpy(rng.normal(size=(4, 5))).float() for _ in range(2))
    z2[:2] = z1[:2]  # half of the views have found their partner, so that their losses differ
    views = [z1.clone().requires_grad_(), z2.clone().requires_grad_()]
    got = answer(*views, 0.5)
    require_loss(got)
    require(
        None not in torch.autograd.grad(got, views, allow_unused=True),
        "one of the two views gets no gradient. Here is no slow encoder: one network makes both, and learns from both.",
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
        "with z1 and z2 exchanged the loss is another: you ask the N views of one half only. All 2N are anchors.",
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
)


def lars_step(
    w: Tensor, g: Tensor, v: Tensor, lr: float, eta: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    """One step of a matrix w with gradient g and momentum buffer v, as in SimCLR's code: the new w, the new v."""
    decayed = g + weight_decay * w
    size, against = w.norm(), decayed.norm()
    local = eta * size / against if size > 0 and against > 0 else 1.0
    v = momentum * v + lr * local * decayed
    return w - v, v


def _check_lars(answer) -> None:
    rng = np.random.default_rng(0)
    w, g, v = (torch.from_numpy(rng.normal(size=(3, 4))) for _ in range(3))
    settings = {"lr": 0.5, "eta": 0.1, "momentum": 0.9, "weight_decay": 0.2}
    given = (w.clone(), g.clone(), v.clone())
    got = answer(*given, **settings)
    require_returned(got)
    require(
        len(got) == 2 and all(isinstance(new, Tensor) and new.shape == w.shape for new in got),
        "return two tensors of the shape of w: the new weights and the new buffer.",
    )
    require(
        all(map(torch.equal, given, (w, g, v))),
        "your function changes the tensors that it was given. Make new ones: no +=, mul_ or add_.",
    )
    for mistake, message in _STEP_MISTAKES.values():
        refuse(got[0], mistake(w, g, v, **settings)[0], message)
    _require_step(got, lars_step(w, g, v, **settings), "a step")

    undecayed = settings | {"weight_decay": 0.0}
    got, plain = answer(w, g, v, **undecayed), _STEP_MISTAKES["not scaled"][0](w, g, v, **undecayed)
    refuse(
        got[0],
        plain[0],
        "without weight decay your local rate is 1, as in implementations after Lightning Bolts. It is eta |w| / |g|: "
        "the scaling has nothing to do with the decay.",
    )
    _require_step(got, lars_step(w, g, v, **undecayed), "a step without weight decay")

    zero = torch.zeros(3, 4, dtype=w.dtype)
    got = answer(zero.clone(), g, zero.clone(), **settings)
    require(
        bool(got[0].isfinite().all() and got[0].any()),
        "weights that are all 0 do not move, or become NaN: |w| is 0, and so is the local rate. Take 1 there.",
    )
    _require_step(got, lars_step(zero, g, zero, **settings), "a step from weights that are all 0")
    got = answer(w, zero.clone(), zero.clone(), **undecayed)
    require(
        bool(got[0].isfinite().all()),
        "no gradient and no decay: the weights become NaN, since |g'| is 0. The local rate is 1 there.",
    )


def _require_step(got, expected, what) -> None:
    for new, right, name in zip(got, expected, ("w", "v"), strict=True):
        require_value(new, right, f"{what}: the new {name}")


def _scaled(local: Callable[..., Tensor | float]):
    """A step with another local rate, of eta, w = |w|, g = |g|, d = |g + wd w| and wd."""

    def step(w, g, v, lr, eta, momentum, weight_decay):
        decayed = g + weight_decay * w
        v = momentum * v + lr * local(eta, w.norm(), g.norm(), decayed.norm(), weight_decay) * decayed
        return w - v, v

    return step


def _rate_outside(w, g, v, lr, **settings):
    v = lars_step(w, g, v, 1.0, **settings)[1]
    return w - lr * v, v


def _uphill(w, g, v, **settings):
    v = lars_step(w, g, v, **settings)[1]
    return w + v, v


def _in_place(w, g, v, **settings):
    v.copy_(lars_step(w, g, v, **settings)[1])
    return w - v, v


_STEP_MISTAKES = {
    "norm of the gradient without decay": (
        _scaled(lambda eta, w, g, d, wd: eta * w / g),
        "you divide by |g|, the gradient before the decay was added. Divide by the norm of g' = g + wd w, which is the step.",
    ),
    "the paper's Eq. 6": (
        _scaled(lambda eta, w, g, d, wd: eta * w / (g + wd * w)),
        "this is the paper's Eq. 6, eta |w| / (|g| + wd |w|). SimCLR's code, which is asked for, divides by |g + wd w|.",
    ),
    "inverted": (
        _scaled(lambda eta, w, g, d, wd: eta * d / w),
        "your local rate is eta |g'| / |w|. It is the other way round: large weights take large steps.",
    ),
    "not scaled": (
        _scaled(lambda eta, w, g, d, wd: 1.0),
        "this is SGD: the step is not multiplied by the local rate eta |w| / |g'|.",
    ),
    "decay forgotten": (
        lambda *tensors, **settings: lars_step(*tensors, **settings | {"weight_decay": 0.0}),
        "the weight decay changes nothing. The gradient becomes g' = g + wd w.",
    ),
    "learning rate outside the buffer": (
        _rate_outside,
        "the learning rate is outside the buffer, as in VICReg's code. Here v takes lr with it, and w loses v.",
    ),
    "uphill": (_uphill, "the weights move uphill, with the gradient. Subtract v."),
}
LARS_STEP = Exercise(
    "5.2 a step of LARS",
    lars_step,
    _check_lars,
    mistakes=_STEP_MISTAKES
    | {
        "off without decay": (_scaled(lambda eta, w, g, d, wd: eta * w / d if wd else 1.0), "nothing to do with"),
        "zero weights stay": (_scaled(lambda eta, w, g, d, wd: eta * w / d), "Take 1 there"),
        "NaN without gradient": (_scaled(lambda eta, w, g, d, wd: eta * w / d if w > 0 else 1.0), "no gradient and no"),
        "no step without decay": (
            _scaled(lambda eta, w, g, d, wd: eta * w / d if wd else 0.0),
            "weight decay: the new w",
        ),
        "eta in place of 1": (_scaled(lambda eta, w, g, d, wd: eta * w / d if w * d > 0 else eta), "all 0: the new w"),
        "in place": (_in_place, "Make new ones"),
        "nothing returned": (lambda *tensors, **settings: None, "returns None"),
        "the weights alone": (lambda *a, **settings: lars_step(*a, **settings)[0], "return two tensors"),
        "the buffer unchanged": (lambda w, g, v, **s: (lars_step(w, g, v, **s)[0], v), "a step: the new v"),
        "no momentum": (lambda w, g, v, **s: lars_step(w, g, 0 * v, **s), "a step: the new w"),
    },
)
