"""CelebA: 202,599 photographs of 10,177 celebrities with 40 attributes, in torchvision's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.decode import center_crop, center_square
from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.trees import find_data_folder, is_photograph, sorted_entries
from facelab.errors import FacelabError

PHOTOGRAPHS = "img_align_celeba"
ALIGNED_SHAPE = (218, 178)  # height and width of an aligned photograph
FACE_SIDE = 148  # of the usual central crop
SPLITS = {0: "train", 1: "val", 2: "test"}


def locate() -> Path | None:
    """The folder that holds ``img_align_celeba``."""
    return find_data_folder("celeba", "CelebA", contains_data=lambda folder: (folder / PHOTOGRAPHS).is_dir())


def index(root: Path) -> pd.DataFrame:
    """Every photograph of the attribute list or the folder, in order of the names.

    Columns: ``gender`` (male, female), ``split`` (train, val, test), and the 40 attributes under their official names,
    booleans. A photograph that is listed and not there, or there and not listed, is rejected.

    Raises:
        FacelabError: one of the three lists is missing or damaged.
    """
    attributes = _read(root / "list_attr_celeba.txt", skiprows=1, header=0) == 1
    identity = _read(root / "identity_CelebA.txt", header=None, names=["identity"])
    split = _read(root / "list_eval_partition.txt", header=None, names=["split"])
    if "Male" not in attributes:
        raise FacelabError(f"{root / 'list_attr_celeba.txt'} has no column 'Male'.", "Get it again.")
    there = {entry.name for entry in sorted_entries(root / PHOTOGRAPHS) if is_photograph(entry.name)}
    listed = set(attributes.index)
    names = pd.Index(sorted(there | listed))
    table = pd.DataFrame({"file": PHOTOGRAPHS + "/" + names}, index=names)
    table["identity"] = identity["identity"].map("{:05d}".format).reindex(names)
    table["rejected"] = [_reason(name in there, name in listed) for name in names]
    table["gender"] = np.where(attributes["Male"].reindex(names, fill_value=False), "male", "female")
    table["split"] = split["split"].map(SPLITS).reindex(names)
    return table.join(attributes.reindex(names, fill_value=False)).reset_index(drop=True)


def _read(path: Path, **options: object) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep=r"\s+", index_col=0, **options)
    except (OSError, ValueError) as error:
        raise FacelabError(
            f"{path} cannot be read ({error}).", "Get it from where the photographs came from."
        ) from error


def _reason(there: bool, listed: bool) -> str:
    if not there:
        return "It is listed but not there."
    return "" if listed else "It is in none of the lists."


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
