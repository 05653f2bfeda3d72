"""What tests of the Face-ID application share: ORL photographs as frames of a camera, and a service in a folder of its own."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import httpx
import numpy as np
from fastapi.testclient import TestClient
from photos import encoded

from facelab.cropping.survey import uncropped_orl
from facelab.exchange.embedders import Embedder, new_embedder
from facelab.webapp import calibration
from facelab.webapp.account_store import AccountStore
from facelab.webapp.api import new_app
from facelab.webapp.frame_analysis import FrameAnalyser, FrameAnalysis
from facelab.webapp.liveness import Liveness
from facelab.webapp.liveness_file import default_liveness_file, read_liveness
from facelab.webapp.login import STRAIGHT_FRAMES
from facelab.webapp.service import FaceIdService
from facelab.webapp.settings import Limits, Settings
from facelab.webapp.vault import open_vault

cv2.setNumThreads(1)

#: person of ORL -> photographs for the five shots of a sign-up, and for a log-in: straight, turned to the own left, right
SHOTS = {
    1: ((1, 2, 4, 3, 7), (9, 5, 6)),
    4: ((1, 5, 3, 4, 6), (2, 10, 8)),
    10: ((3, 4, 1, 2, 5), (6, 7, 9)),
    23: ((1, 2, 4, 3, 5), (10, 8, 9)),
    28: ((1, 2, 3, 5, 9), (6, 8, 4)),
    35: ((1, 6, 3, 2, 4), (8, 7, 5)),
}
LEFT, RIGHT = 1, -1
HEADERS = {"X-FaceID": "1"}
PNG = {"Content-Type": "image/png"}
#: the answer to the last frame of a log-in, whatever the reason
REFUSED = {"state": "refused", "say": "You could not be logged in.", "hint": None}


@functools.cache
def _photographs() -> np.ndarray:
    return uncropped_orl()[0]


def photograph(person: int, shot: int) -> np.ndarray:
    """Photograph s<person>/<shot>.pgm as it was taken, uint8 (112, 92)."""
    return _photographs()[10 * (person - 1) + shot - 1]


@functools.cache
def frame(person: int, shot: int) -> bytes:
    """The same as the bytes of a PNG."""
    return encoded(photograph(person, shot), "PNG")


def two_faces(first: int, second: int) -> bytes:
    """Two people side by side."""
    return encoded(np.hstack([photograph(first, 1), photograph(second, 1)]), "PNG")


BLANK = encoded(np.full((112, 92), 128, np.uint8), "PNG")


@functools.cache
def sface() -> Embedder:
    return new_embedder()


class CachingAnalyser(FrameAnalyser):
    """Analyses each frame once in a run of the tests: what it finds depends on its bytes alone."""

    analyses: dict[bytes, FrameAnalysis] = {}

    def analyse(self, data: bytes) -> FrameAnalysis:
        if data not in self.analyses:
            self.analyses[data] = super().analyse(data)
        return self.analyses[data]


def project_calibration() -> calibration.Calibration:
    """The calibration that comes with the project."""
    return calibration.read_calibration(calibration.default_calibration_file("sface"), sface())


def project_liveness() -> Liveness:
    """The liveness detector that comes with the project."""
    return read_liveness(default_liveness_file())


class FixedSide:
    """Draws the side of the head turn that a test asks for, which is told after the first straight frame."""

    def __init__(self, side: int = LEFT) -> None:
        self.side = side

    def choice(self, among):
        if set(among) == set(STRAIGHT_FRAMES):
            return 1
        assert set(among) == {LEFT, RIGHT}
        return self.side


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def new_service(folder, *, clock=None, side=None, limits=None, **settings) -> FaceIdService:
    """A service with SFace; its key beside the folder."""
    chosen = Settings(folder / "accounts", folder / "key", limits=limits or Limits(), **settings)
    vault = open_vault(chosen.key_file, chosen.folder)
    timed = {"clock": clock} if clock else {}
    return FaceIdService(
        chosen,
        CachingAnalyser(sface(), workers=1),
        project_calibration(),
        project_liveness(),
        vault,
        AccountStore(chosen.folder, **timed),
        rng=side or FixedSide(),
        **timed,
    )


@contextmanager
def open_client(service: FaceIdService) -> Iterator[TestClient]:
    """A browser before the service, which is closed afterwards."""
    with TestClient(new_app(service, ("localhost",)), base_url="http://localhost", headers=HEADERS) as client:
        yield client
    service.close()


def consent_version(client: httpx.Client) -> str:
    """Of the text that the page shows."""
    return client.get("/api/state").json()["consent"]["version"]


def sign_up(client: httpx.Client, name: str, person: int, findable: bool = False, **proof) -> httpx.Response:
    """The whole dialogue, with the second factor that the service asks for; the answer to its last request."""
    fields = {"name": name, "consent": consent_version(client), "findable": findable}
    token = client.post("/api/sign-up", json=fields | proof).json()["sign_up"]
    for taken, shot in enumerate(SHOTS[person][0], start=1):
        answer = client.post(f"/api/sign-up/{token}/shots", content=frame(person, shot), headers=PNG).json()
        assert answer["accepted"] and answer["taken"] == taken, answer
    return client.post(f"/api/sign-up/{token}/finish")


def log_in(client: httpx.Client, name: str, *frames: bytes, **proof) -> dict:
    """A log-in with some frames, and the second factor that the service asks for; the last answer."""
    nonce = client.post("/api/log-in", json={"name": name} | proof).json()["challenge"]
    for data in frames:
        answer = client.post(f"/api/log-in/{nonce}/frames", content=data, headers=PNG)
        assert answer.status_code == 200, answer.text
    return answer.json()


def own_frames(person: int, side: int = LEFT) -> tuple[bytes, bytes]:
    """Frames of a person for a log-in, none of them of the sign-up: straight, then turned to the side."""
    straight, left, right = SHOTS[person][1]
    return frame(person, straight), frame(person, left if side == LEFT else right)
