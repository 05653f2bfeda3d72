"""The closed-set experiment: every person is in training, other photographs of them are looked up.

Notebook 02 goes through its steps one by one; here they are as one call, for the derived sets and for ``facelab train``.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.splits import Split, stratified
from facelab.errors import BadParameterError
from facelab.evaluation import BASELINES, TopK, topk_by_neighbours, topk_by_scores
from facelab.methods import Classifier, embed_faces
from facelab.paths import runs_root
from facelab.records import Metric, Record
from facelab.training import History, Plan, fit


@dataclass(frozen=True)
class ClosedSet:
    """What one closed-set experiment gave.

    Attributes:
        split: rows of the set for training, validation and test.
        method: the trained classifier, with the weights of its best epoch on validation.
        history: of its training.
        results: name -> ranks of the right person over the test photographs. ``CNN + MLP`` by softmax; the others by the
            nearest training photograph.
    """

    split: Split
    method: Classifier
    history: History
    results: dict[str, TopK]


def split_closed(faces: FaceSet, seed: int) -> Split:
    """60 % of each person's photographs for training, 10 % to choose the epoch, 30 % for the test.

    Renderings of one photograph stay together, and the test is proved to hold no picture of the training.
    """
    group = "photo" if "photo" in faces.attributes else None
    split = stratified(faces, train=0.6, validation=0.1, seed=seed, group=group)
    known = np.concatenate([split.train, split.validation])
    assert_disjoint(faces.subset(known), faces.subset(split.test), by=("file", "hash"))
    return split


def new_classifier(faces: FaceSet, name: str = "resnet10", width: int | None = None, seed: int = 0) -> Classifier:
    """A classifier over the people of a set, its weights drawn from ``seed``."""
    torch.manual_seed(seed)
    network = backbone(name, in_channels=faces.images.shape[3], width=width)
    return Classifier(network, CLASSIFIER, classes=len(faces.people))


def closed_set(
    faces: FaceSet, build: Callable[[FaceSet], Classifier], plan: Plan, folder: Path | None = None
) -> ClosedSet:
    """Split, train, and look up the test photographs: the network, and what needs no training.

    Args:
        faces: photographs of known people.
        build: makes the untrained classifier for a set.
        plan: its training; its seed also decides the split.
        folder: where the checkpoint is kept; None: nowhere.
    """
    split = split_closed(faces, plan.seed)
    train, test, validation = (faces.subset(rows) for rows in (split.train, split.test, split.validation))
    gallery, labels = train.labels(), test.labels()

    def by_neighbours(of_train: np.ndarray, of_test: np.ndarray) -> TopK:
        return topk_by_neighbours(of_train, gallery, of_test, labels)

    results = {}
    for name, baseline in BASELINES.items():
        embed = baseline(train.images)
        results[name] = by_neighbours(embed(train.images), embed(test.images))
    method = build(faces)
    results["random network"] = by_neighbours(embed_faces(method, train), embed_faces(method, test))

    def validate(candidate: Classifier) -> float:
        return topk_by_scores(candidate.predict(validation), validation.labels()).accuracy(1).value

    history = fit(method, train, plan, validate=validate, folder=folder)
    results["CNN, nearest photograph"] = by_neighbours(embed_faces(method, train), embed_faces(method, test))
    results["CNN + MLP"] = topk_by_scores(method.predict(test), labels)
    return ClosedSet(split, method, history, results)


@dataclass(frozen=True)
class Settings:
    """What ``facelab train classifier`` needs besides the plan: data and network."""

    dataset: str
    min_photos: int
    size: int
    backbone: str
    width: int | None


def train_and_record(settings: Settings, plan: Plan, folder: Path | None = None) -> Path:
    """Run the experiment from the command line, and write its record beside the checkpoint.

    Args:
        settings: data and network.
        plan: the training.
        folder: of checkpoint and record; below ``runs/train`` by default, named by data set, network and seed.

    Returns:
        Path of the record.

    Raises:
        BadParameterError: nobody has as many photographs as asked for.
    """
    faces = with_photos(load(settings.dataset, settings.size), settings.min_photos)
    plain = "".join(c if c.isalnum() or c in "-_+" else "_" for c in settings.dataset)
    folder = folder or runs_root() / "train" / f"classifier-{plain}-{settings.backbone}-{plan.seed}"
    done = closed_set(
        faces, lambda known: new_classifier(known, settings.backbone, settings.width, plan.seed), plan, folder
    )
    parameters = asdict(settings) | asdict(plan)
    typed = {name: parameters[name] for name in (*asdict(settings), "epochs", "batch_size", "lr", "optimizer", "seed")}
    words = [
        w for name, value in typed.items() if value is not None for w in (f"--{name.replace('_', '-')}", str(value))
    ]
    record = Record("train classifier", shlex.join(["facelab", "train", "classifier", *words]), parameters)
    record.data["faces"] = faces.describe()
    for name, ranks in done.results.items():
        for k in (1, 2, 3):
            record.metrics[f"top{k}/{name}"] = Metric.of(ranks.accuracy(k))
    record.wall_seconds = round(done.history.seconds, 1)  # of the training, all its pieces where it was resumed
    return record.write(folder / "record.json")


def with_photos(faces: FaceSet, least: int) -> FaceSet:
    """The people with at least so many photographs.

    Raises:
        BadParameterError: fewer than two people have.
    """
    numbers, counts = np.unique(faces.identity[faces.identity >= 0], return_counts=True)
    kept = numbers[counts >= least]
    if len(kept) < 2:
        raise BadParameterError(
            f"{len(kept)} people of {faces.source} have {least} or more photographs.",
            "Ask for fewer, or take a set with identities.",
        )
    return faces.of_people(kept)
