"""Exercises of notebook 06: the variance term and the covariance term of VICReg."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import normalize, relu

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    refuse_mistakes,
    require,
    require_loss,
    require_value,
)


def variance_term(z: torch.Tensor) -> torch.Tensor:
    """How far the standard deviations of the D dimensions of z (N, D) stay below 1, in the mean."""
    return torch.relu(1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean()


def _check_variance(answer) -> None:
    z = np.random.default_rng(0).normal(size=(6, 5)) * [0.1, 0.3, 0.5, 0.7, 5] + 3
    z = torch.from_numpy(z)
    got = answer(z.clone().requires_grad_())
    require_loss(got, "term")
    got = got.item()
    refuse_mistakes(got, _VARIANCE_MISTAKES, z)

    constant = z.clone()
    constant[:, 1] = 2.0
    constant.requires_grad_()
    found = answer(constant)
    found.backward()
    require(
        bool(constant.grad.isfinite().all()),
        "the gradient of a dimension that does not vary is NaN: the square root is infinitely steep at 0. "
        "Add 1e-4 to the variance, before the root.",
    )
    refuse(
        found.item(),
        relu(1 - constant.detach().std(dim=0)).mean(),
        "a dimension that does not vary costs 1 - sqrt(1e-4) = 0.99, yours costs 1: the 1e-4 below the root is missing.",
    )
    expected = np.maximum(0, 1 - np.sqrt(z.numpy().var(axis=0, ddof=1) + 1e-4)).mean()
    require_value(got, expected, "the term of 6 rows with 5 dimensions")


_NO_ROOT = (
    "you take the variance, not its root. Near a collapse its gradient vanishes, and nothing pulls the points apart."
)
_VARIANCE_MISTAKES = {
    "biased": (
        lambda z: relu(1 - torch.sqrt(z.var(dim=0, correction=0) + 1e-4)).mean(),
        "you divide the variance by N. Divide by N - 1, as torch.var does: else a small batch seems too narrow.",
    ),
    "relu of the mean": (
        lambda z: relu((1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean()),
        "you take the relu of the mean: one wide dimension then makes up for all that have collapsed. "
        "Take the relu of each dimension, then the mean.",
    ),
    "no relu": (
        lambda z: (1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean(),
        "the term is negative: a dimension with a standard deviation above 1 is rewarded without limit. Cut each at 0 by relu.",
    ),
    "variance": (lambda z: relu(1 - z.var(dim=0) - 1e-4).mean(), _NO_ROOT),
    "variance, without 1e-4": (lambda z: relu(1 - z.var(dim=0)).mean(), _NO_ROOT),
    "normalised rows": (
        lambda z: variance_term(normalize(z)),
        "you normalise the rows. The term needs their length: on the unit sphere in D dimensions "
        "the standard deviations cannot all reach 1.",
    ),
    "over the rows": (
        lambda z: variance_term(z.T),
        "these are the standard deviations within each row. Each dimension must vary over the batch: use dim=0.",
    ),
    "a sum": (lambda z: variance_term(z) * z.shape[1], "you take the sum over the dimensions. Take the mean."),
}
VARIANCE_TERM = Exercise(
    "6.1 the variance term",
    variance_term,
    _check_variance,
    mistakes=_VARIANCE_MISTAKES
    | {
        "1e-4 forgotten": (lambda z: relu(1 - torch.sqrt(z.var(dim=0))).mean(), "infinitely steep at 0"),
        "1e-4 after the root": (lambda z: relu(1 - torch.sqrt(z.var(dim=0)) - 1e-4).mean(), "before the root"),
        "std without 1e-4": (lambda z: relu(1 - z.std(dim=0)).mean(), "costs 1 - sqrt(1e-4)"),
        "another goal": (lambda z: relu(2 - torch.sqrt(z.var(dim=0) + 1e-4)).mean(), "6 rows with 5 dimensions: got"),
        "a float": (lambda z: variance_term(z).item(), "must be a tensor"),
        "one for each dimension": (lambda z: relu(1 - torch.sqrt(z.var(dim=0) + 1e-4)), "is one number"),
    },
    minutes=8,
    difficulty=2,
    importance=5,
    hints=(
        "Look at the formula from the inside outwards: one variance for each dimension, over the rows of the batch. "
        "Where in it does the mean over dimensions stand?",
        "`z.var(dim=0)` gives D unbiased variances. Add the $10^{-4}$ to them before the root, cut each difference at 0 with "
        "`torch.relu`, and take the mean last.",
    ),
)


def covariance_term(z: torch.Tensor) -> torch.Tensor:
    """The squared covariances of different dimensions of z (N, D), summed and divided by D."""
    n, d = z.shape
    centred = z - z.mean(dim=0)
    squares = (centred.T @ centred / (n - 1)).square()
    return (squares.sum() - squares.diagonal().sum()) / d


def _check_covariance(answer) -> None:
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(size=(6, 4)) @ rng.normal(size=(4, 4)) + 2)
    got = answer(z.clone().requires_grad_())
    require_loss(got, "term")
    got = got.item()
    require(
        math.isclose(got, answer(z + 3), rel_tol=1e-5),
        "the term changes when all rows move by the same amount. Subtract the mean of each dimension first.",
    )
    refuse(
        answer(torch.cat([z, z])),
        4 * got,
        "with each row given twice, the term is 4 times as large: you divide by a constant in place of "
        "N - 1. The last, smaller batch of an epoch would then hardly count.",
    )
    refuse_mistakes(got, _COVARIANCE_MISTAKES, z)
    squares = np.cov(z.numpy(), rowvar=False) ** 2
    require_value(got, (squares.sum() - np.trace(squares)) / 4, "the term of 6 rows with 4 dimensions")


def _between(z):
    """Covariances of different dimensions, 0 on the diagonal."""
    return torch.cov(z.T).fill_diagonal_(0)


def _by_a_constant(z):
    centred = z - z.mean(dim=0)
    return (centred.T @ centred / 256).fill_diagonal_(0).square().sum() / z.shape[1]


_COVARIANCE_MISTAKES = {
    "with the diagonal": (
        lambda z: torch.cov(z.T).square().sum() / z.shape[1],
        "your sum includes the diagonal. It holds the variances, which the variance term wants to be large: leave them out.",
    ),
    "D (D - 1)": (
        lambda z: _between(z).square().mean() * z.shape[1] / (z.shape[1] - 1),
        "you divide by D (D - 1), the number of pairs. The paper divides by D.",
    ),
    "D squared": (
        lambda z: _between(z).square().mean(),
        "you divide by D squared, which is the mean over the whole matrix. The paper divides by D.",
    ),
    "over N": (
        lambda z: torch.cov(z.T, correction=0).fill_diagonal_(0).square().sum() / z.shape[1],
        "you divide the covariance by N. Divide by N - 1.",
    ),
    "absolute": (
        lambda z: _between(z).abs().sum() / z.shape[1],
        "you take absolute values. Take squares: their gradient fades as a covariance goes to 0.",
    ),
    "neither": (
        lambda z: _between(z).sum() / z.shape[1],
        "covariances of opposite signs cancel in your sum. Square each of them first.",
    ),
    "correlations": (
        lambda z: torch.corrcoef(z.T).fill_diagonal_(0).square().sum() / z.shape[1],
        "these are correlations, that is covariances of standardised dimensions. VICReg does not standardise.",
    ),
    "between rows": (
        lambda z: covariance_term(z.T),
        "these are covariances between photographs (N, N). Take those between dimensions (D, D): z.T @ z.",
    ),
    "each pair once": (
        lambda z: _between(z).triu().square().sum() / z.shape[1],
        "you count each pair of dimensions once. The sum runs over both halves of the matrix.",
    ),
}
COVARIANCE_TERM = Exercise(
    "6.2 the covariance term",
    covariance_term,
    _check_covariance,
    mistakes=_COVARIANCE_MISTAKES
    | {
        "not centred": (
            lambda z: (z.T @ z / (len(z) - 1)).fill_diagonal_(0).square().sum() / z.shape[1],
            "Subtract the mean of each dimension",
        ),
        "a constant for N": (_by_a_constant, "a constant in place of"),
        "a sum": (lambda z: covariance_term(z) * z.shape[1], "6 rows with 4 dimensions: got"),
        "without gradient": (lambda z: covariance_term(z).detach(), "no gradient"),
    },
    minutes=10,
    difficulty=2,
    importance=5,
    hints=(
        "Write the covariance matrix (D, D) first. Which of its entries belong to two different dimensions?",
        "Subtract the mean of each dimension, multiply the transposed rows with the rows, and divide by N - 1. Square all "
        "entries; from their sum take away that of the diagonal, and divide by D.",
    ),
)
