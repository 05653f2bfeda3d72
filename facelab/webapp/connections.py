"""Connections are few and short of patience: uvicorn's protocol of HTTP/1.1, with bounds and deadlines that it has not.

Uvicorn ends a connection that rests between two requests, and counts requests (``limit_concurrency``). It waits for ever for
one that has sent half a header, or nothing, and for one that goes on sending after its answer; and it accepts any number. Of
TLS it hears after the handshake only, so that one which never finishes is counted nowhere. Here it begins after the count.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import get_remote_addr

from facelab.webapp.limits import Place, PlaceLimiter, network_key
from facelab.webapp.problems import Problem

HANDSHAKE_TIMEOUT_SECONDS = 10  #: within which TLS must stand
HEADER_TIMEOUT_SECONDS = 10  #: within which the whole header of a request must have arrived
MAX_HEADER_BYTES = 16_384  #: bytes of a header
MAX_CONNECTIONS = 512  #: of all addresses; half of the files that a process may usually have open


class BoundedProtocol(H11Protocol):
    """One connection. Over the bound, or too slow with its handshake or a header, it is cut without an answer.

    Args:
        places: of connections, by address.
        tls: of the certificate; None: the connection is in the clear.
        uvicorn: what uvicorn gives its protocols.
    """

    def __init__(self, places: PlaceLimiter, tls: ssl.SSLContext | None = None, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._places, self._tls = places, tls
        self._place: Place | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._is_begun = False
        self._early = bytearray()  # what came between the end of the handshake and uvicorn's hearing of it

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a place, or close it."""
        peer = get_remote_addr(transport)
        key = network_key(peer[0] if peer else "unknown")
        try:
            self._place = self._places.take(key, transport.abort)
        except Problem:
            transport.abort()
            return
        if self._tls is None:
            self._begin(transport)
        else:  # not yet: asyncio is about to add the reader that the handshake has to pause
            self.loop.call_soon(self._start_handshake, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        if self._place is None:
            return
        self._places.give_back(self._place)
        self._place = None
        self._end_deadline()
        if self._is_begun:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A request whose header is whole is under way, and then the body's deadline counts (``middleware``)."""
        if not self._is_begun:
            self._early += data
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def _start_handshake(self, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            transport.pause_reading()
            self._handshake = self.loop.create_task(self._shake_hands(transport))

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        try:
            secured = await self.loop.start_tls(
                transport, self, self._tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_SECONDS
            )
        except OSError:  # too slow, gone, or no TLS
            secured = None  # as it also is where this end cut the connection
        if secured is None:  # asyncio tells it to nobody else
            transport.abort()
            self.connection_lost(None)
        elif self._place is not None:  # else it was lost a moment ago
            self._begin(secured)
            if self._early:
                self.data_received(bytes(self._early))
                self._early.clear()

    def _begin(self, transport: asyncio.Transport) -> None:
        self._is_begun = True
        super().connection_made(transport)
        self._set_deadline()

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self.transport.abort)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
