"""Sunglasses: five models, told apart by lens shape, rim and how dark the glass is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facelab.datasets.wild.parameters import Nuisance
from facelab.datasets.wild.shapes import Layer, capsule, contact_shadow, coverage, superellipse


@dataclass(frozen=True)
class GlassesModel:
    """Measures in eye distances; tones 0 to 255.

    Attributes:
        center: of a lens, from the middle of the nose.
        drop: of the lens below the eye.
        width, height: half of a lens.
        square: corners instead of an ellipse.
        taper: how much narrower a lens is at its foot.
        rim: thickness; tone of rim and arms.
        transmission: part of the light that passes the lens at its foot.
        bridge: height of the bridge above the eyes, and half its thickness.
    """

    center: float
    drop: float
    width: float
    height: float
    square: bool
    taper: float
    rim: tuple[float, float]
    transmission: float
    bridge: tuple[float, float]


MODELS = {
    "aviator": GlassesModel(0.52, 0.10, 0.43, 0.36, False, 0.30, (0.030, 150.0), 0.30, (-0.12, 0.022)),
    "rectangle": GlassesModel(0.50, 0.04, 0.42, 0.22, True, 0.05, (0.045, 30.0), 0.12, (-0.03, 0.035)),
    "round": GlassesModel(0.50, 0.04, 0.31, 0.31, False, 0.00, (0.035, 95.0), 0.22, (-0.08, 0.025)),
    "shield": GlassesModel(0.42, 0.04, 0.56, 0.27, True, 0.18, (0.025, 45.0), 0.20, (0.00, 0.020)),
    "wayfarer": GlassesModel(0.50, 0.06, 0.43, 0.30, True, 0.22, (0.070, 18.0), 0.08, (-0.10, 0.050)),
}


def draw(u: np.ndarray, v: np.ndarray, pixel: float, gray: np.ndarray, nuisance: Nuisance) -> Layer:
    """The glasses that ``nuisance`` tells.

    Args:
        u, v: coordinates of the face, already moved, tilted and scaled for the occluder; v in eye distances.
        pixel: width of a pixel in them.
        gray: the photograph, of which the lenses let a part through.
        nuisance: its ``occluder_...`` attributes.
    """
    model = MODELS[nuisance.occluder_model]
    thickness, rim_tone = model.rim
    side = np.abs(u)
    below = v - model.drop
    # the lens leans outwards and gets narrower to its foot
    narrowed = 1.0 - model.taper * np.clip(below / model.height, -1.0, 1.0) * 0.5
    across = (side - model.center) / narrowed
    nose = 0.2 - np.sqrt(u * u + (v - 0.36) ** 2)
    lens = np.maximum(superellipse(across, below, model.width, model.height, model.square), nose)
    arm = capsule(side, v, (model.center + model.width, model.drop - 0.45 * model.height), (1.35, -0.02), 0.045, 0.02)
    bridge_top, bridge_half = model.bridge
    bridge = np.maximum(np.abs(v - bridge_top - 0.25 * side * side) - bridge_half, side - model.center)
    frame = np.minimum(np.minimum(np.abs(lens + thickness / 2) - thickness / 2, np.maximum(arm, side - 1.0)), bridge)
    frame = np.maximum(frame, -(lens + thickness))  # never over the glass
    glass_cover, frame_cover = coverage(lens, pixel), coverage(frame, pixel)
    # darker at the top, as tinted glass is, with the sky in it
    foot = np.clip(0.5 + 0.5 * below / model.height, 0.0, 1.0)
    passed = model.transmission * (0.25 + 0.75 * foot) * (0.5 + nuisance.occluder_tone)
    streak = across * nuisance.occluder_side + 0.7 * below
    sky = 38.0 * coverage(np.abs(streak + 0.08) - 0.05, 0.12) * (1.0 - foot) + 26.0 * (1.0 - foot) * (1.0 - foot)
    glass = gray * passed + 10.0 + sky * (0.4 + nuisance.occluder_tone)
    rim = rim_tone * (0.75 + 0.5 * nuisance.occluder_tone) * (1.1 - 0.3 * foot)
    cover = np.maximum(glass_cover, frame_cover)
    tone = np.where(cover > 0, glass + (rim - glass) * frame_cover, 0.0)
    solid = np.minimum(lens, bridge)
    return Layer(tone, cover, contact_shadow(np.maximum(solid, 0.0) + np.maximum(-below, 0.0), 0.16, 0.30))
