"""Where each point of a photograph comes to lie: one 3 x 3 matrix a rendering, and the sampling through it.

Only sums, products, quotients and roots, written out pixel by pixel: IEEE arithmetic rounds those alike on every machine,
which a matrix library, a fused instruction or a vectorised sine does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facelab.datasets.wild.parameters import Nuisance

SIDE = 2.7  #: side of the square, in units of the face (mean of eye distance and distance of eyes and mouth)
CAMERA_DISTANCE = 1.6  #: distance of the camera for the turn, in sides of the square
MARGIN = 48  #: pixels by which a photograph is continued on each side
_STEP_BITS = 5  #: positions are rounded to 1/32 of a pixel
_STEPS = 2**_STEP_BITS


@dataclass(frozen=True)
class Landmarks:
    """Five points of a face, each float64 (2,) as (x, y); "right" is the subject's, on the left of the image.

    In pixels of the photograph, the middle of the first pixel being (0, 0).
    """

    right_eye: np.ndarray
    left_eye: np.ndarray
    nose: np.ndarray
    mouth_right: np.ndarray
    mouth_left: np.ndarray

    @classmethod
    def from_row(cls, row: dict[str, float]) -> Landmarks:
        """From a row of ``landmarks.csv`` (columns ``right_eye_x`` and so on)."""
        return cls(*(np.array([row[f"{name}_x"], row[f"{name}_y"]]) for name in cls.__dataclass_fields__))

    @property
    def eyes(self) -> np.ndarray:
        """Middle of the eyes."""
        return (self.right_eye + self.left_eye) / 2

    @property
    def mouth(self) -> np.ndarray:
        """Middle of the mouth."""
        return (self.mouth_right + self.mouth_left) / 2

    @property
    def center(self) -> np.ndarray:
        """Middle of the face: half way from the eyes to the mouth."""
        return (self.eyes + self.mouth) / 2

    @property
    def side(self) -> float:
        """Side of the square that frames the face, in pixels of the photograph."""
        across, down = self.left_eye - self.right_eye, self.mouth - self.eyes
        return SIDE * (math.hypot(*across) + math.hypot(*down)) / 2

    @property
    def tilt(self) -> float:
        """Angle of the line through the eyes, in radians, positive clockwise."""
        across = self.left_eye - self.right_eye
        return math.atan2(across[1], across[0])


def compose(*matrices: np.ndarray) -> np.ndarray:
    """Product of 3 x 3 matrices, the last applied first."""
    product = matrices[0]
    for matrix in matrices[1:]:
        product = (
            product[:, 0:1] * matrix[0:1] + product[:, 1:2] * matrix[1:2] + product[:, 2:3] * matrix[2:3]
        )  # not @: BLAS rounds differently from machine to machine
    return product


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a homography up to its scale: the adjugate, (3, 3)."""
    first, second, third = matrix
    return np.stack([np.cross(second, third), np.cross(third, first), np.cross(first, second)], axis=1)


def apply(matrix: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points through a homography: two float64 arrays of any one shape to two of the same."""
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    return (
        (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / depth,
        (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / depth,
    )


def _move(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _rotate(angle: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _turn(degrees: float, distance: float) -> np.ndarray:
    """A plane turned about the y axis and seen from ``distance``: x' = d x cos / (d + x sin), y' = d y / (d + x sin)."""
    angle = math.radians(degrees)
    return np.array([[math.cos(angle), 0.0, 0.0], [0.0, 1.0, 0.0], [math.sin(angle) / distance, 0.0, 1.0]])


def photo_to_frame(points: Landmarks, nuisance: Nuisance) -> np.ndarray:
    """Homography from pixels of the photograph to the frame, whose square is 0 to 1 in both directions: (3, 3)."""
    side, tilt = points.side, points.tilt
    zoom = nuisance.scale / side
    return compose(
        _move(0.5 + nuisance.shift_x, 0.5 + nuisance.shift_y),
        np.diag([zoom, zoom, 1.0]),
        _rotate(math.radians(nuisance.roll_degrees) + tilt),
        _turn(nuisance.turn_degrees, CAMERA_DISTANCE * side),
        _rotate(-tilt),
        _move(*-points.center),
    )


def photo_to_face(points: Landmarks) -> np.ndarray:
    """Affine map from pixels of the photograph to the face: eyes at (-1/2, 0) and (1/2, 0), middle of the mouth (0, 1)."""
    across, down = points.left_eye - points.right_eye, points.mouth - points.eyes
    area = across[0] * down[1] - across[1] * down[0]
    linear = np.array(
        [[down[1] / area, -down[0] / area, 0.0], [-across[1] / area, across[0] / area, 0.0], [0.0, 0.0, 1.0]]
    )
    return compose(linear, _move(*-points.eyes))


def pixel_centers(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the pixels of a square of ``size``, in the frame: x (1, size), y (size, 1)."""
    middle = (np.arange(size) + 0.5) / size
    return middle[None, :], middle[:, None]


def extend(photo: np.ndarray) -> np.ndarray:
    """A photograph (H, W) mirrored beyond its edges by ``MARGIN`` and blurred there, the more the farther: float32.

    A mirrored background looks like background; blurred, it has no second ear.
    """
    wide = np.pad(photo.astype(np.float32), MARGIN, mode="reflect")
    height, width = wide.shape
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    outside_y = np.maximum(MARGIN - y, y - (height - 1 - MARGIN))
    outside_x = np.maximum(MARGIN - x, x - (width - 1 - MARGIN))
    outside = np.maximum(np.maximum(outside_x, outside_y), 0).astype(np.float32)
    for reach in (2, 4, 8):
        smooth = _box(_box(wide, reach, 0), reach, 1)
        share = np.clip(outside / (2.0 * reach), 0.0, 1.0)
        wide = wide + share * (smooth - wide)
    return wide


def _box(picture: np.ndarray, reach: int, axis: int) -> np.ndarray:
    """Mean over ``2 reach + 1`` pixels along an axis, edges repeated."""
    around = np.pad(picture, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
    length = picture.shape[axis]
    total = np.zeros_like(picture)
    for start in range(2 * reach + 1):  # not a running sum, whose rounding would depend on how it is vectorised
        total += around[start : start + length] if axis == 0 else around[:, start : start + length]
    return total / (2 * reach + 1)


def sample(extended: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Grey values of an ``extend``-ed photograph at positions of the photograph, bilinear: float32 of the shape of x.

    Positions are rounded to 1/32 pixel and held inside the margin.
    """
    height, width = extended.shape
    column = np.clip(np.floor((x + MARGIN) * _STEPS + 0.5).astype(np.int32), 0, (width - 1) * _STEPS - 1)
    row = np.clip(np.floor((y + MARGIN) * _STEPS + 0.5).astype(np.int32), 0, (height - 1) * _STEPS - 1)
    corner = (row >> _STEP_BITS) * width + (column >> _STEP_BITS)
    right, below = ((steps % _STEPS).astype(np.float32) / _STEPS for steps in (column, row))
    flat = extended.ravel()
    above = flat[corner] * (1 - right) + flat[corner + 1] * right
    under = flat[corner + width] * (1 - right) + flat[corner + width + 1] * right
    return above * (1 - below) + under * below


def shrink(picture: np.ndarray, factor: int) -> np.ndarray:
    """Mean of each square of ``factor`` x ``factor`` pixels: (S, S) to (S / factor, S / factor)."""
    total = np.zeros((picture.shape[0] // factor, picture.shape[1] // factor), picture.dtype)
    for row in range(factor):
        for column in range(factor):
            total += picture[row::factor, column::factor]
    return total / (factor * factor)
