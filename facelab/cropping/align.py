"""From a detected face to an upright square of one size: by its landmarks where it has them, else by its box."""

from __future__ import annotations

import math

import cv2
import numpy as np

from facelab.cropping.boxes import Box, Detector, Face, largest_face
from facelab.cropping.framing import as_photograph, percent_hint
from facelab.errors import BadParameterError

#: where the eyes come to lie, right eye of the person first, as shares of the side of the crop: brows to chin fit in
EYES = np.array([[0.32, 0.42], [0.68, 0.42]])
_ARCFACE_112 = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
#: the five points of ArcFace's 112 x 112 crops (insightface, ``face_align.py``), as shares of the side
ARCFACE = (np.array(_ARCFACE_112) + 0.5) / 112  # there, as in ``Face``, the middle of the first pixel is at 0

TEMPLATES = {"eyes": EYES, "arcface": ARCFACE}


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that bring points nearest to their targets, by least squares.

    With points as complex numbers, s for the source and t for the target, the transform is t = a s + b; the least squares
    solution (Umeyama, PAMI 13, 1991, in the plane and without reflection) is a = sum conj(s - mean s)(t - mean t) /
    sum |s - mean s|^2 and b = mean t - a mean s. Two points are met exactly.

    Args:
        source: (K, 2), K at least 2.
        target: (K, 2).

    Returns:
        float64 (2, 3), for column vectors (x, y, 1).

    Raises:
        BadParameterError: fewer than two points, different shapes, or all points in one place.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise BadParameterError(f"Points {source.shape}, targets {target.shape}.", "Give two or more of each, (K, 2).")
    s, t = source @ (1, 1j), target @ (1, 1j)
    centered = s - s.mean()
    spread = float((abs(centered) ** 2).sum())
    if not spread > 1e-9:
        raise BadParameterError("The points lie in one place.", "Check the landmarks.")
    a = (centered.conj() @ (t - t.mean())) / spread
    b = t.mean() - a * s.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def template_points(template: str, size: int, margin: float = 0.0) -> np.ndarray:
    """Where the landmarks come to lie in a crop of ``size`` pixels: (2, 2) for ``"eyes"``, (5, 2) for ``"arcface"``.

    Args:
        template: a name of ``TEMPLATES``.
        size: side of the crop in pixels.
        margin: what is added on each side of the template, as a share of its side.
    """
    if template not in TEMPLATES:
        raise BadParameterError(f"No template is called {template!r}.", f"There are: {', '.join(TEMPLATES)}.")
    _check_crop(size, margin)
    return (TEMPLATES[template] + margin) / (1 + 2 * margin) * size - 0.5  # the middle of the first pixel is at 0


def align(
    image: np.ndarray, landmarks: np.ndarray, size: int, margin: float = 0.0, template: str = "eyes"
) -> np.ndarray:
    """A crop whose landmarks lie on a fixed template.

    Args:
        image: uint8 (H, W), (H, W, 1) or (H, W, 3).
        landmarks: (5, 2) as in ``Face``; ``"eyes"`` uses the first two.
        size: side of the crop in pixels.
        margin: what is added on each side of the template, as a share of its side.
        template: a name of ``TEMPLATES``.

    Returns:
        uint8 (size, size, C); what lies outside the photograph repeats its outermost pixels.
    """
    target = template_points(template, size, margin)
    return warp(image, similarity_transform(np.asarray(landmarks)[: len(target)], target), size)


def crop_box(image: np.ndarray, box: Box, size: int, margin: float = 0.0) -> np.ndarray:
    """The square around a box, its longer side plus the margin on each side, as uint8 (size, size, C)."""
    _check_crop(size, margin)
    side = max(box.w, box.h) * (1 + 2 * margin)
    if not side > 0:
        raise BadParameterError(f"The box {tuple(box)} is empty.", "Give one with a width and a height.")
    scale = size / side
    left, top = box.x + box.w / 2 - side / 2, box.y + box.h / 2 - side / 2
    # pixel i of the photograph covers i ... i + 1, its middle is at i in the matrix: hence the halves
    matrix = [[scale, 0, scale * (0.5 - left) - 0.5], [0, scale, scale * (0.5 - top) - 0.5]]
    return warp(image, np.array(matrix), size)


def crop_face(image: np.ndarray, face: Face, size: int, margin: float = 0.0) -> np.ndarray:
    """The crop of one face, uint8 (size, size, C): aligned by its eyes where they are known, else its box."""
    if face.landmarks is not None:
        return align(image, face.landmarks, size, margin)
    return crop_box(image, face.box, size, margin)


def crop_largest_face(image: np.ndarray, detector: Detector, size: int, margin: float = 0.0) -> np.ndarray | None:
    """The crop of a photograph's largest face, uint8 (size, size, C); None where no face is found, never the whole frame."""
    face = largest_face(detector.detect(image))
    return None if face is None else crop_face(image, face, size, margin)


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Apply a similarity (2, 3) to a photograph: uint8 (size, size, C).

    Where the result is smaller than the original, the original is averaged down first: the warp itself looks at four
    pixels only and would turn fine texture into noise.
    """
    image = as_photograph(image)
    matrix = np.array(matrix, dtype=np.float64)
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if scale < 1:
        height, width = image.shape[:2]
        small = (max(1, math.ceil(width * scale)), max(1, math.ceil(height * scale)))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        back = np.array([width / small[0], height / small[1]])  # one pixel of the small picture in pixels of the large
        matrix[:, 2] += matrix[:, :2] @ (back / 2 - 0.5)
        matrix[:, :2] *= back
    flags = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC
    crop = cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crop.reshape(size, size, -1)


def _check_crop(size: int, margin: float) -> None:
    if not 8 <= size <= 1024:
        raise BadParameterError(f"The side of the crop is {size}.", "Give 8 to 1024 pixels.")
    if not 0 <= margin <= 2:
        raise BadParameterError(
            f"The margin is {margin}.{percent_hint(margin, 2)}", "Give a share of the side, 0 to 2."
        )
