"""VICReg from one set of faces to another: learned on UTKFace, then LFW as it is, or after going on with LFW's own people.

View 2 goes by halves (``view2``): nobody of a tested pair is in the training that is tested.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import asdict, replace

import numpy as np
import torch

from facelab.augment import CLASSIFIER, SUPCON
from facelab.backbones import Backbone, backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pair_files import lfw_pairs
from facelab.evaluation import Estimate, View2Result, mean_over_seeds
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.lfw.view2 import SIZE, evaluate_baselines, evaluate_view2, load_cropped_lfw
from facelab.experiments.search_times import cheapest_setting, recall_grid
from facelab.experiments.trainings import training_folder
from facelab.methods import Method, SupCon, VICReg, embed_faces
from facelab.records import Metric
from facelab.training import Plan, fit

NAME = "06_lfw"
VIEWS = SUPCON
EXPANDER = (256, 256, 256)
PRETRAINING = Plan(epochs=4, batch_size=64, lr=3e-3)  #: VICReg on UTKFace
CONTINUATION = Plan(epochs=3, batch_size=64, lr=2e-3)  #: VICReg on half of LFW, no names
#: SupCon on half of LFW, people with two photographs or more
FINE_TUNING = Plan(epochs=6, batch_size=128, lr=2e-3, per_class=4)

TREES, SEARCH_K, QUERIES = (5, 10, 20, 50), (200, 500, 1000, 2000, 5000), 500  #: of the search among all of LFW

AS_IT_IS, NO_NAMES, NAMES = "UTKFace alone", "UTKFace, then LFW without names", "UTKFace, then LFW with names"


def load_parts() -> tuple[FaceSet, FaceSet]:
    """UTKFace to learn from, and LFW; proved to share no picture."""
    elsewhere, faces = load("utkface", SIZE), load_cropped_lfw()
    assert_disjoint(elsewhere, faces, kinds=("file", "hash"))
    return elsewhere, faces


def pretrain(faces: FaceSet, seed: int) -> VICReg:
    """VICReg trained on all of UTKFace. What was stopped goes on; what is done is read."""
    torch.manual_seed(seed)
    method = VICReg(backbone("resnet10", in_channels=3), VIEWS, EXPANDER)
    _fit("utkface", method, faces, replace(PRETRAINING, seed=seed))
    return method


def continue_without_names(start: VICReg, train: FaceSet, seed: int) -> Method:
    """The same method goes on with other faces, expander and all."""
    method = copy.deepcopy(start)
    _fit("vicreg", method, train, replace(CONTINUATION, seed=seed))
    return method


def fine_tune_with_names(start: Backbone, train: FaceSet, seed: int) -> Method:
    """SupCon from a learned start."""
    torch.manual_seed(seed)
    method = SupCon(copy.deepcopy(start), CLASSIFIER)
    named = train.subset(np.bincount(train.identity)[train.identity] >= 2)
    _fit("supcon", method, named, replace(FINE_TUNING, seed=seed))
    return method


def evaluate_seed(seed: int) -> dict[str, View2Result]:
    """View 2 of one seed, with and without fine-tuning."""
    elsewhere, faces = load_parts()
    pairs, start = lfw_pairs(faces), pretrain(elsewhere, seed)
    tunings = {
        AS_IT_IS: lambda train: start,
        NO_NAMES: lambda train: continue_without_names(start, train, seed),
        NAMES: lambda train: fine_tune_with_names(start.backbone, train, seed),
    }
    return {
        name: evaluate_view2(faces, pairs, lambda train, all_, tune=tune: embed_faces(tune(train), all_))
        for name, tune in tunings.items()
    }


def measure_search(seed: int) -> Figures:
    """Annoy on all of LFW, by the network of UTKFace: the setting with the least search that finds 95 % of the ten nearest.

    The recall is that of the queries by which the setting was chosen among twenty: at least 95 % by the choice.
    """
    elsewhere, faces = load_parts()
    embeddings = embed_faces(pretrain(elsewhere, seed), faces)
    settings = recall_grid(embeddings, TREES, SEARCH_K, seed=seed, queries=QUERIES)
    found = cheapest_setting(settings)
    figures = {name: float(found[name]) for name in ("recall", "low", "high", "trees", "search_k")}
    return figures | {"best recall": float(settings["recall"].max())}


def _fit(label: str, method: Method, faces: FaceSet, plan: Plan) -> None:
    with training_folder(NAME, f"{label}-{plan.seed}", method, faces, plan) as folder:
        fit(method, faces, plan, folder=folder)


def grid(seeds: int) -> list[Cell]:
    """The baselines, all trainings of each seed, and the search by the first seed's network."""
    training = {"size": SIZE, "views": asdict(VIEWS), "expander": EXPANDER, "on UTKFace": asdict(PRETRAINING)}
    tuning = {
        "without names": asdict(CONTINUATION),
        "with names": asdict(FINE_TUNING),
        "their views": asdict(CLASSIFIER),
    }
    search = {"trees": TREES, "search_k": SEARCH_K, "queries": QUERIES}
    return [
        Cell(("baselines",), {"size": SIZE}),
        *(Cell(("View 2", seed), training | tuning) for seed in range(seeds)),
        Cell(("search", 0), training | search),
    ]


