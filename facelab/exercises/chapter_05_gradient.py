"""The hard exercise of notebook 05: the gradient of NT-Xent, by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from facelab.exercises.exercise import Exercise, ExerciseError, refuse, require, require_returned, require_value
from facelab.losses import nt_xent


def nt_xent_gradient(z1: np.ndarray, z2: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of the mean over 2N views with respect to the embeddings z1 and z2 (N, D), which have any norm."""
    z = np.concatenate([z1, z2])
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    u = z / norms
    logits = u @ u.T / temperature
    np.fill_diagonal(logits, -np.inf)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    partner = np.roll(np.eye(len(z)), len(z1), axis=1)
    by_cosine = (shares - partner) / (len(z) * temperature)
    by_direction = (by_cosine + by_cosine.T) @ u  # each cosine is one of two views
    along = (by_direction * u).sum(axis=1, keepdims=True)
    gradient = (by_direction - along * u) / norms
    return gradient[: len(z1)], gradient[len(z1) :]


_TEMPERATURE = 0.4


def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    z1, z2 = rng.normal(size=(2, 4, 5)) * rng.uniform(0.5, 2, size=(2, 4, 1))
    z2[:2] = z1[:2] + rng.normal(0, 0.3, size=(2, 5))  # half of the views have nearly found their partner
    return z1, z2


def _by_autograd(z1: np.ndarray, z2: np.ndarray, temperature: float) -> np.ndarray:
    views = [torch.tensor(z, requires_grad=True) for z in (z1, z2)]
    return torch.cat(torch.autograd.grad(nt_xent(*views, temperature), views)).numpy()


def _without_autograd(answer: Callable, *inputs: object) -> object:
    try:
        with torch.inference_mode():
            return answer(*inputs)
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        raise ExerciseError("autograd is switched off here. Write the derivative down by hand, in NumPy.") from error


def _check_gradient(answer: Callable) -> None:
    z1, z2 = _data()

    def gradient(z1: np.ndarray, z2: np.ndarray, temperature: float) -> np.ndarray:
        got = _without_autograd(answer, z1.copy(), z2.copy(), temperature)
        require_returned(got)
        shapes = [np.shape(part) for part in got] if isinstance(got, (tuple, list)) else []
        require(
            shapes == [z1.shape, z2.shape],
            f"return two arrays of the shapes of z1 and z2, {z1.shape} each, and not {shapes or np.shape(got)}.",
        )
        return np.concatenate([np.asarray(part, dtype=float) for part in got])

    got, expected = gradient(z1, z2, _TEMPERATURE), _by_autograd(z1, z2, _TEMPERATURE)
    for mistake, message in _MISTAKES.values():
        refuse(got, np.concatenate(mistake(z1, z2, _TEMPERATURE)), message, tolerance=1e-8)
    z = np.concatenate([z1, z2])
    require(
        np.allclose((got * z).sum(axis=1), 0, atol=1e-8),
        "the gradient of some views has a part along the view itself. A longer vector has the same cosines and the same loss, "
        "so that part must be 0: the derivative of z / |z| takes it away.",
    )
    require(
        np.allclose(gradient(3 * z1, z2, _TEMPERATURE)[:4], got[:4] / 3, atol=1e-8),
        "with z1 three times as long, its gradient must be a third: the same step turns a longer vector by a smaller angle.",
    )
    require_value(got, expected, f"the gradient at a temperature of {_TEMPERATURE}", tolerance=1e-8)
    require(
        bool(np.isfinite(gradient(z1, z2, 0.001)).all()),
        "at a temperature of 0.001, exp(1000) overflows. Take the largest logit of each row off before np.exp.",
    )
    require_value(
        gradient(z1, z2, 0.1), _by_autograd(z1, z2, 0.1), "the gradient at a temperature of 0.1", tolerance=1e-8
    )


