"""Variance-invariance-covariance regularisation: Bardes, Ponce and LeCun 2022, arXiv 2105.04906."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, relu

EPSILON = 1e-4  #: keeps the gradient of the square root finite where a dimension does not vary (section 4.1)


class VICRegTerms(NamedTuple):
    """The three terms, each a scalar and without its weight, and their weighted sum."""

    loss: Tensor
    invariance: Tensor
    variance: Tensor
    covariance: Tensor


def vicreg(
    z1: Tensor, z2: Tensor, invariance_weight: float = 25, variance_weight: float = 25, covariance_weight: float = 1
) -> VICRegTerms:
    """The loss (Eq. 6) of two views, row n of both from one photograph:

        lambda s(z1, z2) + mu [v(z1) + v(z2)] / 2 + nu [c(z1) + c(z2)]

    The paper does not halve the variance term, its code does, and its weights belong to the code.

    Args:
        z1, z2: float (N, D), N >= 2, expanded embeddings. They are not normalised: their scale is what the variance term holds.
        invariance_weight: lambda; 25 in the paper.
        variance_weight: mu; 25 in the paper.
        covariance_weight: nu; 1 in the paper.

    Returns:
        ``VICRegTerms`` of scalars >= 0, float32 (float64 where z1 is).

    Raises:
        ValueError: the shapes differ, are not (N, D), or N < 2.
    """  # fmt: skip
    _check(z1, z2)
    with torch.autocast(z1.device.type, enabled=False):
        z1, z2 = (z.to(torch.promote_types(z.dtype, torch.float32)) for z in (z1, z2))
        s = invariance(z1, z2)
        v = (variance(z1) + variance(z2)) / 2
        c = covariance(z1) + covariance(z2)
        return VICRegTerms(invariance_weight * s + variance_weight * v + covariance_weight * c, s, v, c)


def invariance(z1: Tensor, z2: Tensor) -> Tensor:
    """s (Eq. 5): the mean squared difference of both views, over N and, as in the code, over D too."""
    return mse_loss(z1, z2)


def variance(z: Tensor) -> Tensor:
    """v (Eq. 1): how far the standard deviation of each dimension stays below 1, in the mean; 0 where none does.

    Args:
        z: float (N, D), N >= 2. The variance is the unbiased one.
    """
    return relu(1 - torch.sqrt(z.var(dim=0) + EPSILON)).mean()


def covariance(z: Tensor) -> Tensor:
    """c (Eq. 4): the sum of the squared covariances of different dimensions, divided by D.

    Args:
        z: float (N, D), N >= 2; divided by N - 1, the rows really there.
    """
    n, d = z.shape
    centered = z - z.mean(dim=0)
    between = centered.T @ centered / (n - 1)
    itself = torch.eye(d, dtype=torch.bool, device=z.device)
    return between.masked_fill(itself, 0).square().sum() / d


def _check(z1: Tensor, z2: Tensor) -> None:
    if z1.ndim != 2 or z1.shape != z2.shape or len(z1) < 2 or z1.shape[1] < 1:
        raise ValueError(
            f"z1 is {tuple(z1.shape)}, z2 {tuple(z2.shape)}. Give both views of the same photographs, two or more, in rows."
        )
