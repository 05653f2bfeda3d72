"""Photographs packed by MXNet as insightface packs them: ``load("rec:/path/to/folder")``, without MXNet.

A folder holds ``train.rec`` (``recordio``), mostly ``train.idx`` (a line for each record: its number, a tab, where it begins)
and ``property`` (the number of people, height and width, parted by commas). A record begins with MXNet's header: uint32
``flag``, float32 ``label``, uint64 ``id`` (its number) and ``id2``; where ``flag`` is not 0, that many float32 labels follow,
and ``label`` means nothing. The rest is the encoded photograph. The first label is the number of the person; insightface writes
another one behind it, which says that the photograph is aligned. The list that a set was packed from (``train.lst``) is not
needed any more.

Where record 0 holds no photograph but two labels, the first is the end of the photographs, which are records 1 to the one
before it, and the other the end of the records behind them. Those are one for each person: the number of the first of its
photographs and of the one behind its last. They say nothing that the photographs do not say themselves, and float32 rounds
numbers beyond 16,777,216, as there are in the largest sets. So they are passed over, as insightface's training does.

Sources: ``python/mxnet/recordio.py`` of MXNet; of insightface, ``dataset.py`` of arcface_torch, ``face2rec2.py``, which packs,
and ``rec_builder.py``, whose files have no such record 0.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from facelab.datasets.decode import Photograph
from facelab.datasets.recordio import Record, RecordFile
from facelab.datasets.sources import Source, path_of_family, register_family, source_by_path
from facelab.datasets.text_files import read_lines
from facelab.datasets.trees import sorted_entries
from facelab.errors import BadImageError, BadParameterError, DataMissingError, FacelabError
from facelab.progress import progress_bar

_HEADER = struct.Struct("<IfQQ")
_LABEL = struct.Struct("<f")
_MOST_PEOPLE = 2**24  # beyond, float32 does not tell two numbers apart
_STEP = 1000  # records from one step of a progress bar to the next
_INDEX_LINE = re.compile(r"(\d{1,18})\t(\d{1,18})")
_PROPERTY_LINE = re.compile(r"(\d{1,9}),\d{1,9},\d{1,9}\s*")
_PROPERTY = "property"


class RecordHead(NamedTuple):
    """What a record says before its photograph.

    Attributes:
        own_number: its number.
        label: the first of its labels.
        labels: how many there are.
        size: bytes of all this.
        photograph: bytes of what follows.
    """

    own_number: int
    label: float
    labels: int
    size: int
    photograph: int


#: What is kept of each record, so that half a million of them take some thirty megabytes. ``number``: what the ``.idx`` says,
#: -1 without one; ``reason``: where in a list of reasons it stands why the record cannot be read, -1 where it can.
_FOUND = np.dtype(
    {
        "names": ("number", "own_number", "offset", "end", "reason", "label", "labels", "photograph"),
        "formats": ("i8", "u8", "i8", "i8", "i8", "f8", "i8", "i8"),
    }
)


def rec_source(path: str) -> Source:
    """The source of ``rec:PATH``; ``~`` is the home folder, and a relative path starts from the working folder.

    Args:
        path: a ``.rec`` file, or the folder that holds ``train.rec`` or no more than one ``.rec`` file.

    Raises:
        BadParameterError: no such path can be, or it is not text and so cannot stand in a record.
    """
    place = path_of_family(path)
    return source_by_path(
        name=f"rec:{path}",
        title=f"Photographs packed by MXNet in {place}",
        instructions=f"There is no {place}: give the path of a .rec file, or of the folder that holds train.rec.",
        layout="PATH/train.rec with train.idx and property beside it where they are there, as insightface packs photographs",
        locate=lambda: locate(place),
        index=index,
        read=read,
        archives=archives,
        seekable=True,
        published_counts=published_counts(place),
    )


def locate(place: Path) -> Path | None:
    """The ``.rec`` file of a path; None where nothing is there.

    Raises:
        DataMissingError: it is a folder without one, or one that cannot be opened.
        BadParameterError: it is a folder of several, none of them called ``train.rec``.
    """
    if os.path.isfile(place):
        if place.suffix.lower() == ".idx":
            raise BadParameterError(f"{place} is an index of records.", f"Give {place.with_suffix('.rec')}.")
        return place
    if not os.path.isdir(place):
        return None
    names = [entry.name for entry in sorted_entries(place) if entry.is_file()]
    packed = [name for name in names if name.lower().endswith(".rec")]
    if "train.rec" in packed:
        return place / "train.rec"
    if len(packed) > 1:
        raise BadParameterError(
            f"{place} holds {len(packed)} .rec files, and none is train.rec.", f"Give one of them: {place / packed[0]}."
        )
    if not packed:
        lone = next((name for name in names if name.lower().endswith(".idx")), None)
        raise DataMissingError(
            f"{place} holds {lone}, but not the records that it is the index of."
            if lone
            else f"{place} holds no .rec file.",
            f"Put {Path(lone).stem if lone else 'train'}.rec into it.",
        )
    return place / packed[0]


def archives(rec: Path) -> list[Path]:
    """The ``.rec`` file and what is beside it of it."""
    return [rec, *(path for path in (rec.with_suffix(".idx"), rec.parent / _PROPERTY) if os.path.isfile(path))]


def published_counts(place: Path) -> dict[str, int]:
    """How many people the file ``property`` beside the records says that there are; empty where there is no such file."""
    stated = (place if os.path.isdir(place) else place.parent) / _PROPERTY
    try:
        if not os.path.isfile(stated):  # opening a pipe would wait for somebody to write to it
            return {}
        with stated.open("rb") as file:
            line = file.readline(100).decode("latin-1")
    except OSError:
        return {}
    found = _PROPERTY_LINE.fullmatch(line)
    return {"people": int(found[1])} if found else {}


def index(rec: Path) -> pd.DataFrame:
    """The photographs in the order of the file, without reading them: of each record its first bytes are read.

    Returns:
        Columns ``file`` (``record 123``), ``identity`` (``0000007``), ``offset`` (where the record begins) and ``rejected``.

    Raises:
        DataMissingError: the ``.rec`` file cannot be opened.
        FacelabError: the ``.idx`` is no index; see ``read_index``.
    """
    listing = rec.with_suffix(".idx")
    reasons: list[str] = []
    try:
        with RecordFile(rec) as file:
            if os.path.isfile(listing):
                found = np.fromiter(_look_up(file, *read_index(listing), reasons), _FOUND)
                notes = [(listing.name, _gaps(found, file.size))]
            else:
                found, notes = np.fromiter(_look_through(file, reasons), _FOUND), []
    except OSError as error:
        raise DataMissingError(f"{rec} cannot be read ({error.strerror}).", "Check its rights.") from error
    table = _photographs(found, reasons)
    if os.path.isfile(rec.parent / _PROPERTY) and not published_counts(rec):
        notes.append((_PROPERTY, "Its first line is not PEOPLE,HEIGHT,WIDTH."))
    rows = [(name, "", 0, note) for name, note in notes if note]
    return pd.concat([table, pd.DataFrame(rows, columns=list(table))], ignore_index=True) if rows else table


def read(rec: Path, table: pd.DataFrame) -> Iterator[tuple[int, str, Photograph]]:
    """The photographs of some rows of the index, each by one seek."""
    try:
        file = RecordFile(rec)
    except OSError as error:
        yield from ((row, name, error) for row, name in enumerate(table["file"]))
        return
    with file:
        for row, (name, offset) in enumerate(zip(table["file"], table["offset"], strict=True)):
            try:
                content = file.read(int(offset))
                yield row, name, content[read_head(content, len(content)).size :]
            except (OSError, BadImageError) as error:
                yield row, name, error


def read_index(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the records of an ``.idx`` file and where they begin, in the order of the ``.rec`` file: int64 (N,) each.

    Raises:
        BadParameterError: it is no text.
        FacelabError: a line is not ``NUMBER tab OFFSET``, or a number or an offset stands there twice.
    """
    remedy = "Remove it: the records are then found without it."
    lines = read_lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    found = np.empty((len(lines), 2), np.int64)
    for n, line in enumerate(lines):
        match = _INDEX_LINE.fullmatch(line.strip())
        if not match:
            raise FacelabError(f"{path}, line {n + 1}, is not the number of a record, a tab and its place.", remedy)
        found[n] = int(match[1]), int(match[2])
    for column, what in enumerate(("number", "place")):
        values, first = np.unique(found[:, column], return_index=True)
        if len(values) < len(found):
            twice = int(np.delete(np.arange(len(found)), first)[0])
            raise FacelabError(f"{path}, line {twice + 1}, has the {what} of a line before it.", remedy)
    found = found[np.argsort(found[:, 1])]
    return found[:, 0], found[:, 1]


