"""Files to pixels: every photograph decoded once, to one size, and every file that cannot be used named with its reason."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterable

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from facelab.datasets.faceset import Rejected
from facelab.errors import BadImageError

MAX_PIXELS = 64_000_000  #: a decoded photograph larger than this is refused before its pixels are unpacked

Frame = Callable[[np.ndarray], np.ndarray]


def decode(data: bytes, channels: int = 3) -> np.ndarray:
    """One encoded photograph to pixels, upright as its EXIF says.

    Args:
        data: the bytes of a JPEG, PNG, PGM, BMP or WebP file.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 (H, W, channels).

    Raises:
        BadImageError: empty, truncated, not an image, larger than ``MAX_PIXELS``, or in a colour mode (CMYK, 16 bit,
            with transparency) whose conversion to 8-bit RGB would be a guess.
    """
    if not data:
        raise BadImageError("The file is empty.", "Get it again.")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImageError(f"{image.width}x{image.height} pixels is too large.", "Scale it down.")
            if image.mode not in ("L", "RGB", "P", "1"):
                raise BadImageError(f"Its colour mode is {image.mode}.", "Save it as 8-bit grey or RGB.")
            image = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(image)
    # Pillow's readers raise whatever their format's parser meets in a broken file; these are the ones it documents or shows.
    except (
        UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, EOFError, zlib.error,
    ) as error:  # fmt: skip
        raise BadImageError(f"It cannot be decoded ({type(error).__name__}: {error}).", "Get the file again.") from error
    return pixels[:, :, None] if channels == 1 else pixels


def centre_square(pixels: np.ndarray) -> np.ndarray:
    """The largest centred square of (H, W, C)."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Square (H, W, C) uint8 to (size, size, C): area averaging when shrinking, cubic when growing."""
    if pixels.shape[:2] == (size, size):
        return pixels
    how = cv2.INTER_AREA if pixels.shape[0] > size else cv2.INTER_CUBIC
    return cv2.resize(pixels, (size, size), interpolation=how).reshape(size, size, pixels.shape[2])


def decode_into(
    out: np.ndarray, files: Iterable[tuple[int, str, bytes]], frame: Frame = centre_square
) -> tuple[np.ndarray, list[Rejected]]:
    """Decode many files into an array that is already there (usually a memory map), and say which could not be.

    Args:
        out: uint8 (N, size, size, C), written at the rows given.
        files: (row, name, encoded bytes), in any order.
        frame: cuts the square to keep out of the decoded (H, W, C).

    Returns:
        bool (N,), true where a photograph was written, and the rejected files.
    """
    written, rejected = np.zeros(len(out), dtype=bool), []
    for row, name, data in files:
        try:
            out[row] = resize(frame(decode(data, out.shape[3])), out.shape[1])
            written[row] = True
        except BadImageError as error:
            rejected.append(Rejected(os.fspath(name), error.what))
    return written, rejected
