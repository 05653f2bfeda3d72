"""Files to pixels: every photograph decoded once, to one size, and every file that cannot be used named with its reason."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from facelab.datasets.faceset import RejectedFile
from facelab.datasets.pgm import undo_line_ends
from facelab.errors import BadImageError

VERSION = 2  #: raised when a change here changes pixels, so that every cache is made anew
MAX_PIXELS = 64_000_000  #: a decoded photograph larger than this is refused before its pixels are unpacked
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "WEBP", "GIF", "TIFF")  #: no others: Pillow also opens PostScript, for one

Crop = Callable[[np.ndarray], np.ndarray]
Photograph = bytes | np.ndarray | OSError  #: encoded, or pixels (H, W, C) already, or what went wrong when it was read

_WORKERS = min(8, os.cpu_count() or 1)  # Pillow and OpenCV let go of the interpreter's lock while they work
_AHEAD = 32 * _WORKERS  # encoded files held in memory at once


class RowWriter(Protocol):
    """What ``decode_into`` writes to: an array, or a file that looks like one."""

    shape: tuple[int, ...]

    def __setitem__(self, row: int, pixels: np.ndarray) -> None: ...


def decode(data: bytes, channels: int = 3) -> np.ndarray:
    """One encoded photograph to pixels, upright as its EXIF says.

    Args:
        data: the bytes of a JPEG, PNG, PGM/PPM, BMP, WebP, GIF or TIFF file.
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
        with Image.open(io.BytesIO(undo_line_ends(data)), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImageError(f"{image.width}x{image.height} pixels is too large.", "Scale it down.")
            if image.mode not in ("L", "RGB", "P", "1"):
                raise BadImageError(f"Its colour mode is {image.mode}.", "Save it as 8-bit grey or RGB.")
            if "transparency" in image.info:
                raise BadImageError("It has transparent pixels.", "Save it as 8-bit grey or RGB.")
            image = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(image)
    except UnidentifiedImageError as error:  # whose own text names an object in memory, not the file
        raise BadImageError(f"It cannot be decoded: none of {', '.join(FORMATS)}.", "Get the file again.") from error
    # What Pillow's parsers raise on a broken file: its errors, what its own open() treats as such, and what tests showed.
    except (
        OSError, SyntaxError, ValueError, IndexError, TypeError, EOFError, struct.error, zlib.error,
        Image.DecompressionBombError, Image.DecompressionBombWarning,
    ) as error:  # fmt: skip
        raise BadImageError(
            f"It cannot be decoded ({type(error).__name__}: {error}).", "Get the file again."
        ) from error
    return pixels[:, :, None] if channels == 1 else pixels


def center_square(pixels: np.ndarray) -> np.ndarray:
    """The largest centred square of (H, W, C)."""
    return center_crop(pixels, min(pixels.shape[:2]))


def center_crop(pixels: np.ndarray, side: int) -> np.ndarray:
    """The centred square of ``side`` pixels of (H, W, C)."""
    height, width = pixels.shape[:2]
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Square (H, W, C) uint8 to (size, size, C): area averaging when shrinking, cubic when growing."""
    if pixels.shape[:2] == (size, size):
        return pixels
    how = cv2.INTER_AREA if pixels.shape[0] > size else cv2.INTER_CUBIC
    return cv2.resize(pixels, (size, size), interpolation=how).reshape(size, size, pixels.shape[2])


def decode_into(
    out: RowWriter, files: Iterable[tuple[int, str, Photograph]], crop: Crop = center_square
) -> tuple[np.ndarray, list[RejectedFile]]:
    """Decode many files into an array or file that is already there, and say which could not be.

    Args:
        out: uint8 (N, size, size, C), written at the rows given.
        files: (row, name, photograph), in any order.
        crop: cuts the square to keep out of the decoded (H, W, C).

    Returns:
        bool (N,), true where a photograph was written, and the rejected files.
    """
    count, size, _, channels = out.shape
    written, rejected = np.zeros(count, dtype=bool), []

    def square(photograph: Photograph) -> np.ndarray | BadImageError:
        try:
            if isinstance(photograph, OSError):
                why = photograph.strerror or str(photograph)
                raise BadImageError(f"It cannot be read ({why}).", "Check the file and its rights.") from photograph
            pixels = decode(photograph, channels) if isinstance(photograph, bytes) else photograph
            return resize(crop(pixels), size)
        except BadImageError as error:
            return error

    with ThreadPoolExecutor(_WORKERS) as pool:
        for chunk in _chunks(files, _AHEAD):
            for (row, name, _), result in zip(chunk, pool.map(square, [file[2] for file in chunk]), strict=True):
                if isinstance(result, BadImageError):
                    rejected.append(RejectedFile(os.fspath(name), result.problem))
                else:
                    out[row] = result
                    written[row] = True
    return written, rejected


def _chunks(files: Iterable[tuple[int, str, Photograph]], length: int) -> Iterator[list[tuple[int, str, Photograph]]]:
    files = iter(files)
    while chunk := list(islice(files, length)):
        yield chunk
