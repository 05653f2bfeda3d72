"""Copies of a face: whether two frames come from one picture, though it was mirrored, sheared, lit, moved or cut meanwhile.

A face is kept as 255 bits, the signs of its lower spatial frequencies. A frame that is looked at is not reduced to bits: it is
moved, turned, sheared and stretched a little until its frequencies fit the bits best, as it is and mirrored. So what a change
of the picture does to the landmarks, by which the face was cut out, is undone.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.fft import dct

BITS = 255
#: Least likeness of a copy: of the two frames of a log-in, in the mean, to those of earlier visits. Measured on ORL
#: (``10_replays.json``): of 738 log-ins of 33 people, after all other photographs of the person had been seen, none was refused
#: (95 % interval over people: to 10 %; by a perceptual hash of 64 bits, one frame enough, 19 %). Of copies 94 % were found, in
#: the mean of 17 changes (by that hash 55 %): mirrored 97 %, sheared 97 to 100 %, moved 97 %, lit 94 to 100 %, cut by 4 % of
#: the side 85 %. Not found: 58 % of those cut by 8 %, and a recording that shows but one of its frames beside a new one.
ONE_PICTURE = 0.99
#: Least likeness of two poses, straight and turned, that are one picture: 1 of the 738 honest log-ins had more.
POSES_OF_ONE_PICTURE = 0.95
#: Least likeness of two straight shots of a sign-up that are one picture: .6 % of the pairs of straight photographs of ORL's
#: 40 people have more (interval .2 to 1.1 %), and of mirrored, sheared by 10 % and moved copies 97 % or more.
SAME_SHOT = 0.995
_FREQUENCIES = 16  # lowest, in both directions; without the mean they are ``BITS``
_WIDTH, _HEIGHT = 32, 36  # of the patch whose frequencies they are
_MIDDLE = np.array([63.5, 75.8])  # of the patch in a face crop; it shows brows to chin, and neither hair nor background
_SCALE = np.diag([1.758, 1.758])  # pixels of the crop for one of the patch
_FINE, _LOCAL = 0.95, 7.5  # pixels of the crop: of smoothing, of the local mean and contrast
#: Standard deviations of the changes that are tried: turn and shear in radians, logarithms of two stretches, two shifts.
_SPREAD = np.array([0.05, 0.07, 0.06, 0.06, 2.2, 2.2])
_FIRST_TRIES = 64
_STEPS = np.outer([1, 0.8, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1], _SPREAD)
_CANDIDATES = 4  # of the hashes, as they are or mirrored, that are looked at closely after the first tries
_rng = np.random.default_rng(16)
_FIRST = np.vstack([np.zeros(6), _rng.normal(size=(_FIRST_TRIES - 1, 6)) * _SPREAD])
# Compared with as well, so that the work does not tell how much is kept.
_NOBODY = _rng.random((_CANDIDATES, BITS)) < 0.5
_ACROSS = dct(np.eye(_WIDTH), axis=0, norm="ortho")[:_FREQUENCIES].astype(np.float32)
_DOWN = dct(np.eye(_HEIGHT), axis=0, norm="ortho")[:_FREQUENCIES].astype(np.float32)


def face_bits(crop: np.ndarray) -> np.ndarray:
    """What is kept of a face, bool (255,).

    Args:
        crop: uint8 (128, 128), of ``liveness_features.face_crop``.
    """
    return _frequencies(_even_light(crop), _FIRST[:1])[0] > 0


def best_likeness(crop: np.ndarray, hashes: np.ndarray) -> float:
    """How like a face is to the most similar of some that were kept, as it is or mirrored: at most 1, of one picture nearly 1.

    The likeness is the share of the spectrum, by its absolute values, whose signs agree, less the rest. All hashes are compared
    with 64 changes of the face; the four that fit best are followed to the best change near by.

    Args:
        crop: as for ``face_bits``.
        hashes: bool (N, 255); N may be 0, which takes as long.

    Returns:
        -1 where N is 0.
    """
    faces = [_even_light(crop), _even_light(np.ascontiguousarray(crop[:, ::-1]))]
    signs = np.where(np.vstack([hashes.reshape(-1, BITS), _NOBODY]), 1, -1).astype(np.float32)
    first = np.stack([_frequencies(face, _FIRST) @ signs.T for face in faces])  # (2, tries, N + 4)
    sides, rows = np.unravel_index(np.argsort(-first.max(axis=1), axis=None)[:_CANDIDATES], (2, len(signs)))
    likeness = [_climb(faces[side], signs[row], first[side, :, row]) for side, row in zip(sides, rows, strict=True)]
    return max((value for value, row in zip(likeness, rows, strict=True) if row < len(hashes)), default=-1.0)


def is_one_picture(first: np.ndarray, second: np.ndarray, least: float) -> bool:
    """Whether two face crops come from one picture, mirrored or not: their likeness is ``least`` or more."""
    return best_likeness(second, face_bits(first)[None]) >= least


def resemble_earlier(straight: np.ndarray, turned: np.ndarray, faces: np.ndarray) -> bool:
    """Whether two face crops are in the mean too like the most similar of earlier ones.

    In the mean: a person may look the same once by chance, and hardly twice in one log-in.

    Args:
        straight, turned: as for ``face_bits``.
        faces: bool (N, 255), of earlier visits; N may be 0.
    """
    return float(np.mean([best_likeness(crop, faces) for crop in (straight, turned)])) >= ONE_PICTURE


def _climb(face: np.ndarray, signs: np.ndarray, first: np.ndarray) -> float:
    """The best likeness near the best of the first tries.

    A step along each of the six changes and one back give a parabola each; all go to their vertices at once, and half way. The
    best of all that were tried is where the next, smaller step begins.
    """
    best, place = float(first.max()), _FIRST[first.argmax()]
    for step in _STEPS:
        around = np.vstack([np.diag(step), -np.diag(step)])
        values = _frequencies(face, place + around) @ signs
        ahead, back = values.reshape(2, 6)
        bend = ahead + back - 2 * best
        vertex = np.where(bend < 0, (back - ahead) / (2 * np.minimum(bend, -1e-6)), np.sign(ahead - back))
        jump = np.clip(vertex, -1.5, 1.5) * step
        changes = np.vstack([around, jump, jump / 2])
        values = np.append(values, _frequencies(face, place + changes[-2:]) @ signs)
        if values.max() > best:
            best, place = float(values.max()), place + changes[values.argmax()]
    return best


def _frequencies(face: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Of the patch under each change (n, 6), float32 (n, 255), absolute values that sum to 1."""
    patches = np.empty((len(changes), _HEIGHT, _WIDTH), np.float32)
    for patch, (turn, shear, wide, high, right, down) in zip(patches, changes, strict=True):
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        matrix = turned @ [[np.exp(wide), shear * np.exp(high)], [0, np.exp(high)]] @ _SCALE
        shift = _MIDDLE + [right, down] - matrix @ [(_WIDTH - 1) / 2, (_HEIGHT - 1) / 2]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        affine = np.column_stack([matrix, shift])
        patch[:] = cv2.warpAffine(face, affine, (_WIDTH, _HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    found = (_DOWN @ patches @ _ACROSS.T).reshape(len(changes), -1)[:, 1:]
    return found / np.maximum(np.abs(found).sum(axis=1, keepdims=True), 1e-9)


def _even_light(crop: np.ndarray) -> np.ndarray:
    """Local mean 0 and local contrast 1, of the logarithm: exposure, gamma and a slope of the light hardly count."""
    logarithm = np.log1p(crop.astype(np.float32))
    centred = cv2.GaussianBlur(logarithm, (0, 0), _FINE) - cv2.GaussianBlur(logarithm, (0, 0), _LOCAL)
    return centred / (np.sqrt(cv2.GaussianBlur(centred**2, (0, 0), _LOCAL)) + 0.02)
