"""What is under way, kept by a secret token: dialogues and sessions. In memory, of bounded number, and they expire."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from facelab.webapp.limits import greediest_key
from facelab.webapp.problems import Problem

T = TypeVar("T")


class TokenStore(Generic[T]):
    """Items that only the holder of a token can reach. Of the tokens it knows the SHA-256 alone.

    Whoever has as many as allowed, or comes when all places are taken, gets the place of the own oldest item; who has none
    gets that of the oldest item of the address with the most. So nobody can keep everybody else out.

    Args:
        capacity: how many are kept at one time.
        per_address: how many of one address.
        lifetime_seconds: how long each is kept.
        clock: seconds, rising.
    """

    def __init__(
        self, capacity: int, per_address: int, lifetime_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity, self._per_address, self._lifetime, self._clock = capacity, per_address, lifetime_seconds, clock
        self._items: dict[str, tuple[float, str, T]] = {}  # oldest first: its end, whose it is, the item
        self._lock = threading.Lock()

    def put(self, item: T, address: str) -> str:
        """Keep an item for an address; its token of 256 random bits.

        Raises:
            Problem: ``busy``: all places are taken, and by as many addresses.
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._drop_expired()
            self._make_room(address)
            self._items[_hash(token)] = (self._clock() + self._lifetime, address, item)
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
        return found[2]

    def drop(self, token: str) -> bool:
        """Forget a token; whether it was known."""
        with self._lock:
            self._drop_expired()
            return self._items.pop(_hash(token), None) is not None

    def drop_where(self, condition: Callable[[T], bool]) -> None:
        """Forget all items that fulfil a condition."""
        with self._lock:
            self._items = {key: found for key, found in self._items.items() if not condition(found[2])}

    def drop_expired(self) -> None:
        """Forget what has expired, though nobody asks for anything."""
        with self._lock:
            self._drop_expired()

    def _make_room(self, address: str) -> None:
        counts = Counter(owner for _, owner, _ in self._items.values())
        if counts[address] < self._per_address and len(self._items) < self._capacity:
            return
        is_own = counts[address] >= self._per_address
        loser = address if is_own else greediest_key(counts, address) or address
        oldest = next((key for key, (_, owner, _) in self._items.items() if owner == loser), None)
        if oldest is None:
            raise Problem("busy")
        del self._items[oldest]

    def _drop_expired(self) -> None:
        now = self._clock()
        for key, (end, *_) in list(self._items.items()):
            if end > now:
                break
            del self._items[key]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
