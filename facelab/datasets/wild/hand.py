"""A hand before the face: four fingers, the back of the hand and the arm, in the skin tone of the photograph."""

from __future__ import annotations

import math

import numpy as np

from facelab.datasets.wild.light import smooth_step
from facelab.datasets.wild.parameters import Nuisance
from facelab.datasets.wild.shapes import Layer, capsule, clouds, contact_shadow, coverage, wave

#: where the knuckles are, in coordinates of the face, for a hand from the right; and the direction of the fingers in degrees
POSES = {"over-mouth": ((0.72, 1.22), 186.0), "from-below": ((0.42, 1.62), 246.0)}
SPREAD, LENGTHS, RADIUS = 0.28, (0.98, 1.14, 1.06, 0.82), 0.162  #: of the fingers, in eye distances


def draw(u: np.ndarray, v: np.ndarray, pixel: float, skin: float, texture: np.ndarray, nuisance: Nuisance) -> Layer:
    """The hand that ``nuisance`` tells.

    Args:
        u, v: coordinates of the face, already moved, tilted and scaled for the occluder; the mouth is at v = 1.
        pixel: width of a pixel in them.
        skin: grey of the face's skin.
        texture: (K, K) of 0 to 1.
        nuisance: its ``occluder_...`` attributes.
    """
    (knuckle_u, knuckle_v), degrees = POSES[nuisance.occluder_model]
    # u and v are tilted once already; a mirrored hand turns the other way
    angle = math.radians(degrees + 4.0 * nuisance.occluder_side * nuisance.occluder_tilt)
    cos, sin = math.cos(angle), math.sin(angle)
    right, down = nuisance.occluder_side * u - knuckle_u, v - knuckle_v
    along, across = cos * right + sin * down, cos * down - sin * right  # along the fingers, across the hand
    unrest = clouds(3.0 * along + 5.0, 3.0 * across + 5.0, texture) - 0.5
    back = np.maximum(np.abs(along + 0.62) - 0.62, np.abs(across) - 0.54 - 0.05 * along) - 0.10
    arm = np.maximum(along + 1.0, np.abs(across + 0.05) - 0.40)
    distance = np.minimum(back, arm)
    # the back of the hand is round, with a dent between each two knuckles
    bulge = np.clip(1.0 - (across / 0.68) ** 2, 0.0, 1.0)
    dents = smooth_step(1.0 - np.abs(along + 0.05) / 0.4) * (1.0 - wave(across / SPREAD))
    tone = 0.60 + 0.42 * np.sqrt(bulge) - 0.18 * dents + 0.16 * unrest
    behind = coverage(distance, pixel)
    cover = behind
    for finger, length in enumerate(LENGTHS):
        rod, light = _finger(along, across, (finger - 1.5) * SPREAD, length)
        drawn = coverage(rod, pixel)
        grown = np.maximum(smooth_step((along + 0.10) / 0.35), 1.0 - behind)  # out of the back of the hand
        tone = tone + (light + 0.14 * unrest - tone) * drawn * grown
        cover, distance = np.maximum(cover, drawn), np.minimum(distance, rod)
    gain = skin * (0.85 + 0.30 * nuisance.occluder_tone)
    return Layer(np.clip(gain * tone, 0.0, 255.0), cover, contact_shadow(np.maximum(distance, 0.0), 0.30, 0.45))


def _finger(along: np.ndarray, across: np.ndarray, base: float, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance to a finger, and its gain: round, with two creases and a nail."""
    tip = base * 1.08
    rod = capsule(along, across, (-0.10, base), (length, tip), RADIUS, 0.03)
    profile = np.sqrt(np.clip(-rod / RADIUS, 0.0, 1.0))
    creases = sum(smooth_step(1.0 - np.abs(along - share * length) / 0.055) for share in (0.5, 0.78))
    nail = coverage(capsule(along, across, (length - 0.02, tip), (length + 0.05, tip), 0.07), 0.03)
    return rod, 0.58 + 0.46 * profile - 0.08 * creases + 0.07 * nail
