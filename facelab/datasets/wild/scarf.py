"""A scarf over nose, mouth and chin: folds, cloth, and the head's roundness."""

from __future__ import annotations

import numpy as np

from facelab.datasets.wild.parameters import Nuisance
from facelab.datasets.wild.shapes import Layer, clouds, contact_shadow, coverage, stripes, wave


def draw(u: np.ndarray, v: np.ndarray, pixel: float, texture: np.ndarray, nuisance: Nuisance) -> Layer:
    """The scarf that ``nuisance`` tells.

    Args:
        u, v: coordinates of the face, already moved, tilted and scaled for the occluder; the mouth is at v = 1.
        pixel: width of a pixel in them.
        texture: (K, K) of 0 to 1, for folds and dirt.
        nuisance: its ``occluder_...`` attributes.
    """
    lean = 0.10 * nuisance.occluder_side
    unrest = clouds(2.2 * u + 5.0, 2.2 * v + 5.0, texture) - 0.5
    # the upper edge lies on the nose and sinks to the cheeks, then rises to the ears
    edge = 0.50 + lean * u + 0.34 * u * u - 0.16 * u * u * u * u + 0.08 * unrest
    reach = 1.08 + 0.55 * np.clip(v - 1.25, 0.0, 1.0) + 0.06 * unrest  # the jaw, then wider to the shoulders
    distance = np.maximum(edge - v, np.abs(u) - reach)
    depth = v - edge
    # folds run along the edge, deeper towards the sides where the cloth is pulled together
    bend = depth * (2.1 - 0.5 * np.abs(u)) + 0.55 * unrest + 0.2 * lean * u
    folds = wave(bend + 0.12)
    hem = coverage(np.abs(depth - 0.05) - 0.045, 0.03)
    round_head = 1.0 - 0.42 * np.clip(u * u / (reach * reach), 0.0, 1.0)
    shading = (0.50 + 0.50 * folds * (0.65 + 0.35 * np.abs(u)) + 0.10 * hem) * round_head
    cloth = _cloth(u, bend, unrest, nuisance)
    return Layer(cloth * shading, coverage(distance, pixel), contact_shadow(np.maximum(distance, 0.0), 0.22, 0.45))


def _cloth(u: np.ndarray, along: np.ndarray, unrest: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Grey of the cloth before its folds: one of three patterns, following the folds."""
    base = 50.0 + 150.0 * nuisance.occluder_tone
    other = base + (95.0 if nuisance.occluder_tone < 0.5 else -95.0)
    fine = _weave(u, along)
    model = nuisance.occluder_model
    if model == "striped":
        mix = stripes(2.1 * along + 0.15 * unrest, 0.25)
    elif model == "checked":
        mix = 0.5 * (stripes(1.9 * along, 0.25) + stripes(1.7 * u + 0.1 * unrest, 0.25))
    else:
        rib = wave(5.0 * u + 0.3 * unrest)
        chevron = wave(7.0 * along + 0.5 * rib)
        return base * (0.72 + 0.25 * rib + 0.2 * chevron)
    return (base + (other - base) * mix) * fine


def _weave(u: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The weave: a fine gain about 1."""
    return 0.92 + 0.16 * wave(9.0 * u) * wave(9.0 * along)
