"""SimCLR on UTKFace, then few labels of race and gender: the experiment of an earlier project, without its faults.

``python -m facelab.experiments.utkface_labels`` makes the record that notebook 05 shows, within half an hour on two cores.
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer

from facelab.augment import SUPCON
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.evaluation import confusion
from facelab.experiments import command
from facelab.methods import SimCLR
from facelab.paths import own_data, runs_root
from facelab.progress import bar
from facelab.protocols.few_labels import FineTuning, Question, answers, confused, over_seeds_of, untrained
from facelab.records import Record
from facelab.training import Plan, fit

SIZE, TEST_SHARE = 48, 0.3
COLUMNS = ("race", "gender")
VIEWS = SUPCON
PLAN = Plan(epochs=9, batch_size=64, lr=2e-3)
OPTIONS = {"temperature": 0.2}
STEPS = {0.01: 100, 0.1: 300, 0.3: 700}  #: share of the pool that is labelled -> steps of the fine-tuning


def parts_of(faces: FaceSet, test_share: float = TEST_SHARE) -> tuple[FaceSet, FaceSet]:
    """The pool to learn from, and the test: labelled photographs, none of which has a copy in the pool.

    Args:
        faces: UTKFace, alone or joined with sets that have no ``race``; those photographs go to the pool.
        test_share: of the labelled photographs. The same ones whatever the seed.
    """
    labelled = has_labels(faces.attributes)
    unit = copies(faces)
    chosen = np.random.default_rng(0).permutation(np.unique(unit[labelled]))
    in_test = labelled & np.isin(unit, chosen[: round(test_share * len(chosen))])
    copy_of_test = np.isin(unit, unit[in_test])
    pool, test = faces.subset(~copy_of_test), faces.subset(in_test)
    assert_disjoint(pool, test, by=("file", "hash"))
    return pool, test


def copies(faces: FaceSet) -> np.ndarray:
    """One number for all copies of one picture, by UTKFace's ``duplicate_group`` or else by its pixels: int64 (N,)."""
    pictures = [hashlib.sha256(image.tobytes()).hexdigest() for image in faces.images]
    _, first, same = np.unique(pictures, return_index=True, return_inverse=True)
    alone = pd.Series(-1 - first[same])
    return faces.attributes.get("duplicate_group", alone).fillna(alone).to_numpy(np.int64)


def question(column: str, pool: FaceSet, test: FaceSet) -> Question:
    """Race or gender of the photographs of both parts that have both labels: those of UTKFace."""
    return Question.of(column, pool.subset(has_labels(pool.attributes)), test)


def has_labels(table: pd.DataFrame) -> np.ndarray:
    """Whether race and gender are known: bool (N,)."""
    return table[list(COLUMNS)].notna().all(axis=1).to_numpy()


def pretrained(pool: FaceSet, seed: int) -> tuple[SimCLR, SimCLR]:
    """SimCLR after its training on the pool, and the same before it. What was stopped goes on."""
    torch.manual_seed(seed)
    start = SimCLR(backbone("resnet10", in_channels=3), VIEWS, **OPTIONS)
    trained = untrained(start, start.backbone)
    fit(trained, pool, replace(PLAN, seed=seed), folder=runs_root() / "utkface_labels" / f"{pool.sha256[:12]}-{seed}")
    return trained, start


def experiment(dataset: str, seed: int) -> dict[str, np.ndarray]:
    """One seed: ``COLUMN/SHARE/NAME`` -> confusion matrix (classes, classes) over the test."""
    torch.set_num_threads(1)
    pool, test = parts_of(load(dataset, SIZE, one_per_person=True))
    trained, start = pretrained(pool, seed)
    found = {}
    for column in COLUMNS:
        asked = question(column, pool, test)
        for share, steps in STEPS.items():
            given = answers(asked, {"SimCLR": trained, "random start": start}, share, seed, FineTuning(steps))
            for name, predicted in given.items():
                found[f"{column}/{share:g}/{name}"] = confusion(asked.test_labels, predicted, len(asked.names))
    return found


def main(
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1, of weights, views and draws of labels.")] = 3,
    dataset: Annotated[str, typer.Option(help="utkface, or utkface+ffhq+celeba: one photograph a person.")] = "utkface",
) -> None:
    """Measure over the seeds and write ``data/results/05_utkface.json``."""
    started = time.monotonic()
    pool, test = parts_of(load(dataset, SIZE, one_per_person=True))
    workers, done = ProcessPoolExecutor(min(seeds, 4), get_context("spawn")), []
    with workers, bar("seeds", seeds) as progress:
        for found in workers.map(experiment, [dataset] * seeds, range(seeds)):
            done.append(found)
            progress.advance()
    given = {"dataset": dataset, "size": SIZE, "seeds": seeds, **OPTIONS, "test_share": TEST_SHARE}
    given |= {
        "pretraining": asdict(PLAN),
        "views": asdict(VIEWS),
        "fine-tuning steps": {str(k): v for k, v in STEPS.items()},
    }
    record = Record(
        "05_utkface", f"python -m facelab.experiments.utkface_labels --seeds {seeds} --dataset {dataset}", given
    )
    record.data |= {"pool": pool.describe(), "test": test.describe()}
    record.metrics = over_seeds_of(done)
    for column in COLUMNS:
        shown = f"{column}/0.3/SimCLR, fine-tuned"
        record.metrics |= confused(done[0][shown], question(column, pool, test).names, f"seed 0/{shown}")
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", "05_utkface.json")))


if __name__ == "__main__":
    command.run(main)
