"""What every request must pass before anything looks at it: host, header, size and time; and what every answer carries."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facelab.webapp.certificates import is_covered
from facelab.webapp.frames import MAX_BYTES
from facelab.webapp.limits import PlaceLimiter, network_key
from facelab.webapp.problems import Problem

MAX_JSON_BYTES = 4096  #: bytes of a body that is no photograph
BODY_TIMEOUT_SECONDS = 20  #: within which a body must have arrived
_PART_BYTES = 2**16  # after which a body that arrives goes on in another piece
MAX_OPEN_BODIES = 64  #: requests with a body, of all addresses; each may hold ``frames.MAX_BYTES``
CSRF_HEADER = "x-faceid"
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def problem_response(problem: Problem) -> JSONResponse:
    """A problem as every error is told."""
    wait = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    return JSONResponse({"error": problem.code, "message": str(problem)}, problem.status, wait)


class SecurityMiddleware:
    """ASGI middleware: a request passes its checks or is refused; every answer gets the security headers.

    Another site's page cannot send the header ``X-FaceID`` without asking first, and is never allowed to (cross-site
    requests); a foreign name that was made to point here is not among the hosts (DNS rebinding).

    Args:
        app: what it stands before.
        allowed_hosts: names that the service answers to, in lower case, without port; see ``certificates.is_covered``.
        open_bodies: requests with a body that one address may have under way.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str], open_bodies: int) -> None:
        self._app, self._hosts = app, frozenset(allowed_hosts)
        self._open_bodies = PlaceLimiter(open_bodies, MAX_OPEN_BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers["Cache-Control"] = "no-store" if scope["path"].startswith("/api/") else "no-cache"
            await send(message)

        try:
            self._check(scope)
            reading = anyio.CancelScope()
            # Taken before a byte is read, held until what was read is no longer needed.
            with self._place(scope, reading):
                body = None
                with reading:
                    body = await _body(scope, receive)
                if reading.cancelled_caught:  # its place went to an address that has fewer
                    raise Problem("busy")
                if body is not None:  # None: the client went away
                    await self._app(scope, _again(body, receive), dressed)
        except Problem as problem:  # of the checks here; the application answers its own
            await problem_response(problem)(scope, receive, dressed)

    def _place(self, scope: Scope, reading: anyio.CancelScope) -> AbstractContextManager[None]:
        headers = Headers(scope=scope)
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            return nullcontext()
        network = network_key(scope["client"][0] if scope["client"] else "unknown")
        return self._open_bodies.hold(network, reading.cancel)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if not is_covered(host_without_port(headers.get("host", "")), self._hosts):
            raise Problem("foreign_host")
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and headers.get(CSRF_HEADER) != "1":
            raise Problem("no_header")


def host_without_port(header: str) -> str:
    """The name in a Host header, without port: ``[::1]:8000`` is ``::1``."""
    name, bracket, _ = header.lower().removeprefix("[").partition("]")
    return name if bracket else header.lower().rpartition(":")[0] or header.lower()


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    headers = Headers(scope=scope)
    most = MAX_BYTES if headers.get("content-type", "").lower().startswith("image/") else MAX_JSON_BYTES
    told = headers.get("content-length", "0")
    if not told.isascii() or not told.isdigit() or int(told) > most:
        raise Problem("too_large")
    # what grows to 2 MB in one piece is moved on its way, and its old places stay with the process; a list of messages as they
    # come could have millions of single bytes
    parts, size = [bytearray()], 0
    try:
        with anyio.fail_after(BODY_TIMEOUT_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                if len(parts[-1]) >= _PART_BYTES:
                    parts.append(bytearray())
                arrived = message.get("body", b"")
                parts[-1] += arrived
                size += len(arrived)
                if size > most:
                    raise Problem("too_large")
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError as error:
        raise Problem("too_slow") from error


def _again(body: bytes, receive: Receive) -> Receive:
    """``receive`` that gives the body that was read already."""
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
