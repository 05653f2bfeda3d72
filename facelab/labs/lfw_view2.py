"""LFW View 2 by halves: two trainings cover all ten folds, and nobody of a tested pair is in the training that is tested.

``python -m facelab.labs.lfw_view2 supcon`` makes the record that notebook 03 shows, ``... moco`` that of notebook 04.
The recipes come from View 1 (``--view1``), never from View 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated

import cv2
import numpy as np
import torch
import typer

from facelab.augment import CLASSIFIER, SUPCON, Augmentation
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation import BASELINES, View2, best_threshold, lfw_view2, over_seeds, scores
from facelab.methods import Method, MoCo, SupCon, embed_faces
from facelab.paths import own_data, runs_root
from facelab.records import Metric, Record
from facelab.training import Plan, fit

SIZE, FRAME = 48, 80  #: side that the networks see; it shows the centre 80 of LFW's 112 pixels, a tighter crop


@dataclass(frozen=True)
class Recipe:
    """How one method is trained on LFW, on a ResNet-10 of width 16.

    Attributes:
        kind: the method.
        views: its augmentation.
        plan: its training; the seed is filled in.
        options: of the method.
        least: photographs that a person must have to be in training.
    """

    kind: type[Method]
    views: Augmentation
    plan: Plan
    options: dict[str, object] = field(default_factory=dict)
    least: int = 1

    def untrained(self, seed: int) -> Method:
        """The method with weights drawn from the seed."""
        torch.manual_seed(seed)
        return self.kind(backbone("resnet10", in_channels=3), self.views, **self.options)

    def described(self) -> dict[str, object]:
        """Everything that decides a training but the seed, for the record."""
        plan = {name: value for name, value in asdict(self.plan).items() if name != "seed"}
        return plan | {"options": self.options, "least": self.least, "views": asdict(self.views)}


#: SupCon's views were chosen on View 1 between these and larger crops (82.2 against 80.9 % after eight epochs); MoCo was tried
#: there once (68.0 % after eight epochs, in one group). SupCon learns nothing from a person with one photograph that the
#: views do not tell it; a batch of 128 holds four of most others together. MoCo takes everybody.
RECIPES = {
    "supcon": Recipe(SupCon, CLASSIFIER, Plan(epochs=20, batch_size=128, lr=4e-3, per_class=4), least=2),
    "moco": Recipe(
        MoCo,
        replace(SUPCON, crop_scale=(0.5, 1.0)),
        Plan(epochs=4, batch_size=128, lr=2e-3),
        {"queue": 2048, "momentum": 0.99, "temperature": 0.1, "groups": 8},
    ),
}


def recipe(method: str) -> Recipe:
    """The recipe of a method.

    Raises:
        BadParameterError: there is none for it.
    """
    if method not in RECIPES:
        raise BadParameterError(f"There is no recipe for {method!r}.", f"There are: {', '.join(RECIPES)}.")
    return RECIPES[method]


def centred(faces: FaceSet, size: int, grey: bool = False) -> FaceSet:
    """The centre of each photograph, 80 of LFW's 112 pixels: background is cut away that tells nothing of a face.

    Args:
        faces: in colour.
        size: side of what comes out, in pixels.
        grey: by luminance (ITU-R BT.601), as the photographs of ORL are.
    """
    edge = round(faces.images.shape[1] * (1 - FRAME / 112) / 2)

    def one(image: np.ndarray) -> np.ndarray:
        part = image[edge : len(image) - edge, edge : len(image) - edge]
        part = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) if grey else part
        return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)

    images = np.stack([one(image) for image in faces.images])
    images = images[..., None] if grey else images
    return replace(faces, images=images, source=f"lfw@{size}, centre {FRAME} of 112{', grey' if grey else ''}")


def framed() -> FaceSet:
    """All of LFW as the recipes see it."""
    return centred(load("lfw", 112), SIZE)


def halves(faces: FaceSet, pairs: Pairs) -> Iterator[tuple[FaceSet, np.ndarray]]:
    """For folds 1-5 and for 6-10: the training set without anybody of their pairs, and which pairs are theirs."""
    for tested in (pairs.fold <= 5, pairs.fold > 5):
        yield without_people_of(faces, pairs.subset(np.flatnonzero(tested))), tested


def without_people_of(faces: FaceSet, pairs: Pairs) -> FaceSet:
    """The photographs of everybody who is in none of the pairs; proved to share nobody and no picture with them."""
    rows = np.unique(np.concatenate([pairs.first, pairs.second]))
    train = faces.subset(~np.isin(faces.identity, faces.identity[rows]))
    assert_disjoint(train, faces.subset(rows), by=("identity", "file", "hash"))
    return train


def train_on(faces: FaceSet, method: str, seed: int) -> tuple[Method, float]:
    """A method trained by its recipe, and the seconds that took. What was stopped goes on; what is done is read."""
    chosen = recipe(method)
    photographs = np.bincount(faces.identity)
    trained = chosen.untrained(seed)
    kept = faces.subset(photographs[faces.identity] >= chosen.least)
    folder = runs_root() / "lfw_view2" / f"{method}-{seed}-{kept.sha256[:12]}"
    history = fit(trained, kept, replace(chosen.plan, seed=seed), folder=folder)
    return trained, history.seconds


def view2(faces: FaceSet, pairs: Pairs, embed: Callable[[FaceSet, FaceSet], np.ndarray]) -> View2:
    """View 2 by halves of whatever makes embeddings of all photographs after it was shown a training set.

    Args:
        faces: all of LFW.
        pairs: of View 2.
        embed: training set, all photographs -> embeddings (N, D) of all. Each half has its own scale of scores, so a
            threshold is fitted on the other folds of the same half.
    """
    found, model = np.empty(len(pairs)), np.empty(len(pairs), dtype=np.int64)
    for number, (train, tested) in enumerate(halves(faces, pairs)):
        found[tested] = scores(embed(train, faces), pairs.subset(np.flatnonzero(tested)))
        model[tested] = number
    return lfw_view2(found, pairs.same, pairs.fold, model)


def untrained(method: str, seed: int) -> Callable[[FaceSet, FaceSet], np.ndarray]:
    """The network of a method with its random weights, as ``view2`` wants it."""

    def embed(train: FaceSet, faces: FaceSet) -> np.ndarray:
        return embed_faces(recipe(method).untrained(seed), faces)

    return embed


def main(
    method: Annotated[str, typer.Argument(help="A method that has a recipe here.")],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 ... seeds-1.")] = 3,
    view1: Annotated[bool, typer.Option(help="Print the figure of View 1 only: for choosing a recipe.")] = False,
) -> None:
    """Measure over the seeds and write ``data/results/lfw_view2_METHOD.json``."""
    chosen, started, faces = recipe(method), time.monotonic(), framed()
    if view1:
        print(on_view1(faces, method))
        return
    pairs, seconds = lfw_pairs(faces), []

    def trained(seed: int) -> Callable[[FaceSet, FaceSet], np.ndarray]:
        def embed(train: FaceSet, everybody: FaceSet) -> np.ndarray:
            model, took = train_on(train, method, seed)
            seconds.append(took)
            return embed_faces(model, everybody)

        return embed

    record = Record(
        f"lfw_view2_{method}",
        f"python -m facelab.labs.lfw_view2 {method} --seeds {seeds}",
        {"method": method, "dataset": "lfw", "size": SIZE, "frame": FRAME, "seeds": seeds, **chosen.described()},
    )
    record.data["faces"] = faces.describe()
    found: dict[str, View2] = {
        name: view2(faces, pairs, lambda train, all_, fit_on=baseline: fit_on(train.images)(all_.images))
        for name, baseline in BASELINES.items()
    }
    found["random network"] = view2(faces, pairs, untrained(method, seed=0))
    runs = {f"seed {seed}": view2(faces, pairs, trained(seed)) for seed in range(seeds)}
    for name, result in (found | runs).items():
        print(f"{name:20} {result}")
        record.metrics[f"accuracy/{name}"] = Metric.of(result.estimate)
    if seeds >= 3:
        record.metrics[f"accuracy/{method}"] = Metric.of(over_seeds([result.mean for result in runs.values()]))
    record.metrics["longest training, seconds"] = Metric(max(seconds), len(seconds))
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", f"lfw_view2_{method}.json")))


def on_view1(faces: FaceSet, method: str, seed: int = 0) -> float:
    """Accuracy on the 1000 pairs of View 1's test, at the best threshold: good enough to compare recipes."""
    pairs = lfw_pairs(faces, "dev-test")
    model, _ = train_on(without_people_of(faces, pairs), method, seed)
    return best_threshold(scores(embed_faces(model, faces), pairs), pairs.same)[1]


if __name__ == "__main__":
    typer.run(main)
