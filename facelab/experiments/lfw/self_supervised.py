"""LFW View 2 by the methods that are told no names: SimCLR, MoCo, VICReg and VCL, by halves, at a budget where they learn.

A photograph's two views are all that they have: two photographs of one person as a pair would be a label. All learn from
everybody of the training half, most of whom have one photograph. Budgets and the number of whitened components were chosen on
View 1 (``evaluate_view1``; ``TRIED``), before View 2 was run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from facelab.augment import SUPCON
from facelab.backbones import backbone
from facelab.datasets import FaceSet
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import Pairs, restrict_to_pairs
from facelab.evaluation import (
    View2Result,
    best_threshold,
    cosine_scores,
    lfw_view2,
    mean_over_seeds,
    raw_pixels,
    whitened_pca,
)
from facelab.evaluation.baselines import Embed
from facelab.evaluation.intervals import mean_interval
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.lfw.view2 import HALVES, exclude_people, load_cropped_lfw, training_rounds
from facelab.experiments.trainings import training_folder
from facelab.methods import Method, new_method
from facelab.methods.base import apply_in_batches
from facelab.records import Metric, Record
from facelab.training import BF16, Plan, fit, single_process_fabric

NAME = "lfw_view2_self_supervised"
NETWORK = {"name": "resnet9", "width": 24, "stem": "small"}
VIEWS = replace(SUPCON, crop_scale=(0.4, 1.0))
COMPONENTS = 64  #: of the whitened features
#: How embeddings of one network are compared: its features, those of the photograph and its mirror image added, and these
#: whitened by the training half's.
WAYS = ("features", "mirror image", "whitened")
FUSED = "whitened, and PCA"  #: a further way: the sum of the cosines of whitened features and of ``PCA_MIRRORED``
BASELINES = "baselines"  #: key of the cell that trains nothing
PCA_MIRRORED = "whitened PCA, mirror image"  #: the best of it
BESIDE = {"raw pixels": raw_pixels, "whitened PCA": whitened_pca}
TITLES = {"simclr": "SimCLR", "moco": "MoCo v2", "vicreg": "VICReg", "vcl": "VCL"}
#: What was measured on View 1, in per cent at the best threshold, one seed each: of its 1,000 pairs (a standard error of about
#: 1.4) and of 2,396 wider pairs of the same people (.9). With the mirror image; whitened to 16, 32, 64, 128 components.
TRIED = {
    "whitened PCA with the mirror image": ["73.8/73.4"],
    "simclr, 15 epochs": ["72.8/72.0", "76.2/73.7", "75.4/75.9", "75.8/76.5", "75.5/75.7"],
    "moco, 20 epochs": ["69.7/69.6", "71.2/71.1", "71.0/72.7", "72.4/73.7", "70.9/72.0"],
    "moco, 30 epochs: with the mirror image, and whitened to 32 (official pairs)": ["73.0/73.2", "76.4"],
    "vicreg, 15 epochs": ["72.0/71.7", "71.3/72.4", "74.3/73.1", "74.0/73.6", "72.5/73.2"],
    "vcl, 15 epochs": ["73.5/73.1", "76.1/75.1", "77.2/76.7", "76.9/76.7", "75.6/76.3"],
    "simclr, vcl: whitened to 64, and the same with the cosines of whitened PCA added (3,614 wider pairs)": [
        "75.8/76.7, 78.2/79.5",
        "76.0/76.3, 78.4/78.1",
    ],
}

#: way -> what is added to a name that a notebook shows
_SHOWN = {"mirror image": "", "whitened": ", whitened", FUSED: f", {FUSED}"}


@dataclass(frozen=True)
class Recipe:
    """How one method learns.

    Attributes:
        epochs: passes over the training half.
        options: of the method.
    """

    epochs: int
    options: dict[str, object] = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        """Its training; the seed is filled in."""
        return Plan(self.epochs, batch_size=256, lr=6e-3, optimizer="muon", momentum=0.9)


#: MoCo computes gradients through one of its two views, and has more epochs for the same time.
RECIPES = {
    "simclr": Recipe(15, {"temperature": 0.2}),
    "moco": Recipe(30, {"queue": 2048, "momentum": 0.98, "temperature": 0.1, "groups": 8}),
    "vicreg": Recipe(15, {"expander": (512, 512)}),
    "vcl": Recipe(15),
}


def fit_embedder(train: FaceSet, name: str, seed: int, epochs: int | None = None) -> Method:
    """A method trained by its recipe, or with 0 epochs its random start. What was stopped goes on."""
    recipe = RECIPES[name]
    torch.manual_seed(seed)
    network = backbone(in_channels=3, **NETWORK)
    method = new_method(name, network, VIEWS, recipe.options, len(train.people))
    if epochs != 0:
        plan = replace(recipe.plan, seed=seed)
        with training_folder(NAME, f"{name}-{seed}", method, train, plan) as folder:
            fit(method, train, plan, folder=folder, fabric=single_process_fabric(BF16))
    return method


def score_ways(method: Method, train: FaceSet, tested: FaceSet, pairs: Pairs) -> dict[str, np.ndarray]:
    """Cosines of pairs of ``tested`` in each of ``WAYS``: name -> float64 (M,)."""
    known, own = _mirrored_features(method, train), _mirrored_features(method, tested)
    whitening = PCA(min(COMPONENTS, *known[1].shape), whiten=True, random_state=0).fit(known[1])
    embeddings = dict(zip(WAYS, (*own, whitening.transform(own[1])), strict=True))
    return {way: cosine_scores(rows, pairs) for way, rows in embeddings.items()}


def score_pixels(
    fit_on: Callable[[np.ndarray], Embed], train: FaceSet, tested: FaceSet, pairs: Pairs
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of pairs of ``tested`` by what trains nothing, without and with the mirror image: float64 (M,) each.

    Args:
        fit_on: one of ``BESIDE``, shown the training photographs.
        train, tested: disjoint.
        pairs: rows of ``tested``.
    """
    embed = fit_on(train.images)
    straight = embed(tested.images)
    return cosine_scores(straight, pairs), cosine_scores(straight + embed(tested.mirrored().images), pairs)


