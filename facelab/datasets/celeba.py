"""CelebA: 202,599 photographs of 10,177 celebrities with 40 attributes, in torchvision's layout."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.decode import center_crop, center_square
from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.text_files import AGAIN, read_text, whole_number
from facelab.datasets.trees import find_data_folder, is_photograph, sorted_entries
from facelab.errors import FacelabError

PHOTOGRAPHS = "img_align_celeba"
ALIGNED_SHAPE = (218, 178)  # height and width of an aligned photograph
FACE_SIDE = 148  # of the usual central crop
SPLITS = {0: "train", 1: "val", 2: "test"}
ATTRIBUTES, IDENTITIES, PARTITION = "list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"


def locate() -> Path | None:
    """The folder that holds ``img_align_celeba``."""
    return find_data_folder("celeba", "CelebA", contains_data=lambda folder: (folder / PHOTOGRAPHS).is_dir())


def index(root: Path) -> pd.DataFrame:
    """Every photograph of the lists or the folder, in order of the names.

    Columns: ``gender`` (male, female), ``split`` (train, val, test), and the 40 attributes under their official names,
    booleans. A photograph that is listed and not there, or there and not in every list, is rejected.

    Raises:
        DataMissingError: one of the three lists is missing.
        FacelabError: one of them is damaged; the line is named.
    """
    attributes = read_list(root / ATTRIBUTES, None, {-1, 0, 1}) == 1
    identity = read_list(root / IDENTITIES, ["identity"])["identity"]
    split = read_list(root / PARTITION, ["split"], set(SPLITS))["split"]
    if "Male" not in attributes:
        raise FacelabError(f"{root / ATTRIBUTES} has no column 'Male'.", AGAIN)
    there = {entry.name for entry in sorted_entries(root / PHOTOGRAPHS) if is_photograph(entry.name)}
    tables = {ATTRIBUTES: attributes, IDENTITIES: identity, PARTITION: split}
    lists = {name: set(table.index.tolist()) for name, table in tables.items()}
    names = pd.Index(sorted(there.union(*lists.values())))
    table = pd.DataFrame({"file": PHOTOGRAPHS + "/" + names}, index=names)
    table["identity"] = identity.map("{:05d}".format).reindex(names)
    table["rejected"] = [_reason(name, there, lists) for name in names]
    table["gender"] = np.where(attributes["Male"].reindex(names, fill_value=False), "male", "female")
    table["split"] = split.map(SPLITS).reindex(names)
    return table.join(attributes.reindex(names, fill_value=False)).reset_index(drop=True)


def read_list(path: Path, columns: Sequence[str] | None, allowed: Collection[int] | None = None) -> pd.DataFrame:
    """A list of CelebA: in each line the name of a photograph and whole numbers.

    They are parted by blanks, or by tabs, commas or semicolons, as a spreadsheet saves them. The first line may say how many
    photographs there are.

    Args:
        path: text as for ``text_files.read_text``.
        columns: what the numbers are; None: the first line, or the one after the count, says it.
        allowed: the numbers that there can be; None: those from 1.

    Returns:
        int64, by the name of the photograph.

    Raises:
        DataMissingError: it is not there.
        FacelabError: it is no text, or a line is no line of such a list; it is named.
    """
    text = read_text(path)
    for mark in '\t,;"':  # what a spreadsheet writes between the fields and around them
        text = text.replace(mark, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    plain = ((number, line.strip(" ")) for number, line in enumerate(text.split("\n"), start=1))
    lines = [(number, line) for number, line in plain if line]
    count = whole_number(lines[0][1]) if lines else None
    if count is not None:
        lines.pop(0)
    if columns is None:
        columns = lines.pop(0)[1].split() if lines else []
    if not lines or len(set(columns)) < len(columns):
        raise FacelabError(f"{path} lists no photograph, or has a column twice.", AGAIN)
    if count not in (None, len(lines)):
        raise FacelabError(f"{path} lists {len(lines)} photographs, not {count} as its first line says.", AGAIN)
    for number, line in lines:
        if line.count(" ") != len(columns):
            raise FacelabError(f"{path}, line {number}, is not a name and {len(columns)} number(s).", AGAIN)
    body = io.StringIO("\n".join(line for _, line in lines))
    as_it_is = {"keep_default_na": False, "quoting": csv.QUOTE_NONE, "low_memory": False}
    table = pd.read_csv(body, sep=" ", header=None, dtype={0: str}, **as_it_is).set_index(0)
    numbers = table.set_axis(list(columns), axis=1).apply(pd.to_numeric, errors="coerce")
    whole = (numbers % 1 == 0) & (numbers >= 1) & (numbers < 2**31)
    good = whole if allowed is None else numbers.isin(allowed)
    for fault, what in (
        (~good.all(axis=1).to_numpy(), "holds a number that is not of this list"),
        (numbers.index.duplicated(), "lists a photograph again"),
    ):
        if fault.any():
            raise FacelabError(f"{path}, line {lines[int(fault.argmax())][0]}, {what}.", AGAIN)
    return numbers.astype(np.int64)


def _reason(name: str, there: Collection[str], lists: Mapping[str, Collection[str]]) -> str:
    if name not in there:
        return "It is listed but not there."
    lacking = [listed for listed, names in lists.items() if name not in names]
    if len(lacking) == len(lists):
        return "It is in none of the lists."
    return f"It is not in {lacking[0]}." if lacking else ""


def face_square(pixels: np.ndarray) -> np.ndarray:
    """The central 148 x 148 of an aligned 178 x 218 photograph; the central square of any other."""
    return center_crop(pixels, FACE_SIDE) if pixels.shape[:2] == ALIGNED_SHAPE else center_square(pixels)


CELEBA = register(
    Source(
        name="celeba",
        title="CelebA, aligned and cropped",
        facts="10,177 people, 202,599 photographs, 178 x 218 colour, 40 attributes",
        license=(
            "Non-commercial research only; the photographs belong to their owners and must not be copied on, published or sold"
        ),
        instructions=(
            "Accept the terms at https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, download img_align_celeba.zip and "
            "the three lists below, and put them into FACELAB_DATA/celeba."
        ),
        layout=(
            "FACELAB_DATA/celeba/img_align_celeba/000001.jpg, list_attr_celeba.txt, identity_CelebA.txt, "
            "list_eval_partition.txt"
        ),
        citation="Z. Liu, P. Luo, X. Wang, X. Tang, Deep Learning Face Attributes in the Wild, ICCV 2015",
        locate=locate,
        index=index,
        read=read_files,
        crop=face_square,
        published_counts={"images": 202599, "people": 10177},
    )
)
