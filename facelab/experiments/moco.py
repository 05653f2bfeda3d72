"""MoCo turned one screw at a time, on people whom it never saw: the table of notebook 04.

``python -m facelab.experiments.moco`` makes ``data/results/04_experiments.json``; with LFW in ``FACELAB_DATA`` it also
pretrains on the larger set and continues on the small one.
"""

from __future__ import annotations

import copy
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from typing import Annotated

import torch
import typer

from facelab.augment import CLASSIFIER, Augmentation
from facelab.backbones import Backbone, backbone, freeze
from facelab.datasets import FaceSet, load
from facelab.datasets.pairs import Pairs, all_pairs
from facelab.datasets.splits import stored_people
from facelab.evaluation import eer, over_seeds, roc, scores
from facelab.experiments import command
from facelab.experiments.lfw_view2 import centred
from facelab.methods import Method, MoCo, embed_faces
from facelab.paths import own_data
from facelab.progress import bar
from facelab.protocols.unseen_people import scenes_of
from facelab.records import Metric, Record
from facelab.training import Plan, fit

SIZE = 48
BASE = Plan(epochs=40, batch_size=32, lr=2e-3)
LARGE = Plan(epochs=5, batch_size=128, lr=2e-3)  #: of the pretraining on LFW
LARGE_OPTIONS = {"queue": 2048, "momentum": 0.99, "temperature": 0.2}
OPTIONS = {"queue": 64, "momentum": 0.99, "temperature": 0.1}


@dataclass(frozen=True)
class Setting:
    """What one experiment changes.

    Attributes:
        plan: fields of ``Plan``.
        options: of ``MoCo``.
        views: fields of ``Augmentation``.
        network: name and width of the backbone.
        scenes: whether the second view is another rendering of the same photograph.
    """

    plan: dict[str, object] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    views: dict[str, object] = field(default_factory=dict)
    network: tuple[str, int] = ("resnet10", 16)
    scenes: bool = True


#: group/value -> what differs from the base
SETTINGS = {
    "base": Setting(),
    "views/of one rendering": Setting(scenes=False),
    "network/resnet18, width 8": Setting(network=("resnet18", 8)),
    "batch/64": Setting(plan={"batch_size": 64}),
    "queue/256": Setting(options={"queue": 256}),
    "temperature/0.2": Setting(options={"temperature": 0.2}),
    "momentum/0.9": Setting(options={"momentum": 0.9}),
    "momentum/0.999": Setting(options={"momentum": 0.999}),
    "jitter/0.6": Setting(views={"brightness": 0.6, "contrast": 0.6}),
    "groups/4": Setting(options={"groups": 4}),
}


@dataclass(frozen=True)
class People:
    """The stored halves of ORL's people: who trains, and all pairs of the others."""

    train: FaceSet
    test: FaceSet
    pairs: Pairs

    @classmethod
    def of(cls, faces: FaceSet) -> People:
        """The halves of orl-wild."""
        split = stored_people(faces)
        test = faces.subset(split.test)
        return cls(faces.subset(split.train), test, all_pairs(test, exclude_same="photo"))

    def error(self, method: Method) -> float:
        """EER of the test people."""
        return eer(roc(scores(embed_faces(method, self.test), self.pairs), self.pairs.same))


def new_moco(network: Backbone, setting: Setting = Setting()) -> MoCo:
    """MoCo around a network, as a setting has it."""
    views: Augmentation = replace(CLASSIFIER, **setting.views)
    return MoCo(network, views, **(OPTIONS | setting.options))


def measure(people: People, setting: Setting, seed: int, plan: Plan = BASE) -> float:
    """EER of one training. Every setting has as many epochs, and the base's learning rate."""
    torch.manual_seed(seed)
    name, width = setting.network
    method = new_moco(backbone(name, in_channels=1, width=width, stem="small"), setting)
    return _fitted(people, method, replace(plan, **setting.plan, seed=seed), setting.scenes)