def _mirrored_features(method: Method, faces: FaceSet) -> tuple[np.ndarray, np.ndarray]:
    """Features of unit norm, and their sum with those of the mirror images, of unit norm again: float32 (N, D) each."""
    straight, mirrored = (
        normalize(apply_in_batches(method, method.backbone, shown)) for shown in (faces, faces.mirrored())
    )
    return straight, normalize(straight + mirrored)


def evaluate_view1(name: str, seed: int = 0) -> dict[str, float]:
    """Accuracy of a method on the 1,000 pairs of View 1's test in each way, ``FUSED`` too, at the best threshold."""
    faces = load_cropped_lfw()
    pairs = lfw_pairs(faces, "dev-test")
    train = exclude_people(faces, pairs)
    method, asked = fit_embedder(train, name, seed), restrict_to_pairs(faces, pairs)
    by_way = score_ways(method, train, *asked)
    _, of_pca = score_pixels(whitened_pca, train, *asked)
    by_way[FUSED] = by_way["whitened"] + of_pca
    return {way: best_threshold(scores, pairs.same)[1] for way, scores in by_way.items()}


def grid(seeds: int) -> list[Cell]:
    """Every method on each half under every seed, and the baselines."""
    fixed = {"network": NETWORK, "views": asdict(VIEWS), "precision": BF16, "components": COMPONENTS}
    cells = [Cell((BASELINES,), fixed | {"scores": PCA_MIRRORED})]
    for seed in range(seeds):
        for name, recipe in RECIPES.items():
            settings = fixed | {"plan": asdict(recipe.plan), "options": recipe.options}
            cells += [Cell((name, seed, half), settings) for half in HALVES]
    return cells


def run(cell: Cell) -> Figures:
    """One half: ``scores`` in each way, ``same`` and ``fold`` of its pairs.

    Of the baselines: ``folds``, name -> accuracy of each fold, and ``scores`` by ``PCA_MIRRORED``, half -> those of its pairs.
    """
    faces = load_cropped_lfw()
    pairs = lfw_pairs(faces)
    if cell.key == (BASELINES,):
        view2, scores = evaluate_baselines(faces, pairs)
        folds = {name: found.folds.tolist() for name, found in view2.items()}
        return {"folds": folds, "scores": {half: own.tolist() for half, own in scores.items()}}
    name, seed, half = cell.key
    ((train, tested),) = training_rounds(faces, pairs, (HALVES[half],))
    own = pairs.subset(tested)
    scores = score_ways(fit_embedder(train, name, seed), train, *restrict_to_pairs(faces, own))
    by_way = {way: values.tolist() for way, values in scores.items()}
    return {"scores": by_way, "same": own.same.tolist(), "fold": own.fold.tolist()}


