"""Does less data lower accuracy? One test set for all, equally many steps of training, several seeds.

``python -m facelab.labs.data_size`` makes the record that notebook 02 shows, about ten minutes on two cores.
"""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np

from facelab.datasets import FaceSet, derived_set, load
from facelab.datasets.derived import RULES
from facelab.evaluation import over_seeds, topk_by_scores
from facelab.labs.closed_set import new_classifier, split_closed
from facelab.paths import own_data
from facelab.progress import bar
from facelab.records import Metric, Record
from facelab.training import Plan, fit

PHOTOGRAPHS = (6, 3, 1)  #: training photographs of each person; 6 is all that the split gives
SEEDS, SIZE, EPOCHS, BATCH, RATE = 5, 48, 25, 32, 4e-3


def fewer_photographs(train: FaceSet, count: int, seed: int) -> FaceSet:
    """All renderings of ``count`` photographs of each person, drawn by the seed; smaller draws lie within larger ones."""
    rng, kept = np.random.default_rng(seed), []
    photo = train.attributes["photo"].to_numpy()
    for person in train.people:
        kept.extend(rng.permutation(np.unique(photo[train.identity == person]))[:count])
    return train.subset(np.isin(photo, kept))


def measure(faces: FaceSet, seed: int, epochs: int = EPOCHS) -> dict[str, float]:
    """Top-1 of all trainings of one seed.

    Every training takes as many steps as one of ``epochs`` epochs on all training photographs, so that only the
    photographs differ.

    Returns:
        ``photographs/N``: trained on N photographs a person, tested on everything; ``cross/A/B``: trained on the derived
        set A, tested on B, all of one split.
    """
    split = split_closed(faces, seed)
    train, test = (faces.subset(rows) for rows in (split.train, split.test))
    plan = Plan(epochs=epochs, batch_size=BATCH, lr=RATE, seed=seed)
    tests = {rule: derived_set(test, rule) for rule in RULES}
    trainings = {f"photographs/{count}": fewer_photographs(train, count, seed) for count in PHOTOGRAPHS}
    trainings |= {f"cross/{rule}": derived_set(train, rule) for rule in RULES if rule != "all"}
    found = {}

    def classes(some: FaceSet) -> np.ndarray:
        return np.searchsorted(
            faces.people, some.identity
        )  # a small set may lack a person; the classes stay those of all

    for name, part in trainings.items():
        method = new_classifier(faces, seed=seed)
        fit(method, part, plan.as_long_as(len(train), len(part)), labels=classes(part))
        right = {rule: topk_by_scores(method.predict(on), classes(on)).accuracy(1).value for rule, on in tests.items()}
        if name == f"photographs/{max(PHOTOGRAPHS)}":
            found |= {f"cross/all/{rule}": value for rule, value in right.items()}
        if name.startswith("photographs/"):
            found[name] = right["all"]
        else:
            found |= {f"{name}/{rule}": value for rule, value in right.items()}
    return found


def main() -> None:
    """Measure over the seeds and write ``data/results/02_data_size.json``."""
    started, faces = time.monotonic(), load("orl-wild", SIZE)
    values = defaultdict(list)
    with bar("seeds", SEEDS) as progress:
        for seed in range(SEEDS):
            for name, value in measure(faces, seed).items():
                values[name].append(value)
            progress.advance()
    parameters = {
        "dataset": "orl-wild",
        "size": SIZE,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "lr": RATE,
        "seeds": SEEDS,
    }
    record = Record("02_data_size", "python -m facelab.labs.data_size", parameters)
    record.data["faces"] = faces.describe()
    record.metrics = {name: Metric.of(over_seeds(found)) for name, found in values.items()}
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", "02_data_size.json")))


if __name__ == "__main__":
    main()
