"""What compression costs a data set: CIFAR-100 as it is read, and encoded once more as JPEG of quality 75.

Photographs of 32 pixels have few details to lose, and both CIFARs are handed on as JPEG files too. A CIFAR-10 that came as such
files cannot tell what they cost, for it has no other version beside it. CIFAR-100 may have one: if it was stored with less
loss, its photographs can be encoded again, and one training be run on both versions.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.evaluation import mean_over_seeds
from facelab.experiments.cifar.margins import Training, predict_mirrored
from facelab.experiments.cifar.splits import load_split
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.trainings import training_folder
from facelab.records import Metric
from facelab.training import BF16, fit, single_process_fabric

NAME = "07_cifar_jpeg"
AS_READ, ENCODED = "as read", "encoded again"
QUALITY = 75  #: what many programs write if nothing is said
TRAINING = Training("softmax")


def encode_again(faces: FaceSet) -> FaceSet:
    """The photographs after JPEG of ``QUALITY``: brightness in full, colours in half the resolution each way (4:2:0)."""
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    images = np.empty_like(faces.images)
    for row, image in enumerate(faces.images):
        data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1]
        images[row] = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return replace(faces, images=images, source=f"{faces.source}, JPEG {QUALITY}")


def load_apart() -> tuple[FaceSet, FaceSet]:
    """Training and test of CIFAR-100, of the test only what is not in the training too: ten photographs are in both."""
    train, test = load_split("cifar100", "train"), load_split("cifar100", "test")
    known = {image.tobytes() for image in train.images}
    return train, test.subset(np.flatnonzero([image.tobytes() not in known for image in test.images]))


def grid(seeds: int) -> list[Cell]:
    """Both versions under every seed."""
    settings = {"training": TRAINING.describe(), "quality": QUALITY}
    return [Cell((version, seed), settings) for seed in range(seeds) for version in (AS_READ, ENCODED)]


def run(cell: Cell) -> Figures:
    """One training: ``accuracy`` over the test, each photograph asked about as it is and mirrored, and ``n`` of them."""
    version, seed = cell.key
    train, test = load_apart()
    if version == ENCODED:
        train, test = encode_again(train), encode_again(test)
    assert_disjoint(train, test, kinds=("file", "hash"))
    method, plan = TRAINING.build_method(len(train.people), seed), replace(TRAINING.plan, seed=seed)
    with training_folder(NAME, f"{version}-{seed}", method, train, plan) as folder:
        fit(method, train, plan, folder=folder, fabric=single_process_fabric(BF16))
    right = predict_mirrored(method, test) == test.labels()
    return {"accuracy": float(right.mean()), "n": len(right)}


def summarise(results: Results) -> dict[str, Metric]:
    """``accuracy/VERSION`` over the seeds, each seed's own, and ``cost``: by how much the second is below, paired by seeds."""
    metrics, accuracies = {}, {}
    for version in (AS_READ, ENCODED):
        runs = {seed: figures for (own, seed), figures in results.items() if own == version}
        accuracies[version] = np.array([figures["accuracy"] for figures in runs.values()])
        metrics[f"accuracy/{version}"] = Metric.from_estimate(mean_over_seeds(accuracies[version]))
        for seed, figures in runs.items():
            metrics[f"accuracy/{version}/seed {seed}"] = Metric(figures["accuracy"], figures["n"])
    cost = mean_over_seeds(accuracies[AS_READ] - accuracies[ENCODED])
    return metrics | {"cost": Metric.from_estimate(cost)}


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    return {"dataset": "cifar100", "seeds": seeds, "training": TRAINING.describe(), "quality": QUALITY}


def data() -> dict[str, dict[str, object]]:
    """Of the record: the photographs as they are read."""
    return {part: faces.describe() for part, faces in zip(("train", "test"), load_apart(), strict=True)}


EXPERIMENTS = (
    Experiment(
        name=NAME,
        notebook="07",
        shows="what JPEG of quality 75 costs: CIFAR-100 as it is read, and encoded once more",
        datasets=("cifar100",),
        grid=grid,
        run=run,
        summarise=summarise,
        parameters=parameters,
        data=data,
    ),
)
