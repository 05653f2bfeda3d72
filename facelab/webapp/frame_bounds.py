"""How much work an encoded photograph asks for, counted on its bytes before any decoder looks at them.

Two megabytes can ask for minutes: a progressive JPEG redraws its picture with each of its scans, a PNG may consist of a hundred
thousand empty chunks, and a WebP's pixels are laid out as soon as it is opened.
"""

from __future__ import annotations

from facelab.webapp.problems import Problem

#: Scans of a JPEG; a phone's progressive one has about ten. So many, of four million pixels, take a tenth of a second.
MAX_SCANS = 64
#: Segments before a JPEG's first scan, chunks of a PNG or WebP; a PNG of two megabytes has some 250, of 8 kB each.
MAX_PARTS = 1024
MIN_SIDE = 64  #: pixels; YuNet sees nothing on less
MAX_SIDE = 4096  #: pixels
MAX_PIXELS = 4_000_000  #: 12 MB when unpacked; a camera's 1920 x 1080 are two million
#: Pixels, each as often as it is drawn. The page sends 640 x 480, and a JPEG of one scan.
QUICK_WORK = 1_000_000

_JPEG = b"\xff\xd8"
_PNG = b"\x89PNG\r\n\x1a\n"
_SOS = 0xDA
_SCAN = bytes((0xFF, _SOS))
_TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}  # DHT, DAC, DQT, DNL, DRI
_SIZED_SOF = {*range(0xC0, 0xD0)} - _TABLES - {0xC8}  # the segments that hold a JPEG's size
_SKIPPED = {*range(0xE0, 0xF0), 0xFE}  # APP0 to APP15 and comments


def check_size(data: bytes) -> tuple[int, int]:
    """Refuse what no camera sends. What passes need not be whole: that is found when it is decoded.

    Returns:
        Width and height in pixels, as the header names them.

    Raises:
        Problem: ``bad_photograph``: not a JPEG, PNG or WebP, of too many scans, parts or pixels or too few, or animated.
    """
    try:
        if data.startswith(_JPEG):
            width, height = _jpeg_size(data)
        elif data.startswith(_PNG):
            width, height = _png_size(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            width, height = _webp_size(data)
        else:
            raise Problem("bad_photograph")
    except IndexError as error:  # it ends in the middle of its header
        raise Problem("bad_photograph") from error
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Problem("bad_photograph")
    return width, height


def check_work(data: bytes) -> int:
    """How many pixels a decoder will draw: those of the photograph, times the scans of a JPEG.

    Raises:
        Problem: as ``check_size``.
    """
    width, height = check_size(data)
    return width * height * (data.count(_SCAN) if data.startswith(_JPEG) else 1)


def is_laborious(data: bytes) -> bool:
    """Whether a photograph is more work than what the page sends, or none that can be read."""
    try:
        return check_work(data) > QUICK_WORK
    except Problem:
        return True


def _jpeg_size(data: bytes) -> tuple[int, int]:
    # Among pixels a 255 is always followed by 0 or a restart, so this counts every scan, and at times one of a thumbnail more
    if data.count(_SCAN) > MAX_SCANS:
        raise Problem("bad_photograph")
    place, size = 2, None
    for _ in range(MAX_PARTS):
        if data[place] != 0xFF:
            break
        marker = data[place + 1]
        if marker == _SOS and size is not None:
            return size
        if marker == 0xFF:  # one that fills up
            place += 1
            continue
        if marker in _SIZED_SOF and size is None:
            size = _number(data, place + 7, 2), _number(data, place + 5, 2)
        elif (
            marker not in _TABLES | _SKIPPED
        ):  # a second size, or what a decoder reads on behind, whatever length it claims
            break
        place += 2 + _number(data, place + 2, 2)
    raise Problem("bad_photograph")


def _png_size(data: bytes) -> tuple[int, int]:
    place, chunks = len(_PNG), 0
    while place + 8 <= len(data):
        kind = data[place + 4 : place + 8]
        chunks += 1
        if chunks > MAX_PARTS or kind == b"acTL" or (chunks == 1) != (kind == b"IHDR"):
            raise Problem("bad_photograph")
        place += 12 + _number(data, place, 4)
    return _number(data, 16, 4), _number(data, 20, 4)


def _webp_size(data: bytes) -> tuple[int, int]:
    place, chunks = 12, 0
    while place + 8 <= len(data):
        chunks += 1
        if chunks > MAX_PARTS or data[place : place + 4] in (b"ANIM", b"ANMF"):
            raise Problem("bad_photograph")
        place += 8 + (_number(data, place + 4, 4, "little") + 1) // 2 * 2  # each is filled up to an even length
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + _number(data, 24, 3, "little"), 1 + _number(data, 27, 3, "little")
    if kind == b"VP8L":
        bits = _number(data, 21, 4, "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return _number(data, 26, 2, "little") & 0x3FFF, _number(data, 28, 2, "little") & 0x3FFF
    raise Problem("bad_photograph")


def _number(data: bytes, place: int, length: int, order: str = "big") -> int:
    """An unsigned number in the header.

    Raises:
        IndexError: the data end before it.
    """
    if place + length > len(data):
        raise IndexError
    return int.from_bytes(data[place : place + length], order)
