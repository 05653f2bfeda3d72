"""What somebody may do to a recorded frame so that it is not the same frame: each change of a picture, by its name."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Change = Callable[[np.ndarray], np.ndarray]


def _mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def _warped(across: float = 0, upwards: float = 0, right: float = 0, down: float = 0) -> Change:
    """Sheared, and moved by a share of the side; the outermost pixels are repeated."""

    def change(image: np.ndarray) -> np.ndarray:
        height, width = image.shape
        matrix = [
            [1, across, right * width - across * height / 2],
            [upwards, 1, down * height - upwards * width / 2],
        ]
        return _affine(image, np.array(matrix))

    return change


def _turned(degrees: float) -> Change:
    return lambda image: _affine(
        image, cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), degrees, scale=1)
    )


def _affine(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    size = image.shape[1::-1]
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _cut(share: float) -> Change:
    """Without a share of the picture on each side but the lower one."""

    def change(image: np.ndarray) -> np.ndarray:
        height, width = image.shape
        return np.ascontiguousarray(image[round(share * height) :, round(share * width) : round((1 - share) * width)])

    return change


def _scaled(wide: float, high: float) -> Change:
    return lambda image: cv2.resize(image, None, fx=wide, fy=high, interpolation=cv2.INTER_AREA)


def _grey(change: Change) -> Change:
    """A change of the grey values, float 0 to 1."""
    return lambda image: np.clip(255 * change(image / 255), 0, 255).astype(np.uint8)


def _lit_from_the_side(strength: float) -> Change:
    return _grey(lambda light: light * np.linspace(1 - strength, 1 + strength, light.shape[1]))


def _noisy(grey_values: float) -> Change:
    return _grey(lambda light: light + np.random.default_rng(0).normal(0, grey_values / 255, light.shape))


def _packed(quality: int) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)

    return change


def _one_after_the_other(*changes: Change) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        for one in changes:
            image = one(image)
        return image

    return change


#: name -> change of a picture uint8 (H, W)
CHANGES: dict[str, Change] = {
    "mirrored": _mirrored,
    "sheared by 10 %": _warped(across=0.1),
    "sheared upwards by 10 %": _warped(upwards=0.1),
    "sheared by 20 %": _warped(across=0.2),
    "moved by 5 %": _warped(right=0.05, down=-0.03),
    "cut by 4 %": _cut(0.04),
    "cut by 8 %": _cut(0.08),
    "brighter by 40 %": _grey(lambda light: 1.4 * light),
    "darker by 40 %": _grey(lambda light: 0.6 * light),
    "gamma 1.6": _grey(lambda light: light**1.6),
    "lit from the side": _lit_from_the_side(0.4),
    "stretched by 10 %": _scaled(1.1, 1),
    "half the size": _scaled(0.5, 0.5),
    "turned by 8 degrees": _turned(8),
    "JPEG of quality 30": _packed(30),
    "noise of 5 levels": _noisy(5),
    "mirrored, sheared, lit, packed": _one_after_the_other(
        _mirrored, _warped(across=0.05), _lit_from_the_side(0.4), _packed(50)
    ),
}
