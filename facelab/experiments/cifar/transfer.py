"""Learn without labels on one CIFAR, then few labels of CIFAR-10: what is the start worth?

VICReg learns on CIFAR-100; SimCLR learns on CIFAR-10 itself, as an earlier project did to validate its code.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch

from facelab.augment import CLASSIFIER, SUPCON
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.evaluation import confusion_matrix
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.methods import Method, SimCLR, VICReg
from facelab.paths import runs_root
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

SIZE = 32
LR = 3e-3  #: of the fine-tuning; on 5000 unlabelled training photographs better than 1e-3 for both starts
TUNING_VIEWS = replace(CLASSIFIER, crop_scale=(0.5, 1.0))
STEPS = {0.01: 600, 0.1: 1000}  #: share of CIFAR-10's training photographs that is labelled -> steps of the fine-tuning


@dataclass(frozen=True)
class Recipe:
    """How a method learns without labels, on a ResNet-10 of width 16.

    Attributes:
        kind: the method.
        dataset: the data set whose training photographs it sees.
        plan: its training; the seed is filled in.
        options: of the method.
    """

    kind: type[Method]
    dataset: str
    plan: Plan
    options: dict[str, object] = field(default_factory=dict)

    def build_method(self, seed: int) -> Method:
        """The method with weights drawn from the seed."""
        torch.manual_seed(seed)
        return self.kind(backbone("resnet10", in_channels=3), SUPCON, **self.options)


RECIPES = {
    "vicreg": Recipe(VICReg, "cifar100", Plan(epochs=5, batch_size=64, lr=3e-3), {"expander": (256, 256, 256)}),
    "simclr": Recipe(SimCLR, "cifar10", Plan(epochs=3, batch_size=64, lr=2e-3), {"temperature": 0.2}),
}


def load_split(name: str, split: str) -> FaceSet:
    """The training or the test photographs of a CIFAR."""
    faces = load(name, SIZE)
    return faces.subset((faces.attributes["split"] == split).to_numpy())


def build_task() -> LabelTask:
    """The ten classes of CIFAR-10: training photographs as the pool, the official test."""
    pool, test = load_split("cifar10", "train"), load_split("cifar10", "test")
    assert_disjoint(pool, test, kinds=("file", "hash"))
    return LabelTask.from_column(None, pool, test)


def run(cell: Cell) -> Figures:
    """One seed: ``matrices``: ``SHARE/NAME`` -> confusion matrix (10, 10) over the test; ``names`` of the classes."""
    method, seed = cell.key
    recipe, task = RECIPES[method], build_task()
    unlabelled = load_split(recipe.dataset, "train")
    assert_disjoint(unlabelled, task.test, kinds=("hash",))
    start = recipe.build_method(seed)
    trained = replace_backbone(start, start.backbone)
    folder = runs_root() / "cifar_transfer" / f"{method}-{unlabelled.sha256[:12]}-{seed}"
    fit(trained, unlabelled, replace(recipe.plan, seed=seed), folder=folder)
    matrices = {}
    for share, steps in STEPS.items():
        networks = {recipe.kind.__name__: trained, "random start": start}
        given = predict_with_few_labels(task, networks, share, seed, _tuning(steps))
        for name, predicted in given.items():
            matrix = confusion_matrix(task.test_labels, predicted, len(task.names))
            matrices[f"{share:g}/{name}"] = matrix.tolist()
    return {"matrices": matrices, "names": list(task.names)}


def _tuning(steps: int) -> FineTuning:
    return FineTuning(steps, lr=LR, augmentation=TUNING_VIEWS)


def _declare(name: str, notebook: str, method: str, shows: str) -> Experiment:
    recipe = RECIPES[method]
    fixed = {"size": SIZE, **recipe.options, "pretraining": asdict(recipe.plan), "views": asdict(SUPCON)}
    fixed |= {"fine-tuning steps": {str(share): steps for share, steps in STEPS.items()}}
    tuning = [asdict(_tuning(steps)) for steps in STEPS.values()]

    def grid(seeds: int) -> list[Cell]:
        return [Cell((method, seed), fixed | {"fine-tuning": tuning}) for seed in range(seeds)]

    def summarise(results: Results) -> dict[str, Metric]:
        seeds = [{key: np.array(matrix) for key, matrix in figures["matrices"].items()} for figures in results.values()]
        shown, names = f"0.1/{recipe.kind.__name__}, fine-tuned", next(iter(results.values()))["names"]
        return metrics_over_seeds(seeds) | confusion_metrics(seeds[0][shown], names, f"seed 0/{shown}")

    def parameters(seeds: int) -> dict[str, object]:
        return {"method": method, "learns_on": recipe.dataset, "seeds": seeds, **fixed}

    def data() -> dict[str, dict[str, object]]:
        task = build_task()
        parts = {"pretraining": load_split(recipe.dataset, "train"), "pool": task.pool, "test": task.test}
        return {role: part.describe() for role, part in parts.items()}

    datasets = tuple(dict.fromkeys((recipe.dataset, "cifar10")))
    return Experiment(name, notebook, shows, datasets, grid, run, summarise, parameters, data)


EXPERIMENTS = (
    _declare("05_cifar", "05", "simclr", "SimCLR on CIFAR-10, then few of its labels"),
    _declare("06_cifar", "06", "vicreg", "VICReg on CIFAR-100, then few labels of CIFAR-10"),
)
