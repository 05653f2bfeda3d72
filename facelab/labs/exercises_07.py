"""Exercises of notebook 07: two margins on the target's cosine, a threshold that was not fitted on its test, centres."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from facelab.evaluation import accuracy, best_threshold
from facelab.labs.exercises import (
    Exercise,
    ExerciseError,
    refuse,
    refuse_mistakes,
    require,
    require_returned,
    require_value,
    require_written,
)
from facelab.losses import a_softmax, arc_face, moved_centers


def arc_face_target(cos: Tensor, m: float) -> Tensor:
    """cos(theta + m) from the target's cosines (N, 1), cos theta - m sin m beyond theta = pi - m; (N, 1)."""
    square = (1 - cos) * (1 + cos)
    inside = square > 0  # elsewhere, at a cosine of 1 or, by rounding, above, the root has no finite slope
    sine = torch.where(inside, square, 1).sqrt().where(inside, 0)
    shifted = cos * math.cos(m) - sine * math.sin(m)
    return torch.where(cos > -math.cos(m), shifted, cos - m * math.sin(m))


def _cosines(*degrees: float) -> Tensor:
    return torch.tensor(degrees, dtype=torch.float64)[:, None].deg2rad().cos()


def _require_target(got: object, shape: tuple[int, ...]) -> None:
    """Refuse a stub, and what is not a tensor of the shape of the cosines that hangs on them."""
    require_returned(got)
    require(isinstance(got, Tensor), f"return a tensor, yours is {type(got).__name__}: stay in torch.")
    require(got.requires_grad, "the result carries no gradient: stay in torch, without item(), numpy() or detach().")
    require(tuple(got.shape) == shape, f"the shape is {tuple(got.shape)}, that of the cosines {shape}.")


def _slopes(answer, cos: Tensor, m: float) -> Tensor:
    """Of an answer by the cosine, (N, 1)."""
    given = cos.clone().requires_grad_()
    return torch.autograd.grad(answer(given, m).sum(), given)[0]


def _check_arc_face(answer) -> None:
    cos = _cosines(20, 60, 80, 100, 140)
    _require_target(answer(cos.clone().requires_grad_(), 0.5), (5, 1))
    got = answer(cos.clone(), 0.5)
    refuse_mistakes(got, _ARC_MISTAKES, cos, 0.5)
    require_value(got, np.cos(np.arccos(cos) + 0.5), "angles of 20, 60, 80, 100 and 140 degrees, m = .5")
    require_value(answer(cos.clone(), 0.2), np.cos(np.arccos(cos) + 0.2), "the same angles, m = .2")

    edge = torch.tensor([[1.0], [1.0000001]])
    found = answer(edge.clone(), 0.5)
    require(
        bool(found.isfinite().all()),
        "a cosine of 1.0000001 gives NaN. Rounding makes one of every few embeddings that lie on their class: "
        "clamp before acos or the root.",
    )
    require(
        bool(_slopes(answer, edge, 0.5).isfinite().all()),
        "at a cosine of 1 the gradient is not finite: acos and the root are infinitely steep there, and one such "
        "photograph ends a training. Clamp a little below 1, or take the root only where it is above 0.",
    )
    require_value(found, [[math.cos(0.5)]] * 2, "cosines of 1 and 1.0000001, m = .5", tolerance=1e-3)

    far = _cosines(*range(0, 181, 2))
    found = answer(far.clone(), 0.5)
    rises = (found.diff(dim=0) > 1e-6).flatten().nonzero().flatten()
    require(
        not len(rises),
        f"from {2 * int(rises[0]) if len(rises) else 0} degrees on your function rises: there a worse embedding would get "
        "a smaller loss. Beyond theta = pi - m go on with cos theta - m sin m.",
    )
    beyond = _cosines(155, 170, 179)
    refuse(
        answer(beyond.clone(), 0.5),
        -torch.ones_like(beyond),
        "beyond theta = pi - m you stay at -1: the gradient is 0, and who is that far off is never brought back.",
    )
    require_value(
        answer(beyond.clone(), 0.5), beyond - 0.5 * math.sin(0.5), "155, 170 and 179 degrees, where theta + m > pi"
    )


def _acos(cos: Tensor) -> Tensor:
    return torch.acos(cos.clamp(-1 + 1e-7, 1 - 1e-7))


def _with_fallback(shifted, cos, m):
    return torch.where(cos > -math.cos(m), shifted, cos - m * math.sin(m))


