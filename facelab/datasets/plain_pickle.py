"""Pickles of plain data, read without executing anything: lists, tuples, truth values, whole numbers, bytes, text, and arrays.

A pickle is a program for a small machine, which may call any function of any module. The one here knows the instructions that
such data need, in the protocols 0 to 5 of Python 2 and 3, and imports nothing: the few functions that data are written with
stand in a table below, with a plain one of ours for each. Nothing is allocated on the word of a pickle: what it holds stands in
the file, byte by byte, and every byte is read once.

Source: ``Lib/pickletools.py`` of CPython, which says what each instruction does; ``__reduce__`` of ``ndarray`` in NumPy.
"""

from __future__ import annotations

import codecs
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from facelab.errors import FacelabError

MAX_STEPS = 2_000_000  #: instructions of a pickle; a photograph needs five, or some fifty as an array
_LONGEST_NUMBER = 40  # characters of a number written out
_SHOWN = 60  # characters of what a pickle asks for, in an error

#: NumPy's letters for the numbers that an array may hold, without the byte order
_FORMATS = {"b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"}
_NUMPY = ("numpy.core", "numpy._core")  # before NumPy 2, and since
_BUILTINS = ("__builtin__", "builtins")  # Python 2 and 3


class _Refused(Exception):
    """The pickle holds what is not plain data, or is damaged."""


class _Format:
    """An array's kind of numbers, as a pickle describes it."""

    def __init__(self, name: str) -> None:
        self.name, self.order = name, "|"


class _Array:
    """An array that a pickle has begun, and what it holds once that was said."""

    content: np.ndarray | None = None


def read_plain_pickle(path: Path) -> object:
    """What a pickle holds: bytearrays as bytes, arrays as read-only NumPy arrays, Python 2's texts as bytes, tuples as lists.

    Arrays may stand on the first two levels, as in a list of lists.

    Args:
        path: of the file.

    Raises:
        FacelabError: it is damaged, or asks for anything but plain data; nothing of it was executed.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        machine = _Machine(file)
        try:
            return machine.run()
        except (_Refused, ValueError, IndexError, KeyError, TypeError, struct.error) as error:
            reason = str(error) if isinstance(error, _Refused) else "it is damaged"
            raise FacelabError(
                f"{path} cannot be read as a pickle of plain data: {reason} (byte {file.tell()}).",
                "Get it again, from where it can be trusted.",
            ) from error


class _Machine:
    """The machine of pickles, as far as plain data need it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file, os.fstat(file.fileno()).st_size
        self._stack: list[object] = []
        self._marks: list[int] = []  # lengths of the stack
        self._memo: dict[int, object] = {}
        self._encoded = 0  # bytes that were made of text

    def run(self) -> object:
        """The object that is left at the end."""
        for _ in range(MAX_STEPS):
            code = self._take(1)
            if code == b".":
                (result,) = self._stack
                return _finished(result)
            step = _STEPS.get(code)
            if step is None:
                raise _Refused(f"it has the instruction {code!r}, which plain data do not need")
            step(self)
        raise _Refused(f"it has more than {MAX_STEPS:,} instructions")

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= self._size - self._file.tell():
            raise _Refused("it ends too early")
        return self._file.read(count)

    def _number(self, form: str) -> int:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise _Refused("it ends too early")
        return line[:-1]

    def _whole_number(self) -> int:
        line = self._line()
        if len(line) > _LONGEST_NUMBER:
            raise _Refused(f"a number has {len(line)} digits")
        return int(line.removesuffix(b"L"))

    # what one instruction does

    def push(self, value: object) -> None:
        self._stack.append(value)

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def above_mark(self) -> list[object]:
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def pop(self, count: int) -> tuple[object, ...]:
        if count > len(self._stack) - (self._marks[-1] if self._marks else 0):
            raise _Refused("it is damaged")
        values = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        return values

    def put(self, place: int | None = None) -> None:
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def append(self, values: list[object]) -> None:
        if not isinstance(self._stack[-1], list):
            raise _Refused("it appends to what is no list")
        self._stack[-1].extend(values)

    def integer(self) -> None:
        """Python 2 writes True as 01."""
        line = self._line()
        if line in (b"00", b"01"):
            self.push(line == b"01")
        elif len(line) <= _LONGEST_NUMBER:
            self.push(int(line))
        else:
            raise _Refused(f"a number has {len(line)} digits")

    def quoted(self) -> None:
        line = self._line().strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise _Refused("a text of it has no end")
        self.push(codecs.escape_decode(line[1:-1])[0])

    def find(self, module: object, name: object) -> None:
        function = _FUNCTIONS.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
        if function is None:
            wanted = ascii(f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "no name")
            raise _Refused(f"it asks for {wanted[1:-1][:_SHOWN]}, which no plain data need")
        self.push(function)

    def call(self, function: object, arguments: object) -> None:
        if not isinstance(function, _Function) or not isinstance(arguments, tuple):
            raise _Refused("it calls what is no function")
        self.push(function.make(self, *arguments))

    def build(self, thing: object, state: object) -> None:
        if isinstance(thing, _Format) and isinstance(state, tuple) and _text(state[1]) in ("|", "<", ">", "="):
            thing.order = _text(state[1])
        elif isinstance(thing, _Array) and thing.content is None and isinstance(state, tuple):
            _, shape, form, by_columns, data = state
            thing.content = _array(data, form, shape, bool(by_columns))
        else:
            raise _Refused("it changes what is not to be changed")
        self.push(thing)

    def encode(self, text: object, encoding: object = "latin1") -> bytes:
        """Bytes of Python 3 in a protocol that has none. Together they are no more than the file, which has each once."""
        if not isinstance(text, str) or _text(encoding) not in ("latin1", "latin-1"):
            raise _Refused("it encodes what is no text of latin1")
        self._encoded += len(text)
        if self._encoded > self._size:
            raise _Refused("it makes more of its text than it holds")
        return text.encode("latin1")


