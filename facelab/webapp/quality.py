"""What is wrong with a frame, told so that the person before the camera can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facelab.cropping import Face, align, similarity_transform, template_points

# The limits were set on ORL as it was photographed (eyes 29 to 45 pixels apart): 100 photographs that are in no template,
# against templates of 5, at the threshold of data/calibration/sface.json. None of ORL's photographs is refused by any of them.
#: Pixels. ORL halved (14 to 21) was recognised as well; but there a turn is measured in too few pixels.
MIN_EYE_DISTANCE = 24.0
#: A face whose side is a larger share of the first one's is a second person.
SECOND_FACE_RATIO = 1 / 3
#: Share of the aligned face outside the frame: ORL, cut close, has up to .376; an eye at the edge gives .4.
MAX_OUTSIDE = 0.38
#: Mean grey. Down to .3 of the light (23 to 43) all were recognised, at .2 (15 to 30) 13 % were not.
MIN_BRIGHTNESS = 25.0
#: Mean grey. Overexposed twice (154 to 233, mean 196) 5 % were not recognised, 2.25 times (208) 14 %.
MAX_BRIGHTNESS = 205.0
#: Standard deviation of grey. At a quarter of the contrast (8 to 12) 1 % was not recognised and 4 % not found.
MIN_CONTRAST = 8.0
#: See ``sharpness``. ORL has .005 and more; blurred by a Gaussian of 2 pixels (median .0019) all were recognised, 2.5 (.0011)
#: 97 %, 3 (.0007) 71 %. Blur in one direction alone passes: of 9 pixels, 11 % were not recognised.
MIN_SHARPNESS = 0.002

_SIDE = 112  # of the aligned face


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
        Hint(
            "one_picture", "This could be one photograph, turned. Turn your head itself, and let your face move: smile."
        ),
        Hint("other_person", "This does not look like the same person. Only one person, please."),
    )
}


@dataclass(frozen=True)
class Quality:
    """Figures of the aligned face, 112 x 112.

    Attributes:
        eyes: distance of the eyes in the frame, in pixels.
        outside: share of the aligned face that lies outside the frame. (YuNet's boxes hardly ever leave it.)
        brightness: mean grey, 0 to 255.
        contrast: standard deviation of grey.
        sharpness: see ``sharpness``.
    """

    eyes: float
    outside: float
    brightness: float
    contrast: float
    sharpness: float


def measure_quality(image: np.ndarray, face: Face) -> Quality:
    """Figures of one face with landmarks on a photograph, uint8 (H, W, C)."""
    crop = align(image, face.landmarks, _SIDE, template="arcface")
    grey = crop[:, :, 0] if crop.shape[2] == 1 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    frame = np.ones(image.shape[:2], np.float32)
    matrix = similarity_transform(face.landmarks, template_points("arcface", _SIDE))
    return Quality(
        eyes=float(np.hypot(*(face.landmarks[1] - face.landmarks[0]))),
        outside=1 - float(cv2.warpAffine(frame, matrix, (_SIDE, _SIDE), borderValue=0).mean()),
        brightness=float(grey.mean()),
        contrast=float(grey.std()),
        sharpness=sharpness(grey),
    )


def sharpness(gray: np.ndarray) -> float:
    """Variance of the Laplacian over the variance of the picture itself, uint8 (H, W): contrast alone does not change it.

    The picture is smoothed by a Gaussian of one pixel first, so that noise does not pass for detail.
    """
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1.0)
    return float(cv2.Laplacian(smooth, cv2.CV_32F).var() / max(float(smooth.var()), 1.0))


def face_count_fault(faces: Sequence[Face]) -> Hint | None:
    """Whether there is not exactly one face that matters; ``faces`` as a detector gives them, largest first."""
    if not faces:
        return HINTS["no_face"]
    sides = [max(face.box.w, face.box.h) for face in faces]
    return HINTS["several_faces"] if len(faces) > 1 and sides[1] > SECOND_FACE_RATIO * sides[0] else None


def quality_fault(quality: Quality) -> Hint | None:
    """The first thing that is wrong with a face, the easiest to mend first."""
    checks = (
        ("too_small", quality.eyes < MIN_EYE_DISTANCE),
        ("at_the_edge", quality.outside > MAX_OUTSIDE),
        ("too_dark", quality.brightness < MIN_BRIGHTNESS),
        ("too_bright", quality.brightness > MAX_BRIGHTNESS),
        ("flat", quality.contrast < MIN_CONTRAST),
        ("blurred", quality.sharpness < MIN_SHARPNESS),
    )
    return next((HINTS[code] for code, wrong in checks if wrong), None)
