"""Decoding: every kind of file that is no good is refused by name, and the good ones come out upright, in RGB, to size."""

import io
import struct
import zlib

import numpy as np
import photos
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facelab.datasets.decode import center_crop, center_square, decode, decode_into, resize
from facelab.errors import BadImageError

GOOD = photos.pixels(1)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that claims to be this large (8-bit grey)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def palette_with_hole() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GOOD).quantize(8).save(buffer, "PNG", transparency=3)
    return buffer.getvalue()


def cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GOOD).convert("CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


BAD = {
    "empty": (b"", "empty"),
    "text": (b"This is no photograph at all.\n" * 9, "cannot be decoded"),
    "JPEG cut in its header": (photos.encoded(GOOD)[:300], "cannot be decoded"),
    "JPEG cut in its pixels": (photos.encoded(photos.pixels(5, 200, 200))[:-400], "truncated"),
    "truncated PNG": (photos.encoded(GOOD, "PNG")[:-200], "cannot be decoded"),
    "bomb": (png_of_size(30_000, 30_000), "30000x30000 pixels is too large|DecompressionBomb"),
    "large": (png_of_size(9_000, 9_000), "9000x9000 pixels is too large"),
    "CMYK": (cmyk(), "colour mode is CMYK"),
    "16 bit": (photos.encoded(GOOD[:, :, 0].astype(np.uint16) * 256, "PNG"), "colour mode is I;16"),
    "alpha": (photos.encoded(np.dstack([GOOD, GOOD[:, :, :1]]), "PNG"), "colour mode is RGBA"),
    "transparent palette": (palette_with_hole(), "transparent"),
    "PCX, which no data set uses": (photos.encoded(GOOD, "PCX"), "cannot be decoded"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_with_its_reason(kind):
    data, reason = BAD[kind]
    with pytest.raises(BadImageError, match=reason):
        decode(data)


def test_the_reason_is_the_same_each_time_it_is_given():
    with pytest.raises(BadImageError) as refused:
        decode(BAD["text"][0])
    assert (
        " at 0x" not in refused.value.problem and "JPEG" in refused.value.problem
    )  # no address of an object in memory


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_a_lossless_file_gives_its_very_pixels(form):
    np.testing.assert_array_equal(decode(photos.encoded(GOOD, form)), GOOD)


def test_a_jpeg_is_rgb_and_not_bgr():
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, :, 0] = 200
    assert decode(photos.encoded(red, quality=95))[8, 8].tolist() == pytest.approx([200, 0, 0], abs=4)


def test_grey_becomes_rgb_and_rgb_becomes_grey():
    grey = photos.pixels(2, channels=1)
    np.testing.assert_array_equal(decode(photos.encoded(grey, "PNG"), 3), np.repeat(grey, 3, axis=2))
    luma = GOOD.astype(float) @ [0.299, 0.587, 0.114]  # ITU-R 601-2
    np.testing.assert_allclose(decode(photos.encoded(GOOD, "PNG"), 1)[:, :, 0], luma, atol=1)


def test_a_palette_gives_its_colours():
    buffer = io.BytesIO()
    few = Image.fromarray(GOOD).quantize(8)
    few.save(buffer, "PNG")
    np.testing.assert_array_equal(decode(buffer.getvalue()), np.asarray(few.convert("RGB")))


def test_a_photograph_taken_sideways_comes_out_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    sideways = photos.encoded(np.rot90(GOOD, 1).copy(), quality=95, exif=exif)
    upright = decode(sideways)
    assert upright.shape == GOOD.shape
    np.testing.assert_allclose(upright, GOOD, atol=24)
    assert np.abs(upright.astype(int) - GOOD).mean() < 4


@settings(max_examples=200, deadline=None)
@given(
    form=st.sampled_from(["JPEG", "PNG", "BMP", "PPM", "GIF", "WEBP"]),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
)
def test_no_damage_raises_anything_but_the_one_error(form, cut, changes):
    data = bytearray(photos.encoded(GOOD, form))
    data = data[: int(cut * len(data))] if cut < 0.5 else data
    for where, value in changes if data else []:
        data[int(where * len(data))] = value
    try:
        image = decode(bytes(data))
    except BadImageError:
        return
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def test_shrinking_by_a_whole_factor_is_the_mean_of_each_block():
    square = photos.pixels(3, 48, 48)
    blocks = square.reshape(12, 4, 12, 4, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_allclose(resize(square, 12), blocks, atol=0.51)


def test_growing_keeps_the_mean_and_the_channels():
    square = photos.pixels(4, 16, 16, channels=1)
    assert resize(square, 40).shape == (40, 40, 1)
    assert resize(square, 40).mean() == pytest.approx(square.mean(), abs=2)


@pytest.mark.parametrize(("height", "width"), [(40, 32), (32, 40), (41, 32), (33, 33)])
def test_the_centre_square_has_the_same_margin_on_both_sides(height, width):
    image = np.arange(height * width).reshape(height, width, 1)
    square = center_square(image)
    side = min(height, width)
    assert square.shape == (side, side, 1)
    top, left = divmod(int(square[0, 0, 0]), width)
    assert abs(top - (height - side - top)) <= 1 and abs(left - (width - side - left)) <= 1


def test_a_centre_crop_of_an_lfw_photograph_starts_at_fifty():
    assert center_crop(np.arange(250 * 250).reshape(250, 250, 1), 150)[0, 0, 0] == 50 * 250 + 50


def test_many_files_in_any_order_land_in_their_rows_and_the_bad_ones_are_named():
    count = 300  # several chunks
    images = [photos.pixels(row, 16, 16) for row in range(count)]
    bad = {7: b"", 131: OSError(13, "Permission denied"), 299: b"no"}
    files = [(row, f"{row}.png", bad.get(row, photos.encoded(images[row], "PNG"))) for row in range(count)]
    out = np.zeros((count, 16, 16, 3), np.uint8)
    written, rejected = decode_into(out, reversed(files))
    assert np.flatnonzero(~written).tolist() == sorted(bad)
    assert {file: reason for file, reason in rejected}.keys() == {"7.png", "131.png", "299.png"}
    assert "Permission denied" in dict(rejected)["131.png"]
    for row in set(range(count)) - set(bad):
        np.testing.assert_array_equal(out[row], images[row])
    assert not out[list(bad)].any()