def _look_up(
    file: RecordFile, numbers: np.ndarray, offsets: np.ndarray, reasons: list[str]
) -> Iterator[tuple[float, ...]]:
    """What stands where the ``.idx`` says that records begin, as of ``_FOUND``; what is wrong is added to ``reasons``."""
    with progress_bar("Looking through the records", len(numbers), delay=2) as shown:
        ends = [*offsets[1:].tolist(), file.size]
        for n, (number, offset, end) in enumerate(zip(numbers.tolist(), offsets.tolist(), ends, strict=True)):
            try:
                record = file.look(offset)
                if record.end > end + 3:  # the zeros behind the last one may be missing
                    raise BadImageError("It runs into the next record.", "Get the file again.")
                yield number, *_found(record, reasons)
            except BadImageError as error:
                reasons.append(error.problem)
                yield number, *_unreadable(offset, len(reasons) - 1)
            if n % _STEP == _STEP - 1:
                shown.advance(_STEP)


def _look_through(file: RecordFile, reasons: list[str]) -> Iterator[tuple[float, ...]]:
    """As ``_look_up``, without an ``.idx``."""
    with progress_bar("Looking through the records", file.size, delay=2) as shown:
        before = 0
        for n, there in enumerate(file.scan()):
            if isinstance(there, Record):
                yield -1, *_found(there, reasons)
            else:
                reasons.append(f"No record can be read up to byte {there.end}. {there.reason}")
                yield -1, *_unreadable(there.offset, len(reasons) - 1)
            if n % _STEP == _STEP - 1:
                shown.advance(there.end - before)
                before = there.end


