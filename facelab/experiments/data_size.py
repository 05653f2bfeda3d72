"""Does less data lower accuracy? One test set for all, equally many steps of training, several seeds.

``python -m facelab.experiments.data_size classifier`` makes the record that notebook 02 shows, about ten minutes on two cores;
``... supcon`` that of notebook 03, about twice as long.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import typer

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.datasets import FaceSet, derived_set, load
from facelab.datasets.derived import RULES
from facelab.errors import BadParameterError
from facelab.evaluation import TopK, over_seeds, topk_by_neighbours, topk_by_scores
from facelab.experiments import command
from facelab.methods import SupCon, embed_faces
from facelab.paths import own_data
from facelab.progress import bar
from facelab.protocols.closed_set import new_classifier, split_closed
from facelab.records import Metric, Record
from facelab.training import Plan, fit

PHOTOGRAPHS = (6, 3, 1)  #: training photographs of each person; 6 is all that the split gives
SEEDS, SIZE, EPOCHS, BATCH, RATE = 5, 48, 25, 32, 4e-3

#: Ranks of the people on some photographs, by a method that was trained.
Answer = Callable[[FaceSet], TopK]


def by_classifier(train: FaceSet, enrolled: FaceSet, plan: Plan) -> Answer:
    """CNN + MLP over the people of ``enrolled``, trained on ``train``, which may lack some of them."""
    method = new_classifier(enrolled, seed=plan.seed)

    def classes(some: FaceSet) -> np.ndarray:
        return np.searchsorted(enrolled.people, some.identity)

    fit(method, train, plan, labels=classes(train))
    return lambda on: topk_by_scores(method.predict(on), classes(on))


def by_supcon(train: FaceSet, enrolled: FaceSet, plan: Plan) -> Answer:
    """SupCon trained on ``train``; photographs are looked up among those of ``enrolled``."""
    torch.manual_seed(plan.seed)
    method = SupCon(backbone("resnet10", in_channels=train.images.shape[3]), CLASSIFIER)
    fit(method, train, plan)
    gallery = embed_faces(method, enrolled)
    return lambda on: topk_by_neighbours(gallery, enrolled.identity, embed_faces(method, on), on.identity)


LEARNERS = {"classifier": ("02_data_size", by_classifier), "supcon": ("03_data_size", by_supcon)}


def fewer_photographs(train: FaceSet, count: int, seed: int) -> FaceSet:
    """All renderings of ``count`` photographs of each person, drawn by the seed; smaller draws lie within larger ones."""
    rng, kept = np.random.default_rng(seed), []
    photo = train.attributes["photo"].to_numpy()
    for person in train.people:
        kept.extend(rng.permutation(np.unique(photo[train.identity == person]))[:count])
    return train.subset(np.isin(photo, kept))


def measure(
    faces: FaceSet, learn: Callable[[FaceSet, FaceSet, Plan], Answer], seed: int, epochs: int = EPOCHS
) -> dict[str, float]:
    """Top-1 of all trainings of one seed.

    Every training takes as many steps as one of ``epochs`` epochs on all training photographs, so that only the
    photographs differ.

    Args:
        faces: everybody.
        learn: training photographs, enrolled photographs and plan to answers about any photographs.
        seed: of split, weights and training.
        epochs: of the training on all training photographs.

    Returns:
        ``photographs/N``: trained and enrolled by N photographs a person, tested on everything; ``cross/A/B``: trained
        on the derived set A, enrolled by all training photographs, tested on B, all of one split.
    """
    split = split_closed(faces, seed)
    train, test = (faces.subset(rows) for rows in (split.train, split.test))
    plan = Plan(epochs=epochs, batch_size=BATCH, lr=RATE, seed=seed)
    tests = {rule: derived_set(test, rule) for rule in RULES}
    found = {}
    for count in PHOTOGRAPHS:
        part = fewer_photographs(train, count, seed)
        answer = learn(part, part, plan.as_long_as(len(train), len(part)))
        found[f"photographs/{count}"] = answer(test).accuracy(1).value
        if count == max(PHOTOGRAPHS):
            found |= {f"cross/all/{rule}": answer(on).accuracy(1).value for rule, on in tests.items()}
    for name in RULES:
        if name != "all":
            part = derived_set(train, name)
            answer = learn(part, train, plan.as_long_as(len(train), len(part)))
            found |= {f"cross/{name}/{rule}": answer(on).accuracy(1).value for rule, on in tests.items()}
    return found


def main(
    method: Annotated[str, typer.Argument(help=f"One of: {', '.join(LEARNERS)}.")] = "classifier",
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1.")] = SEEDS,
) -> None:
    """Measure over the seeds and write ``data/results/NN_data_size.json``."""
    if method not in LEARNERS:
        raise BadParameterError(f"{method!r} is not measured here.", f"There are: {', '.join(LEARNERS)}.")
    name, learn = LEARNERS[method]
    started, faces = time.monotonic(), load("orl-wild", SIZE)
    values = defaultdict(list)
    with bar("seeds", seeds) as progress:
        for seed in range(seeds):
            for figure, value in measure(faces, learn, seed).items():
                values[figure].append(value)
            progress.advance()
    parameters = {
        "method": method,
        "dataset": "orl-wild",
        "size": SIZE,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "lr": RATE,
        "seeds": seeds,
    }
    record = Record(name, f"python -m facelab.experiments.data_size {method} --seeds {seeds}", parameters)
    record.data["faces"] = faces.describe()
    record.metrics = {figure: Metric.of(over_seeds(found)) for figure, found in values.items()}
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", f"{name}.json")))


if __name__ == "__main__":
    command.run(main)
