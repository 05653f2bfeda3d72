"""Where frames and passphrases wait for their turn: nothing else waits behind them, and nobody behind those who send more."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.to_thread

from facelab.webapp.frame_analysis import WORKERS
from facelab.webapp.limits import PlaceLimiter, network_key
from facelab.webapp.problems import Problem

MAX_WAITING = 64  #: pieces of work, of all addresses; a frame holds up to two megabytes
HALF_LIFE_SECONDS = 60  #: after which time that a network used counts half

T = TypeVar("T")


@dataclass(eq=False)
class _Waiter:
    network: str
    is_laborious: bool
    turn: anyio.Event = field(default_factory=anyio.Event)


class WorkQueue:
    """Runs laborious answers, such as a look at a frame, in threads of its own, of each address a few at a time.

    The threads that answer all other requests are never among them, and who waits here holds no thread. What is little work
    goes before what is laborious, which never has all the threads (unless there is but one); else next is the frame of the
    network that used the least time of late. So whoever sends a camera's frame goes before those who keep the threads busy.

    Args:
        per_address: pieces of work of one address that wait or are under way.
        workers: those that are under way in the same moment.
        clock: seconds, rising.
    """

    def __init__(self, per_address: int, workers: int = WORKERS, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = PlaceLimiter(per_address, MAX_WAITING)
        self._threads = anyio.CapacityLimiter(workers)
        self._free, self._clock = workers, clock
        self._free_for_laborious = max(1, workers - 1)
        self._waiting: list[_Waiter] = []  # in the order of arrival
        self._used = _TimeUsed(clock)

    async def run(self, address: str, work: Callable[[], T], is_laborious: bool = False) -> T:
        """What ``work`` returns, when it is its turn.

        Args:
            address: who asked for it.
            work: what is to be done.
            is_laborious: see ``frame_bounds``.

        Raises:
            Problem: ``busy``: the address has too much under way, or all have.
        """
        frame, waiting = _Waiter(network_key(address), is_laborious), anyio.CancelScope()
        with self._places.hold(frame.network, waiting.cancel):
            with waiting:
                await self._wait_for_turn(frame)
            if waiting.cancelled_caught:  # its place went to an address that has fewer
                raise Problem("busy")
            begun = self._clock()
            try:
                return await anyio.to_thread.run_sync(work, limiter=self._threads)
            finally:
                self._used.add(frame.network, self._clock() - begun)
                self._end_turn(frame)

    async def _wait_for_turn(self, frame: _Waiter) -> None:
        self._waiting.append(frame)
        self._give_turns()
        try:
            await frame.turn.wait()
        except BaseException:  # it is cancelled, perhaps in the moment after its turn came
            if frame in self._waiting:
                self._waiting.remove(frame)
            else:
                self._end_turn(frame)
            raise

    def _end_turn(self, frame: _Waiter) -> None:
        self._free += 1
        self._free_for_laborious += frame.is_laborious
        self._give_turns()

    def _give_turns(self) -> None:
        while self._free > 0:
            ready = [one for one in self._waiting if not one.is_laborious or self._free_for_laborious > 0]
            if not ready:
                return
            # Of equals, the first that came.
            frame = min(ready, key=lambda one: (one.is_laborious, self._used.seconds(one.network)))
            self._waiting.remove(frame)
            self._free -= 1
            self._free_for_laborious -= frame.is_laborious
            frame.turn.set()


class _TimeUsed:
    """Seconds that each network used of late; older ones count less."""

    max_networks = 10_000

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()  # seconds, and when they were counted

    def seconds(self, network: str) -> float:
        seconds, when = self._used.get(network, (0.0, 0.0))
        return seconds * 0.5 ** ((self._clock() - when) / HALF_LIFE_SECONDS)

    def add(self, network: str, seconds: float) -> None:
        self._used[network] = (self.seconds(network) + seconds, self._clock())
        self._used.move_to_end(network)
        if len(self._used) > self.max_networks:
            self._used.popitem(last=False)
