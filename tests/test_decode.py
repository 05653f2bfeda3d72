"""Decoding: every kind of file that is no good is refused by name, and the good ones come out upright, in RGB, to size."""

import io
import struct
import zlib

import cv2
import numpy as np
import photos
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from facelab.datasets import photo_formats
from facelab.datasets.decode import center_crop, center_square, decode, decode_into, resize
from facelab.errors import BadImageError

GOOD = photos.pixels(1)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that claims to be this large (8-bit grey)."""
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


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm", ".jp2"])
def test_colours_of_16_bits_are_refused_and_not_cut_to_8(suffix):
    """A dark scan, whose upper 8 bits say next to nothing; with the same values in 8 bits it is a photograph as any other."""
    dark = cv2.cvtColor(GOOD, cv2.COLOR_RGB2BGR)
    for deep in (dark.astype(np.uint16), dark.astype(np.uint16) * 257):
        with pytest.raises(BadImageError, match="channels have 16 bits"):
            decode(cv2.imencode(suffix, deep)[1].tobytes())
    assert decode(cv2.imencode(suffix, dark)[1].tobytes()).mean() == pytest.approx(GOOD.mean(), abs=1)


def test_opaque_alpha_does_not_hide_16_bits():
    deep = np.full((8, 8, 4), 65535, np.uint16)
    with pytest.raises(BadImageError, match="channels have 16 bits"):
        decode(cv2.imencode(".png", deep)[1].tobytes())


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
    form=st.sampled_from(sorted({"JPEG", "PNG", "BMP", "PPM", "GIF", "WEBP", "AVIF"} & photos.writable_formats())),
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


@pytest.mark.parametrize("held", [1, 4])
def test_no_more_bytes_are_read_ahead_than_there_is_room_for(monkeypatch, held):
    data = photos.encoded(GOOD, "PNG")
    monkeypatch.setattr("facelab.datasets.decode._AHEAD_BYTES", held * len(data))
    out = np.zeros((20, 16, 16, 3), np.uint8)

    def files():
        for row in range(20):
            assert row - out.any(axis=(1, 2, 3)).sum() <= held
            yield row, f"{row}.png", data

    assert decode_into(out, files())[0].all()


# Odd metadata, and transparency that is not used: the photograph is good all the same


broken_notes = pytest.mark.filterwarnings("ignore::UserWarning")  # which are silenced outside of pytest


def exif(orientation: object = 6, kind: int = 3) -> bytes:
    """EXIF with one entry, the orientation, of a TIFF type: 3 SHORT, 2 ASCII, 4 LONG, 5 RATIONAL."""
    value = orientation if isinstance(orientation, bytes) else struct.pack(">HH", orientation, 0)
    return b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHI", 0x0112, kind, 1) + value + bytes(4)


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    """A JPEG of GOOD with these segments (marker, content) after its first."""
    plain = photos.encoded(GOOD)
    end = 4 + int.from_bytes(plain[4:6], "big")
    added = b"".join(b"\xff" + bytes([kind]) + struct.pack(">H", len(body) + 2) + body for kind, body in segments)
    return plain[:end] + added + plain[end:]


def png(*chunks: bytes, behind: bytes = b"") -> bytes:
    """A PNG of GOOD with these chunks after its header, and others behind its pixels."""
    plain = photos.encoded(GOOD, "PNG")
    return plain[:33] + b"".join(chunks) + plain[33:-12] + behind + plain[-12:]


def mpo() -> bytes:
    """Two photographs in one file, as phones with two lenses write them, with a broken table of contents."""
    buffer = io.BytesIO()
    Image.fromarray(GOOD).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(GOOD)])
    data = buffer.getvalue()
    return data.replace(b"MPF\0", b"MPF\0\xff\xff\xff\xff", 1)[: len(data)]


def no_crc(part: bytes) -> bytes:
    return part[:-4] + b"oops"


ODD = {
    "JPEG, EXIF that is no EXIF": jpeg((0xE1, b"Exif\0\0not a TIFF header at all")),
    "JPEG, EXIF with a broken first byte": jpeg((0xE1, exif(1).replace(b"MM", b"\0M"))),
    "JPEG, EXIF of nothing": jpeg((0xE1, b"Exif\0\0")),
    "JPEG, EXIF cut in its entry": jpeg((0xE1, exif()[:18])),
    "JPEG, EXIF that points outside": jpeg((0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")),
    "JPEG, turned by 0": jpeg((0xE1, exif(0))),
    "JPEG, turned by 9": jpeg((0xE1, exif(9))),
    "JPEG, turned by a word": jpeg((0xE1, exif(b"6\0\0\0", 2))),
    "JPEG, turned by a fraction of nothing": jpeg((0xE1, exif(struct.pack(">I", 26), 5) + bytes(8))),
    "JPEG, odd XMP": jpeg((0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="9"/>')),
    "JPEG, ICC profile that is none": jpeg((0xE2, b"ICC_PROFILE\0\1\1rubbish"), (0xE2, b"ICC_PROFILE\0\0\0")),
    "JPEG, broken contents of an MPO": jpeg((0xE2, b"MPF\0MM\0*\0\0\0\x08" + b"\xff" * 40)),
    "MPO, broken contents": mpo(),
    "JPEG, Photoshop's notes cut": jpeg((0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\x00\x10\0")),
    "JPEG, a short JFIF": jpeg((0xE0, b"JFIF")),
    "JPEG, notes of unknown applications": jpeg(
        *((0xE3 + place, bytes([place])) for place in range(10)), (0xFE, b"\xff")
    ),
    "JPEG, bytes behind it": photos.encoded(GOOD) + b"a film, or the advertisement of a web server" * 50,
    "PNG, text of a wrong checksum": png(no_crc(chunk(b"tEXt", b"Comment\0hello"))),
    "PNG, packed text that is not packed": png(chunk(b"zTXt", b"Comment\0\0rubbish"), chunk(b"iTXt", b"x\0\1\0\0\0y")),
    "PNG, text too long when unpacked": png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000)))),
    "PNG, ICC profile that is none": png(chunk(b"iCCP", b"x\0\0rubbish"), chunk(b"iCCP", b"")),
    "PNG, a film without its pictures": png(chunk(b"acTL", struct.pack(">II", 9, 0)), chunk(b"fcTL", bytes(26))),
    "PNG, short chunks": png(*(chunk(kind, b"") for kind in (b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"tIME", b"eXIf"))),
    "PNG, EXIF of a wrong checksum": png(no_crc(chunk(b"eXIf", exif()[6:]))),
    "PNG, EXIF that is no EXIF": png(chunk(b"eXIf", b"rubbish")),
    "PNG, bytes behind it": png() + b"rubbish",
    "BMP, bytes behind it": photos.encoded(GOOD, "BMP") + b"rubbish",
    "TIFF, bytes behind it": photos.encoded(GOOD, "TIFF") + b"rubbish",
    "WebP, EXIF that is no EXIF": photos.encoded(GOOD, "WEBP", lossless=True, exif=b"rubbish"),
    "PNG, opaque alpha": photos.encoded(np.dstack([GOOD, np.full(GOOD.shape[:2], 255, np.uint8)]), "PNG"),
    "PNG, a colour that is transparent and is nowhere": png(chunk(b"tRNS", bytes(6))),
}


@broken_notes
@pytest.mark.parametrize("kind", ODD)
def test_a_good_photograph_is_not_refused_for_odd_metadata(kind):
    expected = decode(photos.encoded(GOOD)) if ODD[kind].startswith(b"\xff\xd8") else GOOD
    if kind.startswith("MPO"):
        assert np.abs(decode(ODD[kind]).astype(int) - GOOD).mean() < 4
    else:
        np.testing.assert_array_equal(decode(ODD[kind]), expected)


def test_opaque_grey_and_an_opaque_palette_are_used():
    grey = photos.pixels(2, channels=1)
    opaque = np.dstack([grey, np.full(grey.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(decode(photos.encoded(opaque, "PNG"), 1), grey)
    few = Image.fromarray(GOOD).quantize(8)
    buffer = io.BytesIO()
    few.save(buffer, "GIF", transparency=200)
    np.testing.assert_array_equal(decode(buffer.getvalue()), np.asarray(few.convert("RGB")))


def test_a_note_on_the_colours_that_is_cut_off_does_not_matter():
    plain = photos.encoded(GOOD)
    cut = plain[:2] + b"\xff\xee\0\x07Adobe" + plain[2:]
    np.testing.assert_array_equal(decode(cut), decode(plain))


SIDEWAYS = {
    "JPEG beside a broken table of contents": lambda turned: (
        (data := photos.encoded(turned, quality=95, exif=exif()))[:2]
        + b"\xff\xe2\0\x0cMPF\0rubbsh" + data[2:]
    ),
    "PNG with its EXIF behind the pixels": lambda turned: (
        (data := photos.encoded(turned, "PNG"))[:-12] + chunk(b"eXIf", exif()[6:]) + data[-12:]
    ),
    "PNG beside broken text": lambda turned: (
        (data := photos.encoded(turned, "PNG", exif=exif()[6:]))[:33] + no_crc(chunk(b"tEXt", b"a\0b")) + data[33:]
    ),
    "TIFF, which Pillow itself turns": lambda turned: photos.encoded(turned, "TIFF", tiffinfo={0x0112: 6}),
    "WebP": lambda turned: photos.encoded(turned, "WEBP", lossless=True, exif=exif()),
    "opaque alpha": lambda turned: photos.encoded(
        np.dstack([turned, np.full(turned.shape[:2], 255, np.uint8)]), "PNG", exif=exif()[6:]
    ),
}  # fmt: skip


@broken_notes
@pytest.mark.parametrize("kind", SIDEWAYS)
def test_it_is_turned_upright_once_in_every_format_and_beside_broken_notes(kind):
    upright = decode(SIDEWAYS[kind](np.rot90(GOOD, 1).copy()))
    assert upright.shape == GOOD.shape and np.abs(upright.astype(int) - GOOD).mean() < 4


@pytest.mark.parametrize("turn", range(1, 9))
def test_each_of_the_eight_ways_to_hold_a_camera(turn):
    """EXIF 2.3, orientation: where the first row and the first column of the file lie on the scene."""
    mirrored = GOOD.transpose(1, 0, 2)
    stored = [
        *(GOOD, np.fliplr(GOOD), np.rot90(GOOD, 2), np.flipud(GOOD)),
        *(mirrored, np.rot90(GOOD, 1), np.rot90(mirrored, 2), np.rot90(GOOD, -1)),
    ][turn - 1].copy()
    np.testing.assert_array_equal(decode(photos.encoded(stored, "PNG", exif=exif(turn)[6:])), GOOD)


@broken_notes
@settings(max_examples=150, deadline=None)
@given(
    place=st.sampled_from(range(5)),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_no_byte_of_a_note_decides_whether_the_photograph_is_used(place, changes):
    """Anything may stand in the metadata; only an orientation that is read from them may turn the photograph."""
    text = PngImagePlugin.PngInfo()
    text.add_text("a", "b" * 30, zip=True)
    notes = [
        (0xE2, b"MPF\0MM\0*\0\0\0\x08\0\x01" + bytes(14)),
        (0xE2, b"ICC_PROFILE\0\1\1" + bytes(60)),
        (0xE1, exif(1)),
    ]
    note = notes[place][1] if place < 3 else [b"a\0\0" + zlib.compress(b"b" * 30), exif(1)[6:]][place - 3]
    changed = bytearray(note)
    for where, value in changes:
        changed[int(where * len(changed))] = value
    if place < 3:
        image, expected = decode(jpeg((notes[place][0], bytes(changed)))), decode(photos.encoded(GOOD))
    else:
        image, expected = decode(png(chunk([b"zTXt", b"eXIf"][place - 3], bytes(changed)))), GOOD
    assert sorted(image.shape) == sorted(expected.shape)
    assert np.array_equal(np.sort(image, axis=None), np.sort(expected, axis=None))


# HEIC


def test_a_heic_photograph_says_what_it_needs(monkeypatch):
    monkeypatch.setattr("facelab.datasets.decode.readable_formats", lambda: ("JPEG", "PNG"))
    header = b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf"
    with pytest.raises(BadImageError, match="HEIC photograph.*pip install pillow-heif"):
        decode(header + bytes(500))
    for data in (header.replace(b"heic", b"avif") + bytes(500), b"\0\0\0\x1cftyp", b"heic" * 20):
        with pytest.raises(BadImageError, match="none of JPEG, PNG"):
            decode(data)


def test_a_heic_photograph_is_read_where_its_package_is():
    heif = pytest.importorskip("pillow_heif")
    assert "HEIF" in photo_formats.readable_formats()
    buffer = io.BytesIO()
    heif.from_pillow(Image.fromarray(GOOD)).save(buffer, quality=95)
    assert np.abs(decode(buffer.getvalue()).astype(int) - GOOD).mean() < 5
    with pytest.raises(BadImageError, match="none of|cannot be decoded"):
        decode(buffer.getvalue()[:300])