def evaluate_baselines(faces: FaceSet, pairs: Pairs) -> tuple[dict[str, View2Result], dict[str, np.ndarray]]:
    """View 2 by halves of what trains nothing, as networks are compared: with the mirror image too, whitened, and ``FUSED``.

    Returns:
        By name; and of each half the cosines by ``PCA_MIRRORED``: float64 (M,).
    """
    halves: dict[str, list[np.ndarray]] = defaultdict(list)
    parts = []
    for train, mask in training_rounds(faces, pairs):
        tested, own = restrict_to_pairs(faces, pairs.subset(mask))
        parts.append(own)
        for name, fit_on in BESIDE.items():
            straight, mirrored = score_pixels(fit_on, train, tested, own)
            halves[name].append(straight)
            halves[f"{name}, mirror image"].append(mirrored)
        start = fit_embedder(train, "simclr", seed=0, epochs=0)
        for way, scores in score_ways(start, train, tested, own).items():
            halves[f"random network, {way}"].append(scores)
        halves[f"random network, {FUSED}"].append(halves["random network, whitened"][-1] + halves[PCA_MIRRORED][-1])
    by_half = dict(zip(HALVES, halves[PCA_MIRRORED], strict=True))
    return {name: _join(parts, scores) for name, scores in halves.items()}, by_half


def summarise(results: Results) -> dict[str, Metric]:
    """``accuracy/METHOD, WAY``, also of ``FUSED``: mean over the seeds, and each seed's own over the folds; and the baselines,
    over the folds.

    ``above PCA/METHOD, WAY``: by how much it is above ``PCA_MIRRORED``, paired by folds, each fold's mean over the seeds.
    """
    untrained = results[(BASELINES,)]
    metrics = {
        f"accuracy/{name}": Metric.from_estimate(mean_interval(np.array(folds), "t over folds", "folds"))
        for name, folds in untrained["folds"].items()
    }
    by_seed: dict[str, dict[int, View2Result]] = defaultdict(dict)
    for name, seed in dict.fromkeys(key[:2] for key in results if len(key) == 3):
        parts = {key[2]: figures for key, figures in results.items() if key[:2] == (name, seed)}
        pairs = [_pairs_of(part) for part in parts.values()]
        for way in WAYS:
            by_seed[f"{name}, {way}"][seed] = _join(pairs, [np.array(part["scores"][way]) for part in parts.values()])
        fused = [np.add(part["scores"]["whitened"], untrained["scores"][half]) for half, part in parts.items()]
        by_seed[f"{name}, {FUSED}"][seed] = _join(pairs, fused)
    for row, found in by_seed.items():
        for seed, view2 in found.items():
            metrics[f"accuracy/{row}/seed {seed}"] = Metric.from_estimate(view2.estimate)
        metrics[f"accuracy/{row}"] = Metric.from_estimate(mean_over_seeds([view2.mean for view2 in found.values()]))
        above = np.mean([view2.folds for view2 in found.values()], axis=0) - untrained["folds"][PCA_MIRRORED]
        metrics[f"above PCA/{row}"] = Metric.from_estimate(mean_interval(above, "t over folds", "folds"))
    return metrics


def rows_to_show(record: Record) -> dict[str, dict[str, Metric]]:
    """What a notebook shows: what trains nothing, and every method as it is, whitened and ``FUSED``; the mirror image is
    everywhere."""
    untrained = {name: record.metrics[f"accuracy/{name}, mirror image"] for name in BESIDE}
    untrained |= {
        f"random network{end}": record.metrics[f"accuracy/random network, {way}"] for way, end in _SHOWN.items()
    }
    by_way = {
        f"without names{end}": {title: record.metrics[f"accuracy/{name}, {way}"] for name, title in TITLES.items()}
        for way, end in _SHOWN.items()
    }
    return {"untrained": untrained} | by_way


def _pairs_of(part: Figures) -> Pairs:
    same, fold = np.array(part["same"]), np.array(part["fold"])
    return Pairs(np.zeros_like(fold), np.zeros_like(fold), same, fold)


def _join(parts: Iterable[Pairs], scores: list[np.ndarray]) -> View2Result:
    """Both halves, each with thresholds of its own: two trainings have no common scale."""
    same, fold = np.concatenate([part.same for part in parts]), np.concatenate([part.fold for part in parts])
    half = np.repeat(np.arange(len(scores)), [len(own) for own in scores])
    return lfw_view2(np.concatenate(scores), same, fold, half)


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    recipes = {name: asdict(recipe.plan) | {"options": recipe.options} for name, recipe in RECIPES.items()}
    fixed = {"network": NETWORK, "views": asdict(VIEWS), "precision": BF16, "components": COMPONENTS}
    return {
        "dataset": "lfw",
        "protocol": "View 2 by halves, no names",
        "seeds": seeds,
        "recipes": recipes,
        **fixed,
        "tried on View 1": TRIED,
    }


def data() -> dict[str, dict[str, object]]:
    """Of the record: all photographs."""
    return {"faces": load_cropped_lfw().describe()}


EXPERIMENTS = (
    Experiment(
        name=NAME,
        notebook="04",
        shows="View 2 of LFW without names: SimCLR, MoCo, VICReg and VCL beside whitened PCA",
        datasets=("lfw",),
        grid=grid,
        run=run,
        summarise=summarise,
        parameters=parameters,
        data=data,
    ),
)
