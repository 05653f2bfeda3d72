"""Many at once, and slow ones: what each may take, and that others are answered meanwhile."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import anyio
import httpx
import pytest
from faceid import BLANK, HEADERS, PNG, new_service
from faceid_app import make_certificate, running

from facelab.webapp import connections, middleware, server, work_queue
from facelab.webapp.api import new_app
from facelab.webapp.demo import serve_in_thread
from facelab.webapp.frame_analysis import FrameAnalysis
from facelab.webapp.problems import Problem
from facelab.webapp.quality import HINTS
from facelab.webapp.server import ServerAddress
from facelab.webapp.settings import Limits
from facelab.webapp.work_queue import WorkQueue

ENOUGH = 20  # seconds; far more than any of it takes, and only so that a failure ends


@pytest.fixture
def blocked(tmp_path, monkeypatch):
    """A service whose frames are looked at when the test says so: it, the event to set, how many came so far."""
    service, go, begun = new_service(tmp_path), threading.Event(), []

    def analyse(data: bytes) -> FrameAnalysis:
        begun.append(data)
        assert go.wait(3 * ENOUGH)
        return FrameAnalysis(b"", HINTS["no_face"])

    monkeypatch.setattr(service._analyser, "analyse", analyse)
    yield service, go, begun
    go.set()
    service.close()


def client_from(app, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=HEADERS)


async def ask_who(app, address: str, answers: list) -> None:
    async with client_from(app, address) as client:
        answer = await client.post("/api/who-am-i", content=BLANK, headers=PNG)
        answers.append((address, answer.status_code, answer.json()))


def test_the_page_is_answered_while_all_frames_wait(blocked):
    """Forty-five addresses, more than there are threads for all other requests."""
    service, go, begun = blocked
    app = new_app(service, ("localhost",))

    async def scene() -> None:
        answers = []
        async with anyio.create_task_group() as group:
            for number in range(45):
                group.start_soon(ask_who, app, f"192.0.2.{number}", answers)
            with anyio.move_on_after(ENOUGH) as late:
                while not begun:
                    await anyio.sleep(0.01)
                async with client_from(app, "192.0.2.0") as client:
                    for path in ("/api/state", "/", "/page/app.js"):
                        assert (await client.get(path)).status_code == 200
            go.set()
        assert not late.cancelled_caught and not [answer for answer in answers if answer[1] != 200]

    anyio.run(scene)


def test_an_address_has_two_frames_under_way(blocked):
    service, go, begun = blocked
    app = new_app(service, ("localhost",))

    async def scene() -> None:
        answers = []
        async with anyio.create_task_group() as group:
            for end in (":1", ":2", ":3", "0:1::1"):  # the first three are one network
                group.start_soon(ask_who, app, f"2001:db8:{end}", answers)
            with anyio.move_on_after(ENOUGH):
                while not answers:
                    await anyio.sleep(0.01)
            waiting = list(answers)
            go.set()
        ((_, status, told),) = waiting
        assert (status, told["error"]) == (429, "busy")
        assert [status for _, status, _ in answers[1:]] == [200, 200, 200]
        await ask_who(app, "2001:db8::3", answers)
        assert answers[-1][1] == 200 and len(begun) == 4

    anyio.run(scene)


class Scene:
    """A queue of two threads; frames that end when the test says so; who was looked at, in that order."""

    def __init__(self, per_address: int = 9) -> None:
        self.queue, self.seen, self.told, self.gates = WorkQueue(per_address, workers=2), [], {}, {}

    async def send(self, address: str, name: str, is_laborious: bool = False) -> None:
        gate = self.gates[name] = threading.Event()

        def look() -> None:
            self.seen.append(name)
            assert gate.wait(ENOUGH)

        try:
            await self.queue.run(address, look, is_laborious)
        except Problem as problem:
            self.told[name] = problem.code

    async def until_seen(self, *names: str) -> None:
        with anyio.fail_after(ENOUGH):
            while sorted(self.seen) != sorted(names):  # two threads begin in either order
                await anyio.sleep(0.005)
        for _ in range(5):  # and no more
            await anyio.sleep(0.005)
        assert sorted(self.seen) == sorted(names)

    async def start(self, group, *sent) -> None:
        for one in sent:
            group.start_soon(self.send, *one)
            while one[1] not in self.gates:
                await anyio.sleep(0)
            await anyio.sleep(0)


def test_what_is_little_work_goes_before_what_is_laborious():
    async def scene() -> None:
        stage = Scene()
        async with anyio.create_task_group() as group:
            await stage.start(group, ("a", "large 1", True), ("b", "large 2", True), ("c", "large 3", True))
            await stage.until_seen("large 1")  # one thread is kept for little work
            await stage.start(group, ("d", "small 1"), ("e", "small 2"))
            await stage.until_seen("large 1", "small 1")
            stage.gates["large 1"].set()  # large 2 and 3 came before, and wait on
            await stage.until_seen("large 1", "small 1", "small 2")
            stage.gates["small 1"].set()
            await stage.until_seen("large 1", "small 1", "small 2", "large 2")
            for gate in stage.gates.values():
                gate.set()
        assert stage.seen[-1] == "large 3" and not stage.told

    anyio.run(scene)


def test_who_used_less_time_goes_first():
    async def scene() -> None:
        stage = Scene()
        async with anyio.create_task_group() as group:
            await stage.start(group, ("greedy", "g1"), ("greedy", "g2"), ("greedy", "g3"), ("greedy", "g4"))
            await stage.until_seen("g1", "g2")
            await stage.start(group, ("modest", "m1"))
            await anyio.sleep(0.02)  # the greedy one has used as much, twice
            stage.gates["g1"].set()
            await stage.until_seen("g1", "g2", "m1")
            for gate in stage.gates.values():
                gate.set()
        assert sorted(stage.seen) == ["g1", "g2", "g3", "g4", "m1"] and not stage.told

    anyio.run(scene)


def test_a_frame_that_waits_makes_room_and_its_turn_is_not_lost(monkeypatch):
    monkeypatch.setattr(work_queue, "MAX_WAITING", 4)

    async def scene() -> None:
        stage = Scene()
        async with anyio.create_task_group() as group:
            await stage.start(group, *(("greedy", f"g{number}") for number in range(4)))
            await stage.until_seen("g0", "g1")
            await stage.start(group, ("a", "a"), ("b", "b"), ("c", "c"))  # the greedy one's first three make room
            with anyio.fail_after(ENOUGH):
                while not stage.told:
                    await anyio.sleep(0.005)
            assert stage.told == {"g2": "busy"}  # those that are looked at go on
            for gate in stage.gates.values():
                gate.set()
        assert sorted(stage.seen) == ["a", "b", "c", "g0", "g1", "g3"]
        assert (stage.queue._free, stage.queue._free_for_laborious, stage.queue._places._held) == (2, 1, {})

    anyio.run(scene)


@contextmanager
def dialler(service) -> Iterator:
    """The service behind a real uvicorn; gives a function that opens a connection and sends some bytes."""
    with serve_in_thread(service) as url, ExitStack() as opened:
        port = int(url.rpartition(":")[2])

        def dial(data: bytes = b"") -> socket.socket:
            one = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=ENOUGH))
            one.sendall(data)
            return one

        yield dial


def read_to_the_end(one: socket.socket) -> bytes:
    """All that the server sends until it ends the connection."""
    got = b""
    try:
        while more := one.recv(65536):
            got += more
    except ConnectionResetError:  # cut, not closed
        pass
    return got


STATE = b"GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_STATE = STATE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
BODY_TO_COME = (
    b"POST /api/who-am-i HTTP/1.1\r\nHost: localhost\r\nX-FaceID: 1\r\nContent-Type: image/png\r\n"
    b"Content-Length: 1999999\r\nConnection: close\r\n\r\n"
)


def test_who_is_slow_with_a_header_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_SECONDS", 0.3)
    half, too_large = STATE[:20], BODY_TO_COME.replace(b"close", b"keep-alive").replace(b": 1999", b": 9999")
    with dialler(new_service(tmp_path)) as dial:
        slow = {
            "says nothing": dial(),
            "half a header": dial(half),
            "half a second header": dial(STATE + half),
            "goes on after the answer": dial(too_large),
        }
        slow["goes on after the answer"].sendall(b"x")
        told = {case: read_to_the_end(one)[:12] for case, one in slow.items()}
    assert told == {
        "says nothing": b"",
        "half a header": b"",
        "half a second header": b"HTTP/1.1 200",
        "goes on after the answer": b"HTTP/1.1 413",
    }


def test_a_header_without_an_end_is_refused(tmp_path):
    with dialler(new_service(tmp_path)) as dial:
        endless = dial(STATE[:-2] + b"X-Long: " + b"x" * 2 * connections.MAX_HEADER_BYTES)
        assert read_to_the_end(endless)[:12] == b"HTTP/1.1 400"


def test_an_address_has_so_many_connections(tmp_path):
    with dialler(new_service(tmp_path, limits=Limits(connections=3))) as dial:
        first, *others = [dial(STATE) for _ in range(3)]
        assert all(one.recv(12) == b"HTTP/1.1 200" for one in (first, *others))
        assert read_to_the_end(dial()) == b""  # one too many
        assert others[0].send(LAST_STATE) and b"HTTP/1.1 200" in read_to_the_end(others[0])
        first.close()
        until = time.monotonic() + ENOUGH
        while not (answer := read_to_the_end(dial(LAST_STATE))):  # until the server has seen that they are gone
            assert time.monotonic() < until
        assert answer.startswith(b"HTTP/1.1 200")


def test_bodies_are_counted_by_address_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(middleware, "BODY_TIMEOUT_SECONDS", 1.5)
    with dialler(new_service(tmp_path, limits=Limits(open_bodies=2))) as dial:
        slow = [dial(BODY_TO_COME + b"x") for _ in range(3)]
        over = [read_to_the_end(one)[:12] for one in slow]
        assert sorted(over) == [b"HTTP/1.1 408", b"HTTP/1.1 408", b"HTTP/1.1 429"]  # two waited for, one refused
        whole = BODY_TO_COME.replace(b"1999999", str(len(BLANK)).encode()) + BLANK
        assert read_to_the_end(dial(whole))[:12] == b"HTTP/1.1 200"  # their places are free again


def test_requests_without_a_body_need_no_place(tmp_path):
    with dialler(new_service(tmp_path, limits=Limits(open_bodies=0))) as dial:
        assert read_to_the_end(dial(LAST_STATE)).startswith(b"HTTP/1.1 200")
        assert read_to_the_end(dial(BODY_TO_COME + b"x")).startswith(b"HTTP/1.1 429")


@contextmanager
def tls_dialler(service, folder) -> Iterator:
    """The service behind TLS; gives two functions that open a connection, without and with a handshake."""
    cert, key = make_certificate(folder, "localhost", "127.0.0.1")
    trusting = ssl.create_default_context(cafile=cert)
    with running(service, ServerAddress(port=0, cert=cert, key=key)) as url, ExitStack() as opened:
        port = int(url.rpartition(":")[2])

        def dial(data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
            one = socket.create_connection(("127.0.0.1", port), ENOUGH, source_address=(source, 0))
            opened.enter_context(one)
            one.sendall(data)
            return one

        def secured(data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
            one = opened.enter_context(trusting.wrap_socket(dial(source=source), server_hostname="localhost"))
            one.sendall(data)
            return one

        yield dial, secured


CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(
    50
)  # the beginning of one, of which the rest never comes


def test_a_handshake_that_never_ends_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "HANDSHAKE_TIMEOUT_SECONDS", 0.5)
    with tls_dialler(new_service(tmp_path), tmp_path) as (dial, secured):
        for slow in (dial(), dial(CLIENT_HELLO), dial(STATE)):
            assert b"HTTP" not in read_to_the_end(slow)
        assert read_to_the_end(secured(LAST_STATE)).startswith(b"HTTP/1.1 200")


def test_handshakes_are_counted_from_their_beginning(tmp_path):
    with tls_dialler(new_service(tmp_path, limits=Limits(connections=3)), tmp_path) as (dial, secured):
        half_open = [dial(CLIENT_HELLO) for _ in range(3)]
        assert read_to_the_end(dial()) == b""  # one too many
        assert read_to_the_end(secured(LAST_STATE, "127.0.0.2")).startswith(b"HTTP/1.1 200")
        half_open[0].close()
        until = time.monotonic() + ENOUGH
        while True:  # until the server has seen that it is gone
            try:
                assert read_to_the_end(secured(LAST_STATE)).startswith(b"HTTP/1.1 200")
                break
            except OSError:
                assert time.monotonic() < until


def test_half_open_handshakes_of_a_few_addresses_keep_nobody_out(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 6)
    with tls_dialler(new_service(tmp_path, limits=Limits(connections=3)), tmp_path) as (dial, secured):
        half_open = [dial(CLIENT_HELLO, source) for source in ("127.0.0.3", "127.0.0.4") for _ in range(3)]
        assert read_to_the_end(secured(LAST_STATE, "127.0.0.2")).startswith(b"HTTP/1.1 200")
        assert read_to_the_end(half_open[0]) == b"" or read_to_the_end(half_open[3]) == b""  # one made room


def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(tmp_path):
    with tls_dialler(new_service(tmp_path), tmp_path) as (_, secured):
        for _ in range(20):
            assert read_to_the_end(secured(LAST_STATE)).startswith(b"HTTP/1.1 200")
