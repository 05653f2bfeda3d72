"""What LARS buys: SimCLR on orl-wild with three optimisers and two sizes of a batch, on people whom it never saw."""

from __future__ import annotations

from dataclasses import asdict, replace

import torch

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.datasets import load
from facelab.evaluation import mean_over_seeds
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.moco import StoredHalves
from facelab.methods import SimCLR
from facelab.optim import scaled_lr
from facelab.protocols.unseen_people import scene_ids
from facelab.records import Metric
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


def grid(seeds: int) -> list[Cell]:
    """Every plan under every seed."""
    fixed = {"size": SIZE, "temperature": TEMPERATURE, "views": asdict(CLASSIFIER)}
    return [
        Cell((name, seed), {"plan": asdict(plan), **fixed}) for seed in range(seeds) for name, plan in PLANS.items()
    ]


def run(cell: Cell) -> Figures:
    """``eer`` of one training on people who were not in it."""
    name, seed = cell.key
    people = StoredHalves.from_faces(load("orl-wild", SIZE))
    torch.manual_seed(seed)
    method = SimCLR(backbone("resnet10", in_channels=1), CLASSIFIER, temperature=TEMPERATURE)
    fit(method, people.train, replace(PLANS[name], seed=seed), scenes=scene_ids(people.train, "photo"))
    return {"eer": people.eer(method)}


def summarise(results: Results) -> dict[str, Metric]:
    """``eer/PLAN``: mean over the seeds with its interval."""
    return {
        f"eer/{name}": Metric.from_estimate(
            mean_over_seeds([r["eer"] for (plan, _), r in results.items() if plan == name])
        )
        for name in PLANS
    }


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    plans = {name: asdict(plan) for name, plan in PLANS.items()}
    return {"dataset": "orl-wild", "size": SIZE, "seeds": seeds, "temperature": TEMPERATURE, "plans": plans}


def data() -> dict[str, dict[str, object]]:
    """Of the record: the people who train, and those who are asked about."""
    people = StoredHalves.from_faces(load("orl-wild", SIZE))
    return {"train": people.train.describe(), "test": people.test.describe()}


EXPERIMENTS = (
    Experiment(
        name="05_lars", notebook="05", datasets=("orl-wild",),
        shows="SimCLR on orl-wild by AdamW, SGD and LARS, in batches of 64 and 256",
        grid=grid, run=run, summarise=summarise, parameters=parameters, data=data,
    ),
)  # fmt: skip
