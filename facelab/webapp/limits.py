"""How much of something one name or address may have: in so many seconds (a sliding window), or at one time."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from facelab.webapp.problems import Problem

PATIENCE_SECONDS = 2  #: for which a place is safe from others, unless its key holds several


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
        """Problem ``too_often``, with the seconds to wait, if ``record_attempt`` would refuse; counts nothing."""
        with self._lock:
            self._check(self._recent(key))

    def record_attempt(self, key: str) -> None:
        """Count one.

        Raises:
            Problem: ``too_often``; then nothing is counted.
        """
        with self._lock:
            times = self._recent(key)
            self._check(times)
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

    def _check(self, times: deque[float]) -> None:
        if len(times) >= self._max_attempts:
            oldest = times[-self._max_attempts] if self._max_attempts else self._clock()
            raise Problem("too_often", oldest + self._seconds - self._clock())

    def _recent(self, key: str) -> deque[float]:
        times, now = self._times.get(key, deque()), self._clock()
        while times and times[0] <= now - self._seconds:
            times.popleft()
        return times


@dataclass(frozen=True, eq=False)
class Place:
    """One place that a key holds.

    Attributes:
        key: who holds it.
        end: called when somebody else gets it.
        since: when it was taken.
    """

    key: str
    end: Callable[[], None]
    since: float


class PlaceLimiter:
    """Lets a key hold at most ``per_key`` places at one time, and all keys together ``in_all``.

    Where all are taken, whoever comes gets the oldest place of the key that holds most, see ``greediest_key``: so a few
    addresses cannot keep everybody else out. Whoever has none yet gets at least the oldest place of all, once that was held for
    ``PATIENCE_SECONDS``: so many addresses with one slow request each cannot either.

    Args:
        per_key: places of one key.
        in_all: places of all.
        clock: seconds, rising.
    """

    def __init__(self, per_key: int, in_all: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_key, self._in_all, self._clock = per_key, in_all, clock
        self._held: dict[str, dict[Place, None]] = {}  # of each key the oldest first
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, key: str, end: Callable[[], None]) -> Iterator[None]:
        """Hold a place while the block lasts.

        Args:
            key: who holds it.
            end: called when somebody else gets the place, in the thread that takes it.

        Raises:
            Problem: ``busy``, no place is left.
        """
        place = self.take(key, end)
        try:
            yield
        finally:
            self.give_back(place)

    def take(self, key: str, end: Callable[[], None]) -> Place:
        """Take a place that ``give_back`` ends. Arguments and errors as ``hold``."""
        place, lost = Place(key, end, self._clock()), None
        with self._lock:
            counts = {one: len(places) for one, places in self._held.items()}
            if counts.get(key, 0) >= self._per_key:
                raise Problem("busy")
            if sum(counts.values()) >= self._in_all:
                lost = self._place_for(key, counts)
                self._remove(lost)
            self._held.setdefault(key, {})[place] = None
        if lost is not None:
            lost.end()
        return place

    def give_back(self, place: Place) -> None:
        """Give a place back, if it was not lost to somebody else."""
        with self._lock:
            if place in self._held.get(place.key, ()):
                self._remove(place)

    def _place_for(self, key: str, counts: dict[str, int]) -> Place:
        loser = greediest_key(counts, key)
        if loser is not None:
            return next(iter(self._held[loser]))
        oldest = min((next(iter(places)) for places in self._held.values()), key=lambda one: one.since, default=None)
        if key in counts or oldest is None or oldest.since > self._clock() - PATIENCE_SECONDS:
            raise Problem("busy")
        return oldest

    def _remove(self, place: Place) -> None:
        del self._held[place.key][place]
        if not self._held[place.key]:
            del self._held[place.key]


def greediest_key(counts: Mapping[str, int], newcomer: str) -> str | None:
    """Who gives up a place to a newcomer where all are taken: the key that holds most, if that is two more than the newcomer.

    With less of a difference the newcomer would only be in the loser's position.
    """
    key = max(counts, key=counts.__getitem__, default=None)
    return key if key is not None and counts[key] >= counts.get(newcomer, 0) + 2 else None


def network_key(address: str) -> str:
    """The key that an address is counted by: an IPv6 customer has a whole /64, so that is one key; else the address."""
    try:
        found = ipaddress.ip_address(address.split("%")[0])
    except ValueError:  # a socket of the file system, or a test's client
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
