"""What a visit leaves behind so that a recording of it is known again: bits of its faces, digests of its frames. No picture."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from facelab.webapp.copies import BITS

_DIGEST_BYTES, _HASH_BYTES = 16, (BITS + 7) // 8


def frame_digest(image: np.ndarray) -> bytes:
    """The first 16 bytes of SHA-256 of a frame's pixels and their shape: a copy in another container has the same pixels."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()[:_DIGEST_BYTES]


@dataclass(frozen=True, eq=False)
class SeenFrames:
    """The frames of one visit, a sign-up or a log-in.

    Attributes:
        faces: bool (n, 255), ``copies.face_bits`` of the frames that decided; n at most 255.
        digests: ``frame_digest`` of all its frames with a face.
    """

    faces: np.ndarray = field(default_factory=lambda: np.empty((0, BITS), bool))
    digests: frozenset[bytes] = frozenset()

    def to_bytes(self) -> bytes:
        """For the vault: the number of faces, the faces, the digests."""
        return bytes([len(self.faces)]) + np.packbits(self.faces, axis=1).tobytes() + b"".join(sorted(self.digests))

    @classmethod
    def from_bytes(cls, data: bytes) -> SeenFrames:
        """What ``to_bytes`` made the bytes of."""
        end = 1 + data[0] * _HASH_BYTES
        packed = np.frombuffer(data[1:end], np.uint8).reshape(-1, _HASH_BYTES)
        digests = (data[start : start + _DIGEST_BYTES] for start in range(end, len(data), _DIGEST_BYTES))
        return cls(np.unpackbits(packed, axis=1, count=BITS).astype(bool), frozenset(digests))

    def __or__(self, other: SeenFrames) -> SeenFrames:
        """The frames of both."""
        return SeenFrames(np.vstack([self.faces, other.faces]), self.digests | other.digests)


class DigestMemory:
    """Remembers digests of frames for a time, in memory alone, and says whether one was there before in another dialogue.

    Args:
        lifetime_seconds: how long.
        capacity: how many; of more, the oldest are forgotten.
        clock: seconds, rising.
    """

    def __init__(
        self, lifetime_seconds: float = 86_400, capacity: int = 50_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lifetime, self._capacity, self._clock = lifetime_seconds, capacity, clock
        self._seen: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def check_and_remember(self, digest: bytes, dialogue: str) -> bool:
        """Whether a frame is known from another dialogue, and remember it for this one: a camera at rest may send one twice."""
        with self._lock:
            now = self._clock()
            while self._seen:
                seen, _ = next(iter(self._seen.values()))
                if len(self._seen) < self._capacity and seen > now - self._lifetime:
                    break
                self._seen.popitem(last=False)
            return self._seen.setdefault(digest, (now, dialogue))[1] != dialogue
