"""Connections are few and short of patience: uvicorn's protocol of HTTP/1.1, with a bound and a deadline that it has not.

Uvicorn ends a connection that rests between two requests, and counts requests (``limit_concurrency``). It waits for ever for
one that has sent half a header, or nothing, and for one that goes on sending after its answer; and it accepts any number.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import get_remote_addr

from facelab.webapp.limits import PlaceLimiter, network_key
from facelab.webapp.problems import Problem

HEADER_TIMEOUT_SECONDS = 10  #: within which the whole header of a request must have arrived
MAX_HEADER_BYTES = 16_384  #: bytes of a header
MAX_CONNECTIONS = 512  #: of all addresses; half of the files that a process may usually have open


class BoundedProtocol(H11Protocol):
    """One connection. Over the bound, or too slow with a header, it is cut without an answer.

    Args:
        places: of connections, by address.
        uvicorn: what uvicorn gives its protocols.
    """

    def __init__(self, places: PlaceLimiter, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._places = places
        self._place: str | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a place, or close it."""
        peer = get_remote_addr(transport)
        key = network_key(peer[0] if peer else "unknown")
        try:
            self._places.take(key)
        except Problem:
            transport.abort()
            return
        self._place = key
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        if self._place is None:
            return
        self._places.give_back(self._place)
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A request whose header is whole is under way, and then the body's deadline counts (``middleware``)."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self.transport.abort)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
