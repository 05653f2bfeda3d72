"""Exercises of notebook 07: the margins of ArcFace and of A-Softmax on the cosine to the right class."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from facelab.exercises.exercise import Exercise, refuse, refuse_mistakes, require, require_returned, require_value
from facelab.losses import arc_face


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


def arc_face_target(cos: torch.Tensor, m: float) -> torch.Tensor:
    """cos(theta + m) from the target's cosines (N, 1), and cos theta - m sin m beyond theta = pi - m: (N, 1)."""
    shifted = torch.cos(torch.acos(cos.clamp(-1 + 1e-7, 1 - 1e-7)) + m)
    return torch.where(cos > -np.cos(m), shifted, cos - m * np.sin(m))


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
        "a cosine of 1.0000001 gives NaN. By rounding, an embedding on its class direction has such a cosine: clamp first.",
    )
    require_value(found, [[math.cos(0.5)]] * 2, "cosines of 1 and 1.0000001, m = 0.5", tolerance=1e-3)
    require(
        bool(_slopes(answer, edge, 0.5).isfinite().all()),
        "at a cosine of 1 the gradient is not finite: acos and the root are infinitely steep there, and one such "
        "photograph ruins all weights. Clamp the cosine a little below 1, or take the root only where it is above 0.",
    )

    rises = np.flatnonzero(np.diff(answer(_of_degrees(range(0, 181, 2)), 0.5).flatten()) > 1e-6)
    require(
        not len(rises),
        f"from {2 * rises.min(initial=90)} degrees on your function rises: a worse embedding would get a smaller loss. "
        "Beyond theta = pi - m go on with cos theta - m sin m.",
    )
    far = _of_degrees([155, 170, 179])
    found = answer(far.clone(), 0.5)
    refuse(
        found,
        -np.ones((3, 1)),
        "beyond theta = pi - m you stay at -1: without a slope, the embedding is never moved back.",
    )
    require_value(found, far - 0.5 * math.sin(0.5), "155, 170 and 179 degrees, beyond theta = pi - m", tolerance=1e-5)


_ARC_MISTAKES = {
    "degrees": (lambda c, m: torch.cos(_acos(c) + math.radians(m)), "you take m as degrees. It is in radians."),
    "CosFace": (
        lambda c, m: c - m,
        "this is cos theta - m, which takes the margin off the cosine: CosFace. ArcFace adds m to the angle.",
    ),
    "times": (lambda c, m: torch.cos(m * _acos(c)), "this is cos(m theta): A-Softmax. ArcFace adds m to the angle."),
    "minus": (lambda c, m: torch.cos(_acos(c) - m), "this is cos(theta - m), which makes the task easier. Add m."),
    "easy": (
        lambda c, m: arc_face(c, m, easy_margin=True),
        "beyond a right angle you leave out the margin. That is the easy margin; here the margin goes on to theta = pi - m.",
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
    minutes=15,
    difficulty=3,
    importance=5,
    hints=(
        "See the section on the edge of float32: where must the cosine be clamped, and by how much? `torch.where` then chooses "
        "between two formulas.",
        "Clamp to $\\pm(1 - 10^{-7})$, take `torch.acos`, add m, take `torch.cos`. Keep that where the cosine is above "
        "$\\cos(\\pi - m) = -\\cos m$, and take $\\cos\\theta - m \\sin m$ elsewhere.",
    ),
)


def psi(cos: torch.Tensor, m: int) -> torch.Tensor:
    """(-1)^k cos(m theta) - 2k from the target's cosines (N, 1), k = floor(m theta / pi): (N, 1)."""
    theta = torch.acos(cos.clamp(-1 + 1e-7, 1 - 1e-7))
    k = torch.floor(m * theta / torch.pi)
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
    "round": (_psi_with(torch.round), "you round k. It counts the whole half-waves before theta: use floor."),
    "ceil": (_psi_with(torch.ceil), "your k is one too large: it begins at 0. Use floor."),
    "sign missing": (_psi_with(torch.floor, sign=1), "the sign (-1)^k is missing: every second half-wave rises."),
    "no steps": (
        _psi_with(torch.floor, step=0),
        "- 2k is missing: each half-wave falls, and the next begins at 1 again.",
    ),
    "k": (
        _psi_with(torch.floor, step=1),
        "you subtract k, not 2k: a half-wave falls by 2, so the next begins 2 lower.",
    ),
    "plus": (
        _psi_with(torch.floor, step=-2),
        "you add 2k, so that psi rises from half-wave to half-wave. Subtract it.",
    ),
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
    minutes=12,
    difficulty=3,
    importance=3,
    hints=(
        "Draw $\\cos(4\\theta)$ from 0 to $\\pi$: it has four half-waves. What must be done to each of them so that they join "
        "and fall all the way?",
        "Get the angle by a clamped `torch.acos`. `torch.floor(m * theta / torch.pi)` is k, a constant for the gradient. "
        "Then write the formula as it stands.",
    ),
)
