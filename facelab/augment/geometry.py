"""Crop, flip, rotation, shift and scale of a whole batch in one bilinear sampling."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from facelab.augment.parameters import Parameters, to_device


def warp(images: torch.Tensor, parameters: Parameters, size: tuple[int, int]) -> torch.Tensor:
    """The view of ``size`` that crop, flip and affine parameters ask for.

    The photograph is turned, magnified and shifted about its centre, then cropped and resized, then mirrored, as
    torchvision's ``affine``, ``resized_crop(antialias=False)`` and ``horizontal_flip`` one after the other, but
    with one interpolation. What lies outside the photograph is black. Nothing is smoothed before shrinking: load
    the set at about the size of the view.

    Args:
        images: float32 (N, C, H, W).
        parameters: of the N photographs.
        size: height and width of the view.

    Returns:
        float32 (N, C, *size).
    """
    n, _, height, width = images.shape
    device = images.device
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(n, 4) if parameters.crop is None else parameters.crop
    box = to_device(box, device)
    y = _crop_positions(box[:, 0] * height, box[:, 2] * height, size[0])
    x = _crop_positions(box[:, 1] * width, box[:, 3] * width, size[1])
    if parameters.flip is not None:
        x = torch.where(to_device(parameters.flip, device)[:, None], x.flip(1), x)
    # from the centre of the photograph, in pixels
    y, x = (y - (height - 1) / 2)[:, :, None], (x - (width - 1) / 2)[:, None, :]
    if parameters.translate is not None:
        shift = to_device(parameters.translate, device)
        x, y = x - shift[:, 0, None, None] * width, y - shift[:, 1, None, None] * height
    if parameters.scale is not None:
        scale = to_device(parameters.scale, device)[:, None, None]
        x, y = x / scale, y / scale
    if parameters.angle is not None:
        angle = torch.deg2rad(to_device(parameters.angle, device))[:, None, None]
        x, y = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    grid = torch.empty(n, *size, 2, device=device)
    grid[..., 0], grid[..., 1] = x * (2 / width), y * (2 / height)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def has_geometry(parameters: Parameters) -> bool:
    """Whether any geometric step is asked for."""
    steps = (parameters.crop, parameters.flip, parameters.angle, parameters.translate, parameters.scale)
    return any(step is not None for step in steps)


def _crop_positions(start: torch.Tensor, length: torch.Tensor, pixels: int) -> torch.Tensor:
    """Where the centres of ``pixels`` view pixels lie in the photograph: (N, pixels), in pixel indices.

    Like torch's ``interpolate`` on the cut-out crop, never beyond the centres of the crop's outermost pixels.
    """
    steps = (torch.arange(pixels, device=start.device) + 0.5) / pixels
    low = start[:, None]
    high = low + (length[:, None] - 1).clamp_min(0)
    position = low + length[:, None] * steps - 0.5
    return torch.minimum(torch.maximum(position, low), high)
