"""CASIA-WebFace: 494,414 photographs of 10,575 people, a folder for each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from facelab.datasets.lfw import face_square
from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.trees import find_data_folder, first_tree, person_tree, sorted_entries

TREES = ("CASIA-WebFace", "casia-webface", "")


def _holds_people(folder: Path) -> bool:
    return any(entry.name.isdigit() and entry.is_dir() for entry in sorted_entries(folder))


def locate() -> Path | None:
    """The folder that holds the numbered folders of the people, or one folder above it."""
    return find_data_folder(
        "casia-webface",
        "CASIA-WebFace",
        contains_data=lambda folder: first_tree(folder, TREES, _holds_people) is not None,
    )


def index(root: Path) -> pd.DataFrame:
    """The photographs by their folders."""
    return person_tree(root, first_tree(root, TREES, _holds_people) or "")


CASIA = register(
    Source(
        name="casia-webface",
        title="CASIA-WebFace",
        facts="10,575 people, 494,414 photographs, 250 x 250 colour; copies that were aligned and cropped to 112 also work",
        license="Non-commercial research only, under the agreement of its authors; the photographs must not be passed on",
        instructions=(
            "Ask its authors (Institute of Automation, Chinese Academy of Sciences) and unpack the photographs so that "
            "there is FACELAB_DATA/casia-webface/0000045/001.jpg. A copy packed by MXNet (train.rec) is read as rec:PATH."
        ),
        layout="FACELAB_DATA/casia-webface/0000045/001.jpg, or the same one folder CASIA-WebFace deeper",
        citation="D. Yi, Z. Lei, S. Liao, S. Z. Li, Learning Face Representation from Scratch, arXiv 1411.7923, 2014",
        locate=locate,
        index=index,
        read=read_files,
        crop=face_square,  # the photographs of 250 x 250 are framed as LFW's are
        published_counts={"images": 494414, "people": 10575},
    )
)
