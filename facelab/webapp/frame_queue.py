"""Where frames wait for their turn, so that nothing else waits behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread

from facelab.webapp.frame_analysis import WORKERS
from facelab.webapp.limits import PlaceLimiter, network_key

MAX_WAITING = 64  #: frames of all addresses; each holds up to two megabytes

T = TypeVar("T")


class FrameQueue:
    """Runs what looks at a frame in threads of its own, in the order of arrival, of each address a few at a time.

    The threads that answer all other requests are never among them, and who waits here holds no thread.

    Args:
        per_address: frames of one address that wait or are looked at.
    """

    def __init__(self, per_address: int) -> None:
        self._places = PlaceLimiter(per_address, MAX_WAITING)
        self._turns = anyio.CapacityLimiter(WORKERS)

    async def run(self, address: str, work: Callable[[], T]) -> T:
        """What ``work`` returns, when it is its turn.

        Raises:
            Problem: ``busy``: the address has too many frames under way, or all have.
        """
        with self._places.hold(network_key(address)):
            return await anyio.to_thread.run_sync(work, limiter=self._turns)
