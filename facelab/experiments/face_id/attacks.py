"""Attacks with one photograph on the Face-ID service, by ISO/IEC 30107-3: what is let in, and who is refused for it."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd

from facelab.datasets import load
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.face_id import attack_summary as summary
from facelab.experiments.face_id.attack_detectors import FOLDS, TARGET_BPCER
from facelab.experiments.face_id.attack_presentations import (
    CAMERA,
    CANDIDATES,
    LFW_PEOPLE,
    MOST_PAIRS,
    film_everybody,
    film_single_frames,
)
from facelab.records import Metric
from facelab.webapp.liveness_features import FEATURES


def grid(seeds: int) -> list[Cell]:
    """Filming ORL under every seed, and LFW once; detectors are fitted, and rates counted, when all of them are there."""
    fixed = {"camera": asdict(CAMERA), "features": list(FEATURES)}
    orl = {"candidates": CANDIDATES, "pairs": MOST_PAIRS}
    cells = [Cell(("orl", seed), {**fixed, **orl}) for seed in range(seeds)]
    return [*cells, Cell(("lfw", 0), {**fixed, "people": LFW_PEOPLE})]


def run(cell: Cell) -> Figures:
    """The presentations of a seed, as columns of a table; of LFW single frames."""
    source, seed = cell.key
    if source == "lfw":
        frames = film_single_frames(seed)
        return {"instrument": [name for name, _ in frames], "spectra": [rings.round(4).tolist() for _, rings in frames]}
    table = pd.DataFrame([vars(presentation) for presentation in film_everybody(seed)])
    for column in ("features", "spectra"):
        table[column] = [None if value is None else np.round(value, 5).tolist() for value in table[column]]
    return table.to_dict("list")


def summarise(results: Results) -> dict[str, Metric]:
    """See ``attack_summary.summarise``."""
    tables = [pd.DataFrame(figures).assign(seed=seed) for (source, seed), figures in results.items() if source == "orl"]
    return summary.summarise(pd.concat(tables, ignore_index=True), pd.DataFrame(results["lfw", 0]))


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    return {
        "dataset": "orl",
        "seeds": seeds,
        "folds": FOLDS,
        "target_bpcer": TARGET_BPCER,
        "candidates": CANDIDATES,
        "camera": asdict(CAMERA),
    }


def data() -> dict[str, dict[str, object]]:
    """Of the record: the people before the camera; those of LFW teach the passive detector alone."""
    return {"photographs": load("orl", 92).describe(), "passive": load("lfw", 112).describe()}


EXPERIMENTS = (
    Experiment(
        name="10_attacks", notebook="10", datasets=("orl", "lfw"),
        shows="attacks with one photograph on Face-ID: APCER by instrument, BPCER, and what each feature adds",
        grid=grid, run=run, summarise=summarise, parameters=parameters, data=data, seeds=5,
    ),
)  # fmt: skip
