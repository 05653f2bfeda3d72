"""From the bytes of a request to what is seen on it: uploads that are no photographs, quality, head turn, recordings."""

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pandas as pd
import pytest
from faceid import BLANK, PNG, consent_version, new_service, open_client, photograph, sface
from photos import encoded, pixels
from PIL import Image

from facelab.cropping import Box, Face
from facelab.errors import BadParameterError
from facelab.paths import project_data
from facelab.webapp import frames, pose, quality
from facelab.webapp.frame_analysis import FrameAnalyser
from facelab.webapp.problems import Problem


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds its pixels as well, all zero: 9000 x 9000 are 400 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, rows = zlib.compressobj(1), bytes(width + 1)
    body = b"".join(packer.compress(rows) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_photograph_arrives_upright_and_in_three_channels(form, channels):
    image = pixels(1, height=80, width=70, channels=channels)
    found = frames.decode_frame(encoded(image, form, **({"lossless": True} if form == "WEBP" else {})))
    assert found.dtype == np.uint8 and found.shape == (80, 70, 3)
    assert np.abs(found.astype(int) - image).max() <= (20 if form == "JPEG" else 0)
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(image.squeeze()).save(buffer, "JPEG", exif=exif, quality=100)
    assert frames.decode_frame(buffer.getvalue()).shape == (70, 80, 3)


SPOILED = {
    "empty": b"",
    "text": b"hello, this is no photograph",
    "truncated png": encoded(pixels(0, 80, 80), "PNG")[:-200],
    "truncated jpeg": encoded(pixels(0, 80, 80), "JPEG")[:300],
    "gif": encoded(pixels(0, 80, 80)[:, :, 0], "GIF"),
    "bmp": encoded(pixels(0, 80, 80), "BMP"),
    "transparent": encoded(np.zeros((80, 80, 4), np.uint8), "PNG"),
    "too narrow": encoded(np.zeros((3000, 20), np.uint8), "PNG"),
    "too long": encoded(np.zeros((64, 5000), np.uint8), "PNG"),
    "too many pixels": encoded(np.zeros((2100, 2100), np.uint8), "PNG"),
    "header alone": encoded(pixels(0, 80, 80), "PNG")[:33],
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("data", SPOILED.values(), ids=SPOILED)
def test_what_is_no_photograph_is_refused(data):
    with pytest.raises(Problem) as refused:
        frames.decode_frame(data)
    assert (refused.value.status, refused.value.code) == (422, "bad_photograph")


def test_random_damage_is_refused_or_read_but_nothing_else():
    rng, whole = np.random.default_rng(0), [encoded(pixels(0, 80, 80), form) for form in ("PNG", "JPEG", "WEBP")]
    refused = 0
    for trial in range(300):
        data = bytearray(whole[trial % 3])
        for _ in range(rng.integers(1, 20)):
            data[rng.integers(len(data))] = rng.integers(256)
        try:
            assert frames.decode_frame(bytes(data)).ndim == 3
        except Problem:
            refused += 1
    assert refused > 50


def test_bad_uploads_are_told_in_their_own_status(tmp_path):
    with open_client(new_service(tmp_path)) as client:
        token = client.post("/api/sign-up", json={"name": "Ada", "consent": consent_version(client)}).json()["sign_up"]
        nonce = client.post("/api/log-in", json={"name": "Ada"}).json()["challenge"]
        for path in (f"/api/sign-up/{token}/shots", f"/api/log-in/{nonce}/frames", "/api/who-am-i"):
            for data in SPOILED.values():
                answer = client.post(path, content=data, headers=PNG)
                assert (answer.status_code, answer.json()["error"]) == (422, "bad_photograph")
            for kind in ("image/gif", "image/svg+xml", "image/jpegs"):
                assert client.post(path, content=BLANK, headers={"Content-Type": kind}).status_code == 415
            assert client.post(path, content=BLANK, headers={"Content-Type": "text/plain"}).status_code == 415
            assert client.post(path, content=BLANK, headers={"Content-Type": "image/jpeg"}).status_code == 200
            large = bytes(frames.MAX_BYTES + 1)
            for body in (
                large,
                (large[start : start + 65536] for start in range(0, len(large), 65536)),
            ):  # chunked, too
                answer = client.post(path, content=body, headers=PNG)
                assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
        long = client.post("/api/log-in", content=b'{"name": "' + b"x" * 5000 + b'"}')
        assert long.status_code == 413
        for text in (
            b"",
            b"{",
            b"[" * 4000,
            b"\xff\xfe",
            b'{"name": 1}',
            b'{"name": "x", "y": 1}',
            b'{"name": "\\ud800"}',
        ):
            answer = client.post("/api/log-in", content=text, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 422) and set(answer.json()) == {"error", "message"}, text


_BOMB = """
import resource, sys
import numpy as np
from facelab.webapp import frames
from facelab.webapp.problems import Problem
data = sys.stdin.buffer.read()
frames.decode_frame(open(sys.argv[1], "rb").read())  # Pillow is loaded, and has decoded once
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    frames.decode_frame(data)
    print("read", end=" ")
except Problem as problem:
    print(problem.code, end=" ")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told in kilobytes on Linux alone")
def test_a_decompression_bomb_is_refused_in_bounded_memory(tmp_path):
    """9000 x 9000 pixels, 243 MB when unpacked, in less than a frame may have: refused by the header, within 16 MB."""
    bomb = png_header(9000, 9000)
    assert len(bomb) < frames.MAX_BYTES
    (tmp_path / "whole.png").write_bytes(encoded(pixels(0, 80, 80), "PNG"))
    words = [sys.executable, "-c", _BOMB, str(tmp_path / "whole.png")]
    done = subprocess.run(words, input=bomb, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    code, megabytes = done.stdout.split()
    assert code == b"bad_photograph" and int(megabytes) < 16


@pytest.fixture(scope="module")
def analyser():
    analyser = FrameAnalyser(sface(), workers=1)
    yield analyser
    analyser.close()


def hint_of(analyser, image) -> str | None:
    hint = analyser.analyse(encoded(image, "PNG")).hint
    return hint.code if hint else None


def test_each_fault_is_named(analyser):
    good = photograph(1, 1)
    assert hint_of(analyser, good) is None and hint_of(analyser, np.repeat(good[:, :, None], 3, axis=2)) is None
    assert hint_of(analyser, np.full((112, 92), 128, np.uint8)) == "no_face"
    assert hint_of(analyser, np.hstack([good, photograph(4, 1)])) == "several_faces"
    small = np.full((240, 320), 120, np.uint8)
    small[60:116, 120:166] = cv2.resize(good, (46, 56), interpolation=cv2.INTER_AREA)
    assert hint_of(analyser, small) == "too_small"
    assert hint_of(analyser, (good * 0.15).astype(np.uint8)) == "too_dark"
    assert hint_of(analyser, np.clip(good * 0.3 + 195.0, 0, 255).astype(np.uint8)) == "too_bright"
    assert hint_of(analyser, cv2.GaussianBlur(good, (0, 0), 3)) == "blurred"
    assert hint_of(analyser, cv2.resize(good, None, fx=3, fy=3)[:, 120:]) == "at_the_edge"


@pytest.mark.parametrize("person", [2, 17, 38])
def test_photographs_of_orl_have_no_fault(analyser, person):
    assert [hint_of(analyser, photograph(person, shot)) for shot in (1, 4, 8)] == [None] * 3


def test_a_small_face_in_the_background_is_nobody():
    def face(side):
        return Face(Box(0, 0, side, side), 0.9, np.zeros((5, 2)))

    assert quality.face_count_fault([face(90), face(29)]) is None
    assert quality.face_count_fault([face(90), face(31)]).code == "several_faces"


def test_sharpness_knows_blur_and_not_contrast():
    good = photograph(1, 1)
    figures = [quality.sharpness(cv2.GaussianBlur(good, (0, 0), sigma)) for sigma in (0.5, 1, 2, 3)]
    assert figures == sorted(figures, reverse=True) and figures[0] > 10 * figures[3]
    assert quality.sharpness((good * 0.5).astype(np.uint8)) == pytest.approx(quality.sharpness(good), rel=0.05)


def test_the_turn_is_that_of_our_labels():
    labels = pd.read_csv(project_data("orl", "labels.csv")).merge(
        pd.read_csv(project_data("orl", "landmarks.csv")), on="file"
    )
    names = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
    points = labels[[f"{name}_{axis}" for name in names for axis in "xy"]].to_numpy().reshape(-1, 5, 2)
    # landmarks.csv is rounded to .1 pixel
    assert np.abs(np.array([pose.head_turn(marks) for marks in points]) - labels["turn"]).max() < 0.006


def test_a_turn_by_its_closed_form():
    straight = np.array([[-1.0, 0], [1, 0], [0, 1], [-0.8, 2], [0.8, 2]])
    assert pose.head_turn(straight) == 0
    aside = straight + np.array([[0, 0], [0, 0], [0.5, 0], [0, 0], [0, 0]])
    # half of half the distance of the eyes, to the right of the picture
    assert pose.head_turn(aside) == pytest.approx(0.25)
    angle = 0.3
    tilt = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert pose.head_turn(7 * aside @ tilt.T + 3) == pytest.approx(0.25)
    for points in (np.zeros((5, 2)), np.zeros((4, 2))):
        with pytest.raises(BadParameterError):
            pose.head_turn(points)
