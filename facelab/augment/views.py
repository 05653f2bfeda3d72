"""One view of each photograph, or the two that contrastive methods compare."""

from __future__ import annotations

import numpy as np
import torch

from facelab.augment.augmentation import Augmentation, as_batch


def one_view(
    images: np.ndarray | torch.Tensor, augmentation: Augmentation, generator: np.random.Generator
) -> torch.Tensor:
    """One view of each photograph: float32 (N, C, h, w), channels_last; as ``two_views``."""
    batch = as_batch(images)
    return augmentation.apply(batch, augmentation.draw(len(batch), generator))


def two_views(
    images: np.ndarray | torch.Tensor, augmentation: Augmentation, generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two independent views of each photograph, in one pass.

    Args:
        images: uint8, NumPy (N, H, W, C) or torch (N, C, H, W).
        augmentation: of both views.
        generator: source of the parameters.

    Returns:
        Two tensors float32 (N, C, h, w), channels_last; row i of each shows photograph i.
    """
    batch = as_batch(images)
    first, second = one_view(torch.cat([batch, batch]), augmentation, generator).chunk(2)
    return first, second
