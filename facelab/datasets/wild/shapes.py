"""Drawing by formula: distances to simple shapes, soft edges, waves and cloudy texture, in coordinates of the face.

A distance is negative inside a shape. All arrays are of one shape, float32 or float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facelab.datasets.wild.light import smooth_step


@dataclass(frozen=True)
class Layer:
    """An occluder as it is laid over a photograph.

    Attributes:
        tone: its grey value, 0 to 255 in even light.
        cover: how much of the photograph it hides, 0 to 1.
        contact: gain of the shadow that it throws on the face right beside it.
    """

    tone: np.ndarray
    cover: np.ndarray
    contact: np.ndarray

    def composite(self, gray: np.ndarray) -> np.ndarray:
        """The photograph ``grey`` with the occluder on it."""
        return gray * self.contact * (1.0 - self.cover) + self.tone * self.cover


def coverage(distance: np.ndarray, width: float) -> np.ndarray:
    """1 inside, 0 outside, with an edge of ``width``."""
    return smooth_step(0.5 - distance / width)


def contact_shadow(distance: np.ndarray, reach: float, darkness: float) -> np.ndarray:
    """Gain of 1 - darkness at the edge of a shape, rising to 1 at ``reach``."""
    return 1.0 - darkness * smooth_step(1.0 - distance / reach)


def superellipse(x: np.ndarray, y: np.ndarray, width: float, height: float, square: bool) -> np.ndarray:
    """Distance, roughly, to |x/width|^p + |y/height|^p = 1 with p = 2, or 4 where ``square``."""
    across, down = (x / width) ** 2, (y / height) ** 2
    radius = np.sqrt(np.sqrt(across * across + down * down)) if square else np.sqrt(across + down)
    return (radius - 1.0) * min(width, height)


def capsule(
    x: np.ndarray,
    y: np.ndarray,
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float,
    taper: float = 0.0,
) -> np.ndarray:
    """Distance to a rod with round ends, thinner by ``taper`` at its end."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    length = along_x * along_x + along_y * along_y
    share = np.clip(((x - start[0]) * along_x + (y - start[1]) * along_y) / length, 0.0, 1.0)
    off_x, off_y = x - start[0] - share * along_x, y - start[1] - share * along_y
    return np.sqrt(off_x * off_x + off_y * off_y) - (radius - taper * share)


def wave(phase: np.ndarray) -> np.ndarray:
    """Periodic with period 1, 0 at whole numbers and 1 half way between: the parabola 4 t (1 - t)."""
    turn = phase - np.floor(phase)
    return 4.0 * turn * (1.0 - turn)


def stripes(phase: np.ndarray, softness: float) -> np.ndarray:
    """0 and 1 in turn, each half a period of 1 long."""
    return smooth_step((wave(phase + 0.25) - 0.75) / softness + 0.5)


def clouds(x: np.ndarray, y: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Smooth noise between the values of a (K, K) grid with one value a unit, repeated beyond it."""
    column, row = np.floor(x), np.floor(y)
    right, below = smooth_step(x - column), smooth_step(y - row)
    left, top = column.astype(np.int64) % grid.shape[1], row.astype(np.int64) % grid.shape[0]
    right_of, under = (left + 1) % grid.shape[1], (top + 1) % grid.shape[0]
    above = grid[top, left] * (1 - right) + grid[top, right_of] * right
    return above * (1 - below) + (grid[under, left] * (1 - right) + grid[under, right_of] * right) * below
