"""Two views of each photograph: one tensor pass for the batch, beside torchvision, lightly and kornia."""

from __future__ import annotations

import kornia.augmentation as K
import numpy as np
import torch
from lightly.transforms import SimCLRTransform
from PIL import Image
from torchvision.transforms import v2

from benchmarks.laptop import photographs
from benchmarks.timing import OURS, Effort, Row, compare
from facelab.augment import SIMCLR, SUPCON, Augmentation, as_batch, two_views

TITLE = "Two random views of a photograph"
SIDE = 64
PRESETS = {"as SupCon, without blur": SUPCON, "as SimCLR, with blur": SIMCLR}


def measure(effort: Effort) -> list[Row]:
    """A batch of photographs in colour, to float views; steps, chances and strengths are the same for all contenders."""
    images = photographs(effort.choose(8, 128), SIDE).images
    return [_measure(f"two views {name}, {SIDE} px", images, preset, effort) for name, preset in PRESETS.items()]


def _measure(name: str, images: np.ndarray, preset: Augmentation, effort: Effort) -> Row:
    generator = np.random.default_rng(0)
    batch, pictures = as_batch(images), [Image.fromarray(image) for image in images]
    torchvision, lightly, kornia = torchvision_transform(preset), lightly_transform(preset), kornia_transform(preset)
    functions = {
        OURS: lambda: two_views(images, preset, generator),
        "torchvision v2": lambda: [torchvision(image) for image in batch for _ in range(2)],
        "lightly": lambda: [lightly(picture) for picture in pictures],
        "kornia": lambda: kornia(torch.cat([batch, batch]).float() / 255),
    }
    return compare(name, "photographs/s", effort.side_by_side(functions), len(images))


def _jitter(preset: Augmentation) -> tuple[float, float, float, float]:
    return preset.brightness, preset.contrast, preset.saturation, preset.hue


def _blur_kernel() -> int:
    return max(3, int(0.1 * SIDE) // 2 * 2 + 1)  # a tenth of the side, odd


def torchvision_transform(preset: Augmentation) -> v2.Compose:
    """For one photograph, uint8 (3, H, W): called for a batch, it would draw one set of parameters for all."""
    steps = [v2.RandomResizedCrop(SIDE, preset.crop_scale, antialias=True), v2.RandomHorizontalFlip()]
    steps += [v2.RandomApply([v2.ColorJitter(*_jitter(preset))], preset.jitter_p), v2.RandomGrayscale(preset.grey_p)]
    if preset.blur_p:
        steps.append(v2.RandomApply([v2.GaussianBlur(_blur_kernel(), preset.blur_sigma)], preset.blur_p))
    return v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)])


def lightly_transform(preset: Augmentation, side: int = SIDE) -> SimCLRTransform:
    """For one picture of PIL, as lightly's loaders have it."""
    brightness, contrast, saturation, hue = _jitter(preset)
    return SimCLRTransform(
        side,
        cj_prob=preset.jitter_p,
        cj_bright=brightness,
        cj_contrast=contrast,
        cj_sat=saturation,
        cj_hue=hue,
        min_scale=preset.crop_scale[0],
        random_gray_scale=preset.grey_p,
        gaussian_blur=preset.blur_p,
        sigmas=preset.blur_sigma,
    )


def kornia_transform(preset: Augmentation) -> K.AugmentationSequential:
    """For a batch, float (N, 3, H, W) from 0 to 1, with parameters of its own for each."""
    steps = [K.RandomResizedCrop((SIDE, SIDE), preset.crop_scale), K.RandomHorizontalFlip()]
    steps += [K.ColorJitter(*_jitter(preset), p=preset.jitter_p), K.RandomGrayscale(p=preset.grey_p)]
    if preset.blur_p:
        steps.append(K.RandomGaussianBlur((_blur_kernel(),) * 2, preset.blur_sigma, p=preset.blur_p))
    return K.AugmentationSequential(*steps, K.Normalize(torch.full((3,), 0.5), torch.full((3,), 0.5)))
