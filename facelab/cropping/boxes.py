"""Faces as boxes: what a detector returns, which face of several is meant, and how well two boxes agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from facelab.errors import BadParameterError

#: side of the reference box over the distance from the middle of the eyes to the middle of the mouth corners
REFERENCE_SIDE = 2.8
#: how far above the middle between eyes and mouth the reference box is centred, over the same distance
REFERENCE_RISE = 0.15


class Box(NamedTuple):
    """A rectangle in pixels of the photograph: pixel ``i`` covers the interval from ``i`` to ``i + 1``.

    Attributes:
        x, y: left and upper edge; may be negative where the face runs out of the picture.
        w, h: width and height.
    """

    x: float
    y: float
    w: float
    h: float

    @property
    def area(self) -> float:
        """Width times height in square pixels; 0 for a box turned inside out."""
        return max(self.w, 0.0) * max(self.h, 0.0)


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face.

    Attributes:
        box: where it is.
        score: how sure the detector is; each detector has its own scale.
        landmarks: float64 (5, 2), x and y of right eye, left eye, nose, right and left corner of the mouth (right and
            left of the person), with the middle of the first pixel at 0; None where the detector gives none.
    """

    box: Box
    score: float
    landmarks: np.ndarray | None = None


class Detector(Protocol):
    """What finds faces."""

    def detect(self, image: np.ndarray) -> list[Face]:
        """Faces of a photograph, uint8 (H, W), (H, W, 1) or RGB (H, W, 3), largest first; empty where there is none."""


def largest_face(faces: Sequence[Face]) -> Face | None:
    """The face with the largest box, None of none: who stands nearest is taken to be who is meant."""
    return max(faces, key=lambda face: face.box.area, default=None)


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union (Jaccard) of two boxes (x, y, w, h): 0 apart, 1 equal; 0 where both are empty."""
    first, second = Box(*a), Box(*b)
    width = min(first.x + first.w, second.x + second.w) - max(first.x, second.x)
    height = min(first.y + first.h, second.y + second.h) - max(first.y, second.y)
    shared = max(width, 0.0) * max(height, 0.0)
    union = first.area + second.area - shared
    return shared / union if union > 0 else 0.0


def reference_box(landmarks: np.ndarray) -> Box:
    """The box that five landmarks stand for, to judge detectors by.

    With ``d`` the distance from the middle of the eyes to the middle of the mouth corners (it changes less than the
    distance of the eyes when a head turns): a square of side 2.8 d, its centre 0.15 d above the middle of the two. The two
    factors lie between the median Haar box and the median YuNet box on ORL, so that the rule favours neither.

    Args:
        landmarks: (5, 2) as in ``Face``.

    Raises:
        BadParameterError: another shape, or eyes and mouth in one place.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (5, 2):
        raise BadParameterError(f"The landmarks have the shape {points.shape}.", "Give five points, (5, 2).")
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down = mouth - eyes
    distance = float(np.hypot(*down))
    if distance < 1e-6:
        raise BadParameterError("Eyes and mouth are in one place.", "Check the landmarks.")
    side = REFERENCE_SIDE * distance
    # + 0.5: landmarks count from the middle of a pixel, boxes from its edge
    left, top = (eyes + mouth) / 2 + 0.5 - REFERENCE_RISE * down - side / 2
    return Box(float(left), float(top), side, side)
