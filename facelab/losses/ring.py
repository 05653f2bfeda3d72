"""Ring loss: all embeddings of one length, which is learned. Zheng, Pal and Savvides, CVPR 2018, arXiv 1803.00130."""

from __future__ import annotations

import torch
from torch import Tensor


def ring_loss(x: Tensor, radius: Tensor) -> Tensor:
    """Half the mean squared difference of the norms to the radius (Eq. 2, there with its weight lambda before it):

        1/(2N)  sum_i  ( || x_i || - R )^2

    Args:
        x: float (N, D), not normalised. A row of zeros gets no gradient.
        radius: R, a scalar that is learned with the network. It starts best at the mean norm of the first batch: from 1, it
            would shrink the embeddings first.

    Raises:
        ValueError: x is not (N, D), or the radius no scalar.
    """  # fmt: skip
    if x.ndim != 2 or not len(x) or radius.ndim:
        raise ValueError(f"x is {tuple(x.shape)}, the radius {tuple(radius.shape)}. Give (N, D) and a scalar.")
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return (torch.linalg.vector_norm(x, dim=1) - radius).square().mean() / 2