def run(cell: Cell) -> Figures:
    """Name -> ``Estimate`` over the folds of View 2; of the search see ``measure_search``."""
    kind, *seed = cell.key
    if kind == "search":
        return measure_search(*seed)
    if kind == "baselines":
        faces = load_cropped_lfw()
        results = evaluate_baselines(faces, lfw_pairs(faces))
    else:
        results = evaluate_seed(*seed)
    return {name: result.estimate.as_dict() for name, result in results.items()}


def summarise(results: Results) -> dict[str, Metric]:
    """``accuracy/NAME`` and ``accuracy/seed SEED/NAME`` over folds, ``accuracy/NAME`` of networks over seeds; ``annoy/...``."""
    metrics, values = {}, defaultdict(list)
    for (kind, *seed), figures in results.items():
        if kind == "search":
            continue
        for name, estimate in figures.items():
            key = f"accuracy/seed {seed[0]}/{name}" if seed else f"accuracy/{name}"
            metrics[key] = Metric.from_estimate(Estimate(**estimate))
            if seed:
                values[name].append(estimate["value"])
    metrics |= {
        f"accuracy/{name}": Metric.from_estimate(mean_over_seeds(of_seeds)) for name, of_seeds in values.items()
    }
    found = results["search", 0]
    return metrics | {
        "annoy/recall@10": Metric(found["recall"], QUERIES, found["low"], found["high"], "wilson"),
        "annoy/trees": Metric(found["trees"]),
        "annoy/search_k": Metric(found["search_k"]),
        "annoy/best recall@10 of the grid": Metric(found["best recall"]),
    }


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    common = {"size": SIZE, "seeds": seeds, "expander": EXPANDER, "views": asdict(VIEWS)}
    plans = {"on UTKFace": PRETRAINING, "without names": CONTINUATION, "with names": FINE_TUNING}
    return common | {name: asdict(plan) for name, plan in plans.items()}


def data() -> dict[str, dict[str, object]]:
    """Of the record: the photographs that are asked about, and those that are learned from first."""
    elsewhere, faces = load_parts()
    return {"faces": faces.describe(), "learned on": elsewhere.describe()}


EXPERIMENTS = (
    Experiment(
        name=NAME,
        notebook="06",
        shows="VICReg on UTKFace, then View 2 of LFW with and without going on; Annoy on all of LFW",
        datasets=("utkface", "lfw"),
        grid=grid,
        run=run,
        summarise=summarise,
        parameters=parameters,
        data=data,
    ),
)
