"""What detection and alignment are worth before faces are compared: the same photographs as they are, cut out, and aligned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from facelab.cropping import Detector, Face, crop_box, crop_face, largest_face
from facelab.datasets import FaceSet

MARGIN = 0.0  #: around box and eyes, as a share of the side: orl-wild is cut close already


def alignment_variants(
    faces: FaceSet, detector: Detector, size: int, margin: float = MARGIN
) -> tuple[dict[str, FaceSet], np.ndarray]:
    """Three sets of the same photographs in the same order, for pairs that then differ in nothing else.

    Where no face is found the photograph stays as it is, in all three sets: it can still be compared, and is counted.

    Args:
        faces: photographs, larger than ``size``.
        detector: with landmarks, as YuNet; its largest face is taken.
        size: side of what comes out, in pixels.
        margin: around the face.

    Returns:
        ``as they are``, ``detected`` (the box), ``detected and aligned`` (by the eyes): name -> set; and whether a face was
        found, bool (N,).
    """
    largest_faces = [largest_face(detector.detect(image)) for image in faces.images]
    found = np.array([face is not None for face in largest_faces])

    def of(crop: Callable[[np.ndarray, Face], np.ndarray], name: str) -> FaceSet:
        images = [
            _whole(image, size) if face is None else crop(image, face)
            for image, face in zip(faces.images, largest_faces, strict=True)
        ]
        return replace(faces, images=np.stack(images), source=f"{faces.source}, {name}, {size}")

    sets = {
        "as they are": of(lambda image, face: _whole(image, size), "as they are"),
        "detected": of(lambda image, face: crop_box(image, face.box, size, margin), "detected"),
        "detected and aligned": of(lambda image, face: crop_face(image, face, size, margin), "aligned"),
    }
    return sets, found


def _whole(image: np.ndarray, size: int) -> np.ndarray:
    small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return small.reshape(size, size, -1)