def _clamped_to_one(cos, m):
    return _with_fallback(torch.cos(torch.acos(cos.clamp(-1, 1)) + m), cos, m)


_ARC_MISTAKES = {
    "degrees": (
        lambda cos, m: torch.cos(_acos(cos) + math.radians(m)),
        "m counts as degrees with you. It is in radians: 0.5 are 29 degrees.",
    ),
    "cosine's scale": (
        lambda cos, m: cos - m,
        "this is cos theta - m, the margin of CosFace. ArcFace adds m to the angle: cos(theta + m).",
    ),
    "on the wrong side": (lambda cos, m: cos + m, "this is cos theta + m, which makes the task easier. Add m to the angle."),
    "times": (
        lambda cos, m: torch.cos(m * _acos(cos)),
        "this is cos(m theta): A-Softmax multiplies the angle. ArcFace adds m to it.",
    ),
    "minus": (
        lambda cos, m: torch.cos(_acos(cos) - m),
        "this is cos(theta - m): the target gets a higher score than it has, and the task is easier. Add m.",
    ),
    "easy": (
        lambda cos, m: arc_face(cos, m, easy=True),
        "beyond a right angle you leave out the margin. That is the easy margin; here it ends at theta = pi - m.",
    ),
    "fallback everywhere": (
        lambda cos, m: cos - m * math.sin(m),
        "you go on with cos theta - m sin m everywhere. It stands for cos(theta + m) only beyond theta = pi - m.",
    ),
    "the angle": (lambda cos, m: _acos(cos) + m, "this is the angle theta + m. Return its cosine."),
}
ARC_FACE = Exercise(
    "7.1 the margin of ArcFace",
    arc_face_target,
    _check_arc_face,
    wrong=_ARC_MISTAKES
    | {
        "no clamp": (lambda cos, m: _with_fallback(torch.cos(torch.acos(cos) + m), cos, m), "1.0000001 gives NaN"),
        "clamped to 1": (_clamped_to_one, "the gradient is not finite"),
        "no fallback": (lambda cos, m: torch.cos(_acos(cos) + m), "from 152 degrees on your function rises"),
        "angle stops at pi": (
            lambda cos, m: torch.cos((_acos(cos) + m).clamp(max=math.pi)),
            "beyond theta = pi - m you stay at -1",
        ),
        "CosFace beyond": (
            lambda cos, m: torch.where(cos > -math.cos(m), torch.cos(_acos(cos) + m), cos - m),
            "where theta + m > pi: got",
        ),
        "clamped too far": (
            lambda cos, m: arc_face_target(cos.clamp(max=0.99), m),
            "cosines of 1 and 1.0000001, m = .5: got",
        ),
        "a list": (lambda cos, m: arc_face_target(cos, m).tolist(), "yours is list"),
        "flat": (lambda cos, m: arc_face_target(cos, m).flatten(), "the shape is (5,)"),
        "without gradient": (lambda cos, m: arc_face_target(cos.detach(), m), "no gradient"),
        "no return": (lambda cos, m: None, "Is the return missing?"),
    },
)


def psi(cos: Tensor, m: int) -> Tensor:
    """(-1)^k cos(m theta) - 2k from the target's cosines (N, 1), k = floor(m theta / pi); (N, 1)."""
    theta = torch.acos(cos.clamp(-1 + 1e-7, 1 - 1e-7))
    k = torch.floor(m * theta.detach() / math.pi)
    return (-1) ** k * torch.cos(m * theta) - 2 * k


