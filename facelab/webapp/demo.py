"""The running service in a notebook: a server on this machine, and people of ORL before its camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import cv2
import httpx
import numpy as np

from facelab.cropping.survey import uncropped_orl
from facelab.errors import FacelabError
from facelab.webapp.login import INSTRUCTIONS
from facelab.webapp.middleware import CSRF_HEADER
from facelab.webapp.server import ServerAddress, new_server, open_socket, page_urls
from facelab.webapp.service import FaceIdService

#: person of ORL -> photographs for the five shots of a sign-up, and others for a log-in: straight, turned left, turned right
CAST = {
    1: ((1, 2, 4, 3, 7), (9, 5, 6)),
    4: ((1, 2, 6, 4, 5), (9, 10, 8)),
    13: ((5, 9, 3, 1, 2), (10, 6, 7)),
    23: ((1, 2, 6, 3, 7), (10, 5, 4)),
    28: ((1, 2, 4, 5, 7), (6, 8, 10)),
    35: ((1, 8, 5, 4, 6), (2, 7, 9)),
}

PADDING = 16  #: pixels on each side


def orl_photographs(person: int, shots: Iterable[int]) -> list[np.ndarray]:
    """Photographs s<person>/<shot>.pgm with more room around the face than ORL leaves, each uint8 (144, 124)."""
    taken = uncropped_orl()[0]
    whole = [taken[10 * (person - 1) + shot - 1] for shot in shots]
    return [cv2.copyMakeBorder(image, PADDING, PADDING, PADDING, PADDING, cv2.BORDER_REPLICATE) for image in whole]


def encode_png(photograph: np.ndarray) -> bytes:
    """A photograph, uint8 (H, W) or RGB (H, W, 3), as the bytes that a page would send."""
    ordered = photograph if photograph.ndim == 2 else cv2.cvtColor(photograph, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", ordered)[1].tobytes()


class FaceIdClient:
    """Somebody with a browser before the service.

    Args:
        url: of the service.
    """

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, headers={CSRF_HEADER: "1"}, timeout=30)

    def sign_up(self, name: str, pictures: Iterable[np.ndarray], findable: bool = False) -> list[dict]:
        """The whole dialogue, each picture offered once; the answers to the shots, and to the last request."""
        version = self._asked("GET", "/api/state")["consent"]["version"]
        begun = self._asked("POST", "/api/sign-up", json={"name": name, "consent": version, "findable": findable})
        answers = [self._frame(f"/api/sign-up/{begun['sign_up']}/shots", picture) for picture in pictures]
        return [*answers, self._asked("POST", f"/api/sign-up/{begun['sign_up']}/finish")]

    def log_in(self, name: str, straight: np.ndarray, left: np.ndarray, right: np.ndarray) -> list[dict]:
        """A log-in with a picture that looks straight, and the one that is turned to the side asked for.

        Returns:
            The answers to the frames; where the service refuses to begin, that refusal alone.
        """
        begun = self._asked("POST", "/api/log-in", json={"name": name})
        if "challenge" not in begun:
            return [begun]
        path = f"/api/log-in/{begun['challenge']}/frames"
        answers = [self._frame(path, straight)]
        while answers[-1].get("state") == "straight" and not answers[-1]["hint"]:  # the side is told a little later
            answers.append(self._frame(path, straight))
        if answers[-1].get("state") != "turn":
            return answers
        return [*answers, self._frame(path, left if answers[-1]["say"] == INSTRUCTIONS[1] else right)]

    def get(self, path: str) -> dict:
        """The answer to a question."""
        return self._asked("GET", path)

    def delete_account(self) -> dict:
        """Delete the account that is logged in."""
        return self._asked("DELETE", "/api/me")

    def _frame(self, path: str, picture: np.ndarray) -> dict:
        return self._asked("POST", path, content=encode_png(picture), headers={"Content-Type": "image/png"})

    def _asked(self, method: str, path: str, **given) -> dict:
        answer = self.http.request(method, path, **given)
        return answer.json() if answer.content else {"status": answer.status_code}


@contextmanager
def serve_in_thread(service: FaceIdService) -> Iterator[str]:
    """The service on a free port of this machine while the block lasts; its address.

    Raises:
        FacelabError: it does not start within half a minute.
    """
    address = ServerAddress(port=0)
    listening_socket = open_socket(address)
    server = new_server(service, address)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening_socket]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise FacelabError("The service did not start.", "Look at what the cell printed above.")
        time.sleep(0.02)
    try:
        yield page_urls(address, listening_socket)[0]
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        service.close()
