"""Text that a user brings, as editors and spreadsheets leave it: byte order marks, UTF-16, other line ends and separators."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from facelab.errors import BadParameterError, DataMissingError, FacelabError, nearest_name

AGAIN = "Get it again, or mend it in a text editor."
_SEPARATORS = ",;\t"
TELLS_SEPARATOR = re.compile(rf"sep=([{_SEPARATORS}|])(?:\n|$)")  #: a first line that spreadsheets understand
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?[Ee]\+\d+")  # 20170109150557335 as a spreadsheet shows it, and saves it
_WHOLE = re.compile(r"([+-]?\d{1,18})(?:[.,]0+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(?:,\d+)?")


class _Line(NamedTuple):
    """A line of a table: its number in the file, from 1, and its fields."""

    number: int
    fields: list[str]


def read_text(path: Path) -> str:
    """A whole file of text, its lines parted by ``\\n`` whatever parted them before (CR LF, CR).

    It may be UTF-8 with or without a byte order mark, or UTF-16 with one: the "Unicode text" of spreadsheets.

    Raises:
        DataMissingError: it is not there.
        BadParameterError: it cannot be opened, or is not text in one of these forms; the line is named.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataMissingError(
            f"The file {path} is not there.", "Get it from where the photographs came from."
        ) from None
    except OSError as error:
        raise BadParameterError(f"{path} cannot be read ({error.strerror}).", "Name a file of text.") from error
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    form, codec = ("UTF-16", "utf-16") if wide else ("UTF-8", "utf-8-sig")
    try:
        text, nul, _ = content.decode(codec).partition("\0")
        fault = "a NUL character" if nul else ""
    except UnicodeDecodeError as error:
        text, fault = error.object[: error.start].decode(codec, errors="replace"), f"bytes that are not {form}"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if fault:
        raise BadParameterError(
            f"{path} cannot be read as text: line {text.count(chr(10)) + 1} has {fault}.",
            "Save it as UTF-8 (in Excel: CSV UTF-8).",
        )
    return text


def read_lines(path: Path) -> list[str]:
    """The lines of a file of text, without their ends; errors as for ``read_text``."""
    return read_text(path).split("\n")


def read_table(
    path: Path,
    columns: Iterable[str],
    text_columns: Iterable[str] = (),
    whole_columns: Iterable[str] = (),
) -> pd.DataFrame:
    """A table of labels, its columns parted by commas, semicolons or tabs, as spreadsheets save it.

    Blanks around a field, empty lines, and empty columns without a name, which spreadsheets leave at the end, are passed over.
    A column called ``file`` names a photograph in each line.
    Where no comma parts the columns, 1,5 is a number.

    Args:
        path: the file, text as for ``read_text``; its first line names the columns.
        columns: those that must be there.
        text_columns: those that are kept as text. Only an empty field is missing: a person may be called None.
        whole_columns: those that hold whole numbers, one in each line.

    Raises:
        DataMissingError, FacelabError: as for ``read_text``, it lacks a column, or a line of it is no line of such a table.
    """
    separator, (header, *lines) = _split_lines(path, read_text(path), list(columns))
    names = header.fields
    while not names[-1]:
        names.pop()
    _check_names(path, names, list(columns))
    for line in lines:
        if len(line.fields) < len(names) or any(line.fields[len(names) :]):
            raise FacelabError(
                f"{path}, line {line.number}, has {len(line.fields)} fields for {len(names)} columns.", AGAIN
            )
        del line.fields[len(names) :]
    if "file" in names:
        _refuse_empty(path, "file", names.index("file"), lines)
    for column in set(text_columns).intersection(names):
        _refuse_rounded(path, column, names.index(column), lines)
    for column in set(whole_columns).intersection(names):
        _make_whole(path, column, names.index(column), lines)
    plain = io.StringIO()
    csv.writer(plain).writerows([names, *(line.fields for line in lines)])
    plain.seek(0)
    kept_as_text = dict.fromkeys(text_columns, str)
    table = pd.read_csv(plain, dtype=kept_as_text, keep_default_na=False, na_values=[""], low_memory=False)
    if separator != ",":
        for column in table.select_dtypes(exclude="number").columns.difference(list(kept_as_text)):
            table[column] = _with_decimal_commas(table[column])
    return table


