"""Frames that were seen before: who sends one again has a recording, not a face."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from facelab.cropping import align
from facelab.datasets.near import perceptual_bits, thumbnails

#: Differing bits of 64 up to which two aligned faces are one picture. Measured on ORL at 276 x 336: of the pairs of different
#: photographs of one person 0.5 % pass for copies. Copies found: JPEG of quality 90 and 50 99 and 86 %, scaled to 1.5 97 %,
#: brighter by 25 levels 90 %, noise of 5 levels 69 %, turned by 3 degrees 66 %, cut at an edge 34 %, scaled to half 20 %.
#: The difference hash (dHash) at the same rate of false alarms: 82, 65, 93, 64, 40, 39, 29 and 6 %.
NEAR_BITS = 4


def digests(data: bytes, image: np.ndarray) -> tuple[bytes, bytes]:
    """SHA-256 of a frame's bytes, and of its pixels with their shape: a copy in another container has the same pixels."""
    pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes())
    return hashlib.sha256(data).digest(), pixels.digest()


def face_bits(image: np.ndarray, landmarks: np.ndarray) -> int:
    """The perceptual hash (see ``datasets.near``) of an aligned face, as a number of 64 bits.

    Args:
        image: uint8 (H, W, C).
        landmarks: (5, 2), as in ``cropping.Face``.
    """
    crop = align(image, landmarks, 112, template="arcface")
    bits = perceptual_bits(thumbnails(crop[None]))[0] > 0
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near(first: int, second: int) -> bool:
    """Whether two hashes of faces are of one picture."""
    return (first ^ second).bit_count() <= NEAR_BITS


class ReplayCache:
    """Remembers frames for a time, in memory alone, and says whether one was there before in another dialogue.

    Args:
        seconds: how long.
        most: how many; of more, the oldest are forgotten.
        clock: seconds, rising.
    """

    def __init__(
        self, seconds: float = 86_400, most: int = 50_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._exact: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._faces: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._lock = threading.Lock()

    def seen(self, exact: tuple[bytes, ...], face: int | None, dialogue: str) -> bool:
        """Whether a frame is known from another dialogue, and remember it for this one.

        Args:
            exact: its ``digests``.
            face: its ``face_bits``, where a decision will rest on it; None: only the digests are compared.
            dialogue: whose frame it is; a camera at rest may send one twice within a dialogue.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            known = any(self._exact.get(digest, (0, dialogue))[1] != dialogue for digest in exact)
            for digest in exact:
                self._exact.setdefault(digest, (now, dialogue))
            if face is not None:
                known |= any(owner != dialogue and near(face, other) for owner, other in self._faces)
                self._faces.setdefault((dialogue, face), now)
            return known

    def _forget(self, now: float) -> None:
        for entries, time_of in ((self._exact, lambda value: value[0]), (self._faces, lambda value: value)):
            while entries:
                first = next(iter(entries))
                if len(entries) <= self._most and time_of(entries[first]) > now - self._seconds:
                    break
                del entries[first]
