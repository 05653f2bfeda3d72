"""Files to pixels: every photograph decoded once, to one size, and every file that cannot be used named with its reason."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from facelab.datasets.faceset import RejectedFile
from facelab.datasets.pgm import undo_line_ends
from facelab.datasets.photo_formats import bits_per_channel, is_heic, readable_formats, without_metadata
from facelab.errors import BadImageError

#: raised when a change here changes pixels, or which photographs can be used, so that every cache is made anew
VERSION = 4
MAX_PIXELS = 64_000_000  #: a decoded photograph larger than this is refused before its pixels are unpacked
MAX_BYTES = 256 * 2**20  #: a file larger than this is no photograph (three bytes a pixel are less), and is not read

#: How the reason of a file begins that the system did not give, perhaps only for then.
UNREAD = "It cannot be read ("

Crop = Callable[[np.ndarray], np.ndarray]
#: Encoded, or pixels (H, W, C) already, or what went wrong when it was read.
Photograph = bytes | np.ndarray | OSError | BadImageError

_PLAIN = ("1", "L", "P", "RGB", "RGBX", "YCbCr")  # Pillow's modes whose conversion to 8-bit RGB is no guess
_WITH_ALPHA = ("LA", "PA", "RGBA")  # no guess where no pixel is transparent
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF's orientation -> what makes the photograph upright

# What Pillow's parsers raise on a broken file: its errors, what its own open() treats as such, and what tests showed.
_BROKEN = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError, struct.error, zlib.error
)  # fmt: skip

# What Pillow has to say of broken metadata, which are passed over here; it names no file.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.(Jpeg|Tiff)ImagePlugin")

THREADS = min(8, os.cpu_count() or 1)  #: Pillow and OpenCV let go of the interpreter's lock while they work
_AHEAD, _AHEAD_BYTES = 32, 256 * 2**20  # encoded files held in memory at once: how many a thread, and of how many bytes


class RowWriter(Protocol):
    """What ``decode_into`` writes to: an array, or a file that looks like one."""

    shape: tuple[int, ...]

    def __setitem__(self, row: int, pixels: np.ndarray) -> None: ...


def read_photograph(path: str | Path) -> bytes:
    """The bytes of one encoded photograph.

    Raises:
        BadImageError: it is larger than ``MAX_BYTES``, or a folder, a pipe, a socket or a device.
        OSError: the system cannot read it, perhaps only for now.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for somebody to write to it
        raise BadImageError("It is not a file.", "Give a photograph.")
    if found.st_size > MAX_BYTES:
        raise BadImageError(f"It is larger than {MAX_BYTES // 2**20} MiB, as no photograph is.", "Scale it down.")
    return Path(path).read_bytes()


def decode(data: bytes, channels: int = 3) -> np.ndarray:
    """One encoded photograph to pixels, upright as its EXIF says. Odd or broken metadata are passed over.

    Args:
        data: the bytes of a file of one of ``readable_formats()``.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 (H, W, channels).

    Raises:
        BadImageError: empty, truncated, not an image, larger than ``MAX_PIXELS``, with more than 8 bits a channel, or in a
            colour mode (CMYK, with transparent pixels) whose conversion to 8-bit RGB would be a guess.
    """
    if not data:
        raise BadImageError("The file is empty.", "Get it again.")
    data = undo_line_ends(data)
    try:
        return _decode(data, channels)
    except BadImageError:
        bare = without_metadata(data)
        if len(bare) == len(data):
            raise
        return _decode(bare, channels)


def _decode(data: bytes, channels: int) -> np.ndarray:
    formats = readable_formats()
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImageError(f"{image.width}x{image.height} pixels is too large.", "Scale it down.")
            if image.mode not in _PLAIN + _WITH_ALPHA:
                raise BadImageError(f"Its colour mode is {image.mode}.", "Save it as 8-bit grey or RGB.")
            if (bits := bits_per_channel(image, data)) > 8:
                raise BadImageError(f"Its channels have {bits} bits.", "Save it as 8-bit grey or RGB.")
            image.load()  # first: EXIF may stand behind the pixels, and Pillow itself turns TIFF upright
            upright = _without_alpha(_turn_upright(image))
            pixels = np.asarray(upright.convert("L" if channels == 1 else "RGB"))
    except UnidentifiedImageError as error:  # whose own text names an object in memory, not the file
        if is_heic(data) and "HEIF" not in formats:
            raise BadImageError(
                "It is a HEIC photograph, which only the package pillow-heif can read: pip install pillow-heif.",
                "Install it, or convert the photograph to JPEG.",
            ) from error
        raise BadImageError(f"It cannot be decoded: none of {', '.join(formats)}.", "Get the file again.") from error
    except (*_BROKEN, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImageError(
            f"It cannot be decoded ({type(error).__name__}: {error}).", "Get the file again."
        ) from error
    return pixels[:, :, None] if channels == 1 else pixels


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(image.getexif().get(0x0112))
    except _BROKEN:  # broken metadata say nothing, and the pixels may be good
        turn = None
    return image if turn is None else image.transpose(turn)


def _without_alpha(image: Image.Image) -> Image.Image:
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return image
    opaque = image.convert("RGBA")
    if opaque.getchannel("A").getextrema()[0] < 255:  # what is seen through it is not known
        raise BadImageError(
            f"Its colour mode is {image.mode} with transparent pixels.", "Save it as 8-bit grey or RGB."
        )
    return opaque


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
    out: RowWriter, files: Iterable[tuple[int, str, Photograph]], crop: Crop = center_square, threads: int = THREADS
) -> tuple[np.ndarray, list[RejectedFile]]:
    """Decode many files into an array or file that is already there, and say which could not be.

    Args:
        out: uint8 (N, size, size, C), written at the rows given.
        files: (row, name, photograph), in any order.
        crop: cuts the square to keep out of the decoded (H, W, C).
        threads: how many decode at once.

    Returns:
        bool (N,), true where a photograph was written, and the rejected files.
    """
    count, size, _, channels = out.shape
    written, rejected = np.zeros(count, dtype=bool), []

    def square(photograph: Photograph) -> np.ndarray | BadImageError:
        try:
            if isinstance(photograph, BadImageError):
                raise photograph
            if isinstance(photograph, OSError):
                why = photograph.strerror or str(photograph)
                raise BadImageError(f"{UNREAD}{why}).", "Check the file and its rights.") from photograph
            pixels = decode(photograph, channels) if isinstance(photograph, bytes) else photograph
            return resize(crop(pixels), size)
        except BadImageError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        apply = map if threads == 1 else pool.map
        for chunk in _chunks(files, _AHEAD * threads):
            for (row, name, _), result in zip(chunk, apply(square, [file[2] for file in chunk]), strict=True):
                if isinstance(result, BadImageError):
                    rejected.append(RejectedFile(os.fspath(name), result.problem))
                else:
                    out[row] = result
                    written[row] = True
    return written, rejected


def _chunks(files: Iterable[tuple[int, str, Photograph]], most: int) -> Iterator[list[tuple[int, str, Photograph]]]:
    chunk, held = [], 0
    for file in files:
        chunk.append(file)
        held += len(file[2]) if isinstance(file[2], bytes) else 0
        if len(chunk) == most or held >= _AHEAD_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk
