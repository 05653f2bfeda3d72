"""Softmax over cosines, and the margins that make it harder: each is a change of the target's cosine.

    x     embeddings (N, D)                cos = cosines(x, weight)     (N, C), weight (C, D) holds a direction a class
    loss  margin_softmax(cos, labels, partial(cos_face, margin=0.35), scale=64)

"""  # fmt: skip

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from facelab.losses.labels import check_labels

MarginFunction = Callable[[Tensor], Tensor]  #: of the target's cosine: (N, 1) to (N, 1)


def margin_softmax(
    cosines: Tensor,
    labels: Tensor,
    margin_function: MarginFunction,
    scale: float | Tensor,
    weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy over scaled cosines, the target's after a change f:

        -mean_i  log  exp(s f(cos_iy))  /  ( exp(s f(cos_iy)) + sum_{j != y} exp(s cos_ij) ),   y the label of i

    The family of Eq. 4 of ArcFace (arXiv 1801.07698). f(c) = c is NormFace (arXiv 1704.06369).

    Args:
        cosines: float (N, C), of each embedding to the direction of each class.
        labels: int64 (N,), 0 ... C-1.
        margin_function: f, for the target's cosines (N, 1).
        scale: s > 0, or of each row (N, 1): the norm of its embedding, for A-Softmax.
        weight: float (C,) >= 0, how much each class counts in the mean; None: all the same.

    Returns:
        A scalar >= 0.

    Raises:
        ValueError: shapes that do not fit, a label outside 0 ... C-1, or a scale that is not positive.
    """  # fmt: skip
    if cosines.ndim != 2 or 0 in cosines.shape or labels.shape != cosines.shape[:1]:
        raise ValueError(
            f"Cosines {tuple(cosines.shape)}, labels {tuple(labels.shape)}. Give (N, C), and a label a row."
        )
    check_labels(labels, cosines.shape[1])
    if isinstance(scale, int | float) and not scale > 0:
        raise ValueError(f"The scale is {scale}. Give a positive one.")
    column = labels[:, None]
    changed = cosines.scatter(1, column, margin_function(cosines.gather(1, column)))
    return F.cross_entropy(scale * changed, labels, None if weight is None else weight.to(changed.dtype))


def no_margin(cos: Tensor) -> Tensor:
    """f(c) = c: normalised softmax."""
    return cos


def cos_face(cos: Tensor, margin: float | Tensor = 0.35) -> Tensor:
    """f(cos) = cos - m. CosFace, Wang et al. 2018, arXiv 1801.09414, Eq. 4.

    Args:
        cos: float (N, 1).
        margin: m >= 0, or of each row (N, 1).
    """
    return cos - margin


def arc_face(cos: Tensor, margin: float | Tensor = 0.5, easy_margin: bool = False) -> Tensor:
    """f(cos theta) = cos(theta + m), made monotonic. ArcFace, Deng et al. 2019, arXiv 1801.07698, Eq. 3.

    Beyond theta = pi - m the cosine would rise again; there the authors' code goes on with cos theta - m sin m, a step
    below -1, so that f falls everywhere (with m above 2.33 the step goes up). Its slope by cos theta is
    sin(theta + m) / sin(theta), not 1.

    Args:
        cos: float (N, 1), -1 ... 1 but for rounding: a float32 vector often has a cosine above 1 to itself.
        margin: m from 0 to pi radians, or of each row (N, 1).
        easy_margin: the margin only where theta < pi / 2, the cosine itself elsewhere.
    """
    m = torch.as_tensor(margin, dtype=cos.dtype, device=cos.device)
    shifted = cos * m.cos() - sine(cos) * m.sin()
    if easy_margin:
        return torch.where(cos > 0, shifted, cos)
    return torch.where(cos > -m.cos(), shifted, cos - m * m.sin())


def a_softmax(cos: Tensor, m: int = 4, annealing: float | Tensor = 0.0) -> Tensor:
    """f = (lambda cos + psi) / (1 + lambda), psi(theta) = (-1)^k cos(m theta) - 2k, k = floor(m theta / pi).

    A-Softmax of SphereFace, Liu et al. 2017, arXiv 1704.08063, Eq. 7 and section 4.1; the scale is the norm of the embedding.

    Args:
        cos: float (N, 1), -1 ... 1 but for rounding.
        m: 1 or more, whole.
        annealing: lambda >= 0, large at the start of a training: see ``sphere_lambda``.
    """
    # k is a constant between its steps, where both sides of psi meet: no gradient, and a rounding error there changes nothing
    angle = torch.acos(cos.detach().clamp(-1, 1))
    k = torch.floor(m * angle / math.pi).clamp(max=m - 1)
    psi = (1 - 2 * (k % 2)) * _chebyshev(cos, m) - 2 * k
    return (annealing * cos + psi) / (1 + annealing)


def sphere_lambda(step: int | Tensor, decay_steps: int = 1659, floor: float = 5.0) -> float | Tensor:
    """Annealing of A-Softmax: lambda = max(floor, 1000 / (1 + .12 t)) of the authors' Caffe code, on the scale of the run.

    Args:
        step: steps done, 0 or more.
        decay_steps: the step at which lambda reaches 5; theirs does at 1659, of 28,000. A run of a few hundred steps at their
            pace would train softmax and nothing else.
        floor: where it ends.
    """
    value = 1000 / (1 + 0.12 * 1659 / decay_steps * step)
    return value.clamp(min=floor) if isinstance(value, Tensor) else max(floor, value)


def sine(cos: Tensor) -> Tensor:
    """sin(theta) >= 0 of an angle between 0 and pi, from its cosine; 0, with gradient 0, at and beyond -1 and 1.

    The root is infinitely steep at its end, though the loss is not: there the cosine of an embedding does not change to
    first order. Authors clamp the cosine to 1 - 1e-7 instead, which moves the value by 4e-4.
    """
    square = (1 - cos) * (1 + cos)
    inside = square > 0
    return torch.where(inside, square, 1).sqrt().where(inside, 0)


def _chebyshev(cos: Tensor, m: int) -> Tensor:
    """cos(m theta), a polynomial of cos theta: T_m = 2 c T_{m-1} - T_{m-2}."""
    before, value = torch.ones_like(cos), cos
    for _ in range(m - 1):
        before, value = value, 2 * cos * value - before
    return value
