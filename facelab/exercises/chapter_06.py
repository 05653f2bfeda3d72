"""Exercises of notebook 06: two terms of VICReg, what Annoy calls angular, and how many neighbours a search has found."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, relu

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    refuse_mistakes,
    require,
    require_loss,
    require_share,
    require_value,
    require_written,
)


def variance_term(z: Tensor) -> Tensor:
    """How far the standard deviations of the D dimensions of z (N, D) stay below 1, in the mean."""
    return relu(1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean()


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
        "a dimension that does not vary: the gradient is NaN, since a root is infinitely steep at 0. "
        "Add 1e-4 to the variance, before the root.",
    )
    refuse(
        found.item(),
        relu(1 - constant.detach().std(dim=0)).mean(),
        "a dimension that does not vary costs 1 - sqrt(1e-4) = 0.99, with you 1: the 1e-4 below the root is missing.",
    )
    expected = np.maximum(0, 1 - np.sqrt(z.numpy().var(axis=0, ddof=1) + 1e-4)).mean()
    require_value(got, expected, "the term of 6 rows with 5 dimensions")


_NO_ROOT = (
    "this has the variance, not its root. Near a collapse its gradient vanishes, and nothing pulls the points apart."
)
_VARIANCE_MISTAKES = {
    "biased": (
        lambda z: relu(1 - torch.sqrt(z.var(dim=0, correction=0) + 1e-4)).mean(),
        "this is the variance over N. Divide by N - 1, as torch's var does: a small batch would look too narrow.",
    ),
    "relu of the mean": (
        lambda z: relu((1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean()),
        "this is the relu of the mean: one wide dimension makes up for all that collapsed. "
        "Take the relu of each dimension, then the mean.",
    ),
    "no relu": (
        lambda z: (1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean(),
        "the term is negative: dimensions that vary more than 1 are rewarded, without end. Each stops at 0, by relu.",
    ),
    "variance": (lambda z: relu(1 - z.var(dim=0) - 1e-4).mean(), _NO_ROOT),
    "variance, without 1e-4": (lambda z: relu(1 - z.var(dim=0)).mean(), _NO_ROOT),
    "normalised rows": (
        lambda z: variance_term(normalize(z)),
        "you normalise the rows. The length is what this term holds: on the unit sphere in D dimensions "
        "the standard deviations cannot all reach 1.",
    ),
    "over the rows": (
        lambda z: variance_term(z.T),
        "these are the standard deviations within each row. Each dimension is to vary over the batch: dim=0.",
    ),
    "a sum": (lambda z: variance_term(z) * z.shape[1], "this is the sum over the dimensions. Take the mean."),
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
)


def covariance_term(z: Tensor) -> Tensor:
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
        "all rows moved by the same amount, and the term is another. Subtract the mean of each dimension first.",
    )
    refuse(
        answer(torch.cat([z, z])),
        4 * got,
        "twice the rows, each of them two times, and the term is 4 times as large: you divide by a constant in place of "
        "N - 1. The last batch of an epoch is smaller, and would hardly count.",
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
        "the diagonal is among them: these are the variances, which the other term wants large. Leave them out.",
    ),
    "D (D - 1)": (
        lambda z: _between(z).square().mean() * z.shape[1] / (z.shape[1] - 1),
        "you divide by D (D - 1), the number of pairs. The paper divides by D.",
    ),
    "D squared": (
        lambda z: _between(z).square().mean(),
        "you divide by D squared: a mean over the whole matrix. The paper divides by D.",
    ),
    "over N": (
        lambda z: torch.cov(z.T, correction=0).fill_diagonal_(0).square().sum() / z.shape[1],
        "this is the covariance over N. Divide by N - 1.",
    ),
    "absolute": (
        lambda z: _between(z).abs().sum() / z.shape[1],
        "these are absolute values. Square them: the gradient then fades as a covariance goes to 0.",
    ),
    "neither": (
        lambda z: _between(z).sum() / z.shape[1],
        "covariances of both signs cancel here. Square each before the sum.",
    ),
    "correlations": (
        lambda z: torch.corrcoef(z.T).fill_diagonal_(0).square().sum() / z.shape[1],
        "these are correlations: covariances of standardised dimensions. VICReg standardises nothing.",
    ),
    "between rows": (
        lambda z: covariance_term(z.T),
        "these are covariances between photographs, N by N. Those between dimensions are wanted, D by D: z.T @ z.",
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
)


def cosine_of_angular(distance: float | np.ndarray) -> float | np.ndarray:
    """The cosine of two vectors from Annoy's angular distance, sqrt(2 - 2 cos): one, or an array of any shape."""
    return 1 - distance**2 / 2


def _check_angular(answer) -> None:
    cosine = np.array([[1, 0.9, 0.5], [0, -0.5, -1]])
    distance = np.sqrt(2 - 2 * cosine)
    got = answer(distance.copy())
    require_written(got)
    require(
        np.shape(got) == (2, 3), f"for (2, 3) distances you return the shape {np.shape(got)}: one for each distance."
    )
    refuse_mistakes(got, _ANGULAR_MISTAKES, distance)
    require_value(got, cosine, "distances 0, 0.447, 1, 1.414, 1.732 and 2")
    require_value(answer(math.sqrt(0.4)), 0.8, "a single distance of 0.632", tolerance=1e-9)