def _found(record: Record, reasons: list[str]) -> tuple[float, ...]:
    try:
        head = read_head(record.start, record.length)
    except BadImageError as error:
        reasons.append(error.problem)
        return _unreadable(record.offset, len(reasons) - 1, record.end)
    return head.own_number, record.offset, record.end, -1, head.label, head.labels, head.photograph


def _unreadable(offset: int, reason: int, end: int = -1) -> tuple[float, ...]:
    return 0, offset, end, reason, -1.0, 0, 0


def read_head(start: bytes, length: int) -> RecordHead:
    """What a record of ``length`` bytes says before its photograph, from its first ``recordio.START`` bytes or more.

    Raises:
        BadImageError: the record is too short for it.
    """
    if length < _HEADER.size:
        raise BadImageError(f"It has {length} bytes, too few for the header of a photograph.", "Get the file again.")
    flag, label, number, _ = _HEADER.unpack_from(start)
    size = _HEADER.size + _LABEL.size * flag
    if size > length:
        raise BadImageError(f"It has {length} bytes, too few for its {flag} labels.", "Get the file again.")
    if flag:
        (label,) = _LABEL.unpack_from(start, _HEADER.size)
    return RecordHead(number, label, max(flag, 1), size, length - size)


def _gaps(found: np.ndarray, size: int) -> str:
    """What to say of records that an ``.idx`` does not list; empty where it lists all that follow one that can be read."""
    ends = np.concatenate([[0], found["end"]])
    gaps = ends[(ends >= 0) & (ends < np.minimum(np.concatenate([found["offset"], [size]]), size))]
    return f"It does not list what stands at {len(gaps)} places, first at byte {gaps[0]}." if len(gaps) else ""


def _photographs(found: np.ndarray, reasons: list[str]) -> pd.DataFrame:
    """The index of what was found."""
    readable = found["reason"] < 0
    numbers, is_numbered = found["number"], np.ones(len(found), bool)
    if len(found) and numbers[0] < 0:
        numbers, is_numbered = _own_numbers(found)
    is_first = readable & is_numbered & (numbers == 0)
    end = _end_of_photographs(found[is_first])
    # float32, as the end: beyond 16,777,216 it may be rounded
    behind = readable & (numbers.astype(np.float32) >= end)
    is_person = behind & (found["photograph"] == 0) & (found["labels"] > 1)
    rows = np.flatnonzero(~is_person & ~(is_first & np.isfinite(end)))
    faults = [
        reasons[reason] if reason >= 0
        else "It holds no photograph." if not photograph
        else "" if 0 <= label <= _MOST_PEOPLE and label == int(label)
        else f"Its label is {label:g}, which is not the number of a person."
        for reason, photograph, label in found[["reason", "photograph", "label"]][rows].tolist()
    ]  # fmt: skip
    for n in np.flatnonzero(behind[rows]).tolist():
        faults[n] = faults[n] or "It stands behind the last photograph that record 0 names."
    files = [
        f"record {number}" if has_number else f"byte {offset}"
        for number, has_number, offset in zip(
            numbers[rows].tolist(), is_numbered[rows].tolist(), found["offset"][rows].tolist(), strict=True
        )
    ]
    people = {label: f"{int(label):07d}" for label in np.unique(found["label"]).tolist() if 0 <= label <= _MOST_PEOPLE}
    identity = [
        "" if fault else people[label] for fault, label in zip(faults, found["label"][rows].tolist(), strict=True)
    ]
    table = pd.DataFrame({"file": files, "identity": identity, "offset": found["offset"][rows], "rejected": faults})
    if np.isfinite(end) and np.float32(len(rows) + 1) < end:
        lack = f"It says that there are {end - 1:.0f} photographs; {len(rows)} are here."
        table.loc[len(table)] = ["record 0", "", 0, lack]
    return table


def _own_numbers(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without an ``.idx``: what each record calls itself, and which do; where two have one number, their places in the file."""
    readable = found["reason"] < 0
    own = found["own_number"]
    if len(np.unique(own[readable])) == readable.sum():
        return own, readable
    return np.arange(len(found)), np.ones(len(found), bool)


def _end_of_photographs(first: np.ndarray) -> float:
    """What record 0 says, where it is no photograph but two labels: infinite where it is one, or is not there."""
    is_header = len(first) == 1 and not first["photograph"][0] and first["labels"][0] > 1 and first["label"][0] >= 1
    return float(first["label"][0]) if is_header else np.inf


register_family("rec", rec_source, "photographs packed by MXNet (train.rec), as insightface packs them")
