"""What somebody might hold before the camera, or send in place of one: for notebook 10, which tries it on its own service."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np


def rotated_print(photograph: np.ndarray, degrees: float, distance: float = 2.0) -> np.ndarray:
    """A print of a photograph, turned about its upright middle line and seen by a camera.

    A print is flat: nose and cheeks turn together, and the nose stays between the eyes.

    Args:
        photograph: uint8 (H, W) or (H, W, 3).
        degrees: of the turn.
        distance: of the camera, in widths of the print.
    """
    height, width = photograph.shape[:2]
    angle = np.radians(degrees)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    x, y = corners[:, 0] / width - 0.5, (corners[:, 1] - height / 2) / width
    depth = 1 + x * np.sin(angle) / distance
    seen = np.stack([x * np.cos(angle) / depth + 0.5, y / depth + height / width / 2], axis=1) * width
    matrix = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    return cv2.warpPerspective(
        photograph, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def hill_climb(
    score: Callable[[np.ndarray], float],
    start: np.ndarray,
    directions: np.ndarray,
    queries: int,
    step: float,
    seed: int = 0,
) -> tuple[np.ndarray, list[float]]:
    """Hill climbing on a score that is told: change the picture a little, keep what scores higher (Galbally et al. 2010).

    Args:
        score: of a picture, uint8 like ``start``.
        start: uint8 (H, W), anybody's face.
        directions: float (K, H, W), such as eigenfaces; of unit norm.
        queries: how often the score may be asked.
        step: length of a change, in grey values over the whole picture.
        seed: of the NumPy generator.

    Returns:
        The best picture, and the best score after each query.
    """
    rng = np.random.default_rng(seed)
    best, picture = score(start), start.astype(np.float64)
    told = [best]
    for _ in range(queries - 1):
        tried = picture + np.tensordot(rng.normal(0, step / np.sqrt(len(directions)), len(directions)), directions, 1)
        found = score(np.clip(tried, 0, 255).astype(np.uint8))
        if found > best:
            best, picture = found, tried
        told.append(best)
    return np.clip(picture, 0, 255).astype(np.uint8), told
