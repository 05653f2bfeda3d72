"""The bytes of a request to one photograph, never more memory than a frame may need."""

from __future__ import annotations

import numpy as np

from facelab.datasets.decode import decode
from facelab.errors import BadImageError
from facelab.webapp.frame_bounds import check_size
from facelab.webapp.problems import Problem

MEDIA_TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
MAX_BYTES = 2_000_000  #: a frame of 1280 x 720 as JPEG has about 200 kB


def check_frame(data: bytes) -> tuple[int, int]:
    """Refuse what is no photograph of a camera before a decoder starts.

    Its size, its scans and its parts are counted: a file of 100 kB may claim 20 000 x 20 000 pixels, one of 300 kB ask for
    minutes.

    Returns:
        Width and height in pixels, as its header names them.

    Raises:
        Problem: too many bytes, not a JPEG, PNG or WebP, or more work than is allowed.
    """
    if len(data) > MAX_BYTES:
        raise Problem("too_large")
    return check_size(data)


def decode_frame(data: bytes) -> np.ndarray:
    """A photograph, uint8 (H, W, 3), upright; a grey one has three equal channels.

    Raises:
        Problem: ``check_frame`` refuses it, it is broken, or it is of another size than its header said.
    """
    width, height = check_frame(data)
    try:
        pixels = decode(data)
    except BadImageError as error:
        raise Problem("bad_photograph") from error
    if pixels.shape[:2] not in ((height, width), (width, height)):  # either, since it was turned upright
        raise Problem("bad_photograph")
    return pixels
