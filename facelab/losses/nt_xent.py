"""Normalised temperature-scaled cross-entropy, the loss of SimCLR: Chen et al. 2020, arXiv 2002.05709."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from facelab.losses.cosine import check_inputs, cosines


def nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """NT-Xent (Eq. 1): the mean over all 2N views i, each with the other view j(i) of its photograph, of

        -log( exp(sim(z_i, z_j) / t)  /  sum_{k != i} exp(sim(z_i, z_k) / t) )        sim: the cosine

    It is a classification: of the 2N - 1 other views, find the partner. Embeddings that know nothing give about
    log(2N - 1). It equals ``sup_con`` where each photograph is a class of its own.

    Args:
        z1, z2: float (N, D), N >= 1, row n of both from one photograph; any norm (a zero row: see ``cosine.normalize_rows``).
        temperature: t > 0. The paper has 0.1 on ImageNet and 0.5 on CIFAR-10.

    Returns:
        A scalar >= 0, float32 (float64 where z1 is); 0 for N = 1, where nothing is to be told apart. The authors' code
        adds the means of both halves, which is twice this one, the paper's.

    Raises:
        ValueError: shapes differ or are not (N, D), or the temperature is not positive.
    """  # fmt: skip
    check_inputs(temperature, z1=z1, z2=z2)
    if z1.shape != z2.shape:
        raise ValueError(f"z1 has {len(z1)} rows and z2 {len(z2)}. Give both views of the same photographs.")

    z = torch.cat([z1, z2])
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (cosines(z, z) / temperature).masked_fill(itself, -torch.inf)
    partner = torch.arange(len(z), device=z.device).roll(len(z1))
    return cross_entropy(logits, partner)
