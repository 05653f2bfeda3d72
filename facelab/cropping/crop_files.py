"""The file of a crop: named as its photograph where that format can hold the pixels, else as PNG."""

from __future__ import annotations

from pathlib import PurePosixPath

import cv2
import numpy as np

# a colour value for each pixel: at OpenCV's default of one for each four, noise in colour would keep 13 dB (PSNR), not 35
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
#: ending -> how OpenCV writes it. All but JPEG keep every pixel exactly. GIF (256 colours) is not among them.
_FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), (".jpg", _JPEG)),
    **{suffix: (suffix, []) for suffix in (".png", ".bmp", ".pgm", ".ppm", ".pnm", ".tif", ".tiff")},
    ".webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),  # above 100: without loss
}


def crop_name(file: str) -> str:
    """Name of the crop of a photograph: the same, or with ``.png`` behind it where its format would lose the crop's pixels."""
    return file if _suffix(file) in _FORMATS else f"{file}.png"


def encode_crop(crop: np.ndarray, name: str) -> bytes:
    """The bytes of a crop's file: every pixel exactly, but for JPEG.

    Args:
        crop: uint8 RGB (H, W, 3).
        name: from ``crop_name``. Under ``.pgm`` a grey crop has one channel; one in colour becomes a PPM file, which readers
            know by its first bytes, as they knew its photograph.
    """
    form, options = _FORMATS[_suffix(name)]
    pixels = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    if form == ".pgm":
        grey = (pixels == pixels[:, :, :1]).all()
        form, pixels = (".pgm", pixels[:, :, 0]) if grey else (".ppm", pixels)
    return cv2.imencode(form, pixels, options)[1].tobytes()


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
