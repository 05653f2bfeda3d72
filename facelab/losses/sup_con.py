"""Supervised contrastive loss: Khosla et al. 2020, arXiv 2004.11362."""

from __future__ import annotations

import torch
from torch import Tensor

from facelab.losses.cosine import check_inputs, cosines


def sup_con(z: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """L_out of the paper (Eq. 2): the mean over anchors i of

        -1/|P(i)|  sum_{p in P(i)}  log( exp(z_i.z_p / t)  /  sum_{a in A(i)} exp(z_i.z_a / t) )

    A(i) is every other row, P(i) those of them with the label of i: positives stay in the denominator.

        sup_con(torch.cat(views), labels.repeat(len(views)))

    Args:
        z: float (M, D), M >= 2, one row a view, of any norm: scaled to norm 1 here (a zero row: see ``cosine.normalize_rows``).
        labels: (M,), the class of each row. Views of one photograph are rows with one label, nothing more.
        temperature: t > 0. The paper has 0.1, the authors' code 0.07 and a further factor t / 0.07.

    Returns:
        A scalar >= 0, float32 (float64 where z is). An anchor without positive is left out of the mean, though it stays
        in the denominator of others; with no positive in the whole batch, loss and gradient are 0. The paper sums over
        anchors and its code takes the mean, so a learning rate does not depend on M.

    Raises:
        ValueError: a shape does not fit, M < 2, or the temperature is not positive.
    """  # fmt: skip
    check_inputs(temperature, z=z)
    if len(z) < 2 or labels.shape != z.shape[:1]:
        raise ValueError(f"z has {len(z)} rows, labels {tuple(labels.shape)}. Give 2 rows or more, a label for each.")

    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    log_p = (cosines(z, z) / temperature).masked_fill(itself, -torch.inf).log_softmax(dim=1)

    positives = positive.sum(dim=1)
    # masked_fill and not a product: log_p of a row with itself is -inf, and 0 * -inf is nan
    per_anchor = -log_p.masked_fill(~positive, 0).sum(dim=1) / positives.clamp(min=1)
    return per_anchor.sum() / (positives > 0).sum().clamp(min=1)
