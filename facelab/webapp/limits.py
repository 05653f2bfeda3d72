"""How much of something one name or address may have: in so many seconds (a sliding window), or at one time."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from facelab.webapp.problems import Problem


class AttemptLimiter:
    """Lets a key do something at most ``max_attempts`` times in any ``seconds``.

    Its memory is bounded: of more than ``max_keys`` keys the one that was quiet for longest is forgotten.

    Args:
        max_attempts: how often.
        seconds: in how long.
        clock: seconds, rising.
        max_keys: how many keys are remembered.
    """

    def __init__(
        self, max_attempts: int, seconds: float, clock: Callable[[], float] = time.monotonic, max_keys: int = 10_000
    ) -> None:
        self._max_attempts, self._seconds, self._clock, self._max_keys = max_attempts, seconds, clock, max_keys
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, key: str) -> bool:
        """Whether ``record_attempt`` would count one more; counts nothing."""
        with self._lock:
            return len(self._recent(key)) < self._max_attempts

    def check(self, key: str) -> None:
        """Problem ``too_often`` if ``record_attempt`` would refuse; counts nothing."""
        if not self.allows(key):
            raise Problem("too_often")

    def record_attempt(self, key: str) -> None:
        """Count one.

        Raises:
            Problem: ``too_often``; then nothing is counted.
        """
        with self._lock:
            times = self._recent(key)
            if len(times) >= self._max_attempts:
                raise Problem("too_often")
            times.append(self._clock())
            self._times[key] = times
            self._times.move_to_end(key)
            if len(self._times) > self._max_keys:
                self._times.popitem(last=False)

    def undo_attempt(self, key: str) -> None:
        """Undo the last ``record_attempt``: it turned out well."""
        with self._lock:
            times = self._recent(key)
            if times:
                times.pop()

    def _recent(self, key: str) -> deque[float]:
        times, now = self._times.get(key, deque()), self._clock()
        while times and times[0] <= now - self._seconds:
            times.popleft()
        return times


class PlaceLimiter:
    """Lets a key hold at most ``per_key`` places at one time, and all keys together ``in_all``.

    Args:
        per_key: places of one key.
        in_all: places of all.
    """

    def __init__(self, per_key: int, in_all: int) -> None:
        self._per_key, self._in_all = per_key, in_all
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold a place while the block lasts.

        Raises:
            Problem: ``busy``, no place is left.
        """
        self.take(key)
        try:
            yield
        finally:
            self.give_back(key)

    def take(self, key: str) -> None:
        """Take a place that ``give_back`` ends. Errors as ``hold``."""
        with self._lock:
            if self._held[key] >= self._per_key or self._held.total() >= self._in_all:
                raise Problem("busy")
            self._held[key] += 1

    def give_back(self, key: str) -> None:
        """Give a place back."""
        with self._lock:
            self._held[key] -= 1
            self._held += Counter()  # forgets the keys that hold none


def network_key(address: str) -> str:
    """The key that an address is counted by: an IPv6 customer has a whole /64, so that is one key; else the address."""
    try:
        found = ipaddress.ip_address(address.split("%")[0])
    except ValueError:  # a socket of the file system, or a test's client
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
