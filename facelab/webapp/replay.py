"""Frames that were seen before: who sends one again has a recording, not a face."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import cv2
import numpy as np

from facelab.cropping import align

NEAR_BITS = 2  #: differing bits of 64 up to which two aligned faces are one picture


def digests(data: bytes, image: np.ndarray) -> tuple[bytes, bytes]:
    """SHA-256 of a frame's bytes, and of its pixels with their shape: a copy in another container has the same pixels."""
    pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes())
    return hashlib.sha256(data).digest(), pixels.digest()


def difference_bits(image: np.ndarray, landmarks: np.ndarray) -> int:
    """The difference hash (dHash) of an aligned face: 64 bits, each whether a grey value is above its right neighbour's.

    Args:
        image: uint8 (H, W, C).
        landmarks: (5, 2), as in ``cropping.Face``.
    """
    crop = align(image, landmarks, 112, template="arcface")
    grey = crop[:, :, 0] if crop.shape[2] == 1 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    bits = (small[:, :-1] > small[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near(first: int, second: int) -> bool:
    """Whether two difference hashes are of one picture."""
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
            face: its ``difference_bits``, where a decision will rest on it; None: only the digests are compared.
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
