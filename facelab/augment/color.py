"""Brightness, contrast, saturation, hue and grey with one factor per photograph.

Each is torchvision's function of that name on float images of 0 to 1. ``jitter`` works in place.
"""

from __future__ import annotations

import torch

from facelab.augment.parameters import Parameters, to_device

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)  #: weights of red, green and blue (ITU-R 601-2, as torchvision and Pillow)


def jitter(images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
    """Brightness, contrast, saturation and hue, always in this order (torchvision draws the order), then grey.

    Args:
        images: float32 (N, C, h, w) of 0 to 1, C 1 or 3; overwritten. With one channel there is no colour to change:
            saturation, hue and grey are skipped.
        parameters: of the N photographs.

    Returns:
        The same tensor.
    """

    def factor(values: torch.Tensor) -> torch.Tensor:
        return to_device(values, images.device)[:, None, None, None]

    if parameters.brightness is not None:
        images.mul_(factor(parameters.brightness)).clamp_(0, 1)
    if parameters.contrast is not None:
        contrast = factor(parameters.contrast)
        mean = _mean_gray(images)
        images.mul_(contrast).add_(mean.mul_(1 - contrast)).clamp_(0, 1)
    if images.shape[1] == 1:
        return images
    if parameters.saturation is not None:
        saturation = factor(parameters.saturation)
        gray = to_gray(images)
        images.mul_(saturation).add_(gray.mul_(1 - saturation)).clamp_(0, 1)
    if parameters.hue is not None:
        shift_hue(images, to_device(parameters.hue, images.device))
    if parameters.gray is not None:
        rows = to_device(parameters.gray.nonzero()[:, 0], images.device)
        images[rows] = to_gray(images[rows]).expand(-1, 3, -1, -1)
    return images


def to_gray(images: torch.Tensor) -> torch.Tensor:
    """Grey of RGB: (N, 3, h, w) to (N, 1, h, w)."""
    red, green, blue = images.split(1, dim=1)
    return (red * GRAY_WEIGHTS[0]).add_(green, alpha=GRAY_WEIGHTS[1]).add_(blue, alpha=GRAY_WEIGHTS[2])


def _mean_gray(images: torch.Tensor) -> torch.Tensor:
    """Mean of each photograph's grey: (N, 1, 1, 1)."""
    means = images.mean(dim=(2, 3), keepdim=True)
    return means if images.shape[1] == 1 else to_gray(means)


def shift_hue(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turn the hue of RGB and keep the value and saturation of HSV, in place.

    With V the largest channel, K = V - smallest the chroma and H the hue in turns, the channels of the turned colour are
    V - K clamp(2 - 6 d, 0, 1), where d is the distance on the circle of turns from H to 1/2 for red, 5/6 for green and
    1/6 for blue: the colours that lack that channel (HSV to RGB, Smith 1978, written without its six cases).

    Args:
        images: float32 (N, 3, h, w) of 0 to 1; overwritten.
        turns: float32 (N,), -0.5 to 0.5.

    Returns:
        The same tensor.
    """
    red, green, blue = images.unbind(1)
    value = images.amax(dim=1)
    chroma = value - images.amin(dim=1)
    sixth = (chroma * 6).clamp_min_(1e-12)  # a pixel without chroma has differences of 0: any divisor will do
    hue = torch.where(
        value == red,
        (green - blue).div_(sixth),
        torch.where(
            value == green,
            (blue - red).div_(sixth).add_(1 / 3),
            (red - green).div_(sixth).add_(2 / 3),
        ),
    ).add_(turns[:, None, None])
    for channel, lacking in ((red, 1 / 2), (green, 5 / 6), (blue, 1 / 6)):
        apart = hue - lacking
        apart.sub_(apart.round()).abs_()
        torch.sub(value, apart.mul_(-6).add_(2).clamp_(0, 1).mul_(chroma), out=channel)
    return images
