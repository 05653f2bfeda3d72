"""What refused log-ins cost: waiting times that grow, for those who were refused. No stranger can lock a name for its owner.

A network (an address of IPv4, a /64 of IPv6) may be refused five times on a name; then it waits 30 seconds, and twice as long
after each further refusal, up to ten minutes (the rule of NIST SP 800-63B, 5.2.3, for a biometric). A success ends its waits.

Against many networks that guess together, those that never logged in to the name share a wait of their own: after five
refusals a second, then two, up to a minute between two challenges. Whoever logged in to the name from there before does not
stand in that line. Such networks are remembered in memory alone, until a restart or until the account is deleted.

What remains possible against one name in a day: some 150 tries from one network (5, then 5 within 16 minutes, then one in ten
minutes), some 1,450 from all strange networks together (one in a minute). Each with the face of another stranger, at the false
match rate of .1 % that the calibration aims at, these are .15 and 1.5 false matches to be expected in a day: no limit on tries
makes a face a secret. Against pictures of the owner it does less: where a share p of them is accepted, 1/p tries are needed.

What the limits do not mend: who shares the owner's network shares its waits, and who guesses from ten networks or more can hold
up an owner who comes from a new one for as long as that goes on.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress

from facelab.webapp.limits import AttemptLimiter
from facelab.webapp.problems import Problem
from facelab.webapp.settings import Limits

MAX_KEYS = 10_000  #: that are remembered; of more, the one that was quiet for longest is forgotten
FORGET_SECONDS = 86_400  #: a key that was quiet for so long has a clean sheet


class GrowingDelay:
    """After ``free`` refusals of a key its next try must wait, after each further one twice as long. Not for several threads.

    Args:
        free: refusals that cost nothing; after the last of them the first wait begins.
        first_seconds, longest_seconds: the waits.
        clock: seconds, rising.
    """

    def __init__(
        self, free: int, first_seconds: float, longest_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._free, self._first, self._longest, self._clock = free, first_seconds, longest_seconds, clock
        self._refusals: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()  # how many, and when the last one was

    def seconds_left(self, key: Hashable) -> float:
        """How long the next try has to wait; 0 where it need not."""
        count, last = self._recent(key)
        if count < self._free:
            return 0.0
        wait = self._first * 2.0 ** min(count - self._free, 64)
        return max(0.0, last + min(wait, self._longest) - self._clock())

    def record_refusal(self, key: Hashable) -> None:
        """Count one."""
        self._refusals[key] = (self._recent(key)[0] + 1, self._clock())
        self._refusals.move_to_end(key)
        if len(self._refusals) > MAX_KEYS:
            self._refusals.popitem(last=False)

    def undo_refusal(self, key: Hashable) -> None:
        """Count one less: it turned out well."""
        count, last = self._recent(key)
        if count:
            self._refusals[key] = (count - 1, last)

    def forget(self, key: Hashable) -> None:
        """Give a key a clean sheet."""
        self._refusals.pop(key, None)

    def _recent(self, key: Hashable) -> tuple[int, float]:
        count, last = self._refusals.get(key, (0, 0.0))
        return (0, 0.0) if self._clock() >= last + FORGET_SECONDS else (count, last)


class LogInRefusals:
    """Counts refused log-ins by network, by name and network, and by name.

    Args:
        limits: of the settings.
        clock: seconds, rising.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._networks = AttemptLimiter(*limits.refusals_per_address, clock)
        self._own_waits = GrowingDelay(*limits.waits_of_a_network, clock)
        self._shared_waits = GrowingDelay(*limits.waits_of_strange_networks, clock)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()  # names, and networks that logged in to them
        self._lock = threading.Lock()

    def check(self, name: str, network: str) -> None:
        """Refuse a log-in that ``record`` would refuse; counts nothing.

        Raises:
            Problem: ``too_often``, with the seconds to wait.
        """
        self._networks.check(network)
        with self._lock:
            self._check_waits(name, network)

    def allows(self, name: str, network: str) -> bool:
        """Whether nobody has to wait who claims this name from this network."""
        with self._lock:
            return self._seconds_left(name, network) == 0

    def record(self, name: str, network: str) -> None:
        """Count a log-in as refused, before its side is told; ``accept`` undoes it.

        So nobody can drop one challenge after the other until the side suits, and no two slip through at once.

        Raises:
            Problem: ``too_often``, with the seconds to wait; then nothing is counted.
        """
        with self._lock:
            self._check_waits(name, network)
            self._networks.record_attempt(network)
            self._own_waits.record_refusal((name, network))
            if (name, network) not in self._known:
                self._shared_waits.record_refusal(name)

    def record_without_face(self, network: str) -> None:
        """Count a refusal in which no face was compared: for the network alone, which may have more than enough already."""
        with suppress(Problem):
            self._networks.record_attempt(network)

    def accept(self, name: str, network: str) -> None:
        """Undo the ``record`` of a log-in that let its owner in: its network is known to the name from now on."""
        with self._lock:
            self._networks.undo_attempt(network)
            self._own_waits.forget((name, network))
            if (name, network) not in self._known:
                self._shared_waits.undo_refusal(name)
            self._known[name, network] = None
            self._known.move_to_end((name, network))
            if len(self._known) > MAX_KEYS:
                self._known.popitem(last=False)

    def forget_networks(self, names: Collection[str]) -> None:
        """Forget who logged in to some names."""
        with self._lock:
            self._known = OrderedDict((one, None) for one in self._known if one[0] not in names)

    def _check_waits(self, name: str, network: str) -> None:
        seconds = self._seconds_left(name, network)
        if seconds > 0:
            raise Problem("too_often", seconds)

    def _seconds_left(self, name: str, network: str) -> float:
        shared = 0.0 if (name, network) in self._known else self._shared_waits.seconds_left(name)
        return max(shared, self._own_waits.seconds_left((name, network)))
