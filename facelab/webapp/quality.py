"""What is wrong with a frame, told so that the person before the camera can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facelab.cropping import Face, align

MIN_EYES = 24.0  #: pixels between the eyes
SECOND_FACE = 1 / 3  #: a face whose side is a larger share of the first one's is a second person
OUTSIDE = 0.15  #: so much of a face's side may lie outside the picture
DARK, BRIGHT = 25.0, 225.0  #: mean grey of the face
FLAT = 8.0  #: standard deviation of the face's grey values
SHARP = 0.002  #: see ``sharpness``


@dataclass(frozen=True)
class Hint:
    """What to do better: a code for programs and a sentence for people."""

    code: str
    message: str


HINTS = {
    hint.code: hint
    for hint in (
        Hint("no_face", "No face was found. Look into the camera, with light on your face."),
        Hint("several_faces", "There is more than one face. Please be alone in the picture."),
        Hint("too_small", "Your face is too small. Come closer."),
        Hint("at_the_edge", "Your face is at the edge of the picture. Move to its middle."),
        Hint("too_dark", "It is too dark. Turn on a light, or turn towards it."),
        Hint("too_bright", "It is too bright. Turn away from the light."),
        Hint("flat", "Your face has too little contrast. Clean the camera or change the light."),
        Hint("blurred", "The picture is blurred. Hold still."),
        Hint("not_straight", "Look straight into the camera."),
        Hint("turn_more_left", "Turn your head a little more to your left."),
        Hint("turn_more_right", "Turn your head a little more to your right."),
        Hint("turn_less", "You turned too far. Turn back a little."),
        Hint("same_picture", "This is the picture that was taken before. Move a little."),
        Hint("other_person", "This does not look like the same person. Only one person, please."),
    )
}


@dataclass(frozen=True)
class Quality:
    """Figures of the aligned face, 112 x 112.

    Attributes:
        eyes: distance of the eyes in the frame, in pixels.
        outside: share of the face's side by which its box leaves the frame.
        brightness: mean grey, 0 to 255.
        contrast: standard deviation of grey.
        sharpness: see ``sharpness``.
    """

    eyes: float
    outside: float
    brightness: float
    contrast: float
    sharpness: float


def measure(image: np.ndarray, face: Face) -> Quality:
    """Figures of one face with landmarks on a photograph, uint8 (H, W, C)."""
    crop = align(image, face.landmarks, 112, template="arcface")
    grey = crop[:, :, 0] if crop.shape[2] == 1 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    height, width = image.shape[:2]
    x, y, w, h = face.box
    beyond = max(-x, -y, x + w - width, y + h - height, 0.0)
    return Quality(
        eyes=float(np.hypot(*(face.landmarks[1] - face.landmarks[0]))),
        outside=beyond / max(w, h),
        brightness=float(grey.mean()),
        contrast=float(grey.std()),
        sharpness=sharpness(grey),
    )


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian over the variance of the picture itself, uint8 (H, W): contrast alone does not change it.

    The picture is smoothed by a Gaussian of one pixel first, so that noise does not pass for detail.
    """
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    return float(cv2.Laplacian(smooth, cv2.CV_32F).var() / max(float(smooth.var()), 1.0))


def count_fault(faces: Sequence[Face]) -> Hint | None:
    """Whether there is not exactly one face that matters; ``faces`` as a detector gives them, largest first."""
    if not faces:
        return HINTS["no_face"]
    sides = [max(face.box.w, face.box.h) for face in faces]
    return HINTS["several_faces"] if len(faces) > 1 and sides[1] > SECOND_FACE * sides[0] else None


def fault(quality: Quality) -> Hint | None:
    """The first thing that is wrong with a face, the easiest to mend first."""
    checks = (
        ("too_small", quality.eyes < MIN_EYES),
        ("at_the_edge", quality.outside > OUTSIDE),
        ("too_dark", quality.brightness < DARK),
        ("too_bright", quality.brightness > BRIGHT),
        ("flat", quality.contrast < FLAT),
        ("blurred", quality.sharpness < SHARP),
    )
    return next((HINTS[code] for code, wrong in checks if wrong), None)
