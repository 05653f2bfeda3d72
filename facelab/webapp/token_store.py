"""What is under way, kept by a secret token: dialogues and sessions. In memory, of bounded number, and they expire."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from facelab.webapp.problems import Problem

T = TypeVar("T")


class TokenStore(Generic[T]):
    """Items that only the holder of a token can reach. Of the tokens it knows the SHA-256 alone.

    Args:
        capacity: how many are kept at one time.
        lifetime_seconds: how long each is kept.
        clock: seconds, rising.
    """

    def __init__(self, capacity: int, lifetime_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity, self._lifetime, self._clock = capacity, lifetime_seconds, clock
        self._items: dict[str, tuple[float, T]] = {}  # oldest first
        self._lock = threading.Lock()

    def put(self, item: T) -> str:
        """Keep an item; its token of 256 random bits.

        Raises:
            Problem: ``busy``, all places are taken.
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._drop_expired()
            if len(self._items) >= self._capacity:
                raise Problem("busy")
            self._items[_hash(token)] = (self._clock() + self._lifetime, item)
        return token

    def get(self, token: str) -> T:
        """The item of a token.

        Raises:
            Problem: ``expired``: no such token, or no longer.
        """
        with self._lock:
            self._drop_expired()
            found = self._items.get(_hash(token))
        if found is None:
            raise Problem("expired")
        return found[1]

    def drop(self, token: str) -> bool:
        """Forget a token; whether it was known."""
        with self._lock:
            self._drop_expired()
            return self._items.pop(_hash(token), None) is not None

    def drop_where(self, condition: Callable[[T], bool]) -> None:
        """Forget all items that fulfil a condition."""
        with self._lock:
            self._items = {key: found for key, found in self._items.items() if not condition(found[1])}

    def _drop_expired(self) -> None:
        now = self._clock()
        for key, (end, _) in list(self._items.items()):
            if end > now:
                break
            del self._items[key]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