def _with(
    *,
    diagonal: float = -np.inf,
    candidates: bool = True,
    partner: bool = True,
    projected: bool = True,
    scaled: bool = True,
    factor: Callable[[int, float], float] = lambda views, temperature: 1.0,
    shifted: bool = True,
) -> Callable:
    """The gradient with a fault."""

    def gradient(z1, z2, temperature):
        z = np.concatenate([z1, z2])
        norms = np.linalg.norm(z, axis=1, keepdims=True)
        u = z / norms
        logits = u @ u.T / temperature
        np.fill_diagonal(logits, diagonal)
        with np.errstate(over="ignore", invalid="ignore"):
            shares = np.exp(logits - (logits.max(axis=1, keepdims=True) if shifted else 0))
            shares /= shares.sum(axis=1, keepdims=True)
        np.fill_diagonal(shares, 0)
        by_cosine = shares - partner * np.roll(np.eye(len(z)), len(z1), axis=1)
        g = (by_cosine + candidates * by_cosine.T) @ u / (len(z) * temperature) * factor(len(z), temperature)
        g = g - (g * u).sum(axis=1, keepdims=True) * u if projected else g
        g = g / norms if scaled else g
        return g[: len(z1)], g[len(z1) :]

    return gradient


_MISTAKES = {
    "anchors only": (
        _with(candidates=False),
        "you have each view as an anchor only. It stands in the rows of all other views too, as their partner or among their "
        "negatives: every cosine depends on two views.",
    ),
    "no projection": (
        _with(projected=False),
        "this is the gradient with respect to the normalised views, divided by the norms. The derivative of z / |z| also takes "
        "away the part along z.",
    ),
    "norms forgotten": (
        _with(scaled=False),
        "the derivative of z / |z| has a factor 1 / |z|, which is missing.",
    ),
    "neither": (
        _with(projected=False, scaled=False),
        "this is the gradient with respect to the normalised views. Go one step further back, through z / |z|.",
    ),
    "partner forgotten": (
        _with(partner=False),
        "all views are pushed away from all others, and nothing pulls partners together: subtract 1 from the partner's share.",
    ),
    "downhill": (
        _with(factor=lambda views, temperature: -1.0),
        "the sign is wrong: this is the direction in which the loss falls. A gradient points uphill.",
    ),
    "temperature forgotten": (
        _with(factor=lambda views, temperature: temperature),
        "the temperature is in the shares, but the cosines were divided by it too: a factor 1 / temperature is missing.",
    ),
    "sum": (
        _with(factor=lambda views, temperature: views),
        "this is the gradient of the sum over all 2N views. The loss is their mean.",
    ),
    "mean over photographs": (
        _with(factor=lambda views, temperature: 2.0),
        "this is twice the gradient: you divide by the N photographs. The mean is over 2N views.",
    ),
    "itself in the softmax": (
        _with(diagonal=1 / _TEMPERATURE),
        "each view is in its own softmax. Its logit must be minus infinity, so that its share is 0.",
    ),
}


def _by_backward(z1, z2, temperature):
    return tuple(np.split(_by_autograd(z1, z2, temperature), 2))


NT_XENT_GRADIENT = Exercise(
    "5.5 the gradient of NT-Xent",
    nt_xent_gradient,
    _check_gradient,
    mistakes=_MISTAKES
    | {
        "raw exp": (_with(shifted=False), "overflows"),
        "0 on the diagonal": (_with(diagonal=0.0), "the gradient at a temperature of 0.4: got"),
        "one array": (lambda *args: np.concatenate(nt_xent_gradient(*args)), "return two arrays"),
        "exchanged": (lambda *args: nt_xent_gradient(*args)[::-1], "along the view itself"),
        "autograd": (_by_backward, "autograd is switched off"),
        "nothing returned": (lambda *args: None, "returns None"),
    },
    minutes=30,
    difficulty=5,
    importance=3,
    hints=(
        "Go back through the loss step by step: the loss by the cosines, the cosines by the unit vectors u = z / |z|, these by "
        "z. The first step is that of every softmax with cross-entropy: the share, minus 1 for the right class.",
        "With the matrix G of the derivatives by the cosines, divided by 2N and by the temperature, the gradient by u is "
        "`(G + G.T) @ u`, since the cosine of i and k moves both views. For z, take away the part along u, "
        "`g - (g * u).sum(axis=1, keepdims=True) * u`, and divide by the norm.",
    ),
)
