"""Attack instruments by name: from ONE photograph, what is held or sent for the straight frame, and what for the turned one."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from facelab.webapp.attacks.prints import BORDER, bent_print, on_screen, rotated_print
from facelab.webapp.attacks.warps import turned_by_depth, warped_to_side

Pair = tuple[np.ndarray, np.ndarray]
Instrument = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Pair]


def _held_still(photo: np.ndarray, landmarks: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    return photo, rotated_print(photo, side * rng.uniform(0, 10))


def _turned(photo: np.ndarray, landmarks: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    return photo, rotated_print(photo, side * rng.uniform(25, 55))


def _bent_upright(photo: np.ndarray, landmarks: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    radius = rng.uniform(0.38, 0.7)
    return bent_print(photo, radius, 0), bent_print(photo, radius, side * rng.uniform(20, 45))


def _bent_across(photo: np.ndarray, landmarks: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    radius = rng.uniform(0.4, 0.8)
    turned = bent_print(photo, radius, side * rng.uniform(25, 55), upright=False)
    return bent_print(photo, radius, 0, upright=False), turned


def _screen(photo: np.ndarray, landmarks: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    """Shown by more pixels than the photograph has, and filmed at the size of the photograph."""
    fine = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    shown = on_screen(fine, rng.uniform(2.1, 3.5), rng.uniform(0.03, 0.15), rng.uniform(1, 1.4))
    size = photo.shape[::-1]
    return tuple(
        cv2.resize(seen, size, interpolation=cv2.INTER_LINEAR)
        for seen in (shown, rotated_print(shown, side * rng.uniform(25, 55)))
    )


def _warped_2d(photo: np.ndarray, landmarks: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    return photo, warped_to_side(photo, landmarks, side * rng.uniform(0.3, 0.65), rng.uniform(0.45, 0.8))


def _warped_3d(photo: np.ndarray, landmarks: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    return photo, turned_by_depth(photo, landmarks, side * rng.uniform(15, 38), rng.uniform(0.7, 1.2))


def _edited(photo: np.ndarray, landmarks: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    straight, turned = _warped_3d(photo, landmarks, side, rng)
    return straight, retouched(turned, float(np.hypot(*(landmarks[1] - landmarks[0]))), rng)


#: name -> straight and turned picture of a photograph, uint8 (H, W), its landmarks (5, 2), the side that the nose goes to
#: (1: the right of the picture, else -1) and what draws the strength
INSTRUMENTS: dict[str, Instrument] = {
    "print held still": _held_still,
    "print turned": _turned,
    "print bent upright": _bent_upright,
    "print bent across": _bent_across,
    "screen turned": _screen,
    "2-D warp": _warped_2d,
    "3-D warp": _warped_3d,
}
#: an instrument that no detector here was trained on: whoever knows how it works makes the turned picture unlike the straight
EDITED_WARP = _edited


def retouched(picture: np.ndarray, eyes: float, rng: np.random.Generator) -> np.ndarray:
    """The same face a moment later, as a forger would have it: skin moved a little, lit otherwise, with other fine detail.

    Args:
        picture: uint8 (H, W).
        eyes: distance of the eyes, in pixels.
        rng: draws the fields and their strengths.
    """

    def field(scale: float) -> np.ndarray:
        smooth = cv2.GaussianBlur(rng.normal(size=picture.shape).astype(np.float32), (0, 0), scale)
        return smooth / smooth.std()

    amount = rng.uniform(0.01, 0.06) * eyes
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    x, y = columns + amount * field(0.25 * eyes), rows + amount * field(0.25 * eyes)
    moved = cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=BORDER).astype(np.float32)
    lit = moved * np.exp(rng.uniform(0, 0.25) * field(0.4 * eyes))
    lit += rng.uniform(0, 12) * field(0.04 * eyes)
    return np.clip(lit, 0, 255).astype(np.uint8)
