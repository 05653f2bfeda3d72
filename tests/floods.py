"""How an honest user fares while a flood goes on: ``python tests/floods.py [SECONDS]`` measures all of them and prints a table.

The server is ``facelab app`` in a process of its own, the flood another one; the user, from an address of her own (127.0.0.2),
asks for the state, for the page, and sends a frame of a log-in, one after the other.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import httpx
import numpy as np
import psutil
from faceid import HEADERS, photograph
from faceid_app import make_certificate
from flood_attacks import FLOODS
from photos import encoded

from facelab.webapp.frame_bounds import MAX_SCANS

HONEST = "127.0.0.2"
TIMEOUT = 60  # seconds; far more than is measured, so that a failure ends


@dataclass
class Served:
    """``facelab app`` that is running.

    Attributes:
        url: of its page.
        process: itself.
    """

    url: str
    process: psutil.Process
    certificate: Path | None = None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def megabytes(self) -> float:
        """Memory of the server and its decoders."""
        return sum(one.memory_info().rss for one in (self.process, *self.process.children(recursive=True))) / 2**20


@contextmanager
def serving(folder: Path, tls: bool = False) -> Iterator[Served]:
    """The application with its shipped limits; ended by SIGTERM, and then nothing of it is left."""
    certificate, key = make_certificate(folder, "localhost", "127.0.0.1") if tls else (None, None)
    words = ["--cert", str(certificate), "--key", str(key), "--second-factor", "none"] if tls else []
    process = subprocess.Popen(
        [sys.executable, "-m", "facelab.cli", "app", "--port", "0", "--folder", str(folder / "accounts"), *words],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FACELAB_KEY_FILE": str(folder / "key"), "COLUMNS": "300", "PYTHONUNBUFFERED": "1"},
    )
    try:
        found = re.search(r"https?://127\.0\.0\.1:\d+", process.stdout.readline())
        served = Served(found[0], psutil.Process(process.pid), certificate)
        with browser(served) as client:
            client.get("/api/state").raise_for_status()
        yield served
        children = served.process.children(recursive=True)
        process.terminate()
        process.wait(TIMEOUT)
        _, left = psutil.wait_procs(children, TIMEOUT)
        assert not left, left
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def browser(served: Served) -> httpx.Client:
    """The honest user's."""
    trusted = ssl.create_default_context(cafile=served.certificate) if served.certificate else True
    transport = httpx.HTTPTransport(local_address=HONEST, verify=trusted, retries=0)
    headers = HEADERS | {"Connection": "close"}  # as one who comes for the first time
    return httpx.Client(base_url=served.url, headers=headers, timeout=TIMEOUT, transport=transport)


@functools.cache
def camera_frame() -> bytes:
    """Somebody who looks aside, as a browser's camera sees them: of a log-in that goes on and on."""
    large = cv2.resize(photograph(1, 5), (394, 480), interpolation=cv2.INTER_CUBIC)
    return encoded(np.pad(large, ((0, 0), (123, 123)), mode="edge"), "JPEG", quality=85)


def laborious_frame(form: str) -> bytes:
    """The most work that a photograph of four million pixels may ask for."""
    small = np.random.default_rng(0).integers(0, 256, (122, 512, 3), np.uint8)
    large = np.repeat(np.repeat(small, 8, axis=0), 8, axis=1)
    if form == "PNG":
        return encoded(large, "PNG")
    whole = encoded(large, "JPEG", progressive=True, subsampling=0)
    last = whole[whole.rfind(b"\xff\xda") : -2]
    return whole[:-2] + last * (MAX_SCANS - whole.count(b"\xff\xda")) + whole[-2:]


@dataclass
class Answers:
    """Of the honest user: the seconds of each answer, by what was asked, and the refusals."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"state": [], "page": [], "frame": []})
    refusals: list[str] = field(default_factory=list)
    log_in: str | None = None

    def ask(self, client: httpx.Client, what: str) -> None:
        if what == "frame" and self.log_in is None:
            self.log_in = client.post("/api/log-in", json={"name": "Honest"}).json()["challenge"]
        begun = time.monotonic()
        if what == "frame":
            kind = {"Content-Type": "image/jpeg"}
            answer = client.post(f"/api/log-in/{self.log_in}/frames", content=camera_frame(), headers=kind)
        else:
            answer = client.get({"state": "/api/state", "page": "/"}[what])
        self.seconds[what].append(time.monotonic() - begun)
        if answer.status_code != 200:
            self.refusals.append(f"{what}: {answer.text}")
        elif what == "frame" and answer.json()["state"] != "straight":
            self.log_in = None  # after so many frames it is over


def ask_during(served: Served, flood: str, seconds: float, folder: Path, rounds: int = 10_000) -> tuple[Answers, float]:
    """What the honest user gets while a flood goes on, and by how many megabytes the server grew at most."""
    made = folder / "photograph"
    made.write_bytes(laborious_frame("JPEG" if "JPEG" in flood else "PNG"))
    with browser(served) as client:
        for what in Answers().seconds:  # all is loaded; these are not counted
            Answers().ask(client, what)
        return _ask_during(served, client, flood, seconds, made, rounds)


def _ask_during(
    served: Served, client: httpx.Client, flood: str, seconds: float, made: Path, rounds: int
) -> tuple[Answers, float]:
    answers, before = Answers(), served.megabytes()
    most = before
    script = Path(__file__).with_name("flood_attacks.py")
    words = [sys.executable, str(script), flood, str(served.port), str(seconds), str(made)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as attack:
        assert attack.stdout.readline() == b"under way\n"
        for _ in range(rounds):
            if attack.poll() is not None:
                break
            for what in answers.seconds:
                answers.ask(client, what)
                most = max(most, served.megabytes())
        attack.terminate()
    return answers, most - before


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8
    print(f"{'flood':<42}{'n':>5}{'state':>8}{'page':>8}{'frame':>8}{'refused':>9}{'MB':>6}   (worst seconds)")
    for tls in (False, True):
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), tls) as served:
            for flood in FLOODS:
                if ("TLS" in flood) == tls:
                    answers, grown = ask_during(served, flood, seconds, Path(folder))
                    worst = "".join(f"{max(found):8.2f}" for found in answers.seconds.values())
                    rounds = min(map(len, answers.seconds.values()))
                    print(f"{flood:<42}{rounds:>5}{worst}{len(answers.refusals):>9}{grown:>6.0f}", flush=True)


if __name__ == "__main__":
    main()
