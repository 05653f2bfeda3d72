"""Exercise of notebook 05 on its optimiser: one step of LARS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from facelab.exercises.exercise import Exercise, refuse, require, require_returned, require_value


def lars_step(w, g, v, lr: float, eta: float, momentum: float, weight_decay: float):
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
    minutes=12,
    difficulty=3,
    importance=3,
    hints=(
        "Write the four formulas below each other, in the order of the text. The norms are those of the whole matrix.",
        "`decayed = g + weight_decay * w`. The local rate is `eta * w.norm() / decayed.norm()` if both norms are above 0, and "
        "else 1. The learning rate goes into the new buffer, and the new weights are `w` minus that buffer.",
    ),
)
