"""Margin losses on CIFAR-10, where an earlier project checked its Ring loss and its A-Softmax: one network, one budget for all.

Its ResNet-50 reached 79.4 % by Ring loss after 50 epochs and 72.4 % by A-Softmax after 30. The network here is made for
photographs of 32 pixels. Network, rate and epochs were chosen with 5,000 of the training photographs held out, never on the
test; scale and margin of CosFace are those of notebook 07.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import torch

from facelab.augment import Augmentation
from facelab.backbones import backbone
from facelab.datasets.leakage import assert_disjoint
from facelab.evaluation import confusion_matrix
from facelab.experiments.cifar.transfer import load_split
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.methods import Margin
from facelab.paths import runs_root
from facelab.protocols.few_labels import confusion_metrics, metrics_over_seeds
from facelab.records import Metric
from facelab.training import BF16, Plan, fit, single_process_fabric

NETWORK = {"name": "resnet9", "width": 24}
VIEWS = Augmentation(flip_p=0.5)
PLAN = Plan(epochs=6, batch_size=128, lr=4e-3)
LOSSES = {
    "softmax": {},
    "ring": {},
    "sphereface": {"annealing": PLAN.epochs * (50_000 // PLAN.batch_size) * 2 // 3},
    "cosface": {"scale": 16.0, "margin": 0.2},
}
CONFUSED = ("ring", "sphereface")  #: those whose confusion matrices the earlier project drew


def build_method(loss: str, seed: int) -> Margin:
    """A ResNet-9 with one of ``LOSSES``, untrained; all start from the same network."""
    torch.manual_seed(seed)
    return Margin(backbone(in_channels=3, **NETWORK), VIEWS, classes=10, loss=loss, **LOSSES[loss])


def grid(seeds: int) -> list[Cell]:
    """Every loss under every seed."""
    fixed = {"network": NETWORK, "views": asdict(VIEWS), "plan": asdict(PLAN), "precision": BF16}
    return [Cell((loss, seed), fixed | {"options": LOSSES[loss]}) for seed in range(seeds) for loss in LOSSES]


def run(cell: Cell) -> Figures:
    """One training: ``matrix``, its confusion matrix (10, 10) over the test, and ``names`` of the classes.

    A tested photograph is asked about twice, as it is and mirrored; its probabilities are the mean of both.
    """
    loss, seed = cell.key
    train, test = load_split("cifar10", "train"), load_split("cifar10", "test")
    assert_disjoint(train, test, kinds=("file", "hash"))
    method, plan = build_method(loss, seed), replace(PLAN, seed=seed)
    folder = runs_root() / "cifar_margins" / f"{loss}-{seed}"
    fit(
        method,
        train,
        plan,
        folder=folder,
        fabric=single_process_fabric(BF16),
    )
    mirrored = replace(test, images=test.images[:, :, ::-1])
    labels, predicted = test.labels(), (method.predict(test) + method.predict(mirrored)).argmax(axis=1)
    names = [test.names[number] for number in np.unique(test.identity)]
    return {"matrix": confusion_matrix(labels, predicted, len(names)).tolist(), "names": names}


def summarise(results: Results) -> dict[str, Metric]:
    """``accuracy/LOSS`` over the seeds, each seed's own, and the confusion matrices of ``CONFUSED`` under seed 0."""
    names = next(iter(results.values()))["names"]
    matrices = {key: np.array(figures["matrix"]) for key, figures in results.items()}
    seeds = dict.fromkeys(seed for _, seed in matrices)
    by_seed = [{loss: matrix for (loss, own), matrix in matrices.items() if own == seed} for seed in seeds]
    metrics = {name: metric for name, metric in metrics_over_seeds(by_seed).items() if name.startswith("accuracy/")}
    for (loss, seed), matrix in matrices.items():
        metrics[f"accuracy/{loss}/seed {seed}"] = Metric(float(matrix.trace() / matrix.sum()), int(matrix.sum()))
    for loss in CONFUSED:
        metrics |= confusion_metrics(matrices[loss, 0], names, f"seed 0/{loss}")
    return metrics


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    fixed = {"network": NETWORK, "views": asdict(VIEWS), "plan": asdict(PLAN), "precision": BF16}
    return {"dataset": "cifar10", "seeds": seeds, "losses": LOSSES, **fixed}


def data() -> dict[str, dict[str, object]]:
    """Of the record."""
    return {part: load_split("cifar10", part).describe() for part in ("train", "test")}


EXPERIMENTS = (
    Experiment(
        name="07_cifar",
        notebook="07",
        shows="softmax, Ring, A-Softmax and CosFace on CIFAR-10, one network and one budget",
        datasets=("cifar10",),
        grid=grid,
        run=run,
        summarise=summarise,
        parameters=parameters,
        data=data,
    ),
)
