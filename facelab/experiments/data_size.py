"""Does less data lower accuracy? One test set for all, equally many steps of training, several seeds: classifier and SupCon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.datasets import FaceSet, derived_set, load
from facelab.datasets.derived_sets import RULES
from facelab.evaluation import TopK, mean_over_seeds, topk_by_neighbors, topk_by_scores
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.methods import SupCon, embed_faces
from facelab.protocols.closed_set import new_classifier, split_closed_set
from facelab.records import Metric
from facelab.training import Plan, fit

PHOTOGRAPHS = (6, 3, 1)  #: training photographs of each person; 6 is all that the split gives
SIZE, EPOCHS, BATCH_SIZE, LR = 48, 25, 32, 4e-3
#: what is trained under each seed: on so many photographs a person, and on each derived set but "all", which is 6 photographs
TRAININGS = (*(f"photographs/{count}" for count in PHOTOGRAPHS), *(rule for rule in RULES if rule != "all"))

#: Ranks of the people on some photographs, by a method that was trained.
Ranker = Callable[[FaceSet], TopK]
#: Training photographs, enrolled photographs and plan -> what ranks the enrolled people on any photographs.
Learner = Callable[[FaceSet, FaceSet, Plan], Ranker]


def train_classifier(train: FaceSet, enrolled: FaceSet, plan: Plan) -> Ranker:
    """CNN + MLP over the people of ``enrolled``, trained on ``train``, which may lack some of them."""
    method = new_classifier(enrolled, seed=plan.seed)

    def classes(some: FaceSet) -> np.ndarray:
        return np.searchsorted(enrolled.people, some.identity)

    fit(method, train, plan, labels=classes(train))
    return lambda on: topk_by_scores(method.predict(on), classes(on))


def train_supcon(train: FaceSet, enrolled: FaceSet, plan: Plan) -> Ranker:
    """SupCon trained on ``train``; photographs are looked up among those of ``enrolled``."""
    torch.manual_seed(plan.seed)
    method = SupCon(backbone("resnet10", in_channels=train.images.shape[3]), CLASSIFIER)
    fit(method, train, plan)
    gallery = embed_faces(method, enrolled)
    return lambda on: topk_by_neighbors(gallery, enrolled.identity, embed_faces(method, on), on.identity)


LEARNERS: dict[str, Learner] = {"classifier": train_classifier, "supcon": train_supcon}


def draw_photographs(train: FaceSet, count: int, seed: int) -> FaceSet:
    """All renderings of ``count`` photographs of each person, drawn by the seed; smaller draws lie within larger ones."""
    rng, drawn = np.random.default_rng(seed), []
    photo = train.attributes["photo"].to_numpy()
    for person in train.people:
        drawn.extend(rng.permutation(np.unique(photo[train.identity == person]))[:count])
    return train.subset(np.isin(photo, drawn))


def measure(faces: FaceSet, learner: Learner, training: str, seed: int, epochs: int = EPOCHS) -> dict[str, float]:
    """Top-1 of one training.

    Every training takes as many steps as one of ``epochs`` epochs on all training photographs, so that only the
    photographs differ.

    Args:
        faces: everybody.
        learner: what is trained.
        training: one of ``TRAININGS``.
        seed: of split, weights and training.
        epochs: of the training on all training photographs.

    Returns:
        ``photographs/N``: trained and enrolled by N photographs a person, tested on everything; ``cross/A/B``: trained
        on the derived set A, enrolled by all training photographs, tested on B, all of one split.
    """
    split = split_closed_set(faces, seed)
    train, test = (faces.subset(rows) for rows in (split.train, split.test))
    kind, _, count = training.partition("/")
    part = draw_photographs(train, int(count), seed) if count else derived_set(train, kind)
    plan = Plan(epochs=epochs, batch_size=BATCH_SIZE, lr=LR, seed=seed).with_equal_steps(len(train), len(part))
    rank = learner(part, part if count else train, plan)
    top1 = {training: rank(test).accuracy(1).value} if count else {}
    if not count or int(count) == max(PHOTOGRAPHS):
        source = "all" if count else kind
        top1 |= {f"cross/{source}/{rule}": rank(derived_set(test, rule)).accuracy(1).value for rule in RULES}
    return top1


def run(cell: Cell) -> Figures:
    """The top-1 of one training; see ``measure``."""
    learner, training, seed = cell.key
    return measure(load("orl-wild", SIZE), LEARNERS[learner], training, seed)


def summarise(results: Results) -> dict[str, Metric]:
    """Each top-1: mean over the seeds with its interval."""
    values: dict[str, list[float]] = {}
    for figures in results.values():
        for name, top1 in figures.items():
            values.setdefault(name, []).append(top1)
    return {name: Metric.from_estimate(mean_over_seeds(of_seeds)) for name, of_seeds in values.items()}


def data() -> dict[str, dict[str, object]]:
    """Of the record."""
    return {"faces": load("orl-wild", SIZE).describe()}


def _declare(name: str, notebook: str, learner: str, shows: str, seeds: int) -> Experiment:
    fixed = {"dataset": "orl-wild", "size": SIZE, "epochs": EPOCHS, "batch_size": BATCH_SIZE, "lr": LR}
    settings = fixed | {"views": asdict(CLASSIFIER), "photographs": PHOTOGRAPHS, "rules": RULES}

    def grid(seeds: int) -> list[Cell]:
        return [Cell((learner, training, seed), settings) for seed in range(seeds) for training in TRAININGS]

    def parameters(seeds: int) -> dict[str, object]:
        return {"method": learner, **fixed, "seeds": seeds}

    return Experiment(name, notebook, shows, ("orl-wild",), grid, run, summarise, parameters, data, seeds)


EXPERIMENTS = (
    _declare(
        "02_data_size",
        "02",
        "classifier",
        "fewer training photographs, and the derived sets crossed, by a classifier",
        5,
    ),
    _declare("03_data_size", "03", "supcon", "fewer training photographs, and the derived sets crossed, by SupCon", 3),
)