def whole_number(text: str) -> int | None:
    """The whole number that a field holds, written 7, 007, 7.0 or 7,0; None where it holds none."""
    found = _WHOLE.fullmatch(text.strip())
    return int(found[1]) if found else None


def find_spelling(root: Path, file: str) -> str:
    """A listed file's name as the disk has it: Unicode may write one name in two ways (NFC and NFD), and disks tell them apart.

    Args:
        root: folder that ``file`` starts from.
        file: path with ``/`` between its parts.

    Returns:
        The path that is there; ``file`` itself where none is.
    """
    if file.isascii() or (root / file).exists():
        return file
    there = root
    for part in file.split("/"):
        spellings = [part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD"))]
        there = next((there / spelling for spelling in spellings if (there / spelling).exists()), None)
        if there is None:
            return file
    return there.relative_to(root).as_posix()


def _split_lines(path: Path, text: str, columns: Sequence[str]) -> tuple[str, list[_Line]]:
    """The separator, and the lines that are not empty, that of the names first."""
    skipped = 0
    if told := TELLS_SEPARATOR.match(text):
        text, skipped = text[told.end() :], 1
    lines_with_words = (line for line in io.StringIO(text) if line.strip(f" \n{_SEPARATORS}"))
    header = next(lines_with_words, text)
    separator = told[1] if told else _separator(header, columns)
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
    lines = []
    try:
        for row in reader:
            if any(fields := [field.strip() for field in row]):
                lines.append(_Line(reader.line_num + skipped, fields))
    except csv.Error as error:
        raise FacelabError(
            f"{path}, line {reader.line_num + skipped}, is not a line of a table ({error}).", AGAIN
        ) from error
    if not lines:
        raise FacelabError(f"{path} is empty.", AGAIN)
    return separator, lines


def _separator(header: str, columns: Sequence[str]) -> str:
    """The separator by which the line of names has most of the columns, and most fields."""

    def fitness(separator: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in header.split(separator)]
        return len(set(names).intersection(columns)), len(names)

    return max(_SEPARATORS, key=fitness)


def _check_names(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    if lacking := [column for column in columns if column not in names]:
        raise FacelabError(f"{path} has no column {lacking[0]!r}.{nearest_name(lacking[0], names)}", AGAIN)
    if twice := [name for name in names if not name or names.count(name) > 1]:
        what = f"two columns {twice[0]!r}" if twice[0] else "a column without a name"
        raise FacelabError(f"{path} has {what}.", "Give each column a name of its own in the first line.")


def _refuse_empty(path: Path, column: str, place: int, lines: Iterable[_Line]) -> None:
    for number, fields in lines:
        if not fields[place]:
            raise FacelabError(f"{path}, line {number}: {column} is empty.", AGAIN)


def _refuse_rounded(path: Path, column: str, place: int, lines: Iterable[_Line]) -> None:
    for number, fields in lines:
        if _ROUNDED.fullmatch(fields[place]):
            raise FacelabError(
                f"{path}, line {number}: {column} is {fields[place]!r}, a number that a spreadsheet has rounded.",
                "Get it again, and import that column as text.",
            )


def _make_whole(path: Path, column: str, place: int, lines: Iterable[_Line]) -> None:
    for number, fields in lines:
        value = whole_number(fields[place])
        if value is None:
            raise FacelabError(f"{path}, line {number}: {column} is {fields[place]!r}, not a whole number.", AGAIN)
        fields[place] = str(value)


def _with_decimal_commas(column: pd.Series) -> pd.Series:
    text = column.dropna().astype(str).str.strip()
    if text.empty or not text.map(lambda field: bool(_DECIMAL_COMMA.fullmatch(field))).all():
        return column
    return column.str.replace(",", ".", regex=False).astype(float)