def pretrained(faces: FaceSet, people: People, seed: int, large: Plan = LARGE, small: Plan = BASE) -> dict[str, float]:
    """EER after a pretraining on a larger set, and after going on with the small one, its first layers frozen or not.

    Args:
        faces: the larger set, grey, of the size of the small one.
        people: the small set.
        seed: of weights and order.
        large: plan of the pretraining.
        small: plan of what follows.
    """
    torch.manual_seed(seed)
    # a scene of LFW is one photograph: crops and jitter must make its views
    method = MoCo(backbone("resnet10", in_channels=1), WIDER, **LARGE_OPTIONS)
    fit(method, faces, replace(large, seed=seed))
    found = {"pretrained on LFW, as it is": people.error(method)}
    for layers in (0, 6):
        network = freeze(copy.deepcopy(method.backbone), layers)
        torch.manual_seed(seed)  # one head and one queue for both
        name = (
            f"pretrained on LFW, then orl-wild, {layers} layers frozen"
            if layers
            else "pretrained on LFW, then orl-wild"
        )
        found[name] = _fitted(people, new_moco(network), replace(small, seed=seed), scenes=True)
    return found


#: views of one photograph that must do without renderings: parts of a face, other light
WIDER = replace(CLASSIFIER, crop_scale=(0.5, 1.0), brightness=0.4, contrast=0.4)


def larger_set() -> FaceSet:
    """All of LFW, grey and framed about as tightly as ORL's photographs."""
    return centred(load("lfw", 112), SIZE, grey=True)


def _fitted(people: People, method: MoCo, plan: Plan, scenes: bool) -> float:
    fit(method, people.train, plan, scenes=scenes_of(people.train, "photo" if scenes else None))
    return people.error(method)


def experiment(job: tuple[str, int]) -> dict[str, float]:
    """One experiment under one seed: figures by name. ``"pretraining"`` stands for all that begins on LFW."""
    name, seed = job
    people = People.of(load("orl-wild", SIZE))
    if name != "pretraining":
        return {name: measure(people, SETTINGS[name], seed)}
    return {f"pretraining/{what}": value for what, value in pretrained(larger_set(), people, seed).items()}


def main(
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1.")] = 3,
    lfw: Annotated[bool, typer.Option(help="Also pretrain on LFW, which must be in FACELAB_DATA.")] = True,
) -> None:
    """Measure every setting over the seeds and write ``data/results/04_experiments.json``."""
    started, people, values = time.monotonic(), People.of(load("orl-wild", SIZE)), defaultdict(list)
    jobs = [(name, seed) for seed in range(seeds) for name in (*(["pretraining"] if lfw else []), *SETTINGS)]
    # a process a core, one thread each: small trainings gain little from a second thread
    workers = ProcessPoolExecutor(min(4, os.cpu_count() or 1), get_context("spawn"), torch.set_num_threads, (1,))
    with workers, bar("experiments", len(jobs)) as progress:
        for found in workers.map(experiment, jobs):
            for name, value in found.items():
                values[name].append(value)
            progress.advance()
    parameters = {"dataset": "orl-wild", "size": SIZE, "seeds": seeds, **OPTIONS, "epochs": BASE.epochs}
    parameters |= {"batch_size": BASE.batch_size, "lr": BASE.lr}
    record = Record("04_experiments", f"python -m facelab.experiments.moco --seeds {seeds}", parameters)
    record.data["train"], record.data["test"] = people.train.describe(), people.test.describe()
    if lfw:
        record.data["pretraining"] = larger_set().describe()
        record.parameters["pretraining"] = asdict(LARGE) | LARGE_OPTIONS
    record.metrics = {f"eer/{name}": Metric.of(over_seeds(found)) for name, found in values.items()}
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", "04_experiments.json")))


if __name__ == "__main__":
    command.run(main)
