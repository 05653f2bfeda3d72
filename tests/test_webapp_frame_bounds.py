"""Frames that ask for far more work than a photograph: refused before a decoder sees them."""

import io
import struct
import zlib

import numpy as np
import pytest
from photos import encoded, pixels
from PIL import Image

from facelab.webapp import frame_bounds, frames
from facelab.webapp.problems import Problem


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def many_scans(count: int) -> bytes:
    """A grey progressive JPEG whose last scan, which changes nothing any more, is there so many times."""
    whole = encoded(np.full((480, 640), 128, np.uint8), "JPEG", progressive=True)
    return whole[:-2] + whole[whole.rfind(b"\xff\xda") : -2] * count + whole[-2:]


def many_chunks(count: int) -> bytes:
    whole = encoded(pixels(0, 80, 80), "PNG")
    return whole[:33] + png_chunk(b"teSt") * count + whole[33:]


def with_segments(filler: bytes) -> bytes:
    whole = encoded(pixels(0, 80, 80), "JPEG")
    return whole[:2] + filler + whole[2:]


def jpeg_size(marker: int, height: int, width: int) -> bytes:
    """A segment that holds a size, of three colours."""
    return bytes((0xFF, marker)) + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)


def hidden_size(marker: int) -> bytes:
    """A JPEG of more pixels than are allowed, behind a marker without a length.

    Who takes the two bytes behind that for a length lands in a comment, where a small size and a first scan are written.
    """
    whole = encoded(np.zeros((2100, 2000), np.uint8), "JPEG")
    head = whole[:2] + bytes((0xFF, marker)) + whole[2:20]  # with the whole of APP0
    jump = 4 + int.from_bytes(whole[2:4], "big")
    comment = bytes(jump - len(head) - 4) + jpeg_size(0xC0, 480, 640) + b"\xff\xda"
    return head + b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + whole[20:]


def animated(form: str) -> bytes:
    pictures, buffer = [Image.fromarray(pixels(seed, 80, 80)) for seed in (0, 1)], io.BytesIO()
    pictures[0].save(buffer, form, save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


def webp_of(width: int, height: int, kind: bytes) -> bytes:
    """The header of a WebP that claims a size; opening it alone would lay out all of its pixels."""
    head = {
        b"VP8X": struct.pack("<I", 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"),
        b"VP8L": b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(5),
        b"VP8 ": bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height),
    }[kind]
    chunk = kind + struct.pack("<I", len(head)) + head
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


LABORIOUS = {
    "20,000 scans": many_scans(20_000),
    "65 scans": many_scans(frame_bounds.MAX_SCANS),
    "150,000 chunks": many_chunks(150_000),
    "400,000 comments": with_segments(b"\xff\xfe\x00\x02" * 400_000),
    "a million bytes of filling": with_segments(b"\xff" * 1_000_000),
    **{f"a size behind {marker:02x}": hidden_size(marker) for marker in (0x00, 0x01, 0xD0, 0xD7, 0xD8, 0xD9, 0xF0)},
    "a size that stands in DHP": with_segments(jpeg_size(0xDE, 6000, 5000)),
    "a second size": with_segments(jpeg_size(0xC0, 6000, 5000)),
    "a png of 20,000 x 20,000": b"\x89PNG\r\n\x1a\n"
    + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))
    + png_chunk(b"IDAT", b"x")
    + png_chunk(b"IEND"),
    "an animated png": animated("PNG"),
    "an animated webp": animated("WEBP"),
    **{f"{kind!r} of 9,000 x 9,000": webp_of(9000, 9000, kind) for kind in (b"VP8X", b"VP8L", b"VP8 ")},
}


@pytest.mark.parametrize("data", LABORIOUS.values(), ids=LABORIOUS)
def test_a_frame_of_too_much_work_meets_no_decoder(data, monkeypatch):
    assert len(data) < frames.MAX_BYTES
    opened = []
    monkeypatch.setattr(Image, "open", lambda *given, **more: opened.append(given))
    with pytest.raises(Problem) as refused:
        frames.decode_frame(data)
    assert (refused.value.status, refused.value.code, opened) == (422, "bad_photograph", [])


def with_thumbnail() -> bytes:
    """A JPEG whose EXIF holds another JPEG, as cameras write it."""
    exif = Image.Exif()
    exif[0x9286] = encoded(pixels(1, 80, 80), "JPEG", progressive=True)
    return encoded(pixels(0, 80, 80), "JPEG", exif=exif)


GOOD = {
    "a progressive jpeg": encoded(pixels(0, 300, 200), "JPEG", progressive=True),
    "a jpeg in a jpeg": with_thumbnail(),
    "a jpeg with filling": with_segments(b"\xff\xff"),
    "the most scans": many_scans(frame_bounds.MAX_SCANS - many_scans(0).count(b"\xff\xda")),
    "a png of many chunks": many_chunks(1000),
    "a lossy webp": encoded(pixels(0, 99, 201), "WEBP"),
    "a lossless webp": encoded(pixels(0, 99, 201), "WEBP", lossless=True),
    "an extended webp": encoded(pixels(0, 99, 201), "WEBP", icc_profile=b"x" * 99),
    "the largest": encoded(np.zeros((4096, 976), np.uint8), "PNG"),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_what_cameras_send_passes(data):
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    assert frames.decode_frame(data).shape == (height, width, 3)


def test_a_photograph_has_the_size_that_was_checked(monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6  # held on its side
    data = encoded(pixels(0, 80, 99), "JPEG", exif=exif)
    assert frames.decode_frame(data).shape == (99, 80, 3)
    monkeypatch.setattr(frames, "decode", lambda _: np.zeros((99, 81, 3), np.uint8))
    with pytest.raises(Problem, match="cannot be read"):
        frames.decode_frame(data)


def test_what_the_page_sends_is_little_work():
    camera = pixels(0, 480, 640)
    assert not frame_bounds.is_laborious(encoded(camera, "JPEG", quality=85))
    assert frame_bounds.check_work(encoded(camera, "PNG")) == 480 * 640
    assert frame_bounds.is_laborious(many_scans(30)) and frame_bounds.is_laborious(GOOD["the largest"])
    assert frame_bounds.is_laborious(b"no photograph") and frame_bounds.is_laborious(many_chunks(150_000))
