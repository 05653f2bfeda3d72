"""The camera: exposure and contrast, a lens that is not quite sharp, and noise."""

from __future__ import annotations

import math

import numpy as np

from facelab.datasets.wild.parameters import Nuisance

MIDDLE_GRAY = 127.5


def expose(gray: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Clip(128 - 1/2 + contrast * (2^exposure * grey - 128 + 1/2)) to 0 ... 255."""
    bright = gray * 2.0**nuisance.exposure
    return np.clip(MIDDLE_GRAY + nuisance.contrast * (bright - MIDDLE_GRAY), 0.0, 255.0)


def gaussian_kernel(sigma: float) -> list[float]:
    """Weights of a Gaussian from the middle to 3 sigma, of one side, so that the middle and twice the rest sum to 1."""
    weights = [math.exp(-(k * k) / (2.0 * sigma * sigma)) for k in range(math.ceil(3 * sigma) + 1)]
    total = weights[0] + 2.0 * sum(weights[1:])
    return [weight / total for weight in weights]


def blur(gray: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Gaussian blur of (S, S), mirrored at the edges; sigma is ``blur_sigma`` 64ths of the side."""
    size = gray.shape[0]
    sigma = nuisance.blur_sigma * size / 64
    if sigma < 0.2:  # the neighbours would weigh less than a thousandth of a per cent
        return gray
    kernel = gaussian_kernel(sigma)
    reach = len(kernel) - 1
    for _ in range(2):
        around = np.pad(gray, [(reach, reach), (0, 0)], mode="reflect")
        total = kernel[0] * gray
        for k in range(1, reach + 1):
            total = total + kernel[k] * (around[reach - k : reach - k + size] + around[reach + k : reach + k + size])
        gray = total.T
    return gray


def add_noise(gray: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Gaussian noise of ``noise_sigma`` grey levels, independent from pixel to pixel; rounded to uint8."""
    rng = np.random.default_rng(nuisance.noise_seed)
    noisy = gray + nuisance.noise_sigma * rng.standard_normal(gray.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def expose_and_record(light: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Light (S, S), 255 being white at exposure 0, to the picture that the camera stores: uint8 (S, S)."""
    return add_noise(blur(expose(light, nuisance), nuisance), nuisance)