def _check_psi(answer) -> None:
    degrees = (10, 35, 50, 70, 100, 130, 145, 170)
    cos = _cosines(*degrees)
    _require_target(answer(cos.clone().requires_grad_(), 4), (8, 1))
    got = answer(cos.clone(), 4)
    refuse_mistakes(got, _PSI_MISTAKES, cos, 4)
    expected = [[(-1) ** (d // 45) * math.cos(4 * math.radians(d)) - 2 * (d // 45)] for d in degrees]
    require_value(got, expected, f"m = 4, angles of {', '.join(map(str, degrees))} degrees")
    third = [[(-1) ** (d // 60) * math.cos(3 * math.radians(d)) - 2 * (d // 60)] for d in degrees]
    require_value(answer(cos.clone(), 3), third, "the same angles with m = 3")
    slopes, theta = _slopes(answer, cos, 4).flatten(), torch.acos(cos).flatten()
    require(
        bool(slopes.isfinite().all()) and bool(slopes.abs().max() > 0),
        "the values are right, the gradient is not: it must be finite, and not 0 everywhere.",
    )
    signs = torch.tensor([(-1) ** (d // 45) for d in degrees])
    require_value(
        slopes,
        signs * 4 * torch.sin(4 * theta) / torch.sin(theta),
        "the values are right; the slope of psi by the cosine",
    )
    ends = torch.tensor([[1.0], [1.0000001], [-1.0]])
    require(
        bool(answer(ends.clone(), 4).isfinite().all()) and bool(_slopes(answer, ends, 4).isfinite().all()),
        "cosines of 1, 1.0000001 and -1 give NaN or an infinite gradient: clamp a little inside -1 and 1 before acos.",
    )
    require_value(answer(ends.clone(), 4), [[1.0], [1.0], [-7.0]], "cosines of 1, 1.0000001 and -1", tolerance=1e-2)


def _with_k(cos, m, k):
    return (-1) ** k * torch.cos(m * _acos(cos)) - 2 * k


_PSI_MISTAKES = {
    "cos(m theta) alone": (
        lambda cos, m: torch.cos(m * _acos(cos)),
        "this is cos(m theta) alone, a wave that rises again beyond pi / m: there a larger angle would be rewarded.",
    ),
    "round": (
        lambda cos, m: _with_k(cos, m, torch.round(m * _acos(cos) / math.pi)),
        "your k is rounded to the nearest. It is the number of whole half-waves before theta: floor.",
    ),
    "ceil": (
        lambda cos, m: _with_k(cos, m, torch.ceil(m * _acos(cos) / math.pi)),
        "your k is one too large: it begins at 0. Use floor.",
    ),
    "floor(theta / pi)": (
        lambda cos, m: _with_k(cos, m, torch.floor(_acos(cos) / math.pi)),
        "your k is 0 for every angle: the half-waves are pi / m wide, so k = floor(m theta / pi).",
    ),
    "whole waves": (
        lambda cos, m: _with_k(cos, m, torch.floor(m * _acos(cos) / (2 * math.pi))),
        "your k counts whole waves, 2 pi / m wide. The sign changes each half-wave: k = floor(m theta / pi).",
    ),
    "sign missing": (
        lambda cos, m: torch.cos(m * _acos(cos)) - 2 * torch.floor(m * _acos(cos) / math.pi),
        "the sign (-1)^k is missing: every second half-wave rises.",
    ),
    "no steps": (
        lambda cos, m: _with_k(cos, m, k := torch.floor(m * _acos(cos) / math.pi)) + 2 * k,
        "- 2k is missing: each half-wave falls, but the next begins at the top again.",
    ),
    "- k": (
        lambda cos, m: _with_k(cos, m, k := torch.floor(m * _acos(cos) / math.pi)) + k,
        "you take k away in place of 2k: a half-wave falls by 2, from 1 to -1, so the next must begin 2 lower.",
    ),
    "+ 2k": (
        lambda cos, m: _with_k(cos, m, k := torch.floor(m * _acos(cos) / math.pi)) + 4 * k,
        "you add 2k: psi would climb from half-wave to half-wave. Subtract it.",
    ),
    "ArcFace": (
        lambda cos, m: torch.cos(_acos(cos) + m),
        "this is cos(theta + m): ArcFace adds to the angle. A-Softmax multiplies it, by m.",
    ),
}
PSI = Exercise(
    "7.2 psi of A-Softmax",
    psi,
    _check_psi,
    wrong=_PSI_MISTAKES
    | {
        "gradient through a soft floor": (
            lambda cos, m: psi(cos, m) - 2 * (cos - cos.detach()),
            "the slope of psi by the cosine: got",
        ),
        "the angle is cut off the graph": (
            lambda cos, m: psi(cos.detach(), m) + 0 * cos,
            "the gradient is not: it must be finite, and not 0 everywhere",
        ),
        "no clamp": (lambda cos, m: _unclamped(cos, m), "clamp a little inside"),
        "m forgotten": (lambda cos, m: psi(cos, 4), "the same angles with m = 3: got"),
        "one number": (lambda cos, m: psi(cos, m).mean(), "the shape is ()"),
        "no return": (lambda cos, m: None, "Is the return missing?"),
    },
)


def _unclamped(cos, m):
    theta = torch.acos(cos)
    return (-1) ** (k := torch.floor(m * theta.detach() / math.pi)) * torch.cos(m * theta) - 2 * k
