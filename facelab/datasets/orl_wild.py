"""``orl-wild``, the course's own data set: real photographs (ORL) under simulated conditions, made here in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets import orl
from facelab.datasets.decode import decode
from facelab.datasets.sources import Source, register
from facelab.datasets.wild import parameters
from facelab.datasets.wild.geometry import Landmarks
from facelab.datasets.wild.scene import Scene
from facelab.paths import project_data

_NUISANCES = tuple(field.name for field in fields(parameters.Nuisance))


def index(root: Path) -> pd.DataFrame:
    """The 1600 renderings: ``file`` (``s1/1.pgm#0``), ``identity``, ``photo`` (the source file), ``rendering`` (0 to 3), the
    attributes of ``wild.parameters.Nuisance``, and the labels of the photograph (``data/orl/labels.csv``).

    Raises:
        DataMissingError: a photograph is not there.
    """
    photos = orl.index(root).rename(columns={"file": "photo"})
    table = parameters.draw(photos["photo"]).merge(photos, on="photo", how="left", validate="m:1")
    table.insert(0, "file", table["photo"] + "#" + table["rendering"].astype(str))
    return table


def scene(root: Path, photo: str) -> Scene:
    """One ORL photograph (``s1/1.pgm``) with its landmarks, to be rendered under any conditions."""
    points = orl.read_landmarks().loc[photo]
    return _scene(root, photo, points)


def _scene(root: Path, photo: str, points: pd.Series) -> Scene:
    return Scene(decode((root / photo).read_bytes(), 1)[:, :, 0], Landmarks.from_row(points))


def render(root: Path, table: pd.DataFrame, size: int) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yields (row, file, uint8 (size, size, 1)) for each row of an index, photograph by photograph."""
    points = orl.read_landmarks()
    table = table.reset_index(drop=True)
    for photo, renderings in table.groupby("photo", sort=False):
        source = _scene(root, photo, points.loc[photo])
        for row, values in zip(renderings.index, renderings[list(_NUISANCES)].to_dict("records"), strict=True):
            yield row, table.at[row, "file"], source.render(parameters.Nuisance(**values), size)[:, :, None]


def source_files(root: Path) -> list[Path]:
    """The files that decide the pixels: landmarks and photographs."""
    return [project_data("orl", "landmarks.csv"), *(root / photo for photo in orl.index(root)["file"])]


ORL_WILD = register(
    Source(
        name="orl-wild",
        title="ORL in the wild: the ORL photographs under simulated conditions",
        facts="40 people, 400 photographs, each rendered 4 times: 1600 images, grey",
        license=orl.ORL.license,
        instructions=orl.ORL.instructions,
        layout=orl.ORL.layout,
        citation=orl.ORL.citation,
        channels=1,
        locate=orl.locate,
        index=index,
        render=render,
        archives=source_files,
        version=2,
        published_counts={"images": 1600, "people": 40},
    )
)
