"""Sliding windows: so many of something in so many seconds, for each name or address."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

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

    def check(self, key: str) -> None:
        """Problem ``too_often`` if ``record_attempt`` would refuse; counts nothing."""
        with self._lock:
            if len(self._recent(key)) >= self._max_attempts:
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


def network_key(address: str) -> str:
    """The key that an address is counted by: an IPv6 customer has a whole /64, so that is one key; else the address."""
    try:
        found = ipaddress.ip_address(address.split("%")[0])
    except ValueError:  # a socket of the file system, or a test's client
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
