"""The members of a tar archive, read from front to back: nothing is written to disk, and no archive makes memory grow.

``tarfile`` reads a header of any length that an archive claims, follows chains of headers by recursion, and takes a damaged
header for the end. So its ``TarInfo`` parses each block of 512 bytes here, and the steps from one to the next are our own.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from facelab.errors import one_line

_BLOCK = 512
_GZIP = b"\x1f\x8b"
_MOST_HEADER = 2**20  # bytes of a long name, or of what PAX says of one member
# what is packed may grow so many times, and so many bytes at any rate: photographs hardly do
_MOST_GROWTH, _FREE_GROWTH = 100, 64 * 2**20
_PIECE = 2**18
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_HEADERS = (*_PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)


class DamagedTarError(ValueError):
    """An archive cannot be read on; says what is wrong as the end of "The archive ..."."""


class TarMember(NamedTuple):
    """What stands at one place of an archive.

    Attributes:
        name: with ``/`` between its parts; bytes that are no UTF-8 are lone surrogates, as in names of files.
        size: bytes of its content.
        fault: why it is no file that can be read, as ``It is a link.``; empty where it is one.
    """

    name: str
    size: int
    fault: str


class TarReader:
    """An archive, plain or packed by gzip. Iterating gives its members; ``content`` is that of the last one given.

    Raises:
        DamagedTarError: it is cut off, no archive, or would grow beyond all measure. What was given before is good.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[TarMember]:
        try:
            raw = self._path.open("rb")
        except OSError as error:
            raise DamagedTarError(f"cannot be opened ({error.strerror})") from error
        with raw:
            length = os.fstat(raw.fileno()).st_size
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            self._file: BinaryIO = gzip.GzipFile(fileobj=raw) if packed else raw
            self._packed, self._left = packed, max(_FREE_GROWTH, _MOST_GROWTH * length) if packed else length
            yield from self._members()

    def content(self) -> bytes:
        """The bytes of the last member; once."""
        size, self._unread = self._unread, 0
        return self._read(size)

    def _members(self) -> Iterator[TarMember]:
        while (found := self._next()) is not None:
            member, stored = found
            self._unread = stored
            yield member
            self._skip(self._unread + -stored % _BLOCK)
        self._check_end()

    def _next(self) -> tuple[TarMember, int] | None:
        """The next member and the bytes that are stored for it; None at the end mark."""
        said: dict[bytes, bytes] = {}
        while True:
            block = self._read(_BLOCK)
            if not any(block):
                return None
            try:
                info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except (tarfile.TarError, ValueError) as error:
                raise DamagedTarError(f"has a damaged header, or is none ({one_line(error)})") from error
            if info.size < 0:
                raise DamagedTarError(f"has a member of {info.size:,} bytes")
            if info.type not in _HEADERS:
                return _member(info, said)
            if info.size > _MOST_HEADER:
                raise DamagedTarError(f"has a header of {info.size:,} bytes")
            body = self._read(info.size)
            self._skip(-info.size % _BLOCK)
            if info.type in _PAX:
                said |= _pax_records(body)
            elif info.type == tarfile.GNUTYPE_LONGNAME:
                said[b"path"] = body.partition(b"\0")[0]

    def _check_end(self) -> None:
        """Behind the end mark there is nothing but zeros."""
        while piece := self._take(min(_PIECE, self._left)):
            if any(piece):
                raise DamagedTarError("goes on behind its end mark, as two archives in one file do")

    def _read(self, count: int) -> bytes:
        if count > self._left:
            raise DamagedTarError(_growth() if self._packed else "ends before its end mark: it is cut off")
        data = self._take(count)
        if len(data) < count:
            raise DamagedTarError("ends before its end mark: it is cut off")
        return data

    def _skip(self, count: int) -> None:
        if self._packed:
            while count:
                count -= len(self._read(min(_PIECE, count)))
            return
        if count > self._left:
            raise DamagedTarError("ends before its end mark: it is cut off")
        self._file.seek(count, os.SEEK_CUR)
        self._left -= count

    def _take(self, count: int) -> bytes:
        try:
            data = self._file.read(count)
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedTarError(f"cannot be read on ({one_line(error)})") from error
        self._left -= len(data)
        return data


def _growth() -> str:
    return f"would grow to more than {_MOST_GROWTH} times its size, as no photographs do"


def _member(info: tarfile.TarInfo, said: dict[bytes, bytes]) -> tuple[TarMember, int]:
    """A member, and the bytes that are stored for it, of its header and of what headers before it said."""
    name = said[b"path"].decode("utf-8", "surrogateescape") if b"path" in said else info.name
    size = info.size
    if b"size" in said:
        if not said[b"size"].isdigit() or len(said[b"size"]) > 18:
            raise DamagedTarError("has a member whose size is no number")
        size = int(said[b"size"])
    if info.type == tarfile.GNUTYPE_SPARSE:  # its length here is not told by its size
        raise DamagedTarError("holds a sparse file, which no tool for photographs makes")
    is_file = info.type in _FILES
    fault = "" if is_file else "It is a link, which is not followed." if info.type in _LINKS else "It is no file."
    if any(key.startswith(b"GNU.sparse.") for key in said):
        fault = "It is a sparse file."
    return TarMember(name, size, fault), size if is_file or info.type not in tarfile.SUPPORTED_TYPES else 0


def _pax_records(body: bytes) -> dict[bytes, bytes]:
    """The records ``LENGTH KEY=VALUE\\n`` of a PAX header, LENGTH being that of the whole record."""
    found, place = {}, 0
    while place < len(body) and body[place]:
        end = body.find(b" ", place, place + 8)
        digits = body[place:end] if end > 0 else b""
        following = place + int(digits) if digits.isdigit() else 0
        key, equals, value = body[end + 1 : following - 1].partition(b"=")
        if not end < following <= len(body) or not equals:
            raise DamagedTarError("has a damaged PAX header")
        found[key], place = value, following
    return found
