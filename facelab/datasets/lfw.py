"""LFW, Labeled Faces in the Wild: 13,233 news photographs of 5,749 people, in any of the layouts that it is handed round in."""

from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.decode import center_crop, center_square
from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.text_files import find_spelling, read_table
from facelab.datasets.trees import find_data_folder, first_tree, person_tree, sorted_entries
from facelab.errors import DataMissingError
from facelab.paths import data_root

TREES = ("lfw-deepfunneled", "lfw_funneled", "lfw-funneled", "lfw")
ENDINGS = ".jpg", ".jpeg", ".JPG", ".JPEG"
OFFICIAL_SIDE, FACE_SIDE = 250, 150  # side of the official photographs, and of the centre that the face fills


def _holds_people(folder: Path) -> bool:
    return any(
        (Path(entry.path) / f"{entry.name}_0001{ending}").is_file()
        for entry in sorted_entries(folder)
        for ending in ENDINGS
    )


def locate() -> Path | None:
    """The folder that holds ``lfw-deepfunneled`` or its like: below ``FACELAB_DATA``, or where scikit-learn puts it."""
    return find_data_folder(
        "lfw", "lfw_home", "", contains_data=lambda folder: first_tree(folder, TREES, _holds_people) is not None
    )


def index(root: Path) -> pd.DataFrame:
    """The photographs by ``index.csv`` where there is one, else by their folders.

    ``image_number`` is the number in the file's name, as the pair lists use it; ``images_of_identity`` counts a person's.
    With ``index.csv`` there are ``gender`` and the folds of View 2 as well.
    """
    if (root / "index.csv").is_file():
        columns, text = ["file", "identity", "image_number"], ["file", "identity", "gender"]
        table = read_table(root / "index.csv", columns, text, whole_columns=["image_number"])
        table["file"] = [find_spelling(root, file) for file in table["file"]]
        named, lies_in = table["identity"].fillna(""), table["file"].str.split("/").str[-2].fillna("")
        table["identity"], folder = named.map(_nfc), lies_in.map(_nfc)
        strange = table["identity"] != folder
        table["rejected"] = np.where(strange, "It does not lie in the folder of its identity.", "")  # 7 in place of 007
        return table
    tree = first_tree(root, TREES, _holds_people)
    table = person_tree(root, tree or "")
    parts = table["file"].str.extract(r"/([^/]+)_(\d{4})\.(?i:jpe?g)$")
    strange = (table["rejected"] == "") & (parts[0] != table["identity"])
    table.loc[strange, "rejected"] = "Its name is not PERSON_0001.jpg."
    table["image_number"] = parts[1].fillna("0").astype(np.int64)
    good = table[table["rejected"] == ""]
    table["images_of_identity"] = table["identity"].map(good["identity"].value_counts()).fillna(0).astype(np.int64)
    return table


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def face_square(pixels: np.ndarray) -> np.ndarray:
    """The centre 150 x 150 of an official 250 x 250 photograph; others were cropped already."""
    official = pixels.shape[:2] == (OFFICIAL_SIDE, OFFICIAL_SIDE)
    return center_crop(pixels, FACE_SIDE) if official else center_square(pixels)


def fetch() -> Path:
    """Download the funneled photographs and the pair lists (about 230 MB) by scikit-learn into ``FACELAB_DATA/lfw_home``.

    Raises:
        DataMissingError: there is no network, or the server does not answer.
    """
    from sklearn.datasets import fetch_lfw_people  # takes a second to import, and is needed here only

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about each new try; the error below says it once
            # It unpacks all, then decodes what it returns: the one person with 500 photographs or more is the least.
            fetch_lfw_people(data_home=data_root(), min_faces_per_person=500)
    except OSError as error:
        raise DataMissingError(f"LFW cannot be downloaded ({error}).", f"By hand: {LFW.instructions}") from error
    return data_root() / "lfw_home"


LFW = register(
    Source(
        name="lfw",
        title="Labeled Faces in the Wild (deep-funneled or funneled)",
        facts="5,749 people, 13,233 photographs, 250 x 250 colour, 2002-2003; 1,680 people with two or more",
        license=(
            "For research, no formal licence; the photographs belong to their owners and must not be republished or sold. "
            "Its authors warn against concluding from it that a system is fit for commercial use"
        ),
        instructions=(
            "Unpack lfw-deepfunneled.tgz of http://vis-www.cs.umass.edu/lfw/ so that there is "
            "FACELAB_DATA/lfw/lfw-deepfunneled/PERSON/PERSON_0001.jpg."
        ),
        layout=(
            "FACELAB_DATA/lfw/lfw-deepfunneled (or lfw_funneled, lfw)/PERSON/PERSON_0001.jpg, optionally index.csv and the "
            "pair lists beside it; or scikit-learn's lfw_home"
        ),
        citation=(
            "G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, Labeled Faces in the Wild: A Database for Studying Face "
            "Recognition in Unconstrained Environments, UMass Amherst TR 07-49, 2007; G. B. Huang, M. Mattar, H. Lee, "
            "E. Learned-Miller, Learning to Align from Scratch, NIPS 2012"
        ),
        locate=locate,
        index=index,
        read=read_files,
        crop=face_square,
        fetch=fetch,
        published_counts={"images": 13233, "people": 5749},
    )
)
