"""VICReg from one set of faces to another: learned on UTKFace, then LFW as it is, or after going on with LFW's own people.

``python -m facelab.experiments.lfw_finetuning`` makes the record that notebook 06 shows, within half an hour on two cores. View 2
goes by halves (``lfw_view2``): nobody of a tested pair is in the training that is tested.
"""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from typing import Annotated

import numpy as np
import torch
import typer

from facelab.augment import CLASSIFIER, SUPCON
from facelab.backbones import Backbone, backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pair_files import lfw_pairs
from facelab.evaluation import BASELINES, View2, over_seeds
from facelab.experiments import command
from facelab.experiments.lfw_view2 import SIZE, framed, view2
from facelab.experiments.search_times import cheapest, recall_grid
from facelab.methods import Method, SupCon, VICReg, embed_faces
from facelab.paths import own_data, runs_root
from facelab.progress import bar
from facelab.records import Metric, Record
from facelab.training import Plan, fit

VIEWS = SUPCON
EXPANDER = (256, 256, 256)
ELSEWHERE = Plan(epochs=4, batch_size=64, lr=3e-3)  #: VICReg on UTKFace
GOING_ON = Plan(epochs=3, batch_size=64, lr=2e-3)  #: VICReg on half of LFW, no names
WITH_NAMES = Plan(
    epochs=6, batch_size=128, lr=2e-3, per_class=4
)  #: SupCon on half of LFW, people with two photographs or more

TREES, SEARCH_K, QUERIES = (5, 10, 20, 50), (200, 500, 1000, 2000, 5000), 500  #: of the search among all of LFW

AS_IT_IS, NO_NAMES, NAMES = "UTKFace alone", "UTKFace, then LFW without names", "UTKFace, then LFW with names"


def learned_elsewhere(seed: int) -> VICReg:
    """VICReg trained on all of UTKFace. What was stopped goes on; what is done is read."""
    torch.manual_seed(seed)
    method, faces = VICReg(backbone("resnet10", in_channels=3), VIEWS, EXPANDER), load("utkface", SIZE)
    fit(method, faces, replace(ELSEWHERE, seed=seed), folder=_folder("utkface", faces, seed))
    return method


def without_names(start: VICReg, train: FaceSet, seed: int) -> Method:
    """The same method goes on with other faces, expander and all."""
    method = copy.deepcopy(start)
    fit(method, train, replace(GOING_ON, seed=seed), folder=_folder("vicreg", train, seed))
    return method


def with_names(start: Backbone, train: FaceSet, seed: int) -> Method:
    """SupCon from a learned start."""
    torch.manual_seed(seed)
    method = SupCon(copy.deepcopy(start), CLASSIFIER)
    kept = train.subset(np.bincount(train.identity)[train.identity] >= 2)
    fit(method, kept, replace(WITH_NAMES, seed=seed), folder=_folder("supcon", kept, seed))
    return method


def experiment(seed: int) -> dict[str, View2]:
    """View 2 of one seed, with and without fine-tuning."""
    torch.set_num_threads(1)
    faces = framed()
    pairs, start = lfw_pairs(faces), learned_elsewhere(seed)
    tunings = {
        AS_IT_IS: lambda train: start,
        NO_NAMES: lambda train: without_names(start, train, seed),
        NAMES: lambda train: with_names(start.backbone, train, seed),
    }
    return {
        name: view2(faces, pairs, lambda train, all_, tune=tune: embed_faces(tune(train), all_))
        for name, tune in tunings.items()
    }


def searched(faces: FaceSet, seed: int = 0) -> dict[str, Metric]:
    """Annoy on all of LFW, by the network of UTKFace: the setting with the least search that finds 95 % of the ten nearest."""
    grid = recall_grid(embed_faces(learned_elsewhere(seed), faces), TREES, SEARCH_K, seed=seed, queries=QUERIES)
    found = cheapest(grid)
    recall = Metric(found["recall"], QUERIES, found["low"], found["high"], "wilson")
    return {
        "annoy/recall@10": recall,
        "annoy/trees": Metric(found["trees"]),
        "annoy/search_k": Metric(found["search_k"]),
        "annoy/best recall@10 of the grid": Metric(grid["recall"].max()),
    }


def _folder(what: str, faces: FaceSet, seed: int):
    return runs_root() / "lfw_finetuning" / f"{what}-{faces.sha256[:12]}-{seed}"


def main(
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1.")] = 3,
) -> None:
    """Measure over the seeds and write ``data/results/06_lfw.json``."""
    started, faces, elsewhere = time.monotonic(), framed(), load("utkface", SIZE)
    assert_disjoint(elsewhere, faces, by=("file", "hash"))
    pairs, values = lfw_pairs(faces), defaultdict(list)
    parameters = {"size": SIZE, "seeds": seeds, "expander": EXPANDER, "views": asdict(VIEWS)}
    parameters |= {"on UTKFace": asdict(ELSEWHERE), "without names": asdict(GOING_ON), "with names": asdict(WITH_NAMES)}
    record = Record("06_lfw", f"python -m facelab.experiments.lfw_finetuning --seeds {seeds}", parameters)
    record.data |= {"faces": faces.describe(), "learned on": elsewhere.describe()}
    for name, baseline in BASELINES.items():
        found = view2(faces, pairs, lambda train, all_, fit_on=baseline: fit_on(train.images)(all_.images))
        record.metrics[f"accuracy/{name}"] = Metric.of(found.estimate)
    workers = ProcessPoolExecutor(min(seeds, 4), get_context("spawn"))
    with workers, bar("seeds", seeds) as progress:
        for seed, results in enumerate(workers.map(experiment, range(seeds))):
            for name, found in results.items():
                values[name].append(found.mean)
                record.metrics[f"accuracy/seed {seed}/{name}"] = Metric.of(found.estimate)
            progress.advance()
    record.metrics |= {f"accuracy/{name}": Metric.of(over_seeds(of_seeds)) for name, of_seeds in values.items()}
    record.metrics |= searched(faces)
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", "06_lfw.json")))


if __name__ == "__main__":
    command.run(main)
