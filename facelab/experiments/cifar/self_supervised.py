"""CIFAR-10 without labels: what SimCLR, MoCo, VICReg and VCL learn there, and VICReg on CIFAR-100 as an earlier project had it.

All have the same network, the same views and nearly the same time, and SimCLR once more four times as long. What came out is
asked in four ways: by the votes of the nearest training photographs, by the same after whitening, by a linear probe with all,
10 % or 1 % of the labels, and by fine-tuning with 10 % or 1 %. The recipes were chosen with 5,000 of the training photographs
held out (``evaluate_held_out``; ``TRIED``), never on the test. The fine-tuning was chosen so for a ResNet-10, and stayed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from sklearn.decomposition import PCA

from facelab.augment import CLASSIFIER, SUPCON
from facelab.backbones import backbone
from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.evaluation import confusion_matrix, mean_over_seeds, predict_by_vote, raw_pixels, whitened_pca, wilson
from facelab.evaluation.neighbor_vote import NEIGHBORS, TEMPERATURE
from facelab.experiments.cifar.splits import MEAN, STD, hold_out, load_split
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.stopwatch import Stopwatch, processor_seconds
from facelab.experiments.trainings import training_folder
from facelab.methods import Method, embed_faces, new_method
from facelab.protocols.few_labels import (
    FineTuning,
    LabelTask,
    confusion_metrics,
    metrics_over_seeds,
    predict_fine_tuned,
    predict_from_features,
    predict_from_pixels,
)
from facelab.records import Metric, Record
from facelab.training import BF16, Plan, fit, single_process_fabric

NAME = "cifar_self_supervised"
NETWORK = {"name": "airbench", "width": 32}
VIEWS = replace(SUPCON, mean=MEAN, std=STD)
TUNING_VIEWS = replace(CLASSIFIER, crop_scale=(0.5, 1.0))
#: share of the labels -> steps of the fine-tuning; 0: none
STEPS = {1.0: 0, 0.1: 1000, 0.01: 600}
LR = 3e-3  #: of the fine-tuning
VOTE, WHITENED_VOTE = "neighbours", "neighbours, whitened"
#: what a notebook calls a way to ask -> share of the labels and name of the way in the record
WAYS = {
    "linear": ("1", "linear"),
    VOTE: ("1", VOTE),
    WHITENED_VOTE: ("1", WHITENED_VOTE),
    "linear, 10 %": ("0.1", "linear"),
    "linear, 1 %": ("0.01", "linear"),
    "fine-tuned, 10 %": ("0.1", "fine-tuned"),
    "fine-tuned, 1 %": ("0.01", "fine-tuned"),
}
PARTS = (("cifar10", "train"), ("cifar10", "test"), ("cifar100", "train"))
BATCH = 500
COMPONENTS = 128  #: of whitened pixels: as many as the network has features
SHOWN = "0.1/SimCLR, fine-tuned"  #: whose confusion matrix the record has


@dataclass(frozen=True)
class Recipe:
    """How one network learns.

    Attributes:
        title: for the tables.
        method: its name.
        epochs: passes over the training photographs; 0: it stays as it was drawn.
        options: of the method.
        dataset: whose training photographs it learns from.
    """

    title: str
    method: str
    epochs: int
    options: Mapping[str, object] = field(default_factory=dict)
    dataset: str = "cifar10"

    @property
    def plan(self) -> Plan:
        """Its training; the seed is filled in."""
        return Plan(self.epochs, batch_size=BATCH, lr=2e-2, optimizer="muon", momentum=0.6, warmup_epochs=1)

    def build_method(self, seed: int) -> Method:
        """The method untrained: under one seed, the same network for every recipe."""
        torch.manual_seed(seed)
        network = backbone(in_channels=3, **NETWORK)
        return new_method(self.method, network, VIEWS, dict(self.options), 0)

    def learn(self, method: Method, faces: FaceSet, seed: int) -> float:
        """Train a method in place; one that is not trained gets what its network computes from the photographs. What was
        stopped goes on; what is done is read.

        Args:
            method: by ``build_method``.
            faces: what it learns from.
            seed: of order and views.

        Returns:
            Processor time of the training in seconds.

        Raises:
            FacelabError: as ``training_folder``.
        """
        if not self.epochs:
            method.prepare(faces)
            return 0.0
        plan, fabric = replace(self.plan, seed=seed), single_process_fabric(BF16)
        with training_folder(NAME, f"{self.title}-{seed}", method, faces, plan) as folder:
            history = fit(method, faces, plan, monitors=[Stopwatch()], folder=folder, fabric=fabric)
        return processor_seconds(history)


EXPANDER = {"expander": (512, 512)}
RANDOM, LONG = "random", "simclr-long"
#: MoCo computes gradients through one of its two views, and has more epochs for the same time.
RECIPES = {
    RANDOM: Recipe("random start", "simclr", 0),
    "simclr": Recipe("SimCLR", "simclr", 6, {"temperature": 0.2}),
    LONG: Recipe("SimCLR, 24 epochs", "simclr", 24, {"temperature": 0.2}),
    "moco": Recipe("MoCo v2", "moco", 7, {"queue": 8000, "momentum": 0.98, "temperature": 0.1}),
    "vicreg": Recipe("VICReg", "vicreg", 6, EXPANDER),
    "vcl": Recipe("VCL", "vcl", 6, {"temperature": 0.2}),
    "vicreg-cifar100": Recipe("VICReg of CIFAR-100", "vicreg", 6, EXPANDER, "cifar100"),
}
UNLEARNED = ("pixels", RECIPES[RANDOM].title)  #: what has learned nothing, and a notebook shows
#: titles of what learned on CIFAR-10 itself
LEARNED = tuple(recipe.title for recipe in RECIPES.values() if recipe.epochs and recipe.dataset == "cifar10")
DRAWN = (VOTE, WHITENED_VOTE, "linear", "fine-tuned, 1 %")  #: of ``WAYS``, those that a chart has a panel for
#: What was measured on the 5,000 photographs held out, in per cent right by the votes of neighbours, one seed each: a standard
#: error of about .7. After each epoch where there are several numbers: a monitor asked them.
TRIED = {
    "SimCLR, 4 epochs in batches of 500, rate .02, temperature .2: after each epoch": [54.8, 58.3, 60.6, 61.6],
    "the same at temperature .1": [54.4, 58.8, 60.7, 61.4],
    "the same in batches of 1000": [51.7, 57.4, 59.6, 59.6],
    "the same in batches of 256, rate .006, momentum .9": [53.4, 57.0, 60.4, 60.6],
    "SimCLR, 6 epochs of 24 pixels, in less time than 4 of 32": [51.4, 54.8, 57.3, 58.6, 59.9, 60.3],
    "VICReg, 4 epochs, expander of 512, 512": [50.3, 55.9, 58.1, 59.1],
    "the same, expander of 1024, 1024, 1024: its loss was at 1155 in the second epoch": [37.2, 34.7, 36.0, 37.2],
    "VCL, 4 epochs, temperature .07": [46.3, 52.6, 55.5, 56.0],
    "the same at temperature .2": [50.6, 55.1, 57.3, 58.3],
    "SimCLR, 4 epochs, the mean over positions in place of the greatest value": [53.0, 57.9, 60.1, 60.7],
    "SimCLR, 4 epochs, crops of .08 of a photograph and more": [52.1, 57.3, 59.9, 61.0],
    "SimCLR, 4 epochs, last group of 512 channels, in 2.2 times the time": [56.1, 60.6, 62.2, 63.6],
    "SimCLR, 4 epochs, width 64, in 2.8 times the time": [55.8, 60.9, 62.8, 63.7],
    "SimCLR of the record, seed 0 (which has seen these photographs, without labels)": 62.3,
    "the same, whitened to 32, 64, 96, 128 components": [65.0, 66.7, 67.6, 68.2],
    "MoCo, 6 epochs, queue of 8000, momentum .98": [46.8, 52.9, 55.3, 57.3, 59.0, 58.9],
    "the same, queue of 4000, momentum .9": [36.6, 40.0, 43.0, 46.5, 47.9, 47.8],
}


def build_task() -> LabelTask:
    """The ten classes of CIFAR-10: training photographs as the pool, the official test."""
    pool, test = load_split("cifar10", "train"), load_split("cifar10", "test")
    assert_disjoint(pool, test, kinds=("file", "hash"))
    return LabelTask.from_column(None, pool, test)


def describe_recipe(name: str) -> dict[str, object]:
    """Everything that decides the figures of a recipe but the seed, for cells and record."""
    recipe = RECIPES[name]
    learning = asdict(recipe) | {"plan": asdict(recipe.plan) if recipe.epochs else None, "precision": BF16}
    tunings = {f"{share:g}": asdict(tuning(share)) for share, steps in STEPS.items() if steps}
    vote = {"neighbours": NEIGHBORS, "temperature": TEMPERATURE, "whitened pixels": COMPONENTS}
    return learning | {"network": NETWORK, "views": asdict(VIEWS), "fine-tuning": tunings, "vote": vote}


def tuning(share: float) -> FineTuning:
    """How a network is fine-tuned on that share of the labels."""
    return FineTuning(STEPS[share], lr=LR, augmentation=TUNING_VIEWS)


def grid(seeds: int) -> list[Cell]:
    """Every recipe under every seed."""
    return [Cell((name, seed), describe_recipe(name)) for seed in range(seeds) for name in RECIPES]


def run(cell: Cell) -> Figures:
    """One network.

    Returns:
        ``matrices``, ``SHARE/TITLE, WAY`` -> confusion matrix (10, 10) over the test, those of pixels too where the network is
        untrained; ``names`` of the classes; ``processor seconds`` of the training.
    """
    name, seed = cell.key
    recipe, task = RECIPES[name], build_task()
    unlabelled = load_split(recipe.dataset, "train")
    assert_disjoint(unlabelled, task.test, kinds=("hash",))
    method = recipe.build_method(seed)
    seconds = recipe.learn(method, unlabelled, seed)
    z, asked = (embed_faces(method, part) for part in (task.pool, task.test))
    given = {f"1/{recipe.title}, {way}": found for way, found in ask_neighbors(z, task.pool_labels, asked).items()}
    for share, steps in STEPS.items():
        given[f"{share:g}/{recipe.title}, linear"] = predict_from_features(task, z, asked, share, seed)
        if steps:
            given[f"{share:g}/{recipe.title}, fine-tuned"] = predict_fine_tuned(
                task, method, share, seed, tuning(share)
            )
    if name == RANDOM:
        given |= _ask_pixels(task, seed)
    matrices = {
        key: confusion_matrix(task.test_labels, classes, len(task.names)).tolist() for key, classes in given.items()
    }
    return {"matrices": matrices, "names": list(task.names), "processor seconds": seconds}


def ask_neighbors(z: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    """Classes by the votes of the nearest known photographs, by cosine of their features as they are, and whitened.

    Whitened features are the principal components over the known photographs, each of unit variance: without it, the few
    directions in which features vary most decide who is near. Notebook 05 shows what it gains.

    Args:
        z: float (G, D), features of the known photographs.
        labels: int (G,), their classes.
        asked: float (N, D), features of the others.

    Returns:
        ``neighbours`` and ``neighbours, whitened``: int64 (N,) each.
    """
    whitening = PCA(whiten=True, random_state=0).fit(z)
    return {
        VOTE: _vote(z, labels, asked),
        WHITENED_VOTE: _vote(whitening.transform(z), labels, whitening.transform(asked)),
    }


def ask_neighbors_by(method: Method, known: FaceSet, asked: FaceSet) -> dict[str, np.ndarray]:
    """``ask_neighbors`` by the features of a method; classes are those of ``known.labels()``."""
    return ask_neighbors(embed_faces(method, known), known.labels(), embed_faces(method, asked))


def _ask_pixels(task: LabelTask, seed: int) -> dict[str, np.ndarray]:
    """What needs no network: neighbours, and linear probes with each share of the labels; by ``SHARE/pixels, WAY``."""
    known, asked = task.pool.images, task.test.images
    embeds = {VOTE: raw_pixels(known), WHITENED_VOTE: whitened_pca(known, COMPONENTS)}
    votes = {f"1/pixels, {way}": _vote(of(known), task.pool_labels, of(asked)) for way, of in embeds.items()}
    return votes | {f"{share:g}/pixels, linear": predict_from_pixels(task, share, seed) for share in STEPS}


def _vote(z: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return predict_by_vote(z, labels, asked, NEIGHBORS, TEMPERATURE)


def evaluate_held_out(name: str, seed: int = 0) -> dict[str, float]:
    """Share of the photographs held out that neighbours name rightly, after learning from the others, in each way of
    ``ask_neighbors``: what recipes were chosen by. VICReg of CIFAR-100 learns from all of that, and is asked about the same."""
    recipe, (train, held) = RECIPES[name], hold_out(load_split("cifar10", "train"))
    method = recipe.build_method(seed)
    recipe.learn(method, train if recipe.dataset == "cifar10" else load_split(recipe.dataset, "train"), seed)
    return {way: float((found == held.labels()).mean()) for way, found in ask_neighbors_by(method, train, held).items()}


def summarise(results: Results) -> dict[str, Metric]:
    """``accuracy/SHARE/TITLE, WAY`` over the seeds, ``processor seconds/TITLE`` too, and the confusion matrix of ``SHOWN``.

    Pixels with all labels draw nothing under a seed: their intervals are over the photographs of the test.
    """
    by_seed, seconds = defaultdict(dict), defaultdict(list)
    for (name, seed), figures in results.items():
        by_seed[seed] |= {key: np.array(matrix) for key, matrix in figures["matrices"].items()}
        seconds[name].append(figures["processor seconds"])
    names = next(iter(results.values()))["names"]
    found = metrics_over_seeds(list(by_seed.values()))
    metrics = {name: metric for name, metric in found.items() if name.startswith("accuracy/")}
    for way in ("linear", VOTE, WHITENED_VOTE):
        pixels = by_seed[0][f"1/pixels, {way}"]
        metrics[f"accuracy/1/pixels, {way}"] = Metric.from_estimate(wilson(int(pixels.trace()), int(pixels.sum())))
    for name, recipe in RECIPES.items():
        if recipe.epochs:
            metrics[f"processor seconds/{recipe.title}"] = Metric.from_estimate(mean_over_seeds(seconds[name]))
    return metrics | confusion_metrics(by_seed[0][SHOWN], names, f"seed 0/{SHOWN}")


def rows_to_show(record: Record, names: Sequence[str]) -> dict[str, dict[str, Metric]]:
    """What a notebook shows: name of a way to ask -> name -> accuracy on the test, where there is one.

    Args:
        record: of this experiment.
        names: "pixels", or titles of recipes.
    """
    return {
        column: {
            name: record.metrics[key] for name in names if (key := f"accuracy/{share}/{name}, {way}") in record.metrics
        }
        for column, (share, way) in WAYS.items()
    }


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    recipes = {name: describe_recipe(name) for name in RECIPES}
    return {"seeds": seeds, "recipes": recipes, "tried on held-out photographs": TRIED}


def data() -> dict[str, dict[str, object]]:
    """Of the record."""
    parts = {(name, split): load_split(name, split) for name, split in PARTS}
    return {f"{name}, {split}": faces.describe() for (name, split), faces in parts.items()}


EXPERIMENTS = (
    Experiment(
        name=NAME,
        notebook="05",
        shows="SimCLR, MoCo, VICReg and VCL on CIFAR-10, and VICReg on CIFAR-100: neighbours, probes, few labels",
        datasets=("cifar10", "cifar100"),
        grid=grid,
        run=run,
        summarise=summarise,
        parameters=parameters,
        data=data,
    ),
)
