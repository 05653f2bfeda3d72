"""What LARS buys: SimCLR on orl-wild with three optimisers and two sizes of a batch, on people whom it never saw.

``python -m facelab.experiments.lars`` makes ``data/results/05_lars.json``, the table of notebook 05.
"""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from typing import Annotated

import torch
import typer

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.datasets import load
from facelab.evaluation import over_seeds
from facelab.experiments import command
from facelab.experiments.moco import People
from facelab.methods import SimCLR
from facelab.optim import scaled_lr
from facelab.paths import own_data
from facelab.progress import bar
from facelab.protocols.unseen_people import scenes_of
from facelab.records import Metric, Record
from facelab.training import Plan, fit

SIZE, TEMPERATURE = 48, 0.2
BASE = Plan(epochs=20, batch_size=64, lr=3e-3)
LARGE = 256  #: photographs of the large batch, of 800 in training; in chunks of 64


def _sgd_like(optimizer: str, batch: int) -> Plan:
    return replace(_sized(batch), optimizer=optimizer, lr=scaled_lr(batch, "sqrt"), weight_decay=1e-6, warmup_epochs=2)


def _sized(batch: int) -> Plan:
    return replace(BASE, batch_size=batch, chunk=64 if batch > 64 else 0)


#: name -> how SimCLR is trained. All have as many epochs, and SGD and LARS the rate of the SimCLR paper for their batch.
PLANS = {
    "AdamW, batch 64": BASE,
    "AdamW, batch 256": _sized(LARGE),
    "SGD, batch 256": _sgd_like("sgd", LARGE),
    "LARS, batch 256": _sgd_like("lars", LARGE),
}


def experiment(job: tuple[str, int]) -> float:
    """EER of one training on people who were not in it."""
    name, seed = job
    torch.set_num_threads(1)
    people = People.of(load("orl-wild", SIZE))
    torch.manual_seed(seed)
    method = SimCLR(backbone("resnet10", in_channels=1), CLASSIFIER, temperature=TEMPERATURE)
    fit(method, people.train, replace(PLANS[name], seed=seed), scenes=scenes_of(people.train, "photo"))
    return people.error(method)


def main(seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1.")] = 3) -> None:
    """Measure every plan over the seeds and write ``data/results/05_lars.json``."""
    started, people, values = time.monotonic(), People.of(load("orl-wild", SIZE)), defaultdict(list)
    jobs = [(name, seed) for seed in range(seeds) for name in PLANS]
    with ProcessPoolExecutor(2, get_context("spawn")) as workers, bar("experiments", len(jobs)) as progress:
        for (name, _), value in zip(jobs, workers.map(experiment, jobs), strict=True):
            values[name].append(value)
            progress.advance()
    parameters = {"dataset": "orl-wild", "size": SIZE, "seeds": seeds, "temperature": TEMPERATURE}
    parameters |= {"plans": {name: asdict(plan) for name, plan in PLANS.items()}}
    record = Record("05_lars", f"python -m facelab.experiments.lars --seeds {seeds}", parameters)
    record.data |= {"train": people.train.describe(), "test": people.test.describe()}
    record.metrics = {f"eer/{name}": Metric.of(over_seeds(found)) for name, found in values.items()}
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", "05_lars.json")))


if __name__ == "__main__":
    command.run(main)
