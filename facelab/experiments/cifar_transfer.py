"""Learn without labels on one CIFAR, then few labels of CIFAR-10: what is the start worth?

``python -m facelab.experiments.cifar_transfer vicreg`` learns on CIFAR-100 and makes the record of notebook 06; ``... simclr`` learns
on CIFAR-10 itself, as an earlier project did to validate its code, and makes that of notebook 05. Each takes less than half
an hour on two cores.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from typing import Annotated

import numpy as np
import torch
import typer

from facelab.augment import CLASSIFIER, SUPCON
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.errors import BadParameterError
from facelab.evaluation import confusion
from facelab.experiments import command
from facelab.methods import Method, SimCLR, VICReg
from facelab.paths import own_data, runs_root
from facelab.progress import bar
from facelab.protocols.few_labels import FineTuning, Question, answers, confused, over_seeds_of, untrained
from facelab.records import Record
from facelab.training import Plan, fit

SIZE = 32
RATE = 3e-3  #: of the fine-tuning; on 5000 unlabelled training photographs better than 1e-3 for both starts
TUNING_VIEWS = replace(CLASSIFIER, crop_scale=(0.5, 1.0))
STEPS = {0.01: 600, 0.1: 1000}  #: share of CIFAR-10's training photographs that is labelled -> steps of the fine-tuning


@dataclass(frozen=True)
class Recipe:
    """How a method learns without labels, on a ResNet-10 of width 16.

    Attributes:
        kind: the method.
        learns_on: the data set whose training photographs it sees.
        record: name of the record.
        plan: its training; the seed is filled in.
        options: of the method.
    """

    kind: type[Method]
    learns_on: str
    record: str
    plan: Plan
    options: dict[str, object] = field(default_factory=dict)

    def untrained(self, seed: int) -> Method:
        """The method with weights drawn from the seed."""
        torch.manual_seed(seed)
        return self.kind(backbone("resnet10", in_channels=3), SUPCON, **self.options)


RECIPES = {
    "vicreg": Recipe(
        VICReg,
        "cifar100",
        "06_cifar",
        Plan(epochs=5, batch_size=64, lr=3e-3),
        {"expander": (256, 256, 256)},
    ),
    "simclr": Recipe(SimCLR, "cifar10", "05_cifar", Plan(epochs=3, batch_size=64, lr=2e-3), {"temperature": 0.2}),
}


def part(name: str, split: str) -> FaceSet:
    """The training or the test photographs of a CIFAR."""
    faces = load(name, SIZE)
    return faces.subset((faces.attributes["split"] == split).to_numpy())


def asked() -> Question:
    """The ten classes of CIFAR-10: training photographs as the pool, the official test."""
    pool, test = part("cifar10", "train"), part("cifar10", "test")
    assert_disjoint(pool, test, by=("file", "hash"))
    return Question.of(None, pool, test)


def experiment(method: str, seed: int) -> dict[str, np.ndarray]:
    """One seed: ``SHARE/NAME`` -> confusion matrix (10, 10) over the test."""
    torch.set_num_threads(1)
    recipe, question = RECIPES[method], asked()
    unlabelled = part(recipe.learns_on, "train")
    assert_disjoint(unlabelled, question.test, by=("hash",))
    start = recipe.untrained(seed)
    trained = untrained(start, start.backbone)
    folder = runs_root() / "cifar_transfer" / f"{method}-{unlabelled.sha256[:12]}-{seed}"
    fit(trained, unlabelled, replace(recipe.plan, seed=seed), folder=folder)
    found = {}
    for share, steps in STEPS.items():
        networks = {method_name(method): trained, "random start": start}
        given = answers(question, networks, share, seed, FineTuning(steps, lr=RATE, views=TUNING_VIEWS))
        for name, predicted in given.items():
            found[f"{share:g}/{name}"] = confusion(question.test_labels, predicted, len(question.names))
    return found


def method_name(method: str) -> str:
    """As it is called in the record: the name of its class.

    Raises:
        BadParameterError: there is no recipe for it.
    """
    if method not in RECIPES:
        raise BadParameterError(f"There is no recipe for {method!r}.", f"There are: {', '.join(RECIPES)}.")
    return RECIPES[method].kind.__name__


def main(
    method: Annotated[str, typer.Argument(help="vicreg (learns on CIFAR-100) or simclr (on CIFAR-10).")],
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1, of weights, views and draws of labels.")] = 3,
) -> None:
    """Measure over the seeds and write the record."""
    name, started, done = method_name(method), time.monotonic(), []
    recipe, question = RECIPES[method], asked()
    workers = ProcessPoolExecutor(min(seeds, 4), get_context("spawn"))
    with workers, bar("seeds", seeds) as progress:
        for found in workers.map(experiment, [method] * seeds, range(seeds)):
            done.append(found)
            progress.advance()
    given = {"method": method, "learns_on": recipe.learns_on, "size": SIZE, "seeds": seeds, **recipe.options}
    given |= {"pretraining": asdict(recipe.plan), "views": asdict(SUPCON)}
    given |= {"fine-tuning steps": {str(share): steps for share, steps in STEPS.items()}}
    record = Record(recipe.record, f"python -m facelab.experiments.cifar_transfer {method} --seeds {seeds}", given)
    record.data |= {"pretraining": part(recipe.learns_on, "train").describe()}
    record.data |= {"pool": question.pool.describe(), "test": question.test.describe()}
    shown = f"0.1/{name}, fine-tuned"
    record.metrics = over_seeds_of(done) | confused(done[0][shown], question.names, f"seed 0/{shown}")
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", f"{recipe.record}.json")))


if __name__ == "__main__":
    command.run(main)
