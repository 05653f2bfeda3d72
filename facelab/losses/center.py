"""Center loss: everybody's embeddings near their own centre. Wen et al., ECCV 2016."""

from __future__ import annotations

import torch
from torch import Tensor

from facelab.losses.labels import check_labels


def center_loss(x: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Half the mean squared distance of each embedding to the centre of its class (Eq. 2):

        1/(2N)  sum_i  || x_i - c_{y_i} ||^2

    The paper adds ``0.003`` times this to cross-entropy and takes the *sum* over the batch in both terms; here both are
    means, so its factor stays and a learning rate does not depend on N.

    Args:
        x: float (N, D), not normalised.
        labels: int64 (N,), 0 ... C-1.
        centers: float (C, D); they get no gradient: see ``updated_centers``.

    Raises:
        ValueError: shapes that do not fit, or a label that is no class.
    """  # fmt: skip
    _check(x, labels, centers)
    return (x - centers.detach()[labels]).square().sum(dim=1).mean() / 2


@torch.no_grad()
def updated_centers(x: Tensor, labels: Tensor, centers: Tensor, rate: float = 0.5) -> Tensor:
    """The centres after a batch (Eq. 4 and Algorithm 1):

        c_j  -  alpha  sum_{y_i = j} (c_j - x_i) / (1 + n_j),   n_j photographs of class j in the batch

    Args:
        x: float (N, D).
        labels: int64 (N,), 0 ... C-1.
        centers: float (C, D); stays as it is.
        rate: alpha, 0 ... 1.

    Returns:
        (C, D).

    Raises:
        ValueError: shapes that do not fit, a label that is no class, or a rate outside 0 ... 1.
    """  # fmt: skip
    _check(x, labels, centers)
    if not 0 <= rate <= 1:
        raise ValueError(f"The rate of the centres is {rate}. Give one from 0 to 1.")
    x = x.to(centers.dtype)
    towards = torch.zeros_like(centers).index_add_(0, labels, x - centers[labels])
    count = labels.new_zeros(len(centers)).index_add_(0, labels, torch.ones_like(labels))  # bincount makes a GPU wait
    return centers + rate * towards / (1 + count[:, None])


def _check(x: Tensor, labels: Tensor, centers: Tensor) -> None:
    if x.ndim != 2 or not len(x) or labels.shape != x.shape[:1] or centers.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"x is {tuple(x.shape)}, labels {tuple(labels.shape)}, centers {tuple(centers.shape)}. "
            "Give (N, D), (N,) and (C, D)."
        )
    check_labels(labels, len(centers))
