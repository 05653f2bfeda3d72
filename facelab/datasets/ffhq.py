"""FFHQ, Flickr-Faces-HQ: 70,000 faces of unknown people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.trees import find_data_folder, first_tree, walk

TREES = ("thumbnails128x128", "images1024x1024")
TRAIN_IMAGES = 60_000  # the official split: the first are for training, the rest for validation


def locate() -> Path | None:
    """The folder that holds ``thumbnails128x128`` or ``images1024x1024``."""
    return find_data_folder("ffhq", "", contains_data=lambda folder: first_tree(folder, TREES, Path.is_dir) is not None)


def index(root: Path) -> pd.DataFrame:
    """The faces in order of their numbers' folders, with ``number`` and the official ``split`` (train, val)."""
    tree = first_tree(root, TREES, Path.is_dir)
    table = pd.DataFrame(walk(root / str(tree), f"{tree}/"), columns=["file", "rejected"])
    # the licence lies between the photographs
    table = table[~table["file"].str.endswith(".txt")].reset_index(drop=True)
    number = table["file"].str.extract(r"/(\d{5})\.\w+$")[0]
    table.loc[number.isna() & (table["rejected"] == ""), "rejected"] = "Its name is not a number of five digits."
    number = number.fillna("0").astype(np.int64)
    return table.assign(identity="", number=number, split=np.where(number < TRAIN_IMAGES, "train", "val"))


FFHQ = register(
    Source(
        name="ffhq",
        title="Flickr-Faces-HQ",
        facts="70,000 faces, 1024 x 1024 or thumbnails of 128 x 128 colour; identities unknown",
        license=(
            "CC BY-NC-SA 4.0 (NVIDIA) for the collection; each photograph under its own licence (CC BY 2.0, CC BY-NC 2.0, "
            "public domain). NVIDIA states that it must not be used to develop face recognition: here it serves "
            "experiments on attributes only"
        ),
        instructions=(
            "Download thumbnails128x128 as https://github.com/NVlabs/ffhq-dataset says, so that there is "
            "FACELAB_DATA/ffhq/thumbnails128x128/00000/00000.png."
        ),
        layout="FACELAB_DATA/ffhq/thumbnails128x128 (or images1024x1024)/00000/00000.png",
        citation=(
            "T. Karras, S. Laine, T. Aila, A Style-Based Generator Architecture for Generative Adversarial Networks, CVPR 2019"
        ),
        locate=locate,
        index=index,
        read=read_files,
        published_counts={"images": 70000},
    )
)
