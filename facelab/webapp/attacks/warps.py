"""One photograph bent by a computer until the head seems to turn: smooth displacements, in two dimensions or by a depth."""

from __future__ import annotations

import cv2
import numpy as np

from facelab.webapp.attacks.prints import BORDER


def warped_to_side(photograph: np.ndarray, landmarks: np.ndarray, strength: float, width: float = 0.8) -> np.ndarray:
    """The middle of the face pushed sideways, the further from it the less: a photo editor's liquify tool.

    Args:
        photograph: uint8 (H, W) or (H, W, 3).
        landmarks: (5, 2) of its face, as in ``cropping.Face``.
        strength: how far the nose goes to the right of the picture, in distances of the eyes.
        width: standard deviation of the push, in distances of the eyes.
    """
    eyes = float(np.hypot(*(landmarks[1] - landmarks[0])))
    rows, columns = np.mgrid[0 : photograph.shape[0], 0 : photograph.shape[1]].astype(np.float32)
    seen_nose = landmarks[2] + [strength * eyes, 0]
    squared = ((columns - seen_nose[0]) ** 2 + (rows - seen_nose[1]) ** 2) / (width * eyes) ** 2
    push = strength * eyes * np.exp(-squared / 2)
    return _resampled(photograph, columns - push, rows)


def turned_by_depth(photograph: np.ndarray, landmarks: np.ndarray, degrees: float, depth: float = 1.0) -> np.ndarray:
    """The photograph laid over a head that everybody could have, an ellipsoid with a nose, which is then turned.

    What was hidden stays hidden: at the side that comes into view the skin is drawn out.

    Args:
        photograph: uint8 (H, W) or (H, W, 3).
        landmarks: (5, 2) of its face, as in ``cropping.Face``.
        degrees: of the turn; above 0 the nose goes to the right of the picture.
        depth: of the head against that of the model.
    """
    eyes = float(np.hypot(*(landmarks[1] - landmarks[0])))
    middle = (landmarks[:2].mean(axis=0) + landmarks[3:].mean(axis=0)) / 2
    rows, columns = np.mgrid[0 : photograph.shape[0], 0 : photograph.shape[1]].astype(np.float32)
    x, y = (columns - middle[0]) / eyes, (rows - middle[1]) / eyes
    angle = np.radians(degrees)
    nose = (landmarks[2] - middle) / eyes
    back = x.copy()
    for _ in range(9):  # x = back cos + z(back) sin, solved for back
        inside = np.clip(1 - (back / 1.15) ** 2 - (y / 1.6) ** 2, 0, None)
        bump = 0.35 * np.exp(-((back - nose[0]) ** 2 + (y - nose[1]) ** 2) / (2 * 0.22**2))
        z = depth * (0.9 * np.sqrt(inside + 1e-3) + bump)
        face = np.exp(-((back / 1.6) ** 4) - (y / 2.2) ** 4)  # the room behind stays where it is
        shift = face * (back * (np.cos(angle) - 1) + (z - 0.45) * np.sin(angle))
        back = back + 0.7 * (x - shift - back)
    back = cv2.GaussianBlur(back.astype(np.float32), (0, 0), eyes / 20)
    return _resampled(photograph, back * eyes + middle[0], rows)


def _resampled(photograph: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cv2.remap(photograph, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC, borderMode=BORDER)
