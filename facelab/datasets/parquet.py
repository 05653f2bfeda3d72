"""Parquet shards as the Hugging Face Hub has them: ``load("parquet:/path/to/folder")``, or one file.

A column of photographs and a column of labels are found by their types and usual names (``parquet_columns``), or named:
``parquet:PATH?image=img&label=person``; ``label=`` alone says that the people are not known.

Rows are read in small batches of one row group at a time. What cannot be read is listed: a shard, a row group, or a row.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from facelab.datasets.decode import MAX_BYTES, Photograph
from facelab.datasets.packed_paths import find_shards, parse_packed_path, shard_name
from facelab.datasets.parquet_columns import Columns, find_columns
from facelab.datasets.person_labels import label_text
from facelab.datasets.sources import Source, register_family, source_by_path
from facelab.datasets.trees import is_text
from facelab.errors import BadImageError, BadParameterError, one_line
from facelab.extras import needs_extra
from facelab.files import is_lfs_pointer
from facelab.progress import progress_bar

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

_OPTIONS = ("image", "label")
_ENDINGS = (".parquet",)
# train-00000-of-00004.parquet; a few years ago a hash stood behind
_NUMBERED = re.compile(r"(.+?)-(\d{1,9})-of-(\d{1,9})(?:-[0-9a-f]{6,64})?\.parquet", re.IGNORECASE)
_SPLITS = {"train", "validation", "test"}  # folders of the Hub's own conversions
# photographs in memory at once, by what the file says of their mean length
_BATCH_BYTES, _MOST_ROWS = 16 * 2**20, 100
_LABEL_ROWS = 10_000
# photographs are compressed already: what grows more than so, beyond so much, is a bomb
_MOST_GROWTH, _FREE_GROWTH = 100, 64 * 2**20


@dataclass(frozen=True)
class _Shard:
    """A shard that is open, its length in bytes, or the reason why it cannot be used."""

    name: str
    length: int = 0
    file: pyarrow.parquet.ParquetFile | None = None
    columns: Columns | None = None
    reason: str = ""


def parquet_source(path: str) -> Source:
    """The source of ``parquet:PATH``.

    Raises:
        BadParameterError: no such path can be, or an option is given twice.
    """
    root, options = parse_packed_path(path, _OPTIONS)
    return source_by_path(
        name=f"parquet:{path}",
        title=f"Parquet shards in {root}",
        instructions=f"There is no {root}: give the path of a .parquet file, or of a folder that holds some.",
        layout="PATH or PATH/**/*.parquet, with a column of photographs and one of labels",
        locate=lambda: root if os.path.exists(root) else None,
        index=functools.partial(index, options),
        read=functools.partial(read, options),
        archives=lambda place: find_shards(place, _ENDINGS),
    )


def index(options: Mapping[str, str], root: Path) -> pd.DataFrame:
    """The rows of all shards: ``file`` (shard/row), ``identity``, ``rejected``; ``path`` and ``split`` where they are said.

    Raises:
        BadParameterError: which columns are meant is not clear; the message lists them.
        FacelabError: pyarrow is not installed.
    """
    rows: list[tuple[str, str, str, str, str]] = []
    for shard in _open_shards(root, options):
        split = _split(shard.name)
        if shard.file is None:
            rows.append((shard.name, "", shard.reason, "", split))
            continue
        for group, start, count in _row_groups(shard.file):
            try:
                found = _labels_of(shard, group, start, count)
            except _faults() as error:
                rows.append(
                    (f"{shard.name}/row group {group}", "", f"It cannot be read ({one_line(error)}).", "", split)
                )
            else:
                rows += [(*row, split) for row in found]
    rows += [(file, "", reason, "", "") for file, reason in _missing_shards(root)]
    table = pd.DataFrame(rows, columns=["file", "identity", "rejected", "path", "split"])
    return table.drop(columns=[name for name in ("path", "split") if not table[name].any()])


def read(options: Mapping[str, str], root: Path, table: pd.DataFrame) -> Iterator[tuple[int, str, Photograph]]:
    """The photographs of the rows of an index, shard by shard."""
    wanted = {name: row for row, name in enumerate(table["file"])}
    why: dict[str, str] = {}
    for shard in _open_shards(root, options):
        if shard.file is None:
            why[shard.name] = shard.reason
            continue
        for group, start, count in _row_groups(shard.file):
            try:
                for place, photograph in enumerate(_photographs_of(shard, group)):
                    name = _row_name(shard.name, start + place)
                    if place < count and name in wanted:
                        yield wanted.pop(name), name, photograph
            except _faults() as error:
                why[shard.name] = f"row group {group} cannot be read ({one_line(error)})"
    for name, row in wanted.items():
        yield row, name, OSError(why.get(name.rpartition("/")[0], "no shard holds it"))


def _open_shards(root: Path, options: Mapping[str, str]) -> Iterator[_Shard]:
    """Each shard, open until the next one is. The first that can be opened decides on the columns of all."""
    _import_pyarrow()
    shards = find_shards(root, _ENDINGS)
    chosen: Mapping[str, str] | None = None
    with progress_bar(f"Reading {root}", len(shards), delay=2) as shown:
        for path in shards:
            shard = _Shard(shard_name(root, path))
            with ExitStack() as opened:
                try:
                    shard = replace(shard, length=os.stat(path).st_size, file=opened.enter_context(_open(path)))
                    columns = find_columns(shard.file, options if chosen is None else chosen)
                    chosen = {"image": columns.image, "label": columns.label}
                    shard = replace(shard, columns=columns)
                except BadParameterError as error:
                    if chosen is None:
                        raise BadParameterError(f"{path}: {error.problem}", error.remedy) from error
                    shard = replace(shard, file=None, reason=error.problem)
                except _faults() as error:
                    shard = replace(shard, file=None, reason=f"It cannot be read ({one_line(error)}).")
                yield shard
            shown.advance()


def _import_pyarrow() -> None:
    with needs_extra("A parquet shard", "exchange"):
        import pyarrow.parquet  # noqa: F401


def _faults() -> tuple[type[Exception], ...]:
    """What pyarrow raises on a damaged file, by its list of errors."""
    import pyarrow

    return (
        pyarrow.ArrowException,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        RuntimeError,
        MemoryError,
        OverflowError,
    )


def _open(path: Path) -> pyarrow.parquet.ParquetFile:
    import pyarrow.parquet

    if is_lfs_pointer(path):
        raise OSError("it is only the pointer to a file that Git LFS has not fetched: git lfs pull")
    return pyarrow.parquet.ParquetFile(
        str(path),
        buffer_size=2**20,  # or a whole row group would be read at once
        pre_buffer=False,
        page_checksum_verification=True,  # of the pages that have one
    )


def _row_groups(file: pyarrow.parquet.ParquetFile) -> Iterator[tuple[int, int, int]]:
    """(Number, its first row in the shard, how many rows it should have) of each."""
    start = 0
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        yield group, start, count
        start += max(count, 0)


def _row_name(shard: str, row: int) -> str:
    return f"{shard}/{row:06d}"


def _labels_of(shard: _Shard, group: int, start: int, count: int) -> list[tuple[str, str, str, str]]:
    """(file, identity, reason, path) of the rows of a row group.

    Raises:
        ValueError, ...: it cannot be read, or has not the rows that the file says (``_faults``).
    """
    columns = shard.columns
    said = [name for name in (columns.label, columns.path) if name]
    wanted, most = (said, _LABEL_ROWS) if said else ([columns.photograph], _MOST_ROWS)  # rows are counted, not believed
    _size_of(shard, group)  # refuses a bomb
    rows: list[tuple[str, str, str, str]] = []
    for batch in shard.file.iter_batches(most, [group], wanted, use_threads=False):
        labels = batch.column(columns.label) if columns.label else None
        paths = batch.column(columns.image) if columns.path else None
        for place in range(batch.num_rows):
            name = _row_name(shard.name, start + len(rows))
            try:
                identity = "" if labels is None else label_text(labels[place].as_py(), columns.names)
                path = "" if paths is None else _path_text(paths[place].as_py())
                rows.append((name, identity, "", path))
            except UnicodeDecodeError:
                rows.append((name, "", "Its label or path is not text (UTF-8).", ""))
            except ValueError as error:
                rows.append((name, "", f"Its label {error}.", ""))
        if len(rows) > count:
            break
    if len(rows) != count:
        raise ValueError(f"it has not the {count:,} rows that it should have")
    return rows


def _path_text(value: object) -> str:
    text = value.get("path") if isinstance(value, dict) else None
    return text if isinstance(text, str) and is_text(text) and "\0" not in text else ""


def _photographs_of(shard: _Shard, group: int) -> Iterator[bytes | BadImageError]:
    """The encoded photograph of each row of a row group, some at a time."""
    columns = shard.columns
    size = _size_of(shard, group)
    count = max(shard.file.metadata.row_group(group).num_rows, 1)
    rows = min(max(_BATCH_BYTES * count // max(size, 1), 1), _MOST_ROWS)
    for batch in shard.file.iter_batches(rows, [group], [columns.photograph], use_threads=False):
        column = batch.column(columns.image)
        for place in range(batch.num_rows):
            value = column[place].as_py()
            data = value.get("bytes") if isinstance(value, dict) else value
            if data is None:
                yield BadImageError("The row holds no photograph, only at best the path of one.", "Embed its bytes.")
            elif len(data) > MAX_BYTES:
                yield BadImageError(
                    f"It is larger than {MAX_BYTES // 2**20} MiB, as no photograph is.", "Scale it down."
                )
            else:
                yield data


def _size_of(shard: _Shard, group: int) -> int:
    """Bytes that a row group says it has when it is unpacked.

    What is said of its columns would be more exact, but asking pyarrow for it (``RowGroupMetaData.column``) ends the process
    where a footer is damaged.

    Raises:
        ValueError: they would grow by far more than photographs do.
    """
    size = shard.file.metadata.row_group(group).total_byte_size
    if size > _MOST_GROWTH * shard.length + _FREE_GROWTH:
        raise ValueError(f"the {shard.length:,} bytes of the file would grow to {size:,}, as no photographs do")
    return size


def _split(shard: str) -> str:
    """The part of the data set that a shard's name says: ``train-00000-of-00004.parquet``, or ``train/0000.parquet``."""
    folder, _, name = f"/{shard}".rpartition("/")
    numbered = _NUMBERED.fullmatch(name)
    parent = folder.rpartition("/")[2]
    return numbered[1] if numbered else parent if parent in _SPLITS else ""


def _missing_shards(root: Path) -> Iterator[tuple[str, str]]:
    """(Name, reason) of the first shard that lacks in each series of a folder; a file alone was asked for alone."""
    if not os.path.isdir(root):
        return
    series: dict[tuple[str, str, str], set[int]] = {}
    for path in find_shards(root, _ENDINGS):
        folder, _, name = f"/{shard_name(root, path)}".rpartition("/")
        if numbered := _NUMBERED.fullmatch(name):
            series.setdefault((folder[1:], numbered[1], numbered[3]), set()).add(int(numbered[2]))
    for (folder, prefix, total), there in series.items():
        if len(there) < int(total):
            first = next(number for number in range(int(total)) if number not in there)
            name = f"{prefix}-{first:0{len(total)}d}-of-{total}.parquet"
            lacking = int(total) - len(there)
            yield (
                f"{folder}/{name}" if folder else name,
                f"It is not there; of {int(total):,} shards {lacking:,} are not.",
            )


register_family("parquet", parquet_source, "parquet of the Hugging Face Hub: a file or a folder of shards")
