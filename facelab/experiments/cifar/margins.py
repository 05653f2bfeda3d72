"""Margin losses on CIFAR-10, where an earlier project checked its Ring loss and its A-Softmax: one network, one budget for all.

Its ResNet-50 reached 79.4 % by Ring loss after 50 epochs and 72.4 % by A-Softmax after 30. The network here is made for
photographs of 32 pixels, and its kernels are trained by Muon. Everything was chosen with 5,000 of the training photographs
held out (``TRIED``), never on the test. The test is also looked at after each epoch until 79.4 % is reached: that measures the
time to it, and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch

from facelab.augment import Augmentation, Parameters
from facelab.backbones import backbone
from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.evaluation import confusion_matrix, mean_over_seeds
from facelab.experiments.cifar.splits import MEAN, SIZE, STD, hold_out, load_split
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.stopwatch import Stopwatch
from facelab.experiments.trainings import training_folder
from facelab.methods import Margin
from facelab.protocols.few_labels import confusion_metrics, metrics_over_seeds
from facelab.records import Metric
from facelab.training import BF16, Plan, fit, single_process_fabric

NAME = "07_cifar"
TARGET = 0.794  #: what the earlier project reached by Ring loss: its time is measured


class WholePixelViews(Augmentation):
    """Views whose shifts are whole pixels: between pixels they would be smoother than the photographs of the test."""

    def draw(self, n: int, generator: np.random.Generator) -> Parameters:
        """As ``Augmentation``'s, shifts rounded."""
        drawn = super().draw(n, generator)
        return replace(drawn, translate=torch.round(drawn.translate * SIZE) / SIZE)


#: The mirror image and shifts of up to two pixels, as airbench has them; mean and deviation of the training photographs.
VIEWS = WholePixelViews(flip_p=0.5, translate=2.5 / SIZE, mean=MEAN, std=STD)
NETWORK = "airbench"
PLAN = Plan(epochs=4, batch_size=500, lr=2e-2, optimizer="muon", momentum=0.6, warmup_epochs=0.5)

#: What was measured on the 5,000 photographs held out, in per cent, one seed each: a standard error of about half a per cent.
TRIED = {
    "width 32, 3 epochs, CosFace (s 16, m .2), mirror image alone: rate .02, .01": [83.9, 82.3],
    "the same, rate .02, s 8": 83.5,
    "the same, rate .02, s 16, shifts too: after each epoch": [73.8, 81.9, 83.4],
    "the same, weight decay .5": [71.3, 80.4, 83.5],
    "width 32, 4 epochs, rate .02, shifts: after each epoch": [65.0, 75.8, 82.7, 84.4],
    "the same, kernels set to norm sqrt(outputs) at each step": 84.8,
    "width 32, 8 epochs, the recipe of airbench94_muon (softmax, label smoothing): batch 2000": 88.0,
    "width 64, 8 epochs, rate .02, weight decay .05, shifts: after each epoch": [
        *(68.7, 80.1, 84.0, 85.0, 86.7, 88.3, 89.0, 88.9),
    ],
    "width 64, 20 epochs, shifts of up to 4 pixels and a hole of 8 by 8: after 8, 12, 16, 20 epochs": [
        *(86.0, 88.1, 89.0, 89.5),
    ],
}


@dataclass(frozen=True)
class Training:
    """How one network is trained.

    Attributes:
        loss: a name of ``methods.margin.LOSSES``.
        options: of it.
        width: of the network; 64 is the published one.
        plan: the seed is filled in.
    """

    loss: str
    options: Mapping[str, float] = field(default_factory=dict)
    width: int = 32
    plan: Plan = PLAN

    def build_method(self, classes: int, seed: int) -> Margin:
        """The network untrained."""
        torch.manual_seed(seed)
        network = backbone(NETWORK, in_channels=3, width=self.width)
        return Margin(network, VIEWS, classes, loss=self.loss, **self.options)

    def describe(self) -> dict[str, object]:
        """Everything that decides it but the seed, for cells and record."""
        return asdict(self) | {"views": asdict(VIEWS), "network": NETWORK, "precision": BF16}


