"""The kinds of photographs that can be read on this machine, and their bytes without the metadata that may be broken."""

from __future__ import annotations

import functools
import struct
import zlib
from contextlib import suppress

from PIL import ExifTags, Image

#: The kinds that are read, as Pillow calls them; it opens others as well, such as PostScript, which are no photographs.
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "WEBP", "GIF", "TIFF", "JPEG2000", "AVIF", "HEIF")

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_PNG = b"\x89PNG\r\n\x1a\n"


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Those of ``FORMATS`` that Pillow reads here: AVIF since Pillow 11.3, HEIF where pillow-heif is installed."""
    Image.init()
    with suppress(ImportError):  # only those who have such photographs need this package
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def is_heic(data: bytes) -> bool:
    """Whether these are the bytes of a HEIC photograph, as iPhones make them."""
    if data[4:8] != b"ftyp":
        return False
    length = min(int.from_bytes(data[:4], "big"), 256)
    return any(data[start : start + 4] in _HEIC_BRANDS for start in range(8, length, 4))


def bits_per_channel(image: Image.Image, data: bytes) -> int:
    """How many bits of a file are one sample of a channel, in the formats where these may be more than 8.

    Pillow reads colours of 16 bits as if they had 8: without a word it drops the lower ones, which are nearly all that a dark
    scan has. AVIF and HEIF count as 8: their 10 or 12 bits, as phones write them, are meant for a screen as 8 are.

    Args:
        image: as Pillow has opened it; its pixels are not unpacked yet.
        data: the bytes of the file.
    """
    if image.format == "PNG":
        return data[24]  # of its first chunk, IHDR
    if image.format == "TIFF":
        return max(image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,)))
    if image.format == "PPM":
        decoding = image.tile[0][3]  # with the greatest value, where that is another one than 255
        return 16 if isinstance(decoding, tuple) and decoding[1] > 255 else 8
    if image.format == "JPEG2000":
        size = data.find(b"\xff\x4f\xff\x51")  # the segment SIZ, with three bytes for each channel
        channels = int.from_bytes(data[size + 40 : size + 42], "big")
        return 1 + max(depth & 0x7F for depth in data[size + 42 : size + 42 + 3 * channels : 3])
    return 8


def without_metadata(data: bytes) -> bytes:
    """A JPEG or PNG file without what its pixels do not need; only its EXIF stays, which says how it was held.

    Any other file, and what stands behind a place where a file is damaged, stays as it is.
    """
    if data.startswith(_PNG):
        return _bare_png(data)
    return _bare_jpeg(data) if data.startswith(b"\xff\xd8") else data


def _bare_png(data: bytes) -> bytes:
    kept, place = [_PNG], len(_PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        chunk = data[place : place + 12 + length]
        kind, content = chunk[4:8], chunk[8:-4]
        if not kind.isalpha():  # no PNG from here on
            break
        whole_exif = kind == b"eXIf" and zlib.crc32(kind + content) == int.from_bytes(chunk[-4:], "big")
        if kind[:1].isupper() or kind == b"tRNS" or whole_exif:  # a capital: the pixels cannot be read without it
            kept.append(chunk)
        place += 12 + length
    return b"".join([*kept, data[place:]])


def _bare_jpeg(data: bytes) -> bytes:
    kept, place = [data[:2]], 2
    while data[place : place + 1] == b"\xff" and place + 4 <= len(data):
        marker, length = data[place + 1], 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:  # from here on, pixels
            break
        # Of the applications' notes (E0 to EF) and comments (FE) only EXIF (E1) and Adobe's note on the colours (EE) stay,
        # and that only where it is whole
        is_note = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not is_note or marker == 0xE1 or (marker == 0xEE and length >= 16):
            kept.append(data[place : place + length])
        place += length
    return b"".join([*kept, data[place:]])
