"""RecordIO, the form in which MXNet packs many small files into one: where each record begins, and what it holds.

A record is one frame or several. A frame is the number ``MAGIC``, a word whose highest three bits say which part of its record
it is (0 the whole, 1 the first, 2 one between, 3 the last) and whose other 29 bits are its length, then its bytes, and zeros up
to a multiple of four. Where a record holds ``MAGIC`` itself at a multiple of four, it is cut there and the number left out, to
be put back between two frames. So the number stands nowhere but where a frame begins, and behind a damaged place
the next record can be found. All numbers are little-endian.

Source: ``include/dmlc/recordio.h`` and ``src/recordio.cc`` of dmlc-core.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from facelab.datasets.decode import MAX_BYTES
from facelab.errors import BadImageError

MAGIC = 0xCED7230A
START = 32  #: bytes of a record that ``RecordFile.look`` hands out

_MAGIC = struct.pack("<I", MAGIC)
_HEAD = struct.Struct("<II")
_WHOLE, _FIRST, _BETWEEN, _LAST = range(4)
_MOST_FRAMES = 64  # of a record; ``MAGIC`` stands in one photograph of a million by chance
_PIECE = 16 * 2**10  # bytes looked through at once behind a damaged place


class Record(NamedTuple):
    """A record that is whole, as far as its frames say.

    Attributes:
        offset: where it begins in the file.
        end: where the next one would begin.
        length: of its bytes.
        start: the first ``START`` of them.
    """

    offset: int
    end: int
    length: int
    start: bytes


class Damage(NamedTuple):
    """A part of the file, from ``offset`` to ``end``, in which no record can be read, and why its first one cannot."""

    offset: int
    end: int
    reason: str


class RecordFile:
    """A file of records, to be used in a ``with`` statement. Nothing but what is asked for is read, in any order.

    Args:
        path: of the file.

    Attributes:
        size: bytes of the file.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=256)  # the head of a frame and the start of its record by one read
        self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def look(self, offset: int) -> Record:
        """The record that begins at ``offset``; reads the heads of its frames and its first bytes.

        Raises:
            BadImageError: none begins there, or it does not end within the file.
            OSError: the system cannot read it.
        """
        length, start, end = 0, b"", offset
        for n, (place, part) in enumerate(self._frames(offset)):
            if n:
                start, length = start + _MAGIC, length + len(_MAGIC)
            if len(start) < START:
                start += self._read(place, min(part, START - len(start)))
            length += part
            end = place + (part + 3) // 4 * 4
        return Record(offset, end, length, start[:START])

    def read(self, offset: int) -> bytes:
        """The bytes of the record that begins at ``offset``.

        Raises:
            BadImageError: as ``look``, or it is larger than any photograph, or others begin within it: its length is wrong.
            OSError: the system cannot read it.
        """
        if self.look(offset).length > MAX_BYTES:
            raise _fault(f"It is larger than {MAX_BYTES // 2**20} MiB, as no photograph is.")
        parts = [self._read(place, part) for place, part in self._frames(offset)]
        if any(True for part in parts for _ in _starts(part)):
            raise _fault("Its length is wrong: another record begins within it.")
        return _MAGIC.join(parts)

    def scan(self) -> Iterator[Record | Damage]:
        """Every record from the first on, and what lies between them that is none."""
        offset = 0
        while offset < self.size:
            try:
                record = self.look(offset)
            except BadImageError as error:
                record = self._next_record(offset + 4)
                yield Damage(offset, record.offset if record else self.size, error.problem)
            if record is None:
                return
            yield record
            offset = record.end

    def _next_record(self, offset: int) -> Record | None:
        for begin in range(offset, self.size, _PIECE):  # all of them, as frames do, at multiples of four
            piece = self._read(begin, _PIECE + _HEAD.size - 4)  # and the head that lies across the end of the piece
            for start in _starts(piece):
                with suppress(BadImageError):
                    return self.look(begin + start)
        return None

    def _frames(self, offset: int) -> Iterator[tuple[int, int]]:
        """(Place of its bytes, their number) of each frame of the record that begins at ``offset``."""
        allowed = (_WHOLE, _FIRST)
        for _ in range(_MOST_FRAMES):
            head = self._read(offset, _HEAD.size) if offset < self.size else b""
            if len(head) < _HEAD.size:
                raise _fault("The file ends before it.") if allowed[0] == _WHOLE else _fault("The file ends within it.")
            magic, word = _HEAD.unpack(head)
            kind, length, place = word >> 29, word & (2**29 - 1), offset + _HEAD.size
            if magic != MAGIC or kind not in allowed:
                where = "No record begins there" if allowed[0] == _WHOLE else f"Its next part is not at byte {offset:,}"
                raise _fault(f"{where} (magic number {magic:#010x}, kind {kind}).")
            if place + length > self.size:
                raise _fault("The file ends within it.")
            yield place, length
            if kind in (_WHOLE, _LAST):
                return
            offset, allowed = place + (length + 3) // 4 * 4, (_BETWEEN, _LAST)
        raise _fault(f"It is cut into more than {_MOST_FRAMES} parts.")

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)


def _starts(data: bytes) -> Iterator[int]:
    """Where, at multiples of four, the head of a first frame stands."""
    start = data.find(_MAGIC)
    while 0 <= start <= len(data) - _HEAD.size:
        if start % 4 == 0 and data[start + 7] >> 5 in (_WHOLE, _FIRST):
            yield start
        start = data.find(_MAGIC, start + 1)


def _fault(problem: str) -> BadImageError:
    return BadImageError(problem, "Get the file again.")
