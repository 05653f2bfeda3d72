"""Gaussian blur, noise and holes with parameters per photograph."""

from __future__ import annotations

from functools import lru_cache

import torch

from facelab.augment.parameters import to_device


def blur(images: torch.Tensor, sigma: torch.Tensor, kernel_size: int) -> torch.Tensor:
    """Gaussian blur as torchvision's ``gaussian_blur`` (reflected borders), each photograph with its own sigma.

    A blur with its border is a linear map of rows and of columns: view = B image B^T with one small matrix B a
    photograph, which is faster than N depthwise convolutions.

    Args:
        images: float32 (N, C, h, w); overwritten.
        sigma: float32 (N,) in pixels; 0 leaves the photograph as it is.
        kernel_size: odd, at most 2 min(h, w) - 1.

    Returns:
        The same tensor.
    """
    rows = sigma.nonzero()[:, 0]
    sigma, rows = to_device(sigma[rows], images.device), to_device(rows, images.device)
    height, width = images.shape[2:]
    offsets = torch.arange(kernel_size, device=images.device) - kernel_size // 2
    weights = torch.softmax(-0.5 * (offsets / sigma[:, None]) ** 2, dim=1)
    down = _blur_matrices(weights, height)
    across = down if height == width else _blur_matrices(weights, width)
    images[rows] = down[:, None] @ images[rows] @ across.mT[:, None]
    return images


def _blur_matrices(weights: torch.Tensor, length: int) -> torch.Tensor:
    """(n, kernel) weights to (n, length, length) matrices."""
    taps = _taps(weights.shape[1], length, weights.device)
    return (weights @ taps.flatten(1)).view(-1, length, length)


@lru_cache(maxsize=16)
def _taps(kernel_size: int, length: int, device: torch.device) -> torch.Tensor:
    """Which input pixel (column) each tap of the kernel reads for each output pixel (row), borders reflected."""
    output = torch.arange(length)
    taps = torch.zeros(kernel_size, length, length)
    for tap in range(kernel_size):
        source = (output + tap - kernel_size // 2).abs()
        source = (length - 1) - ((length - 1) - source).abs()
        taps[tap, output, source] = 1
    return taps.to(device)


def add_noise(images: torch.Tensor, sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Noise of standard deviation ``sigma`` on images of 0 to 1, clipped to that range, in place.

    Args:
        images: float32 (N, C, h, w); overwritten.
        sigma: float32 (N,).
        noise: standard normal, of the shape of ``images``.

    Returns:
        The same tensor.
    """
    return images.add_(noise * to_device(sigma, images.device)[:, None, None, None]).clamp_(0, 1)


def erase(images: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Set boxes to 0, in place.

    Args:
        images: (N, C, h, w).
        boxes: (N, K, 4), top, left, height, width as fractions; edges are rounded to whole pixels.

    Returns:
        The same tensor.
    """
    height, width = images.shape[2:]
    top, left, tall, wide = to_device(boxes, images.device).unbind(-1)

    def within(start: torch.Tensor, length: torch.Tensor, pixels: int) -> torch.Tensor:
        index = torch.arange(pixels, device=images.device)
        first, last = (start * pixels).round(), ((start + length) * pixels).round()
        return (index >= first[..., None]) & (index < last[..., None])

    holes = within(top, tall, height)[..., :, None] & within(left, wide, width)[..., None, :]  # (N, K, h, w)
    return images.masked_fill_(holes.any(dim=1, keepdim=True), 0)
