"""UTKFace: 23,708 faces with age, gender and race in their names; nobody's identity is known."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.text_files import read_table
from facelab.datasets.trees import find_data_folder, first_tree, sorted_entries, walk

TREES = ("UTKFace", "crop_part1", "")
GENDERS = ("male", "female")  #: as numbered in the names
RACES = ("White", "Black", "Asian", "Indian", "Others")
NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_([^_]+?)\.?jpg(?:\.chip\.jpg)?", re.IGNORECASE)


def _holds_faces(folder: Path) -> bool:
    return any(NAME.fullmatch(entry.name) for entry in sorted_entries(folder))


def locate() -> Path | None:
    """The folder that holds ``UTKFace`` with its photographs, or the photographs themselves."""
    return find_data_folder(
        "utkface", "UTKFace", contains_data=lambda folder: first_tree(folder, TREES, _holds_faces) is not None
    )


def index(root: Path) -> pd.DataFrame:
    """The faces by ``index.csv`` where there is one, else by the labels in their names; a name without all labels is rejected.

    Columns ``age`` (years), ``gender`` (male, female), ``race`` (White, Black, Asian, Indian, Others) and ``timestamp``; with
    ``index.csv`` also its groups of duplicates and a split that keeps them together.
    """
    if (root / "index.csv").is_file():
        text = ["gender_name", "race_name", "timestamp", "duplicate_label_conflict", "split"]
        columns = ["file", "age", "gender", "gender_name", "race", "race_name"]
        table = read_table(root / "index.csv", columns, text, whole_columns=["age"])
        table = table.drop(columns=["gender", "race"]).rename(columns={"gender_name": "gender", "race_name": "race"})
        return table.assign(identity="")
    tree = first_tree(root, TREES, _holds_faces) or ""
    return pd.DataFrame([_row(*found) for found in walk(root / tree, f"{tree}/" if tree else "")])


def _row(file: str, reason: str) -> dict[str, object]:
    labels = NAME.fullmatch(file.rpartition("/")[2])
    if labels is None:
        reason = reason or "Its name is not age_gender_race_date.jpg."
        return {"file": file, "identity": "", "rejected": reason, "age": 0, "gender": "", "race": "", "timestamp": ""}
    age, gender, race, timestamp = labels.groups()
    return {
        "file": file,
        "identity": "",
        "rejected": reason,
        "age": int(age),
        "gender": GENDERS[int(gender)],
        "race": RACES[int(race)],
        "timestamp": timestamp.strip(),
    }


UTKFACE = register(
    Source(
        name="utkface",
        title="UTKFace, aligned and cropped",
        facts="23,708 faces, 200 x 200 colour, ages 0 to 116; identities unknown",
        license="Non-commercial research only; the photographs belong to their owners and must not be copied on or published",
        instructions=(
            "Download UTKFace.tar.gz (aligned and cropped faces) from https://susanqq.github.io/UTKFace/ and unpack it so that "
            "there is FACELAB_DATA/utkface/UTKFace/25_0_1_20170116174525125.jpg.chip.jpg."
        ),
        layout="FACELAB_DATA/utkface/UTKFace/[age]_[gender]_[race]_[date].jpg.chip.jpg, optionally index.csv beside the folder",
        citation=(
            "Z. Zhang, Y. Song, H. Qi, Age Progression/Regression by Conditional Adversarial Autoencoder, CVPR 2017"
        ),
        locate=locate,
        index=index,
        read=read_files,
        published_counts={"images": 23708},
    )
)
