"""Every method of the course on the same faces, with the same budget, by the same protocols: for notebook 11.

A method trains on some photographs of twenty people. It is asked about other photographs of these people (closed set), whether
two photographs of twenty strangers show one person (verification), and which of the strangers are enrolled (open set). The
budget is the number of views that go through the network with their gradient: who looks at two views of a photograph sees half
as many photographs.

``python -m facelab.experiments.comparison`` makes the record that notebook 11 shows. A run that is done is kept; a second call
computes what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Annotated

import numpy as np
import torch
import typer

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.cropping import YuNetDetector, largest
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.splits import stratified
from facelab.errors import BadParameterError
from facelab.evaluation import (
    BASELINES,
    Estimate,
    accuracy_over_people,
    fnir_estimate,
    open_set_split,
    over_seeds,
    scores,
    search_gallery,
    topk_by_neighbours,
    verification_figures,
)
from facelab.experiments import command
from facelab.experiments.grid import Run, kept, over, seconds_of
from facelab.methods import Method, embed_faces, new_method
from facelab.methods.embedders import new_embedder
from facelab.methods.named import named
from facelab.paths import own_data
from facelab.protocols.unseen_people import pairs_of, scenes_of, split_unseen
from facelab.records import Metric, Record
from facelab.training import Plan, fit

SIZE, VIEWS = 48, 24_000  #: side in pixels, and the budget of a training
FIGURES = ("closed set, rank 1", "EER of strangers", "FNIR at FPIR 10 %")
FPIR, ENROLLED = 0.1, 3  #: of the open set: strangers that may raise an alarm, photographs of each enrolled person
CEILING = "SFace, pretrained"
COST = "time of training"  #: of a run in seconds; of a record over that of softmax, with the same seed
AGAINST = ("whitened PCA", "softmax")  #: what learns no weights, and what learns names without a margin

#: Photographs, uint8 in a set, to embeddings (N, D).
Embed = Callable[[FaceSet], np.ndarray]


@dataclass(frozen=True)
class Rival:
    """How one method trains here: the recipe of its own notebook, but for the number of epochs.

    Attributes:
        method: a key of ``METHODS``.
        options: of the method.
        batch_size, lr: of its plan.
        scenes: whether its second view may be another rendering of the same photograph.
    """

    method: str
    options: dict[str, object] = field(default_factory=dict)
    batch_size: int = 32
    lr: float = 4e-3
    scenes: bool = False

    @property
    def views(self) -> int:
        """Views of each photograph that go through the network with a gradient, or as keys."""
        return named(self.method).kind.views

    @property
    def names(self) -> bool:
        """Whether it learns from who is on a photograph."""
        return named(self.method).labels


_MARGIN = {"dimension": 128, "scale": 16.0}
RIVALS = {
    "CNN + MLP": Rival("classifier"),
    "SupCon": Rival("supcon"),
    "MoCo v2": Rival("moco", {"queue": 64, "momentum": 0.99, "temperature": 0.1}, lr=2e-3, scenes=True),
    "SimCLR": Rival("simclr", {"temperature": 0.2}, batch_size=64, lr=3e-3, scenes=True),
    "VICReg": Rival("vicreg", {"expander": (256, 256, 256)}, batch_size=64, lr=3e-3, scenes=True),
    "VCL": Rival(
        "vcl", {"layers": 2, "prior": 0.1, "beta": 0.1, "sigma": 0.4, "temperature": 1.25}, lr=2e-3, scenes=True
    ),
    "softmax": Rival("margin", {"loss": "softmax", "dimension": 128}, lr=3e-3),
    "center": Rival("margin", {"loss": "center", "dimension": 128}, lr=3e-3),
    "Ring": Rival("margin", {"loss": "ring", "dimension": 128}, lr=3e-3),
    "A-Softmax": Rival("margin", {"loss": "sphereface", "dimension": 128}, lr=3e-3),
    "ArcFace": Rival("margin", {"loss": "arcface", "margin": 0.2, **_MARGIN}, lr=3e-3),
    "CosFace": Rival("margin", {"loss": "cosface", "margin": 0.2, **_MARGIN}, lr=3e-3),
}


@dataclass(frozen=True)
class Parts:
    """The same photographs for all.

    Attributes:
        train: of the people who are in training; also the gallery of the closed set.
        known: other photographs of these people.
        strangers: photographs of people who are in no training.
    """

    train: FaceSet
    known: FaceSet
    strangers: FaceSet

    @classmethod
    def of(cls, faces: FaceSet, seed: int) -> Parts:
        """Half of the people train, with 70 % of their photographs; renderings of one photograph stay together.

        Proved: no stranger is in training, and no picture of the closed test.
        """
        people, strangers = split_unseen(faces, seed)
        split = stratified(people, train=0.7, seed=seed, group="photo" if "photo" in people.attributes else None)
        train, known = people.subset(split.train), people.subset(split.test)
        assert_disjoint(train, known, by=("file", "hash"))
        assert_disjoint(train, strangers, by=("identity", "file", "hash"))
        return cls(train, known, strangers)

    def of_first(self, people: int) -> Parts:
        """Only so many people who train, and so many strangers."""
        known = self.train.people[:people]
        strangers = self.strangers.of_people(self.strangers.people[:people])
        return Parts(self.train.of_people(known), self.known.of_people(known), strangers)


def plan_of(rival: Rival, photographs: int, views: int, seed: int) -> Plan:
    """As many epochs as the budget has, one at least."""
    steps = photographs // rival.batch_size * rival.batch_size * rival.views
    epochs = max(1, round(views / steps))
    return Plan(epochs, rival.batch_size, rival.lr, warmup_epochs=min(1.0, epochs / 2), seed=seed)


def chosen(names: str) -> dict[str, Rival]:
    """Some of ``RIVALS`` by their names, with commas between them.

    Raises:
        BadParameterError: no rival has that name.
    """
    asked = [name.strip() for name in names.split(",")]
    for name in asked:
        if name not in RIVALS:
            raise BadParameterError(f"No rival is called {name!r}.", f"There are: {', '.join(RIVALS)}.")
    return {name: RIVALS[name] for name in asked}


def untrained(rival: Rival, train: FaceSet, plan: Plan) -> Method:
    """The method before its training. All start from the same backbone."""
    options = dict(rival.options)
    if options.get("loss") == "sphereface":  # belongs to the length of the run: notebook 07
        options["annealing"] = plan.epochs * (len(train) // plan.batch_size) * 2 // 3
    torch.manual_seed(plan.seed)
    network = backbone("resnet10", in_channels=train.images.shape[3])
    return new_method(rival.method, network, CLASSIFIER, options, len(train.people))


def trained(rival: Rival, train: FaceSet, views: int, seed: int) -> tuple[Method, float]:
    """The method after its budget, and the seconds that it took."""
    plan = plan_of(rival, len(train), views, seed)
    method = untrained(rival, train, plan)
    photo = "photo" if rival.scenes and "photo" in train.attributes else None
    return method, fit(method, train, plan, scenes=scenes_of(train, photo)).seconds


def without_training(parts: Parts, seed: int) -> dict[str, Embed]:
    """The baselines, fitted on the training photographs, and the network of all methods before it learns."""
    found: dict[str, Embed] = {}
    for name, baseline in BASELINES.items():
        fitted = baseline(parts.train.images)
        found[name] = lambda faces, fitted=fitted: fitted(faces.images)
    torch.manual_seed(seed)
    network = backbone("resnet10", in_channels=parts.train.images.shape[3])
    start = new_method("simclr", network, CLASSIFIER, {}, 0)
    return found | {"random network": lambda faces: embed_faces(start, faces)}


def pretrained(large: FaceSet) -> Embed:
    """SFace, which learned from millions of photographs: what can be had on these faces, not what is to be compared with.

    Where YuNet finds no face the embedding is 0, like nobody's.

    Args:
        large: the photographs in a size that a detector can use, each with a ``file`` of its own.
    """
    embedder, detector = new_embedder(), YuNetDetector()
    images = dict(zip(large.attributes["file"], large.images, strict=True))

    @cache
    def embed_one(file: str) -> np.ndarray:
        found = largest(detector.detect(images[file]))
        return np.zeros(embedder.dimension, np.float32) if found is None else embedder.embed(images[file], found)

    return lambda faces: np.stack([embed_one(file) for file in faces.attributes["file"]])


def measured(embed: Embed, parts: Parts, seed: int, draws: int = 300) -> dict[str, Estimate]:
    """All of ``FIGURES``, with intervals over people.

    Args:
        embed: a method that learned from ``parts.train`` or from nobody of ``parts``.
        parts: of the seed.
        seed: of the split of the open set, and of the bootstrap.
        draws: of the bootstrap.
    """
    strangers = embed(parts.strangers)
    near = topk_by_neighbours(embed(parts.train), parts.train.identity, embed(parts.known), parts.known.identity)
    pairs = pairs_of(parts.strangers)
    verified = verification_figures(scores(strangers, pairs), pairs, parts.strangers.identity, (), draws, seed)
    searched = search_gallery(strangers, parts.strangers.identity, open_set_split(parts.strangers, 0.5, ENROLLED, seed))
    found = (
        accuracy_over_people(near, parts.known.identity, draws=draws, seed=seed),
        verified["eer"],
        fnir_estimate(searched, FPIR, draws=draws, seed=seed),
    )
    return dict(zip(FIGURES, found, strict=True))


def run(name: str, seed: int) -> Run:
    """The figures of one training and its seconds, or of all that need none, on orl-wild: FIGURE/NAME -> value.

    Args:
        name: a key of ``RIVALS``, or ``"without training"``.
        seed: of split, weights, order and views.
    """
    rival = RIVALS.get(name)
    settings = {"rival": rival and asdict(rival), "name": name, "seed": seed, "views": VIEWS, "size": SIZE}

    def compute() -> dict[str, float]:
        torch.set_num_threads(1)
        parts = Parts.of(load("orl-wild", SIZE), seed)
        if rival is None:
            ways, cost = without_training(parts, seed) | {CEILING: pretrained(load("orl-wild", 112))}, {}
        else:
            method, seconds = trained(rival, parts.train, VIEWS, seed)
            ways, cost = {name: lambda faces: embed_faces(method, faces)}, {f"{COST}/{name}": seconds}
        return cost | {
            f"{figure}/{one}": estimate.value
            for one, embed in ways.items()
            for figure, estimate in measured(embed, parts, seed, draws=100).items()
        }

    return kept("comparison", f"{name.replace(' ', '-')}-{seed}", settings, compute)


def summary(found: dict[tuple[str, int], dict[str, float]]) -> dict[str, Metric]:
    """Metrics of a record, each the mean over seeds with its interval.

    - ``FIGURE/NAME``;
    - ``FIGURE/NAME less OTHER``, within each seed, for the others of ``AGAINST``;
    - ``COST/NAME``: seconds over those of softmax, within each seed.
    """
    seeds = sorted({seed for _, seed in found})
    values: dict[str, list[float]] = {}
    for seed in seeds:
        of_seed = {key: value for (_, at), figures in found.items() if at == seed for key, value in figures.items()}
        for key, value in of_seed.items():
            figure, name = key.split("/")
            if figure == COST:
                values.setdefault(key, []).append(value / of_seed[f"{COST}/softmax"])
                continue
            values.setdefault(key, []).append(value)
            for other in AGAINST:
                if name != other:
                    values.setdefault(f"{key} less {other}", []).append(value - of_seed[f"{figure}/{other}"])
    return {key: Metric.of(over_seeds(rows)) for key, rows in values.items()}


def main(seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1.")] = 5) -> None:
    """Run what is missing, and write ``data/results/11_comparison.json``."""
    names = ("without training", *RIVALS)
    found = over(run, [(name, seed) for seed in range(seeds) for name in names], "trainings")
    given = {"seeds": seeds, "views": VIEWS, "size": SIZE, "fpir": FPIR, "enrolled photographs": ENROLLED}
    given["rivals"] = {name: asdict(rival) for name, rival in RIVALS.items()}
    record = Record("11_comparison", f"python -m facelab.experiments.comparison --seeds {seeds}", given)
    record.data["faces"] = load("orl-wild", SIZE).describe()
    record.metrics = summary({key: done.figures for key, done in found.items()})
    record.wall_seconds = seconds_of(found)
    print(record.write(own_data("results", "11_comparison.json")))


if __name__ == "__main__":
    command.run(main)
