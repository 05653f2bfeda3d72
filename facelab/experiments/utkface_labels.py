"""SimCLR on UTKFace, then few labels of race and gender: the experiment of an earlier project, without its faults."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import torch

from facelab.augment import SUPCON
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.evaluation import confusion_matrix
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.trainings import training_folder
from facelab.methods import SimCLR
from facelab.protocols.few_labels import (
    FineTuning,
    LabelTask,
    confusion_metrics,
    metrics_over_seeds,
    predict_with_few_labels,
    replace_backbone,
)
from facelab.records import Metric
from facelab.training import Plan, fit

SIZE, TEST_SHARE = 48, 0.3
COLUMNS = ("race", "gender")
VIEWS = SUPCON
PLAN = Plan(epochs=9, batch_size=64, lr=2e-3)
OPTIONS = {"temperature": 0.2}
STEPS = {0.01: 100, 0.1: 300, 0.3: 700}  #: share of the pool that is labelled -> steps of the fine-tuning


def split_pool_and_test(faces: FaceSet, test_share: float = TEST_SHARE) -> tuple[FaceSet, FaceSet]:
    """The pool to learn from, and the test: labelled photographs, none of which has a copy in the pool.

    Args:
        faces: UTKFace, alone or joined with sets that have no ``race``; those photographs go to the pool.
        test_share: of the labelled photographs. The same ones whatever the seed.
    """
    labelled = has_labels(faces.attributes)
    unit = copy_groups(faces)
    chosen = np.random.default_rng(0).permutation(np.unique(unit[labelled]))
    in_test = labelled & np.isin(unit, chosen[: round(test_share * len(chosen))])
    copy_of_test = np.isin(unit, unit[in_test])
    pool, test = faces.subset(~copy_of_test), faces.subset(in_test)
    assert_disjoint(pool, test, kinds=("file", "hash"))
    return pool, test


def copy_groups(faces: FaceSet) -> np.ndarray:
    """One number for all copies of one picture, by UTKFace's ``duplicate_group`` or else by its pixels: int64 (N,)."""
    pictures = [hashlib.sha256(image.tobytes()).hexdigest() for image in faces.images]
    _, first, same = np.unique(pictures, return_index=True, return_inverse=True)
    alone = pd.Series(-1 - first[same])
    return faces.attributes.get("duplicate_group", alone).fillna(alone).to_numpy(np.int64)


def build_task(column: str, pool: FaceSet, test: FaceSet) -> LabelTask:
    """Race or gender of the photographs of both parts that have both labels: those of UTKFace."""
    return LabelTask.from_column(column, pool.subset(has_labels(pool.attributes)), test)


def has_labels(table: pd.DataFrame) -> np.ndarray:
    """Whether race and gender are known: bool (N,)."""
    return table[list(COLUMNS)].notna().all(axis=1).to_numpy()


def pretrain(pool: FaceSet, seed: int) -> tuple[SimCLR, SimCLR]:
    """SimCLR after its training on the pool, and the same before it. What was stopped goes on."""
    torch.manual_seed(seed)
    start = SimCLR(backbone("resnet10", in_channels=3), VIEWS, **OPTIONS)
    trained = replace_backbone(start, start.backbone)
    plan = replace(PLAN, seed=seed)
    with training_folder("05_utkface", f"SimCLR-{seed}", trained, pool, plan) as folder:
        fit(trained, pool, plan, folder=folder)
    return trained, start


def load_parts(dataset: str) -> tuple[FaceSet, FaceSet]:
    """The pool and the test of a data set, or of several joined by ``+``: one photograph a person."""
    return split_pool_and_test(load(dataset, SIZE, one_per_person=True))


def run(cell: Cell) -> Figures:
    """One seed: ``matrices``: ``COLUMN/SHARE/NAME`` -> confusion matrix (classes, classes) over the test; ``names`` of the
    classes of each column."""
    dataset, seed = cell.key
    pool, test = load_parts(dataset)
    trained, start = pretrain(pool, seed)
    matrices, names = {}, {}
    for column in COLUMNS:
        task = build_task(column, pool, test)
        names[column] = list(task.names)
        for share, steps in STEPS.items():
            given = predict_with_few_labels(
                task, {"SimCLR": trained, "random start": start}, share, seed, FineTuning(steps)
            )
            for name, predicted in given.items():
                matrix = confusion_matrix(task.test_labels, predicted, len(task.names))
                matrices[f"{column}/{share:g}/{name}"] = matrix.tolist()
    return {"matrices": matrices, "names": names}


def summarise(results: Results) -> dict[str, Metric]:
    """Accuracies over the seeds, and the confusion matrices of seed 0 after SimCLR was fine-tuned on the largest share."""
    seeds = [{key: np.array(matrix) for key, matrix in figures["matrices"].items()} for figures in results.values()]
    metrics, names = metrics_over_seeds(seeds), next(iter(results.values()))["names"]
    for column in COLUMNS:
        shown = f"{column}/{max(STEPS):g}/SimCLR, fine-tuned"
        metrics |= confusion_metrics(seeds[0][shown], names[column], f"seed 0/{shown}")
    return metrics


def _declare(name: str, dataset: str, shows: str) -> Experiment:
    fixed = {"size": SIZE, **OPTIONS, "test_share": TEST_SHARE, "pretraining": asdict(PLAN), "views": asdict(VIEWS)}
    fixed |= {"fine-tuning steps": {str(share): steps for share, steps in STEPS.items()}}
    tuning = [asdict(FineTuning(steps)) for steps in STEPS.values()]

    def grid(seeds: int) -> list[Cell]:
        return [Cell((dataset, seed), fixed | {"fine-tuning": tuning}) for seed in range(seeds)]

    def parameters(seeds: int) -> dict[str, object]:
        return {"dataset": dataset, "seeds": seeds, **fixed}

    def data() -> dict[str, dict[str, object]]:
        pool, test = load_parts(dataset)
        return {"pool": pool.describe(), "test": test.describe()}

    return Experiment(name, "05", shows, tuple(dataset.split("+")), grid, run, summarise, parameters, data)


EXPERIMENTS = (
    _declare("05_utkface", "utkface", "SimCLR on UTKFace, then few labels of race and gender"),
    _declare(
        "05_utkface_joined",
        "utkface+ffhq+celeba",
        "SimCLR on UTKFace joined with FFHQ and CelebA, then few labels of race and gender",
    ),
)
