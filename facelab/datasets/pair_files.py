"""Pair lists in files: LFW's View 1 and View 2 in the forms that they are handed round in, and tables of two files a line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facelab.datasets.faceset import FaceSet
from facelab.datasets.pairs import Pairs
from facelab.datasets.text_files import TELLS_SEPARATOR, read_lines, read_table, whole_number
from facelab.errors import BadParameterError, DataMissingError
from facelab.paths import data_root, project_data

#: file, folds, and genuine (and impostor) pairs of each fold
LFW_LISTS = {
    "view2": ("pairs.txt", 10, 300),
    "dev-train": ("pairsDevTrain.txt", 1, 1100),
    "dev-test": ("pairsDevTest.txt", 1, 500),
}
_PAIR_COLUMNS = ("first", "second", "same")  # of a table
_COUNT = re.compile(r" *(\d{1,9})(?:[ \t;,]+(\d{1,9}))?[ \t;,]*")  # the first line


@dataclass(frozen=True)
class NamedPairs:
    """Pairs of photographs by the names and numbers of LFW.

    Attributes:
        first: (name, number) of the first photograph of each of M pairs.
        second: (name, number) of the second.
        same: bool (M,).
        fold: int64 (M,), from 1 in a list of several folds, 0 in a list of one.
    """

    first: Sequence[tuple[str, int]]
    second: Sequence[tuple[str, int]]
    same: np.ndarray
    fold: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


def read_lfw_pairs(path: Path | str) -> NamedPairs:
    """A pair list in the form of LFW.

    The first line may count (``10 300``: folds and pairs of each kind a fold; ``1100``: pairs of each kind) or be missing. Then
    ``NAME n m`` is a genuine pair and ``NAME n OTHER m`` an impostor pair; each fold lists its genuine pairs first. Fields are
    parted by tabs, by semicolons or commas as spreadsheets save them, or by spaces.

    Raises:
        DataMissingError: the file is not there.
        BadParameterError: it is no text (``text_files.read_text``), a line is none of these, or the file does not hold what its
            first line says; it names the line.
    """
    path = Path(path)
    lines, count = _numbered_lines(path), None
    if lines and (head := _COUNT.fullmatch(lines[0][1].replace('"', ""))):
        count = [int(number) for number in head.groups() if number]
        lines.pop(0)
    fields = [(n, _fields(line)) for n, line in lines]
    pairs = [_pair(path, n, line) for n, line in fields]
    same = np.array([first[0] == second[0] for first, second in pairs], dtype=bool)
    # A fold begins where a genuine pair follows an impostor pair.
    fold = np.cumsum(np.concatenate(([True], same[1:] & ~same[:-1]))[: len(pairs)]).astype(np.int64)
    if count is not None:
        _check_count(path, count, same, fold)
    folds = int(fold.max(initial=0))
    return NamedPairs(
        [first for first, _ in pairs], [second for _, second in pairs], same, fold if folds > 1 else fold * 0
    )


def lfw_pairs(faces: FaceSet, name: str = "view2") -> Pairs:
    """An official pair list of LFW, as rows of ``load("lfw")``.

    Args:
        faces: LFW, whole or with every photograph that the list names.
        name: ``"view2"`` (10 folds of 300 + 300, for results), ``"dev-train"`` (1100 + 1100) or ``"dev-test"`` (500 + 500; the
            two of View 1, for choosing).

    Raises:
        DataMissingError: the list is not in ``FACELAB_DATA/lfw`` (nor in ``lfw_home``), or a photograph that it names
            is not in the set.
        BadParameterError: no such list, or it is not complete.
    """
    if name not in LFW_LISTS:
        raise BadParameterError(f"LFW has no pair list {name!r}.", f"There are: {', '.join(LFW_LISTS)}.")
    file, folds, each = LFW_LISTS[name]
    places = [data_root() / folder / file for folder in ("lfw", "lfw_home", "")]
    path = next((place for place in places if place.is_file()), places[0])
    pairs = read_lfw_pairs(path)
    _check_count(path, [folds, each], pairs.same, np.maximum(pairs.fold, 1))
    return find_rows(pairs, faces)


def find_rows(pairs: NamedPairs, faces: FaceSet) -> Pairs:
    """Named pairs as rows of a FaceSet whose files are called ``.../NAME_0001.jpg``.

    Raises:
        DataMissingError: a photograph is not in the set; it names the first and says how many.
    """
    row = {_name_and_number(file): place for place, file in enumerate(faces.attributes["file"])}
    wanted = [*pairs.first, *pairs.second]
    missing = sorted({photo for photo in wanted if photo not in row})
    if missing:
        raise DataMissingError(
            f"{faces.source} lacks {len(missing)} photographs of the pair list ({missing[0][0]} {missing[0][1]}).",
            "Load it whole, or name the data set that the list was made for.",
        )
    rows = np.array([row[photo] for photo in wanted], dtype=np.int64)
    return Pairs(rows[: len(pairs)], rows[len(pairs) :], pairs.same, pairs.fold)


def read_listed_pairs(path: Path, faces: FaceSet) -> Pairs:
    """A pair list of either form as rows of a set: LFW's (``read_lfw_pairs``), or a table (``read_pair_table``).

    It is a table where its first line names the column ``first``.

    Raises:
        DataMissingError, BadParameterError, FacelabError: as these two.
    """
    lines = _numbered_lines(path)
    names = re.split(r"[,;\t|]", lines[0][1]) if lines else []
    if "first" in (name.strip(' "') for name in names):
        return read_pair_table(path, faces)
    return find_rows(read_lfw_pairs(path), faces)


def read_pair_table(path: Path, faces: FaceSet) -> Pairs:
    """A table ``first,second,same`` (``text_files.read_table``) as rows of a set, which it names by its column ``file``.

    ``same`` is 1 or 0. All pairs are in fold 0. A name that is not in the set stands for one that Unicode writes in another
    way (NFC, NFD), where there is one.

    Raises:
        DataMissingError: it is not there, or a photograph of the list is not in the set.
        BadParameterError: a line says neither 1 nor 0, or pairs a photograph with itself.
        FacelabError: it is no such table.
    """
    listed = read_table(path, _PAIR_COLUMNS, ["first", "second"], ["same"])
    row = {file: place for place, file in enumerate(faces.attributes["file"])}
    spelled = {unicodedata.normalize("NFC", file): file for file in row}

    def as_in_the_set(file: str) -> str:
        return file if file in row else spelled.get(unicodedata.normalize("NFC", file), file)

    first, second = (listed[side].map(as_in_the_set, na_action="ignore") for side in ("first", "second"))
    same = listed["same"].to_numpy()
    for wrong, why in (
        (~np.isin(same, (0, 1)), "same is neither 1 nor 0"),
        (first == second, "a photograph is paired with itself"),
    ):
        if len(places := np.flatnonzero(wrong)):
            raise BadParameterError(f"{path}, pair {places[0] + 1}: {why}.", "Mend the list.")
    missing = sorted({str(file) for side in (first, second) for file in side if file not in row})
    if missing:
        raise DataMissingError(
            f"{faces.source} lacks {len(missing)} files of {path.name} ({missing[0]}).",
            "Load it whole, or name the data set that the list was made for.",
        )
    rows = (side.map(row).to_numpy(np.int64) for side in (first, second))
    return Pairs(*rows, same.astype(bool), np.zeros(len(listed), dtype=np.int64))


def stored_pairs(faces: FaceSet, table: str = "orl") -> Pairs:
    """The pairs of ``data/pairs/TABLE.csv`` as rows of a set: for ORL, of the 20 people of ``splits.stored_people_split``.

    Raises:
        DataMissingError: a photograph of the list is not in the set.
    """
    return read_pair_table(project_data("pairs", f"{table}.csv"), faces)


def _numbered_lines(path: Path) -> list[tuple[int, str]]:
    """The lines that say something, and their numbers from 1: without empty ones, and one that only names the separator."""
    lines = [(n, line) for n, line in enumerate(read_lines(path), start=1) if line.strip(" \t;,")]
    return lines[1:] if lines and TELLS_SEPARATOR.match(lines[0][1]) else lines


def _fields(line: str) -> list[str]:
    for separator in ("\t", ";", ","):
        fields = [field.strip(' "') for field in line.split(separator)]
        while fields and not fields[-1]:  # as spreadsheets fill up the shorter lines
            fields.pop()
        if len(fields) in (3, 4):
            return fields
    return line.split()


def _pair(path: Path, n: int, fields: Sequence[str]) -> tuple[tuple[str, int], tuple[str, int]]:
    if len(fields) == 3:
        fields = [fields[0], fields[1], fields[0], fields[2]]
        if fields[1] == fields[3]:
            raise BadParameterError(
                f"{path.name}, line {n}: a photograph is paired with itself.", "Get the list again."
            )
    elif len(fields) != 4 or fields[0] == fields[2]:
        raise BadParameterError(f"{path.name}, line {n}: neither NAME n m nor NAME n OTHER m.", "Get the list again.")
    numbers = [number for number in map(whole_number, fields[1::2]) if number is not None and number > 0]
    if not all(fields[::2]) or len(numbers) < 2:
        raise BadParameterError(f"{path.name}, line {n}: not a name with the number of a photograph.", "Get it again.")
    first, second = (unicodedata.normalize("NFC", name) for name in fields[::2])
    return (first, numbers[0]), (second, numbers[1])


def _check_count(path: Path, count: list[int], same: np.ndarray, fold: np.ndarray) -> None:
    """Whether every fold holds as many genuine and impostor pairs as the count line, or the protocol, says."""
    folds, each = count if len(count) == 2 else (1, count[0])
    genuine, impostor = (np.bincount(fold[kind], minlength=2)[1:] for kind in (same, ~same))
    if len(genuine) != folds or len(impostor) != folds or (genuine != each).any() or (impostor != each).any():
        raise BadParameterError(
            f"{path.name}, line 1: {folds} fold(s) of {each} + {each} pairs are due, the file has {int(same.sum())} + "
            f"{int((~same).sum())} in {int(fold.max(initial=0))}.",
            "Get the list again.",
        )


def _name_and_number(file: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+)_(\d+)", unicodedata.normalize("NFC", Path(file).stem))
    return (match[1], int(match[2])) if match else (file, 0)
