"""Light: a lamp on the side of a rounded head, and a shadow that something outside the picture casts."""

from __future__ import annotations

import math

import numpy as np

from facelab.datasets.wild.parameters import Nuisance

#: the head as an ellipsoid in coordinates of the face: middle of its height, half width, half height
HEAD_MIDDLE, HEAD_WIDTH, HEAD_HEIGHT = 0.4, 1.25, 1.75
LAMP_GAIN = 1.4  #: gain where the lamp falls straight on the head


def smooth_step(value: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, and 3 t^2 - 2 t^3 between."""
    t = np.clip(value, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def lamp_direction(nuisance: Nuisance) -> tuple[float, float, float]:
    """Direction to the lamp, a unit vector: right, down, towards the camera."""
    azimuth, elevation = math.radians(nuisance.light_azimuth), math.radians(nuisance.light_elevation)
    return (
        math.sin(azimuth) * math.cos(elevation),
        -math.sin(elevation),
        math.cos(azimuth) * math.cos(elevation),
    )


def directional_gain(u: np.ndarray, v: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Gain of the lamp: 1 - s + s * 1.4 * max(0, n . l), with Lambert's law on the normal n of the ellipsoid.

    Args:
        u, v: coordinates of the face, as ``geometry.photo_to_face`` defines them.
        nuisance: its ``light_...`` attributes.
    """
    across, down = u / HEAD_WIDTH, (v - HEAD_MIDDLE) / HEAD_HEIGHT
    beyond = np.maximum(np.sqrt(across * across + down * down), 1.0)  # the background is lit like the outline before it
    across, down = across / beyond, down / beyond
    towards = np.sqrt(np.maximum(1.0 - across * across - down * down, 0.0))
    right, below, camera = lamp_direction(nuisance)
    lambert = np.maximum(across * right + down * below + towards * camera, 0.0)
    return 1.0 - nuisance.light_strength + nuisance.light_strength * LAMP_GAIN * lambert


def shadow_gain(u: np.ndarray, v: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Gain of the cast shadow: 1 in the light, 1 - ``shadow`` beyond a slightly curved, soft edge away from the lamp."""
    away = -1.0 if nuisance.light_azimuth > 0 else 1.0
    slope = math.sin(math.radians(nuisance.light_elevation))
    height = v - 0.6  # the nose
    across = (away * u + slope * height + 0.12 * height * height) / math.hypot(1.0, slope)
    depth = (across - nuisance.shadow_offset) / nuisance.shadow_softness + 0.5
    return 1.0 - nuisance.shadow * smooth_step(depth)


def gain(u: np.ndarray, v: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Both together."""
    return directional_gain(u, v, nuisance) * shadow_gain(u, v, nuisance)
