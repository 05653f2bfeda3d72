"""Parquet shards as the Hugging Face Hub has them: ``load("parquet:/path/to/folder")``, or one file.

A column of photographs (a struct of ``bytes`` and ``path``, or plain binary) and a column of labels (text, whole numbers, or
the numbers of a ``ClassLabel``, whose names stand as JSON in the schema's metadata under "huggingface"). They are found by
their types and usual names, or named: ``parquet:PATH?image=img&label=person``; ``label=`` alone says that the people are not
known.

Rows are read in small batches of one row group at a time. What cannot be read is listed: a shard, a row group, or a row.
"""

from __future__ import annotations

import functools
import json
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
from facelab.datasets.person_labels import USUAL_NAMES_IN_WORDS, label_text, usual_label
from facelab.datasets.sources import Source, register_family
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
_USUAL_IMAGES = {
    "image",
    "images",
    "img",
    "photo",
    "photograph",
    "picture",
    "face",
    "jpg",
    "jpeg",
    "png",
    "image_bytes",
}
_NUMBERED = re.compile(  # train-00000-of-00004.parquet; a few years ago a hash stood behind
    r"(.+?)-(\d{1,9})-of-(\d{1,9})(?:-[0-9a-f]{6,64})?\.parquet", re.IGNORECASE
)
_SPLITS = {"train", "validation", "test"}  # folders of the Hub's own conversions
_BATCH_BYTES, _MOST_ROWS = (
    16 * 2**20,
    100,
)  # of photographs in memory at once, by what the file says of their mean length
_LABEL_ROWS = 10_000
# photographs are compressed already: what grows more than so, beyond so much, is a bomb
_MOST_GROWTH, _FREE_GROWTH = 100, 64 * 2**20


@dataclass(frozen=True)
class _Columns:
    """Where a shard has what is wanted; as paths of parquet, with a dot before what is inside a struct.

    Attributes:
        image, label: names of the columns; no label where the people are not known.
        photograph: the bytes.
        path: the name that a photograph had as a file, or None.
        names: of a ClassLabel, by number.
    """

    image: str
    label: str
    photograph: str
    path: str | None
    names: list[str] | None


@dataclass(frozen=True)
class _Shard:
    """A shard that is open, its length in bytes, or the reason why it cannot be used."""

    name: str
    length: int = 0
    file: pyarrow.parquet.ParquetFile | None = None
    columns: _Columns | None = None
    reason: str = ""


def parquet_source(path: str) -> Source:
    """The source of ``parquet:PATH``.

    Raises:
        BadParameterError: no such path can be, or an option is given twice.
    """
    root, options = parse_packed_path(path, _OPTIONS)
    return Source(
        name=f"parquet:{path}",
        title=f"Parquet shards in {root}",
        facts="Counted when they are read",
        license="Yours to know",
        instructions=f"There is no {root}: give the path of a .parquet file, or of a folder that holds some.",
        layout="PATH or PATH/**/*.parquet, with a column of photographs and one of labels",
        citation="",
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
                    columns = _find_columns(shard.file, options if chosen is None else chosen)
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


def _find_columns(file: pyarrow.parquet.ParquetFile, options: Mapping[str, str]) -> _Columns:
    """The columns of photographs and labels.

    Args:
        file: the shard.
        options: the names of some, as they were asked for.

    Raises:
        BadParameterError: which are meant is not clear, or those named are not there or of no such type.
        ValueError: the schema cannot be read.
    """
    schema = file.schema_arrow
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two of its columns have one name")
    features = _features(schema)
    kinds = {name: _feature_kind(features.get(name)) for name in schema.names}
    images = [name for name in schema.names if _is_image(schema.field(name).type) and kinds[name] in ("", "Image")]
    labels = [name for name in schema.names if _is_label(schema.field(name).type)]
    image = (
        _choose("image", images, options.get("image"), schema) if options.get("image") else _guess_image(images, schema)
    )
    label = options.get("label")
    if label is None:
        label = _guess_label(labels, schema)
    elif label:
        _choose("label", labels, label, schema)
    in_struct = not _is_binary(schema.field(image).type)
    has_path = in_struct and _has_text(schema.field(image).type, "path")
    names = _class_names(features[label]) if label and kinds[label] == "ClassLabel" else None
    return _Columns(
        image, label, f"{image}.bytes" if in_struct else image, f"{image}.path" if has_path else None, names
    )


def _listed(schema: pyarrow.Schema) -> str:
    told = [f"{field.name!r} ({str(field.type)[:40]})" for field in schema][:20]
    return "Its columns are: " + ", ".join(told) + (", ..." if len(schema) > len(told) else "") + "."


def _choose(what: str, candidates: list[str], name: str, schema: pyarrow.Schema) -> str:
    if name in candidates:
        return name
    fault = "that holds " + ("photographs" if what == "image" else "text or whole numbers")
    there = f"The column {name!r} is none {fault}." if name in schema.names else f"It has no column {name!r}."
    raise BadParameterError(f"{there} {_listed(schema)}", f"Name one {fault}: ?{what}=COLUMN behind the path.")


def _guess_image(candidates: list[str], schema: pyarrow.Schema) -> str:
    usual = [name for name in candidates if name.casefold() in _USUAL_IMAGES]
    found = candidates if len(candidates) == 1 else usual
    if len(found) == 1:
        return found[0]
    problem = (
        "It has no column of photographs"
        if not candidates
        else "Which of its columns holds the photographs is not clear"
    )
    raise BadParameterError(f"{problem}. {_listed(schema)}", "Name it: ?image=COLUMN behind the path.")


def _guess_label(candidates: list[str], schema: pyarrow.Schema) -> str:
    found = usual_label(candidates)
    if len(found) == 1:
        return found[0]
    problem = "Which of its columns says the person is not clear" if found else (
        f"It has no column of whole numbers or text that is called {USUAL_NAMES_IN_WORDS}"
    )  # fmt: skip
    remedy = "Name the one that says the person, ?label=COLUMN behind the path, or write ?label= where none does."
    raise BadParameterError(f"{problem}. {_listed(schema)}", remedy)


def _is_binary(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _is_text(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_image(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    if not types.is_struct(kind):
        return _is_binary(kind)
    place = kind.get_field_index("bytes")
    return place >= 0 and _is_binary(kind.field(place).type)


def _has_text(kind: pyarrow.DataType, name: str) -> bool:
    place = kind.get_field_index(name)
    return place >= 0 and _is_text(kind.field(place).type)


def _is_label(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    value = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_integer(value) or _is_text(value)


def _features(schema: pyarrow.Schema) -> dict[str, object]:
    """What the library ``datasets`` has written of the columns; empty where it has not.

    Raises:
        ValueError: it is no JSON of that kind.
    """
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    try:
        features = json.loads(text)["info"]["features"]
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError("its metadata of Hugging Face say no features") from error
    if not isinstance(features, dict):
        raise ValueError("its metadata of Hugging Face say no features")
    return features


def _feature_kind(feature: object) -> str:
    kind = feature.get("_type") if isinstance(feature, dict) else None
    return kind if kind in ("Image", "ClassLabel", "Audio", "Video") else ""


def _class_names(feature: dict[str, object]) -> list[str]:
    names = feature.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its ClassLabel has no list of names")
    texts = [label_text(name) for name in names]
    if len(set(texts)) < len(texts):
        raise ValueError("its ClassLabel has one name twice")
    return texts


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
