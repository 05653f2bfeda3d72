"""What is laid over the face: sunglasses on the eyes, a scarf or a hand over the mouth."""

from __future__ import annotations

import math

import numpy as np

from facelab.datasets.wild import hand, scarf, sunglasses
from facelab.datasets.wild.parameters import Nuisance

_TEXTURE = 16  #: cells of the cloudy texture


def occlude(
    gray: np.ndarray, u: np.ndarray, v: np.ndarray, pixel: float, skin: float, nuisance: Nuisance
) -> np.ndarray:
    """The picture with its occluder, in even light.

    Args:
        gray: float (S, S), 0 to 255.
        u, v: coordinates of the face at each pixel (``geometry.photo_to_face``).
        pixel: width of a pixel in eye distances.
        skin: grey of the face's skin, for a hand.
        nuisance: its ``occlusion`` and ``occluder_...`` attributes.
    """
    if nuisance.occlusion == "none":
        return gray
    u, v = _placed(u, v, nuisance)
    if nuisance.occlusion == "sunglasses":
        return sunglasses.draw(u, v, pixel, gray, nuisance).composite(gray)
    texture = np.random.default_rng([nuisance.noise_seed, 1]).random((_TEXTURE, _TEXTURE), dtype=np.float32)
    if nuisance.occlusion == "scarf":
        return scarf.draw(u, v, pixel, texture, nuisance).composite(gray)
    return hand.draw(u, v, pixel, skin, texture, nuisance).composite(gray)


def _placed(u: np.ndarray, v: np.ndarray, nuisance: Nuisance) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the occluder: dropped, tilted about the point between the eyes, and scaled across."""
    angle = math.radians(nuisance.occluder_tilt)
    cos, sin = math.cos(angle), math.sin(angle)
    down = v - nuisance.occluder_drop
    return (cos * u + sin * down) / nuisance.occluder_size, cos * down - sin * u


def skin_tone(photo: np.ndarray, u: np.ndarray, v: np.ndarray) -> float:
    """Median grey of the cheeks and the nose of a photograph (H, W), given its coordinates of the face."""
    return float(np.median(photo[(np.abs(u) < 0.55) & (v > 0.2) & (v < 0.75)]))
