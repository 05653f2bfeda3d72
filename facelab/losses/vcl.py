"""Variational contrastive learning: Yavuz and Yanikoglu, FG 2024, arXiv 2312.00824.

A photograph is not a point but a normal distribution with diagonal covariance, N(mean, exp(log_var)), of which z is drawn:

    loss  =  beta_nt_xent(z1, z2)  +  distribution_similarity(mean1, log_var1, mean2, log_var2)  +  kl_to_standard(...)

"""  # fmt: skip

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from facelab.losses.cosine import check_inputs, normalize_rows
from facelab.losses.nt_xent import nt_xent


def kl_to_standard(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL divergence of N(mean, exp(log_var)) to N(0, 1), the mean over rows and dimensions:

        -1/2 mean( 1 + log_var - mean^2 - exp(log_var) )

    Args:
        mean, log_var: float (N, D).

    Returns:
        A scalar >= 0.

    Raises:
        ValueError: shapes differ or are not (N, D).
    """  # fmt: skip
    _check(mean=mean, log_var=log_var)
    mean, log_var = _exact(mean, log_var)
    return (mean.square() + torch.expm1(log_var) - log_var).mean() / 2


def distribution_similarity(mean1: Tensor, log_var1: Tensor, mean2: Tensor, log_var2: Tensor) -> Tensor:
    """How far the distributions of both views are from the normal between them, the mean over rows and dimensions:

        1/2 [ KL(p || m) + KL(q || m) ],   m = N( (mean1 + mean2) / 2,  (var1 + var2) / 2 )

    Jensen-Shannon's form, with a normal in place of the mixture, which has no closed form. (One variant of the public code has
    the geometric mean of the variances in m: then the logarithms cancel, and no variance is compared.)

    Args:
        mean1, log_var1, mean2, log_var2: float (N, D), row n of both from one photograph.

    Returns:
        A scalar >= 0; 0 where both are the same.

    Raises:
        ValueError: shapes differ or are not (N, D).
    """  # fmt: skip
    _check(mean1=mean1, log_var1=log_var1, mean2=mean2, log_var2=log_var2)
    mean1, log_var1, mean2, log_var2 = _exact(mean1, log_var1, mean2, log_var2)
    # log and quotient of the mean variance from differences, so that no exponential overflows
    log_var = torch.logaddexp(log_var1, log_var2) - math.log(2)
    apart = (mean1 - mean2).square() / 2 * torch.exp(-log_var)  # (mean1 - m)^2 + (mean2 - m)^2, over the variance of m
    return (2 * log_var - log_var1 - log_var2 + apart).mean() / 4


def beta_scores(a: Tensor, b: Tensor, beta: float, sigma: float = 0.5) -> Tensor:
    """Score of each row of ``a`` with each of ``b`` under the beta-divergence, for normals of deviation sigma:

        s_ij = (1 + beta) / beta  [ (2 pi sigma^2)^(-beta D / 2)  exp( -beta ||a_i - b_j||^2 / (2 sigma^2) )  -  1 ]

    Its limit at beta = 0 is a log-likelihood, which falls without end as the distance grows; with beta > 0 a far one costs no
    more than -(1 + beta) / beta, which is what keeps a wrong photograph from pulling hard.

    The paper's beta of .005 hardly bends anything between unit vectors: the exponent goes from 0 to 8 beta.

    Args:
        a: float (N, D), of norm 1.
        b: float (M, D), of norm 1.
        beta: 0 or more.
        sigma: above 0.

    Returns:
        (N, M).

    Raises:
        ValueError: beta or sigma out of its range.
    """  # fmt: skip
    if not 0 <= beta < math.inf or not 0 < sigma < math.inf:
        raise ValueError(f"beta is {beta}, sigma {sigma}. Give a beta of 0 or more and a sigma above 0.")
    with torch.autocast(a.device.type, enabled=False):
        distance = 2 - 2 * (a @ b.T)  # squared, of unit vectors
    log_likelihood = -a.shape[1] / 2 * math.log(2 * math.pi * sigma**2) - distance / (2 * sigma**2)
    return log_likelihood if beta == 0 else (1 + beta) / beta * torch.expm1(beta * log_likelihood)


def beta_nt_xent(z1: Tensor, z2: Tensor, temperature: float, beta: float = 0.005, sigma: float = 0.5) -> Tensor:
    """Contrast of samples by ``beta_scores`` over the directions of z, the mean over all 2N views i:

        -log( exp(s_ij / t)  /  sum_{k != i} exp(s_ik / t) ),   j the other view of the photograph of i

    At beta = 0 it is ``nt_xent`` with the temperature t sigma^2. (The public code takes the distance itself for its square, and
    leaves D / 2 out of the first factor and puts it into the exponent.)

    Args:
        z1, z2: float (N, D), row n of both from one photograph; any norm.
        temperature: t > 0; .07 in the paper.
        beta: 0 or more; .005 in the paper.
        sigma: above 0; .5 in the paper.

    Returns:
        A scalar >= 0.

    Raises:
        ValueError: shapes that differ, or a value out of its range.
    """  # fmt: skip
    check_inputs(temperature, z1=z1, z2=z2)
    if z1.shape != z2.shape:
        raise ValueError(f"z1 has {len(z1)} rows and z2 {len(z2)}. Give both views of the same photographs.")
    if beta == 0 and 0 < sigma < math.inf:
        return nt_xent(z1, z2, temperature * sigma**2)
    z = normalize_rows(torch.cat([z1, z2]))
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (beta_scores(z, z, beta, sigma) / temperature).masked_fill(itself, -torch.inf)
    partner = torch.arange(len(z), device=z.device).roll(len(z1))
    return cross_entropy(logits, partner)


def _exact(*rows: Tensor) -> list[Tensor]:
    """In float32, or float64: bfloat16 knows a variance to a hundredth."""
    return [row.to(torch.promote_types(row.dtype, torch.float32)) for row in rows]


def _check(**rows: Tensor) -> None:
    shapes = {name: tuple(row.shape) for name, row in rows.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 2 or 0 in shape for shape in shapes.values()):
        raise ValueError(f"The shapes are {shapes}. Give means and log-variances in rows, all of one shape (N, D).")
