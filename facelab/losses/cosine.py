"""What all contrastive losses share: directions, the cosines between them, and what they refuse."""

from __future__ import annotations

import torch
from torch import Tensor


def normalize_rows(z: Tensor) -> Tensor:
    """Rows scaled to norm 1, in float32 or, where ``z`` is, float64.

    A row of zeros has no direction: it stays zero, at cosine 0 to everything, and gets no gradient.
    (``torch.nn.functional.normalize`` would give it one 1e12 times too large, which ends a training.)
    A row whose norm overflows (from 1.8e19 on in float32) becomes NaN, so that a training that diverges is noticed.

    Args:
        z: (N, D), any norm.

    Returns:
        (N, D).
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    norm = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / norm.masked_fill(norm == 0, torch.inf).masked_fill(norm == torch.inf, torch.nan)


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of each row of ``a`` (N, D) to each row of ``b`` (M, D): (N, M), within -1 ... 1 but for rounding.

    Mixed precision stops here: bfloat16 knows a cosine to 0.004, which a temperature of 0.01 turns into a factor of 1.5.
    """
    with torch.autocast(a.device.type, enabled=False):
        return normalize_rows(a) @ normalize_rows(b).T


def check_inputs(temperature: float, **rows: Tensor) -> None:
    """Refuse a temperature that is not positive, and rows that are not all (n >= 1, D) of one D.

    Raises:
        ValueError: with the name of what is wrong.
    """
    if not temperature > 0:
        raise ValueError(f"The temperature is {temperature}. Give a positive one.")
    shapes = {name: tuple(z.shape) for name, z in rows.items()}
    fits = all(len(shape) == 2 and 0 not in shape for shape in shapes.values())
    if not fits or len({shape[1] for shape in shapes.values()}) > 1:
        raise ValueError(f"The shapes are {shapes}. Give embeddings in rows, all of one length, one row or more.")
