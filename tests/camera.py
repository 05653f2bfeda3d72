"""A camera for tests that need a browser: ORL photographs before Chromium's fake camera, and Chromium itself.

Chromium plays a raw video file in a loop and reads each frame from the disk when it is due. So a frame that is overwritten in
place is a frame that the camera sees next: the person before the camera can answer what the page asks.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import cv2
import numpy as np

from facelab.datasets import orl
from facelab.datasets.decode import decode

WIDTH, HEIGHT = 640, 480
_FRAMES = 8  # a loop of .8 seconds
_HEAD = b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n"
_FRAME = b"FRAME\n"
_SIZE = len(_FRAME) + WIDTH * HEIGHT * 3 // 2

GRAY = np.full((HEIGHT, WIDTH), 120.0)  #: a camera that sees a wall


def person_pictures(number: int, *, enlarge: float = 3.6) -> dict[int, np.ndarray]:
    """The ten photographs of ORL's person s<number> by their number, each as what a camera would see, (480, 640)."""
    folder = orl.locate() / f"s{number}"
    return {shot: paste_on_wall(decode((folder / f"{shot}.pgm").read_bytes(), 1), enlarge) for shot in range(1, 11)}


def paste_on_wall(photograph: np.ndarray, enlarge: float = 3.6, middle: int = WIDTH // 2) -> np.ndarray:
    """A small grey photograph enlarged into the picture of a camera; its edges fade into a wall."""
    small = photograph.squeeze().astype(np.float32)
    large = cv2.resize(small, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
    large = large[:HEIGHT]
    height, width = large.shape
    fade = np.minimum.outer(*(np.minimum(np.arange(n), np.arange(n)[::-1]) for n in (height, width))) / 40
    fade = np.clip(fade, 0, 1)
    picture = np.full((HEIGHT, WIDTH), np.median(small[:12]))
    top, left = (HEIGHT - height) // 2, middle - width // 2
    place = picture[top : top + height, left : left + width]
    place[:] = fade * large + (1 - fade) * place
    return picture


def side_by_side(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two people before one camera: the middle half of each picture."""
    return np.hstack([picture[:, WIDTH // 4 : WIDTH * 3 // 4] for picture in (first, second)])


class LiveCamera:
    """A video file for Chromium's fake camera; what it shows can be changed at any time.

    Every frame has noise of its own, as a sensor's: no two are equal. Several pictures follow each other every second.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._random = np.random.default_rng(0)
        self._noise = self._random.normal(0, 2.0, (HEIGHT, 4 * WIDTH)).astype(np.float32)
        self._written = 0
        self._lock, self._ended = threading.Lock(), threading.Event()
        path.write_bytes(_HEAD + _FRAMES * (_FRAME + bytes(_SIZE - len(_FRAME))))
        self._file = path.open("r+b", buffering=0)
        self.show(GRAY)
        self._thread = threading.Thread(target=self._film, daemon=True)
        self._thread.start()

    def show(self, *pictures: np.ndarray) -> None:
        """From now on the camera sees these pictures, in turn; when this returns nothing older is left in the file."""
        with self._lock:
            self._pictures = pictures
            for place in range(_FRAMES):
                self._write(place)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._file.close()

    def _film(self) -> None:
        while not self._ended.wait(0.1):
            with self._lock:
                self._write(self._written % _FRAMES)

    def _write(self, place: int) -> None:
        picture = self._pictures[self._written // 10 % len(self._pictures)]
        self._written += 1
        shift = self._random.integers(3 * WIDTH)
        noisy = np.clip(picture + self._noise[:, shift : shift + WIDTH], 0, 255)
        light = np.round(16 + noisy * (219 / 255)).astype(np.uint8)
        self._file.seek(len(_HEAD) + place * _SIZE)
        self._file.write(_FRAME + light.tobytes() + b"\x80" * (WIDTH * HEIGHT // 2))


def missing_requirement() -> str | None:
    """What a test in Chromium lacks here, or None."""
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            return f"needs {program} (Debian: apt-get install chromium chromium-driver)"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "needs selenium (pip install selenium)"
    return None


def start_chromium(folder: Path, video: Path, *more: str):
    """A headless Chromium with a fresh profile in ``folder``, whose only camera plays ``video``; ``more`` are switches."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    switches = ["headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"]
    switches += ["disable-background-networking", "disable-component-update", f"user-data-dir={folder}"]
    switches += ["use-fake-device-for-media-stream", f"use-file-for-fake-video-capture={video}"]
    for switch in [*switches, *more]:
        options.add_argument(f"--{switch}")
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)
