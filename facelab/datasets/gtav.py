"""GTAV Face Database, the data of the founding project: 44 people under changes of pose, light and occlusion."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.trees import find_data_folder, is_empty, walk

NAME = re.compile(r"(ID\d+)_(\d+)\.\w+", re.IGNORECASE)


def locate() -> Path | None:
    """The folder ``gtav`` below ``FACELAB_DATA``."""
    return find_data_folder("gtav", "GTAV", "GTAV-FACE-DATABASE", contains_data=lambda folder: not is_empty(folder))


def index(root: Path) -> pd.DataFrame:
    """Every photograph: its person is the ID of an official name (``ID07_012.bmp``), else the folder that it lies in.

    ``shot`` is the number in an official name, -1 where there is none.
    """
    return pd.DataFrame([_row(*found) for found in walk(root)], columns=["file", "identity", "rejected", "shot"])


def _row(file: str, reason: str) -> tuple[str, str, str, int]:
    folder, _, name = file.rpartition("/")
    official = NAME.fullmatch(name)
    if official is not None:
        return file, official[1].upper(), reason, int(official[2])
    person = folder.rpartition("/")[2]
    return (
        file,
        person,
        reason or ("" if person else "It has neither an ID in its name nor a folder of its person."),
        -1,
    )


GTAV = register(
    Source(
        name="gtav",
        title="GTAV Face Database",
        facts="44 people, about 40 photographs each, 240 x 320; pose, light, expression and occlusion",
        license="For research, with credit to UPC, which gives the terms when asked; not passed on here",
        instructions=(
            "Ask for it at https://gtav.upc.edu/en/research-areas/face-database and put the photographs below "
            "FACELAB_DATA/gtav."
        ),
        layout="FACELAB_DATA/gtav/ID01_001.bmp ... ID44_nnn.bmp, in one folder or below others; or gtav/PERSON/PHOTO",
        citation="F. Tarres, A. Rama, GTAV Face Database, Universitat Politecnica de Catalunya",
        locate=locate,
        index=index,
        read=read_files,
        published_counts={"people": 44},
    )
)
