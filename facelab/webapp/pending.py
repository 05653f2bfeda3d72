"""Things that are under way, by a secret token: dialogues and sessions. In memory, of bounded number, and they expire."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from facelab.webapp.problems import Problem

T = TypeVar("T")


class Pending(Generic[T]):
    """A shelf of things that only the holder of a token can reach. Of the tokens it knows the SHA-256 alone.

    Args:
        most: how many may lie there at one time.
        seconds: how long each may.
        clock: seconds, rising.
    """

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._things: dict[str, tuple[float, T]] = {}  # oldest first
        self._lock = threading.Lock()

    def put(self, thing: T) -> str:
        """Keep a thing; its token of 256 random bits.

        Raises:
            Problem: ``busy``, all places are taken.
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._drop_expired()
            if len(self._things) >= self._most:
                raise Problem("busy")
            self._things[_hash(token)] = (self._clock() + self._seconds, thing)
        return token

    def get(self, token: str) -> T:
        """The thing of a token.

        Raises:
            Problem: ``expired``: no such token, or no longer.
        """
        with self._lock:
            self._drop_expired()
            found = self._things.get(_hash(token))
        if found is None:
            raise Problem("expired")
        return found[1]

    def drop(self, token: str) -> bool:
        """Forget a token; whether it was known."""
        with self._lock:
            self._drop_expired()
            return self._things.pop(_hash(token), None) is not None

    def drop_where(self, condition: Callable[[T], bool]) -> None:
        """Forget all things that fulfil a condition."""
        with self._lock:
            self._things = {key: found for key, found in self._things.items() if not condition(found[1])}

    def _drop_expired(self) -> None:
        now = self._clock()
        for key, (end, _) in list(self._things.items()):
            if end > now:
                break
            del self._things[key]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
