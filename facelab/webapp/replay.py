"""Frames that were seen before: who sends one again has a recording, not a face."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from facelab.cropping import align
from facelab.datasets.near_duplicates import perceptual_bits, thumbnails

#: Differing bits of 64 up to which two aligned faces are one picture. Measured on ORL at 276 x 336 with the service's detector:
#: 2.2 % of the pairs of different photographs of one person pass for copies, none of 78,000 pairs of two people. Found of the
#: copies: JPEG of quality 90 and 50 99 and 95 %, scaled to half 98 %, brighter by 25 levels 94 %, noise of 2 and 5 levels 98
#: and 85 %, turned by 3 degrees 75 %, cut at an edge 24 %. At 2 bits 0.7 % pass, and of noise of 5 levels 63 % are found.
MAX_DIFFERING_BITS = 4


def frame_digests(data: bytes, image: np.ndarray) -> tuple[bytes, bytes]:
    """SHA-256 of a frame's bytes, and of its pixels with their shape: a copy in another container has the same pixels."""
    pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes())
    return hashlib.sha256(data).digest(), pixels.digest()


def face_hash(image: np.ndarray, landmarks: np.ndarray) -> int:
    """The perceptual hash (see ``datasets.near_duplicates``) of an aligned face, as a number of 64 bits.

    Args:
        image: uint8 (H, W, C).
        landmarks: (5, 2), as in ``cropping.Face``.
    """
    crop = align(image, landmarks, 112, template="arcface")
    bits = perceptual_bits(thumbnails(crop[None]))[0] > 0
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def hashes_match(first: int, second: int) -> bool:
    """Whether two hashes of faces are of one picture."""
    return (first ^ second).bit_count() <= MAX_DIFFERING_BITS


class ReplayCache:
    """Remembers frames for a time, in memory alone, and says whether one was there before in another dialogue.

    Args:
        lifetime_seconds: how long.
        capacity: how many; of more, the oldest are forgotten.
        clock: seconds, rising.
    """

    def __init__(
        self, lifetime_seconds: float = 86_400, capacity: int = 50_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lifetime, self._capacity, self._clock = lifetime_seconds, capacity, clock
        self._exact: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._faces: OrderedDict[tuple[str, str, int], float] = OrderedDict()
        self._lock = threading.Lock()

    def check_and_remember(
        self, digests: tuple[bytes, ...], face_hash: int | None, dialogue: str, name_key: str
    ) -> bool:
        """Whether a frame is known from another dialogue, and remember it for this one.

        Near copies are looked for among the faces of the claimed name alone: that is where a recording of its owner would be
        shown again, and among the faces of everybody an honest one would meet more that are near by chance, the more log in.

        Args:
            digests: its ``frame_digests``.
            face_hash: its ``face_hash``, where a decision will rest on it; None: only the digests are compared.
            dialogue: whose frame it is; a camera at rest may send one twice within a dialogue.
            name_key: the claimed name of the dialogue, as it is compared.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            known = any(self._exact.get(digest, (0, dialogue))[1] != dialogue for digest in digests)
            for digest in digests:
                self._exact.setdefault(digest, (now, dialogue))
            if face_hash is not None:
                known |= any(
                    name == name_key and owner != dialogue and hashes_match(face_hash, other)
                    for name, owner, other in self._faces
                )
                self._faces.setdefault((name_key, dialogue, face_hash), now)
            return known

    def _forget(self, now: float) -> None:
        for entries, time_of in ((self._exact, lambda value: value[0]), (self._faces, lambda value: value)):
            while entries:
                first = next(iter(entries))
                if len(entries) <= self._capacity and time_of(entries[first]) > now - self._lifetime:
                    break
                del entries[first]