class _Function:
    """What stands for a function that a pickle names. An object of ours, so that nothing of Python's is within its reach."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self.make = make


def _text(value: object) -> str:
    """Text of Python 2 is bytes."""
    return value.decode("latin1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _new_format(_: _Machine, name: object, *options: object) -> _Format:
    if _text(name).lstrip("|<>=") not in _FORMATS:
        raise _Refused(f"it holds an array of {ascii(_text(name))[:_SHOWN]}")
    return _Format(_text(name).lstrip("|<>="))


def _new_array(_: _Machine, kind: object, *shape_and_format: object) -> _Array:
    if kind is not _NDARRAY:
        raise _Refused("it holds an array of another kind")
    return _Array()


def _array_of_buffer(_: _Machine, data: object, form: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.content = _array(data, form, shape, _text(order) == "F")
    return array


def _array(data: object, form: object, shape: object, by_columns: bool) -> np.ndarray:
    """A view of bytes that were read already; what does not fit them is refused by NumPy (ValueError)."""
    if not isinstance(data, bytes) or not isinstance(form, _Format) or not isinstance(shape, tuple):
        raise _Refused("it holds an array of other things than numbers")
    if not all(type(length) is int and 0 <= length <= len(data) for length in shape):
        raise _Refused("it holds an array that is larger than its bytes")
    dtype = np.dtype(form.order.replace("|", "=") + form.name)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")


def _new_bytes(machine: _Machine, *content: object) -> bytes:
    if not content:
        return b""
    return content[0] if len(content) == 1 and isinstance(content[0], bytes) else machine.encode(*content)


def _finished(value: object) -> object:
    """With arrays in place of those that were begun: in a list or tuple, and in the lists and tuples that it holds."""
    if not isinstance(value, list | tuple):
        return _content(value)
    return [list(map(_content, part)) if isinstance(part, list | tuple) else _content(part) for part in value]


def _content(value: object) -> object:
    return value.content if isinstance(value, _Array) else value


_NDARRAY = _Function(_new_array)  # named, but never called, by pickles of NumPy
_FUNCTIONS = (
    {("_codecs", "encode"): _Function(_Machine.encode)}
    | {("numpy", "ndarray"): _NDARRAY, ("numpy", "dtype"): _Function(_new_format)}
    | {(f"{core}.multiarray", "_reconstruct"): _Function(_new_array) for core in _NUMPY}
    | {(f"{core}.numeric", "_frombuffer"): _Function(_array_of_buffer) for core in _NUMPY}
    | {(module, name): _Function(_new_bytes) for module in _BUILTINS for name in ("bytes", "bytearray")}
)

#: What each instruction does: see ``pickletools``
_STEPS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": lambda m: m._take(1),  # PROTO
    b"\x95": lambda m: m._take(8),  # FRAME: a hint how much to read at once
    # numbers and truth values
    b"I": _Machine.integer,
    b"L": lambda m: m.push(m._whole_number()),
    b"J": lambda m: m.push(m._number("<i")),
    b"K": lambda m: m.push(m._number("<B")),
    b"M": lambda m: m.push(m._number("<H")),
    b"\x8a": lambda m: m.push(int.from_bytes(m._take(m._number("<B")), "little", signed=True)),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    # bytes, also those that are the text of Python 2
    b"S": _Machine.quoted,
    b"T": lambda m: m.push(m._take(m._number("<i"))),
    b"U": lambda m: m.push(m._take(m._number("<B"))),
    b"B": lambda m: m.push(m._take(m._number("<I"))),
    b"C": lambda m: m.push(m._take(m._number("<B"))),
    b"\x8e": lambda m: m.push(m._take(m._number("<Q"))),
    b"\x96": lambda m: m.push(m._take(m._number("<Q"))),
    # text
    b"V": lambda m: m.push(str(m._line(), "raw-unicode-escape")),
    b"X": lambda m: m.push(str(m._take(m._number("<I")), "utf-8", "surrogatepass")),
    b"\x8c": lambda m: m.push(str(m._take(m._number("<B")), "utf-8", "surrogatepass")),
    b"\x8d": lambda m: m.push(str(m._take(m._number("<Q")), "utf-8", "surrogatepass")),
    # lists and tuples
    b"(": _Machine.mark,
    b"]": lambda m: m.push([]),
    b"l": lambda m: m.push(m.above_mark()),
    b"a": lambda m: m.append(list(m.pop(1))),
    b"e": lambda m: m.append(m.above_mark()),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.above_mark())),
    b"\x85": lambda m: m.push(m.pop(1)),
    b"\x86": lambda m: m.push(m.pop(2)),
    b"\x87": lambda m: m.push(m.pop(3)),
    # what was seen before
    b"p": lambda m: m.put(m._whole_number()),
    b"q": lambda m: m.put(m._number("<B")),
    b"r": lambda m: m.put(m._number("<I")),
    b"\x94": lambda m: m.put(),
    b"g": lambda m: m.get(m._whole_number()),
    b"h": lambda m: m.get(m._number("<B")),
    b"j": lambda m: m.get(m._number("<I")),
    # functions by name, and what they make
    b"c": lambda m: m.find(str(m._line(), "utf-8"), str(m._line(), "utf-8")),
    b"\x93": lambda m: m.find(*m.pop(2)),
    b"R": lambda m: m.call(*m.pop(2)),
    b"b": lambda m: m.build(*m.pop(2)),
}
