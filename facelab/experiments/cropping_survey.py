"""Measure detectors on the 250 x 250 photographs of LFW: ``python -m facelab.experiments.cropping_survey``.

Reads ``FACELAB_DATA/lfw/originals250`` (any part of LFW as it was published) and the gender in ``FACELAB_DATA/lfw/index.csv``.
Writes numbers only.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import pandas as pd

from facelab.cropping import Box, Detector, HaarDetector, YuNetDetector
from facelab.cropping.survey import survey
from facelab.datasets.decode import decode
from facelab.datasets.trees import person_tree
from facelab.errors import DataMissingError
from facelab.evaluation.intervals import rate_by_group
from facelab.paths import data_root, own_data
from facelab.records import Metric, Record

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


def survey_lfw(root: Path) -> Record:
    """Found and right (``cropping.survey``) for all settings, over all photographs and by gender.

    Raises:
        DataMissingError: no photographs of 250 x 250 in ``root / "originals250"``.
    """
    started = time.perf_counter()
    folder = root / "originals250"
    files = person_tree(root, "originals250")["file"].tolist() if folder.is_dir() else []
    if not files:
        raise DataMissingError(f"{folder} holds no photographs.", "Put LFW there as published: PERSON/PERSON_0001.jpg.")
    data = [(root / file).read_bytes() for file in files]
    gender = pd.read_csv(root / "index.csv").drop_duplicates("identity").set_index("identity")["gender"]
    groups = pd.Series([Path(file).parent.name for file in files]).map(gender).fillna("")
    table = survey([decode(one) for one in data], [LFW_FACE] * len(files), SETTINGS)
    digest = hashlib.sha256(b"".join(data)).hexdigest()
    record = Record(
        name="01_cropping_lfw",
        command="python -m facelab.experiments.cropping_survey",
        parameters={"preset": "survey", "dataset": "lfw originals250"},
        data={"survey": {"source": "lfw originals250", "images": len(files), "sha256": digest}},
    )
    for name, part in table.groupby("detector", sort=False):
        part = part.sort_values("row")
        for what, column in {"found": part["found"], "right": part["right"], "several": part["faces"] > 1}.items():
            measured = rate_by_group(column, ["all"] * len(part)) | rate_by_group(column, groups)
            for group, estimate in measured.items():
                record.metrics[f"{what}/{name}/{group}"] = Metric(
                    round(estimate.value, 4),
                    estimate.n,
                    round(estimate.low, 4),
                    round(estimate.high, 4),
                    estimate.method,
                )
    record.wall_seconds = round(time.perf_counter() - started, 2)
    return record


def main() -> None:
    """Measure, write the record, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=own_data("results", "01_cropping_lfw.json"), help="where the record goes"
    )
    print(survey_lfw(data_root() / "lfw").write(parser.parse_args().out))


if __name__ == "__main__":
    main()