_ANGULAR_MISTAKES = {
    "1 - d": (
        lambda d: 1 - d,
        "1 - d: at a right angle, where the cosine is 0, Annoy says sqrt(2) and you say -0.41. Solve sqrt(2 - 2 cos) for cos.",
    ),
    "1 - d / 2": (
        lambda d: 1 - d / 2,
        "1 - d / 2 is right for equal vectors and 0 for opposite ones, whose cosine is -1. Solve sqrt(2 - 2 cos) for cos.",
    ),
    "1 - d squared": (
        lambda d: 1 - d**2,
        "1 - d^2: opposite vectors, at distance 2, get -3. Half of the square is missing.",
    ),
    "d squared / 2 - 1": (lambda d: d**2 / 2 - 1, "equal vectors get -1: the sign is turned round."),
    "cosine of the distance": (
        np.cos,
        "you take the cosine of the distance. It is called angular, but is no angle: it is the length of the chord.",
    ),
    "per cent": (
        lambda d: 100 - d,
        "100 - d lies between 98 and 100 whoever it is: a distance is no percentage of anything. Solve sqrt(2 - 2 cos).",
    ),
    "100 (1 - d)": (
        lambda d: 100 * (1 - d),
        "a cosine lies between -1 and 1, and is no percentage. Solve sqrt(2 - 2 cos) for cos.",
    ),
}
COSINE_OF_ANGULAR = Exercise(
    "6.3 the cosine behind Annoy's distance",
    cosine_of_angular,
    _check_angular,
    mistakes=_ANGULAR_MISTAKES
    | {
        "one number only": (lambda d: float(np.mean(cosine_of_angular(d))), "one for each distance"),
        "arrays alone": (lambda d: 1 - d.clip(0, 2) ** 2 / 2, "raised AttributeError"),
        "a constant": (lambda d: 0 * d + 1, "distances 0, 0.447, 1"),
    },
)


def recall_at_k(results: np.ndarray, exact: np.ndarray) -> float:
    """The share of a query's exact neighbours among its results, in the mean over queries; -1 is a place without neighbour.

    Both are ids (n, k); their order within a row says nothing, and each query has an exact neighbour at least.
    """
    real = exact >= 0
    hit = (exact[:, :, None] == results[:, None, :]).any(axis=2) & real
    return float((hit.sum(axis=1) / real.sum(axis=1)).mean())


def _check_recall(answer) -> None:
    exact = np.array([[4, 7, 1, 9], [2, 5, 8, 0], [3, 6, -1, -1], [9, 0, 4, 1]])
    found = np.array([[1, 7, 4, 2], [5, 7, 3, 9], [6, 8, -1, -1], [9, -1, -1, -1]])
    got = answer(found.copy(), exact.copy())
    require_share(got)
    shuffled = np.random.default_rng(0).permuted(found, axis=1)
    require(
        math.isclose(got, answer(shuffled, exact)),
        "the same ids in another order within a row give another recall. Ask whether an id was found, not at which place.",
    )
    refuse_mistakes(got, _RECALL_MISTAKES, found, exact)
    expected = np.mean([len(set(a) & set(b) - {-1}) / len(set(b) - {-1}) for a, b in zip(found, exact, strict=True)])
    require_value(got, expected, "4 queries, with 3 of 4, 1 of 4, 1 of 2 and 1 of 4 neighbours found")


def _hits(found, exact):
    return (exact[:, :, None] == found[:, None]).any(axis=2) & (exact >= 0)


_WHOLE_TABLE = (
    "an id counts that was found for another query. np.isin looks through the whole table: compare row with row."
)
_RECALL_MISTAKES = {
    "whole table": (lambda found, exact: np.isin(exact, found).mean(), _WHOLE_TABLE),
    "whole table, without -1": (lambda found, exact: np.isin(exact, found)[exact >= 0].mean(), _WHOLE_TABLE),
    "padding counted": (
        lambda found, exact: (exact[:, :, None] == found[:, None]).any(axis=2).mean(),
        "-1 beside -1 counts as a hit. It stands for no neighbour: two empty places are nothing that was found.",
    ),
    "padding missed": (
        lambda found, exact: _hits(found, exact).mean(),
        "you divide by k. A query with 2 exact neighbours has all of them where 2 were found: divide by those there are.",
    ),
    "of those found": (
        lambda found, exact: recall_at_k(exact, found),
        "you divide by the number of those found, so that who returns little looks good. Divide by the exact neighbours.",
    ),
    "at least one": (
        lambda found, exact: _hits(found, exact).any(axis=1).mean(),
        "this is the share of queries with at least one neighbour found. Count the neighbours of each.",
    ),
    "all neighbours together": (
        lambda found, exact: _hits(found, exact).sum() / (exact >= 0).sum(),
        "this is the share of all neighbours together. Take the share of each query first, then the mean.",
    ),
}
RECALL_AT_K = Exercise(
    "6.4 recall of a search",
    recall_at_k,
    _check_recall,
    mistakes=_RECALL_MISTAKES
    | {
        "place by place": (lambda found, exact: (found == exact).mean(), "not at which place"),
        "sorted, place by place": (
            lambda found, exact: (np.sort(found) == np.sort(exact)).mean(),
            "4 queries, with 3 of 4",
        ),
        "only the first": (lambda found, exact: (found[:, 0] == exact[:, 0]).mean(), "not at which place"),
        "a count": (lambda found, exact: recall_at_k(found, exact) * found.shape[1], "between 0 and 1"),
        "one share for each query": (
            lambda found, exact: np.array([recall_at_k(a[None], b[None]) for a, b in zip(found, exact, strict=True)]),
            "ndarray of the shape (4,)",
        ),
    },
)
