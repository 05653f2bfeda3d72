"""Packed data sets, for tests alone: files as insightface's tools pack them, by the published layout; and a look inside."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.decode import decode_into
from facelab.datasets.faceset import RejectedFile
from facelab.datasets.sources import Source

MAGIC = (0xCED7230A).to_bytes(4, "little")


def frames(content: bytes) -> bytes:
    """One record in dmlc's RecordIO, as ``WriteRecord`` of ``src/recordio.cc`` writes it: cut where the magic number stands."""
    out, start = b"", 0
    for place in range(0, len(content) // 4 * 4, 4):
        if content[place : place + 4] == MAGIC:
            out += MAGIC + struct.pack("<I", (1 if start == 0 else 2) << 29 | place - start) + content[start:place]
            start = place + 4
    out += MAGIC + struct.pack("<I", (3 if start else 0) << 29 | len(content) - start) + content[start:]
    return out + b"\0" * (-len(content) % 4)


def image_record(number: int, label: float | Sequence[float], photograph: bytes) -> bytes:
    """The content of one record, as ``pack`` of MXNet's ``recordio.py`` makes it."""
    if isinstance(label, int | float):
        return struct.pack("<IfQQ", 0, label, number, 0) + photograph
    return struct.pack("<IfQQ", len(label), 0, number, 0) + struct.pack(f"<{len(label)}f", *label) + photograph


def write_records(path: Path, records: dict[int, bytes], index: bool = True) -> dict[int, int]:
    """A .rec file, and beside it its .idx; hands back where each record begins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    places, content = {}, b""
    for number, record in records.items():
        places[number] = len(content)
        content += frames(record)
    path.write_bytes(content)
    if index:
        lines = [f"{number}\t{place}\n" for number, place in places.items()]
        path.with_suffix(".idx").write_text("".join(lines))
    return places


def insightface_records(people: Sequence[Sequence[bytes]], aligned: bool = True) -> dict[int, bytes]:
    """What ``face2rec2.py`` writes of each person's photographs: these from 1 on, the header, then a record a person."""
    records, ranges = {}, []
    number = 1
    for person, photographs in enumerate(people):
        ranges.append((number, number + len(photographs)))
        for photograph in photographs:
            records[number] = image_record(number, (person, 1) if aligned else person, photograph)
            number += 1
    records[0] = image_record(0, (number, number + len(ranges)), b"")
    for n, bounds in enumerate(ranges):
        records[number + n] = image_record(number + n, bounds, b"")
    return records


def python2_pickle(photographs: Sequence[bytes], same: Sequence[bool], protocol: int) -> bytes:
    """``pickle.dumps((photographs, same), protocol)`` of Python 2, whose bytes are texts; protocol 0 or 2."""
    if protocol == 0:
        texts = [b"S" + repr(photo)[1:].encode("ascii") + b"\np%d\na" % (n + 10) for n, photo in enumerate(photographs)]
        flags = [b"I01\na" if flag else b"I00\na" for flag in same]
        return b"((lp1\n" + b"".join(texts) + b"(lp2\n" + b"".join(flags) + b"tp3\n."
    texts = [
        b"T" + struct.pack("<i", len(photo)) + photo + b"r" + struct.pack("<I", n + 10)
        for n, photo in enumerate(photographs)
    ]
    flags = [b"\x88" if flag else b"\x89" for flag in same]
    return b"\x80\x02]q\x01(" + b"".join(texts) + b"e]q\x02(" + b"".join(flags) + b"e\x86q\x03."


def index_and_decode(source: Source, root: Path) -> tuple[pd.DataFrame, list[RejectedFile]]:
    """The index of a source, and what of its usable rows could not be decoded: each row that was not written."""
    table = source.index(root)
    usable = table[table["rejected"] == ""].reset_index(drop=True)
    pixels = np.zeros((len(usable), 8, 8, 3), np.uint8)
    written, faults = decode_into(pixels, source.read(root, usable), threads=1)
    assert len(faults) == (~written).sum()
    return table, faults
