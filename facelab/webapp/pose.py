"""How far a head is turned, from five landmarks."""

from __future__ import annotations

import numpy as np

from facelab.errors import BadParameterError


def head_turn(landmarks: np.ndarray) -> float:
    """The turn of a head as ``turn`` in ``data/orl/labels.csv`` defines it.

    Distance of the nose from the line between the middle of the eyes and the middle of the mouth, divided by the distance
    of the eyes; positive to the right as the viewer sees the picture, which is the person's own left. Tilting the head
    does not change it. It grows with the angle but is not one.

    Args:
        landmarks: (5, 2) as in ``cropping.Face``.

    Raises:
        BadParameterError: another shape, or eyes or eyes and mouth in one place.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (5, 2):
        raise BadParameterError(f"The landmarks have the shape {points.shape}.", "Give five points, (5, 2).")
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down, across = mouth - eyes, float(np.hypot(*(points[1] - points[0])))
    length = float(np.hypot(*down))
    if length < 1e-6 or across < 1e-6:
        raise BadParameterError("The eyes, or eyes and mouth, are in one place.", "Check the landmarks.")
    nose = points[2] - eyes
    return float((nose[0] * down[1] - nose[1] * down[0]) / length / across)
