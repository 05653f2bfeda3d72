"""InfoNCE against a queue of keys, the loss of MoCo: He et al. 2019, arXiv 1911.05722."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from facelab.losses.cosine import check_inputs, cosines, normalize_rows


def info_nce(q: Tensor, k: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """InfoNCE (Eq. 1 of MoCo): the mean over queries of

        -log( exp(q.k+ / t)  /  (exp(q.k+ / t) + sum_{K negatives k-} exp(q.k- / t)) )

    The positive k+ of row n of q is row n of k. The negatives are the queue and nothing else: neither the other rows
    of k, nor any row left out. Call it before k enters the queue, or the positive is a negative too.

    Args:
        q: float (N, D), queries, N >= 1; any norm (a zero row: see ``cosine.normalize_rows``).
        k: float (N, D), their keys. No gradient flows into them, whether they carry one or not.
        queue: float (K, D), earlier keys, K >= 1, without gradient as well.
        temperature: t > 0. MoCo has 0.07, MoCo v2 0.2, the authors' notebook for CIFAR-10 0.1.

    Returns:
        A scalar >= 0, float32 (float64 where q is). Queries that know nothing give about log(1 + K).

    Raises:
        ValueError: q and k differ in shape, a shape is not (rows, D), or the temperature is not positive.
    """  # fmt: skip
    check_inputs(temperature, q=q, k=k, queue=queue)
    if q.shape != k.shape:
        raise ValueError(f"q has {len(q)} rows and k {len(k)}. Give one key for each query.")

    # keepdim: with (N,) beside (N, K), a sum of the two would quietly pair every query with every positive
    positive = (normalize_rows(q) * normalize_rows(k.detach())).sum(dim=1, keepdim=True)
    negatives = cosines(q, queue.detach())
    logits = torch.cat([positive, negatives], dim=1) / temperature
    return cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
