"""What detectors make of the 250 x 250 photographs of LFW as it was published; numbers only, no picture is kept.

The photographs are those of ``FACELAB_DATA/lfw/originals250`` (any part of LFW), the gender is that of
``FACELAB_DATA/lfw/index.csv``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.cropping import Box, Detector, HaarDetector, YuNetDetector
from facelab.cropping.survey import survey_detectors
from facelab.datasets.decode import decode
from facelab.datasets.trees import person_tree
from facelab.errors import DataMissingError
from facelab.evaluation.intervals import rate_by_group
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.paths import data_root
from facelab.records import Metric

#: the settings that notebook 01 compares, on LFW and on ORL
SETTINGS: dict[str, Detector] = {
    "Haar 1.3/5": HaarDetector(scale_factor=1.3),
    "Haar 1.3/5, profiles": HaarDetector(("frontal", "profile", "profile_flipped"), scale_factor=1.3),
    "Haar alt2 1.3/5": HaarDetector(("frontal_alt2",), scale_factor=1.3),
    "Haar 1.1/5": HaarDetector(),
    "Haar 1.1/5, padded": HaarDetector(padding=0.25),
    "YuNet .9": YuNetDetector(0.9),
    "YuNet .6": YuNetDetector(0.6),
    "YuNet .6, not enlarged": YuNetDetector(0.6, upscale=1),
    "YuNet .6, padded": YuNetDetector(0.6, padding=0.25),
}
SIDE = 250
#: LFW was cut around the box of a Haar detector, made 2.2 times as large (Huang et al. 2007): this is that box
LFW_FACE = Box(*[SIDE / 2 - SIDE / 2.2 / 2] * 2, *[SIDE / 2.2] * 2)
SOURCE = "lfw originals250"


def photograph_files() -> list[Path]:
    """The photographs of 250 x 250.

    Raises:
        DataMissingError: there are none.
    """
    root = data_root() / "lfw"
    folder = root / "originals250"
    files = person_tree(root, "originals250")["file"].tolist() if folder.is_dir() else []
    if not files:
        raise DataMissingError(f"{folder} holds no photographs.", "Put LFW there as published: PERSON/PERSON_0001.jpg.")
    return [root / file for file in files]


def grid(seeds: int) -> list[Cell]:
    """Every setting; nothing is drawn."""
    return [
        Cell((name,), {"detector": repr(detector), "reference": str(LFW_FACE)}) for name, detector in SETTINGS.items()
    ]


def run(cell: Cell) -> Figures:
    """Of each photograph: ``faces`` that were found, whether the largest is ``right``, and the person's ``gender`` or ""."""
    (name,) = cell.key
    files = photograph_files()
    photographs = [decode(file.read_bytes()) for file in files]
    table = survey_detectors(photographs, [LFW_FACE] * len(files), {name: SETTINGS[name]}).sort_values("row")
    people = pd.read_csv(data_root() / "lfw" / "index.csv").drop_duplicates("identity").set_index("identity")
    gender = pd.Series([file.parent.name for file in files]).map(people["gender"]).fillna("")
    return {"faces": table["faces"].tolist(), "right": table["right"].tolist(), "gender": gender.tolist()}


def summarise(results: Results) -> dict[str, Metric]:
    """``found``, ``right`` (``cropping.survey``) and ``several`` of each setting, over all photographs and by gender."""
    metrics = {}
    for (name,), figures in results.items():
        faces, gender = np.array(figures["faces"]), figures["gender"]
        shares = {"found": faces > 0, "right": np.array(figures["right"]), "several": faces > 1}
        for what, values in shares.items():
            measured = rate_by_group(values, ["all"] * len(values)) | rate_by_group(values, gender)
            for group, rate in measured.items():
                metrics[f"{what}/{name}/{group}"] = Metric(
                    round(rate.value, 4), rate.n, round(rate.low, 4), round(rate.high, 4), rate.method
                )
    return metrics


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    return {"preset": "survey", "dataset": SOURCE}


def data() -> dict[str, dict[str, object]]:
    """Of the record: how many photographs, and the hash of their files."""
    content = [file.read_bytes() for file in photograph_files()]
    digest = hashlib.sha256(b"".join(content)).hexdigest()
    return {"survey": {"source": SOURCE, "images": len(content), "sha256": digest}}


EXPERIMENTS = (
    Experiment(
        name="01_cropping_lfw", notebook="01", datasets=("lfw",), shows="detectors on 220 photographs of LFW, by gender",
        grid=grid, run=run, summarise=summarise, parameters=parameters, data=data, seeds=0,
    ),
)  # fmt: skip
