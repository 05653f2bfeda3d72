"""What is drawn for each photograph: the parameters of every step, and how crops and holes are drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from facelab.augment.augmentation import Augmentation

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
        grey: bool (N,), replace colour by grey.
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
    grey: torch.Tensor | None = None
    blur: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    noise_seed: int = 0
    erase: torch.Tensor | None = None

    def rows(self, rows: slice) -> Parameters:
        """The parameters of some of the photographs."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Parameters(**{k: v[rows] if isinstance(v, torch.Tensor) else v for k, v in values.items()})

    def lengths(self) -> set[int]:
        """The numbers of photographs that the parameters are for: one number, unless they do not belong together."""
        values = (getattr(self, field.name) for field in fields(self))
        return {len(value) for value in values if isinstance(value, torch.Tensor)}


def draw(settings: Augmentation, n: int, generator: np.random.Generator) -> Parameters:
    """Parameters for ``n`` photographs, independent of each other; the same on every machine."""

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return _tensor(generator.uniform(low, high, (n, *shape)))

    def chosen(probability: float) -> np.ndarray:
        return generator.random(n) < probability

    drawn: dict[str, torch.Tensor | int] = {}
    if settings.crop_scale is not None:
        drawn["crop"] = _tensor(draw_boxes(n, settings.crop_scale, settings.crop_ratio, generator, whole=True))
    if settings.flip_p > 0:
        drawn["flip"] = torch.from_numpy(chosen(settings.flip_p))
    if settings.degrees > 0:
        drawn["angle"] = uniform(-settings.degrees, settings.degrees)
    if settings.translate > 0:
        drawn["translate"] = uniform(-settings.translate, settings.translate, 2)
    if settings.scale is not None:
        drawn["scale"] = uniform(*settings.scale)
    drawn |= _draw_jitter(settings, n, generator)
    if settings.grey_p > 0:
        drawn["grey"] = torch.from_numpy(chosen(settings.grey_p))
    if settings.blur_p > 0:
        drawn["blur"] = uniform(*settings.blur_sigma) * torch.from_numpy(chosen(settings.blur_p))
    if settings.noise > 0:
        drawn["noise"] = uniform(0, settings.noise)
        drawn["noise_seed"] = int(generator.integers(2**63))
    if settings.erase_p > 0:
        boxes = draw_boxes(n * settings.erase_holes, settings.erase_scale, settings.erase_ratio, generator, whole=False)
        boxes = boxes.reshape(n, settings.erase_holes, 4) * chosen(settings.erase_p)[:, None, None]
        drawn["erase"] = _tensor(boxes)
    return Parameters(**drawn)


def _draw_jitter(settings: Augmentation, n: int, generator: np.random.Generator) -> dict[str, torch.Tensor]:
    """Factors of the colour jitter; all of them neutral for a photograph that is not chosen (RandomApply)."""
    drawn = {}
    chosen = generator.random(n) < settings.jitter_p
    for name in ("brightness", "contrast", "saturation"):
        strength = getattr(settings, name)
        if strength > 0:
            factor = generator.uniform(max(0.0, 1 - strength), 1 + strength, n)
            drawn[name] = _tensor(np.where(chosen, factor, 1.0))
    if settings.hue > 0:
        drawn["hue"] = _tensor(generator.uniform(-settings.hue, settings.hue, n) * chosen)
    return drawn


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


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
