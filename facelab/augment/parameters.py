"""What is drawn for each photograph: the parameters of every step, and how a crop or a hole is drawn.

What is set for all of them is ``augmentation.Augmentation``, which draws these.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch

ATTEMPTS = 10  #: tries at a crop or a hole that fits, as torchvision's RandomResizedCrop and RandomErasing


@dataclass(frozen=True)
class Parameters:
    """The parameters of every step for N photographs, on the CPU. A step that is None is skipped.

    Boxes are (top, left, height, width) as fractions of the photograph's height and width.

    Attributes:
        crop: float32 (N, 4), the box that becomes the whole view.
        flip: bool (N,), mirror left and right.
        angle: float32 (N,), degrees, clockwise, about the centre of the photograph (torchvision's ``affine``).
        translate: float32 (N, 2), shift right and down as fractions of width and height.
        scale: float32 (N,), magnification about the centre.
        brightness: float32 (N,), factor; 1 changes nothing. The same for ``contrast`` and ``saturation``.
        contrast: factor about the mean grey of the photograph.
        saturation: factor about each pixel's grey.
        hue: float32 (N,), shift in turns, -0.5 to 0.5.
        gray: bool (N,), replace colour by grey.
        blur: float32 (N,), standard deviation in pixels of the view; 0 is no blur.
        noise: float32 (N,), standard deviation of Gaussian noise on the scale of 0 to 1.
        noise_seed: seed of the noise's pixels.
        erase: float32 (N, K, 4), boxes of the view that are set to 0 after normalisation; height 0 erases nothing.
    """

    crop: torch.Tensor | None = None
    flip: torch.Tensor | None = None
    angle: torch.Tensor | None = None
    translate: torch.Tensor | None = None
    scale: torch.Tensor | None = None
    brightness: torch.Tensor | None = None
    contrast: torch.Tensor | None = None
    saturation: torch.Tensor | None = None
    hue: torch.Tensor | None = None
    gray: torch.Tensor | None = None
    blur: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    noise_seed: int = 0
    erase: torch.Tensor | None = None

    def subset(self, rows: slice | torch.Tensor) -> Parameters:
        """The parameters of some of the photographs: a slice, or int64 (n,). The seed of the noise stays that of them all."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Parameters(**{k: v[rows] if isinstance(v, torch.Tensor) else v for k, v in values.items()})

    def lengths(self) -> set[int]:
        """The numbers of photographs that the parameters are for: one number, unless they do not belong together."""
        values = (getattr(self, field.name) for field in fields(self))
        return {len(value) for value in values if isinstance(value, torch.Tensor)}


def to_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Numbers of the CPU where the photographs are. A GPU takes them from pinned memory, so that nobody waits for it."""
    if device.type == "cuda":
        # pinning writes into a tensor of the same strides, and cannot where several numbers share a place (an expanded one)
        return values.contiguous().pin_memory().to(device, non_blocking=True)
    return values.to(device)


def draw_boxes(
    n: int,
    area: tuple[float, float],
    ratio: tuple[float, float],
    generator: np.random.Generator,
    whole: bool,
) -> np.ndarray:
    """Boxes inside the unit square, as torchvision draws crops and holes, without its rounding to whole pixels.

    The first of ``ATTEMPTS`` boxes that fits is taken: area uniform, ratio (width : height) log-uniform, place uniform.

    Args:
        n: how many.
        area: smallest and largest share of the square's area.
        ratio: smallest and largest width : height.
        generator: source of random numbers.
        whole: where no attempt fits, take the whole square (else the empty box).

    Returns:
        float64 (n, 4): top, left, height, width.
    """
    areas = generator.uniform(*area, (n, ATTEMPTS))
    ratios = np.exp(generator.uniform(*np.log(ratio), (n, ATTEMPTS)))
    sides = np.sqrt(np.stack([areas / ratios, areas * ratios], axis=-1))  # (n, ATTEMPTS, 2): height, width
    fits = (sides <= 1).all(axis=-1)
    sides = sides[np.arange(n), fits.argmax(axis=1)]
    sides[~fits.any(axis=1)] = float(whole)
    corner = generator.random((n, 2)) * (1 - sides)
    return np.concatenate([corner, sides], axis=1)