COSINE_MARGIN = {"scale": 16.0, "margin": 0.2}
LOSSES = {
    "softmax": Training("softmax"),
    "ring": Training("ring"),
    "sphereface": Training("sphereface", {"annealing": PLAN.epochs * (50_000 // PLAN.batch_size) * 2 // 3}),
    "arcface": Training("arcface", COSINE_MARGIN),
    "cosface": Training("cosface", COSINE_MARGIN),
}
LONG = "cosface, long"  #: the published width, and the eight epochs that its authors need with Muon
TRAININGS = LOSSES | {LONG: Training("cosface", COSINE_MARGIN, width=64, plan=replace(PLAN, epochs=8))}
CONFUSED = ("ring", "sphereface")  #: those whose confusion matrices the earlier project drew


def describe_training(name: str) -> dict[str, object]:
    """Everything that decides a training of ``TRAININGS`` and its time but the seed, for cells and record."""
    return TRAININGS[name].describe() | {"target": TARGET}


def grid(seeds: int) -> list[Cell]:
    """Every training under every seed."""
    return [Cell((name, seed), describe_training(name)) for seed in range(seeds) for name in TRAININGS]


def run(cell: Cell) -> Figures:
    """One training, tested by the official test: see ``train_and_test``."""
    name, seed = cell.key
    train, test = load_split("cifar10", "train"), load_split("cifar10", "test")
    return train_and_test(name, seed, train, test)


def evaluate_held_out(name: str, seed: int = 0) -> Figures:
    """A training by 45,000 of the training photographs, tested by the other 5,000: what settings are chosen by."""
    return train_and_test(name, seed, *hold_out(load_split("cifar10", "train")))


def train_and_test(name: str, seed: int, train: FaceSet, test: FaceSet) -> Figures:
    """One training. What was stopped goes on; what is done is read.

    Args:
        name: a key of ``TRAININGS``.
        seed: of weights and plan.
        train, test: photographs of the same ten classes, none of them in both.

    Returns:
        ``matrix``, its confusion matrix (10, 10) over the test, a photograph asked about twice, as it is and mirrored, and
        ``names`` of the classes; ``accuracy`` after each epoch until ``TARGET``, photographs asked about once;
        ``processor seconds`` after each epoch.
    """
    assert_disjoint(train, test, kinds=("file", "hash"))
    training, labels = TRAININGS[name], test.labels()
    method = training.build_method(len(train.people), seed)
    stopwatch = Stopwatch(lambda own: float((own.predict(test).argmax(axis=1) == labels).mean()), TARGET)
    plan, fabric = replace(training.plan, seed=seed), single_process_fabric(BF16)
    with training_folder(NAME, f"{name}-{seed}", method, train, plan) as folder:
        history = fit(method, train, plan, monitors=[stopwatch], folder=folder, fabric=fabric)
    names = [test.names[number] for number in np.unique(test.identity)]
    return {
        "matrix": confusion_matrix(labels, predict_mirrored(method, test), len(names)).tolist(),
        "names": names,
        "accuracy": [value for value in history.series("accuracy") if not math.isnan(value)],
        "processor seconds": history.series("processor seconds"),
    }


def predict_mirrored(method: Margin, faces: FaceSet) -> np.ndarray:
    """The class of each photograph by the sum of what is predicted for it and for its mirror image: int64 (N,)."""
    return (method.predict(faces) + method.predict(faces.mirrored())).argmax(axis=1)


def summarise(results: Results) -> dict[str, Metric]:
    """``accuracy/NAME`` over the seeds, each seed's own, the times, and the confusion matrices of ``CONFUSED`` under seed 0.

    ``processor seconds/NAME`` is of the whole training; ``processor seconds to 79.4 %/NAME`` and ``epochs to ...`` are left
    out where a seed does not get there.
    """
    names = next(iter(results.values()))["names"]
    matrices = {key: np.array(figures["matrix"]) for key, figures in results.items()}
    seeds = dict.fromkeys(seed for _, seed in matrices)
    by_seed = [{name: matrix for (name, own), matrix in matrices.items() if own == seed} for seed in seeds]
    metrics = {name: metric for name, metric in metrics_over_seeds(by_seed).items() if name.startswith("accuracy/")}
    for (name, seed), matrix in matrices.items():
        metrics[f"accuracy/{name}/seed {seed}"] = Metric(float(matrix.trace() / matrix.sum()), int(matrix.sum()))
    for name in dict.fromkeys(name for name, _ in results):
        metrics |= _time_metrics(name, [figures for (own, _), figures in results.items() if own == name])
    for name in CONFUSED:
        metrics |= confusion_metrics(matrices[name, 0], names, f"seed 0/{name}")
    return metrics


def _time_metrics(name: str, runs: Sequence[Figures]) -> dict[str, Metric]:
    seconds = {"processor seconds": [run["processor seconds"][-1] for run in runs]}
    if all(run["accuracy"][-1] >= TARGET for run in runs):
        epochs = [len(run["accuracy"]) for run in runs]
        seconds[f"epochs to {100 * TARGET:.1f} %"] = epochs
        seconds[f"processor seconds to {100 * TARGET:.1f} %"] = [
            run["processor seconds"][number - 1] for run, number in zip(runs, epochs, strict=True)
        ]
    return {f"{what}/{name}": Metric.from_estimate(mean_over_seeds(values)) for what, values in seconds.items()}


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    trainings = {name: describe_training(name) for name in TRAININGS}
    fixed = {"losses": list(LOSSES), "trainings": trainings, "tried on held-out photographs": TRIED}
    return {"dataset": "cifar10", "seeds": seeds, **fixed}


def data() -> dict[str, dict[str, object]]:
    """Of the record."""
    return {part: load_split("cifar10", part).describe() for part in ("train", "test")}


EXPERIMENTS = (
    Experiment(
        name=NAME,
        notebook="07",
        shows="margin losses on CIFAR-10, one network and one budget, and the time to 79.4 %",
        datasets=("cifar10",),
        grid=grid,
        run=run,
        summarise=summarise,
        parameters=parameters,
        data=data,
    ),
)
