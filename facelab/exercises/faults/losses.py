"""Two faults of contrastive losses: shapes that broadcast without an error, and exponentials that overflow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from facelab.exercises.faults.verdict import Fault, Verdict
from facelab.losses import info_nce, sup_con


def info_nce_broadcast(q: Tensor, k: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """As found. InfoNCE, but (N,) + (N, 1) is (N, N): every query meets the positives of all queries."""
    q, k, queue = normalize(q), normalize(k), normalize(queue)
    positive = torch.exp((q * k).sum(dim=1) / temperature)  # (N,)
    negatives = torch.exp(q @ queue.T / temperature).sum(dim=1, keepdim=True)  # (N, 1)
    return -torch.log(positive / (positive + negatives)).mean()


def check_broadcast(loss: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> Verdict:
    """Whether the queries of a batch leave each other alone, as InfoNCE has it: only the queue is negative.

    A mean over queries is the mean of the losses of the same queries, taken one at a time. A test of a single query
    cannot see the fault, since (1,) + (1, 1) is right.

    Args:
        loss: (q (N, D), k (N, D), queue (K, D), temperature) -> scalar, the mean over queries; as ``losses.info_nce``.
    """
    rng = np.random.default_rng(0)
    q, k, queue = (torch.from_numpy(rng.normal(size=(rows, 8))).float() for rows in (8, 8, 32))
    k[:4] = q[:4]  # half of the queries have found their key: the losses of equal queries would hide the fault
    together = float(loss(q, k, queue, 0.2))
    apart = float(np.mean([float(loss(q[[row]], k[[row]], queue, 0.2)) for row in range(8)]))
    says = f"the loss of 8 queries is {together:.3f}, the mean of the same queries taken one at a time {apart:.3f}."
    return Verdict(math.isclose(together, apart, rel_tol=1e-4), says)


def sup_con_raw_exp(z: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """As found. The supervised contrastive loss as the paper writes it, exponential by exponential."""
    itself = torch.eye(len(z), dtype=torch.bool)
    positive = (labels[:, None] == labels) & ~itself
    exp = torch.exp(normalize(z) @ normalize(z).T / temperature).masked_fill(itself, 0)
    log_p = torch.log(exp / exp.sum(dim=1, keepdim=True))
    return (-log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


def check_exp(loss: Callable[[Tensor, Tensor, float], Tensor]) -> Verdict:
    """Whether a loss holds at a temperature of 0.01, where cosines of +-1 are logits of +-100: float32 ends at exp(88).

    The embeddings are the worst there are: both views of each photograph opposite, other photographs equal. The right
    partner is 2 / t = 200 behind the best row, so the loss is 200 and the logarithm of how many are equally good. A
    small number added inside the logarithm keeps the loss finite, but far below 200, and is caught as well.

    Args:
        loss: (z (2N, D), labels (2N,), temperature) -> scalar, as ``losses.sup_con``; row n and row N + n are the views of
            one photograph. Another loss fits with ``lambda z, labels, t: nt_xent(*z.chunk(2), t)``.
    """
    first = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(3, 1)
    value = float(loss(torch.cat([first, -first]), torch.arange(6).repeat(2), 0.01))
    right = 200 <= value <= 200 + math.log(2 * len(first) + 1)
    return Verdict(
        right, f"at a temperature of 0.01 the loss of the worst embeddings is {value:.1f}; it must be about 200."
    )


FAULTS = [
    Fault(
        "(N,) + (N, 1) in InfoNCE",
        "The negatives of each query were weighed against the positives of all. The gradient had the right sign and the "
        "wrong size: it trained, and nobody noticed.",
        info_nce_broadcast,
        info_nce,
        check_broadcast,
    ),
    Fault(
        "exp without log-sum-exp",
        "The loss was NaN or infinite at low temperatures, where the training ended.",
        sup_con_raw_exp,
        sup_con,
        check_exp,
    ),
]
