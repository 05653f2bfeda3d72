"""The bytes of a request to one photograph, never more memory than a frame may need."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

from facelab.datasets.decode import decode
from facelab.errors import BadImageError
from facelab.webapp.problems import Problem

MEDIA_TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
MAX_BYTES = 2_000_000  #: a frame of 1280 x 720 as JPEG has about 200 kB
MIN_SIDE = 64  #: pixels; YuNet sees nothing on less
MAX_SIDE = 4096  #: pixels
MAX_PIXELS = 4_000_000  #: 12 MB when unpacked; a camera's 1920 x 1080 are two million


def decode_frame(data: bytes) -> np.ndarray:
    """A photograph, uint8 (H, W, 3), upright; a grey one has three equal channels.

    The size is read from the header, and refused, before a pixel is unpacked: a file of 100 kB may claim 20 000 x 20 000.

    Raises:
        Problem: too many bytes, not a JPEG, PNG or WebP, broken, or of a size that is not allowed.
    """
    if len(data) > MAX_BYTES:
        raise Problem("too_large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            with Image.open(io.BytesIO(data), formats=tuple(MEDIA_TYPES.values())) as image:
                width, height = image.size
        if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
            raise Problem("bad_photograph")
        return decode(data)
    # As datasets.decode: these are what Pillow's parsers raise on a broken header
    except (BadImageError, OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise Problem("bad_photograph") from error
