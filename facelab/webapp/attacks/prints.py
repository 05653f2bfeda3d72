"""A print or a screen of one photograph before the camera: held aslant, bent, or shown pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np

BORDER = cv2.BORDER_REPLICATE


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
    return cv2.warpPerspective(photograph, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=BORDER)


def bent_print(
    photograph: np.ndarray, radius: float, degrees: float, *, upright: bool = True, distance: float = 2.0
) -> np.ndarray:
    """A print laid round a cylinder whose middle line points at the camera, then turned about its upright axis.

    Bent about an upright axis it bulges as a head does, and its nose does move when it turns.

    Args:
        photograph: uint8 (H, W) or (H, W, 3).
        radius: of the cylinder, in widths of the print, above 1 / 3; the smaller, the more it is bent.
        degrees: of the turn; the same sign as in ``rotated_print``.
        upright: whether the cylinder's axis is upright; else it lies across.
        distance: of the camera from the print's middle, in widths of the print.
    """
    height, width = photograph.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = columns / width - 0.5, (rows - height / 2) / width  # on the paper
    along = u if upright else v
    across, depth = radius * np.sin(along / radius), radius * (1 - np.cos(along / radius))
    x, y = (across, v) if upright else (u, across)
    angle = np.radians(degrees)
    turned, away = x * np.cos(angle) - depth * np.sin(angle), depth * np.cos(angle) + x * np.sin(angle)
    scale = 1 + away / distance
    return _seen_from(photograph, (turned / scale + 0.5) * width, y / scale * width + height / 2)


def on_screen(photograph: np.ndarray, pitch: float, contrast: float = 0.1, gamma: float = 1.2) -> np.ndarray:
    """A photograph on a screen: its pixels make a grid, its blacks and greys are others than those of paper or skin.

    A grid that is finer than the camera's own makes moire, which is what sampling does by itself.

    Args:
        photograph: uint8 (H, W) or (H, W, 3).
        pitch: distance of two of the screen's pixels, in pixels of the camera, above 1.
        contrast: of the grid, 0 to 1.
        gamma: of the screen against that of the camera.
    """
    height, width = photograph.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    grid = 1 + contrast / 2 * (np.cos(2 * np.pi * columns / pitch) + np.cos(2 * np.pi * rows / (pitch * 1.01)))
    shown = 255 * (photograph / 255.0) ** gamma
    shown = shown * (grid if photograph.ndim == 2 else grid[..., None])
    return np.clip(shown, 0, 255).astype(np.uint8)


def _seen_from(photograph: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The photograph whose pixel (row, column) is seen at (y, x), which grow with column and row."""
    height, width = photograph.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    back_x, back_y = columns.copy(), rows.copy()
    for _ in range(12):  # the fixed point of p = q - (f(p) - p), which converges as f is near the identity
        seen_x = cv2.remap(x.astype(np.float32), back_x, back_y, cv2.INTER_LINEAR, borderMode=BORDER)
        seen_y = cv2.remap(y.astype(np.float32), back_x, back_y, cv2.INTER_LINEAR, borderMode=BORDER)
        back_x = back_x + 0.8 * (columns - seen_x)
        back_y = back_y + 0.8 * (rows - seen_y)
    return cv2.remap(photograph, back_x, back_y, cv2.INTER_CUBIC, borderMode=BORDER)
