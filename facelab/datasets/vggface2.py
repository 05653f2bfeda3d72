"""VGGFace2: 3.31 million photographs of 9,131 people, in a training and a test part."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.trees import find_data_folder, person_tree

SPLITS = ("train", "test")


def locate() -> Path | None:
    """The folder that holds ``train`` or ``test``."""
    folders = ("vggface2", "VGGFace2", "VGG-Face2/data")
    return find_data_folder(*folders, contains_data=lambda folder: any((folder / split).is_dir() for split in SPLITS))


def index(root: Path) -> pd.DataFrame:
    """The photographs by their folders, with ``split`` (train, test); the two parts have no person in common."""
    parts = [person_tree(root, split).assign(split=split) for split in SPLITS if (root / split).is_dir()]
    return pd.concat(parts, ignore_index=True)


VGGFACE2 = register(
    Source(
        name="vggface2",
        title="VGGFace2",
        facts="9,131 people (8,631 for training, 500 for test), 3.31 million photographs, loosely cropped, sizes differ",
        license="Non-commercial research; copies are handed round as CC BY-NC 4.0, and its authors took down the download",
        instructions=(
            "Its home page (https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/) no longer hands it out; where you have it, "
            "unpack it so that there is FACELAB_DATA/vggface2/train/n000002/0001_01.jpg."
        ),
        layout="FACELAB_DATA/vggface2/train/n000002/0001_01.jpg and test/n000001/0001_01.jpg",
        citation=(
            "Q. Cao, L. Shen, W. Xie, O. M. Parkhi, A. Zisserman, VGGFace2: A Dataset for Recognising Faces across Pose and "
            "Age, FG 2018"
        ),
        locate=locate,
        index=index,
        read=read_files,
        published_counts={"people": 9131},
    )
)
