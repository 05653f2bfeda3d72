"""The floods of a Face-ID service, run in a process of their own: ``python flood_attacks.py NAME PORT SECONDS [PHOTOGRAPH]``.

Each comes from many addresses of this machine's loopback (127.0.1.1 and on), lasts so many seconds, and never leaves it. It
writes a line when it is under way. Needs Linux, where all of 127.0.0.0/8 is this machine. Light: nothing of facelab is loaded.
"""

from __future__ import annotations

import http.client
import itertools
import json
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

BODY_BYTES = 1_999_999  # a photograph's may have 2,000,000
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(50)  # its beginning alone
POST = "POST /api/who-am-i HTTP/1.1\r\nHost: localhost\r\nX-FaceID: 1\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n"


class Attack:
    """What all floods share: where to, until when, and with what photograph."""

    def __init__(self, port: int, seconds: float, photograph: bytes) -> None:
        self.port, self.photograph, self._seconds = port, photograph, seconds
        self._end: float | None = None

    def goes_on(self) -> bool:
        return self._end is None or time.monotonic() < self._end

    def begun(self) -> None:
        """Tell the test, once, that it is under way; from now on the seconds count."""
        if self._end is None:
            self._end = time.monotonic() + self._seconds
            print("under way", flush=True)

    def dial(self, address: str) -> socket.socket | None:
        """A connection from an address; None where the server does not take it."""
        try:
            return socket.create_connection(("127.0.0.1", self.port), 5, source_address=(address, 0))
        except OSError:
            return None

    def hold(self, addresses: int, each: int, first: bytes, trickle: bytes = b"") -> None:
        """Keep so many connections of each address open, send something at once and a little each tenth of a second."""
        wanted = [address for address in addresses_of(addresses) for _ in range(each)]
        held: list[socket.socket | None] = [None] * len(wanted)
        while self.goes_on():
            for number, address in enumerate(wanted):
                if not self.goes_on():
                    break
                if held[number] is None:  # at first, and again where the server has cut it
                    held[number] = self.dial(address)
                    more = first
                else:
                    more = trickle
                if held[number] is not None and not sent(held[number], more):
                    held[number].close()
                    held[number] = None
            self.begun()
            time.sleep(0.1)

    def ask(self, addresses: int, threads: int, request: Callable[[http.client.HTTPConnection], None]) -> None:
        """Of each address so many that ask one thing after the other."""

        def one(address: str) -> None:
            while self.goes_on():
                connection = http.client.HTTPConnection("127.0.0.1", self.port, 30, source_address=(address, 0))
                try:
                    while self.goes_on():
                        request(connection)
                        self.begun()
                except (OSError, http.client.HTTPException, ValueError, KeyError):
                    time.sleep(0.05)  # refused or cut: again
                finally:
                    connection.close()

        started = [
            threading.Thread(target=one, args=(address,)) for address in addresses_of(addresses) for _ in range(threads)
        ]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()


def addresses_of(count: int) -> list[str]:
    return [f"127.0.1.{number + 1}" for number in range(count)]


def sent(connection: socket.socket, data: bytes) -> bool:
    """Send as much as is taken at once; False where the other end is gone."""
    connection.setblocking(False)
    try:
        if connection.recv(65536) == b"":
            return False
    except BlockingIOError:
        pass
    except OSError:
        return False
    try:
        while data:
            data = data[connection.send(data) :]
    except BlockingIOError:
        pass
    except OSError:
        return False
    return True


def send_photographs(attack: Attack) -> None:
    """As shots of sign-ups, of which an address may send 600 in a minute; 16 addresses, three at a time each."""
    tokens = threading.local()

    def shot(connection: http.client.HTTPConnection) -> None:
        if not hasattr(tokens, "one"):
            asked = {"name": f"n{next(_NUMBERS)}", "consent": consent_version(connection)}
            tokens.one = post(connection, "/api/sign-up", asked)["sign_up"]
        post(connection, f"/api/sign-up/{tokens.one}/shots", attack.photograph)

    attack.ask(16, 3, shot)


_NUMBERS = itertools.count()
_READ = threading.local()  # what a thread of an attack, which asks one service, knows of it


def consent_version(connection: http.client.HTTPConnection) -> str:
    """Of the text that the page shows, asked for once."""
    if not hasattr(_READ, "version"):
        connection.request("GET", "/api/state", headers={"Host": "localhost"})
        _READ.version = json.loads(connection.getresponse().read())["consent"]["version"]
    return _READ.version


def post(connection: http.client.HTTPConnection, path: str, body: dict | bytes) -> dict:
    kind = "image/jpeg" if isinstance(body, bytes) else "application/json"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data, {"X-FaceID": "1", "Content-Type": kind, "Host": "localhost"})
    return json.loads(connection.getresponse().read())


def start_dialogues(attack: Attack) -> None:
    def start(connection: http.client.HTTPConnection) -> None:
        name = f"n{next(_NUMBERS)}"
        post(connection, "/api/log-in", {"name": name})
        post(connection, "/api/sign-up", {"name": name, "consent": consent_version(connection)})

    attack.ask(20, 2, start)


def send_large_bodies(attack: Attack) -> None:
    """All but the last byte, so that the server has to keep them."""
    attack.hold(50, 8, POST.format(BODY_BYTES).encode() + bytes(BODY_BYTES - 1), b"")


FLOODS: dict[str, Callable[[Attack], None]] = {
    "progressive JPEGs at the bound of scans": send_photographs,
    "large PNGs": send_photographs,
    "slow headers": lambda attack: attack.hold(10, 64, b"GET / HTTP/1.1\r\nX-Long: ", b"x"),
    "slow bodies": lambda attack: attack.hold(10, 64, POST.format(BODY_BYTES).encode() + b"x", b"x"),
    "1,030 open requests": lambda attack: attack.hold(103, 10, POST.format(BODY_BYTES).encode()),
    "400 bodies of 2 MB less one byte": send_large_bodies,
    "dialogue starts": start_dialogues,
    "half-open TLS": lambda attack: attack.hold(10, 64, CLIENT_HELLO),
}


def main() -> None:
    name, port, seconds, *photograph = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    FLOODS[name](Attack(int(port), float(seconds), Path(*photograph).read_bytes() if photograph else b""))


if __name__ == "__main__":
    main()
