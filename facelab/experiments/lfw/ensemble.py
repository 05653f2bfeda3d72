"""LFW View 2 at full strength, step by step: a network, what stands behind it, an old method beside it, and a second crop.

"Unrestricted, no outside data": the names of the training people are used, and no photograph but LFW's. One training a fold;
members and their settings were frozen on View 1 (``members``). One recipe with another network was judged on View 2 before.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from facelab.datasets import FaceSet, load
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import restrict_to_pairs
from facelab.evaluation import View2Result, cosine_scores, lfw_view2, mean_over_seeds
from facelab.evaluation.intervals import mean_interval
from facelab.experiments.comparison import CEILING, load_sface
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.lfw.members import MEMBERS, NAME, TRIED, describe_member, load_for_member, score_pairs
from facelab.experiments.lfw.view2 import evaluate_baselines
from facelab.records import Metric
from facelab.scoring import fuse

#: label of a training, as keys of cells have it -> the fold that it is tested on
FOLDS = {f"fold {fold}": fold for fold in range(1, 11)}
BASELINES, SFACE = "baselines", "SFace"  #: keys of the cells that train nothing
SFACE_SIDE = 112  #: of the photographs in which SFace's detector looks for a face

#: How a fold's threshold is found, for the record: the one way in which people of a tested fold have a part in its result.
THRESHOLD = (
    "the best on the pairs of the other nine folds, each scored by its own training; these trainings knew the people of the "
    "tested fold, by names and in other pairs"
)
_JB = ("Joint Bayesian",)
#: row -> member -> its back ends. Of the steps of notebook 07, the first four, each adds to the one before.
ROWS = {
    "network, cosine": {"close network": ("cosine",)},
    "network, Joint Bayesian": {"close network": _JB},
    "network and Fisher vectors": {"close network": _JB, "close Fisher vectors": _JB},
    "networks and Fisher vectors of two crops": {name: _JB for name in MEMBERS},
    "two networks": {"close network": _JB, "wide network": _JB},
    "two networks, cosine": {"close network": ("cosine",), "wide network": ("cosine",)},
    "wide network": {"wide network": _JB},
    "close Fisher vectors": {"close Fisher vectors": _JB},
    "wide Fisher vectors": {"wide Fisher vectors": _JB},
    "both Fisher vectors": {"close Fisher vectors": _JB, "wide Fisher vectors": _JB},
}
STEPS = tuple(ROWS)[:4]
DRAWN = tuple(
    row for row, ends in ROWS.items() if any(MEMBERS[name][1] == "network" for name in ends)
)  #: anew by each seed
LONG = "networks of all seeds and Fisher vectors of two crops"  #: the last step without a limit on its time


def grid(seeds: int) -> list[Cell]:
    """Each member on each fold, networks under every seed, and what trains nothing."""
    cells = [Cell((BASELINES,), describe_member("close network")), Cell((SFACE,), {"side": SFACE_SIDE})]
    for seed in range(seeds):
        names = [name for name, (_, kind) in MEMBERS.items() if kind == "network" or seed == 0]
        cells += [Cell((name, seed, fold), describe_member(name)) for name in names for fold in FOLDS]
    return cells


def run(cell: Cell) -> Figures:
    """The pairs of one fold as one member scores them, which has seen nobody of theirs.

    Returns:
        ``scores`` by back end, ``same`` and ``fold`` of each pair, and ``seconds`` of processor time. Of what trains nothing:
        name -> accuracy of each fold.
    """
    if cell.key == (BASELINES,):
        faces = load_for_member("close network")
        return {name: view2.folds.tolist() for name, view2 in evaluate_baselines(faces, lfw_pairs(faces)).items()}
    if cell.key == (SFACE,):
        return {CEILING: evaluate_sface(load("lfw", SFACE_SIDE)).folds.tolist()}
    name, seed, label = cell.key
    faces = load_for_member(name)
    pairs = lfw_pairs(faces)
    own = pairs.subset(pairs.fold == FOLDS[label])
    found = score_pairs(name, faces, own, seed)
    scores = {back_end: scores.tolist() for back_end, scores in found.by_back_end.items()}
    return {"scores": scores, "same": own.same.tolist(), "fold": own.fold.tolist(), "seconds": found.seconds}


def evaluate_sface(faces: FaceSet) -> View2Result:
    """View 2 by SFace, which learned from millions of photographs: the ceiling, and outside data."""
    shown, pairs = restrict_to_pairs(faces, lfw_pairs(faces))
    return lfw_view2(cosine_scores(load_sface(faces)(shown), pairs), pairs.same, pairs.fold)


def fold_accuracies(results: Results, row: str, seeds: Sequence[int]) -> np.ndarray:
    """Accuracy of each fold by one of ``ROWS``: float64 (10,).

    The threshold of a fold comes from the other nine as *their* trainings scored them, for which those people were strangers
    too; the cohort puts all on one scale (``THRESHOLD``).

    Args:
        results: of all cells.
        row: which one.
        seeds: of the networks; of more than one, a member's score is the mean of its trainings'.
    """
    scores, same, fold = [], [], []
    for label in FOLDS:
        members = []
        for name, ends in ROWS[row].items():
            # what draws nothing anew under a further seed has its figures from the first
            drawn = [seed for seed in seeds if (name, seed, label) in results] or [0]
            cells = [results[name, seed, label] for seed in drawn]
            members.append(fuse([cell["scores"][end] for cell in cells for end in ends]))
        scores.append(fuse(members))
        same.append(cells[0]["same"])
        fold.append(cells[0]["fold"])
    return lfw_view2(np.concatenate(scores), np.concatenate(same), np.concatenate(fold)).folds


def summarise(results: Results) -> dict[str, Metric]:
    """Accuracy of each row: over the folds under each seed with its ``standard error``, and over three seeds or more.

    Of what draws nothing anew under another seed, over the folds alone. Further ``LONG``, over the folds; ``gain/STEP``: what a
    step adds to the one before, paired by folds, each fold's mean over the seeds; and ``processor seconds/MEMBER`` of a
    member's slowest fold.
    """
    cells = {key: figures for key, figures in results.items() if len(key) == 3}
    seeds = sorted({seed for _, seed, _ in cells})
    metrics = _metrics_without_seeds(results)
    accuracies = {row: np.array([fold_accuracies(results, row, [seed]) for seed in seeds]) for row in DRAWN}
    for row, by_seed in accuracies.items():
        for seed, folds in zip(seeds, by_seed, strict=True):
            metrics |= _over_folds(f"{row}/seed {seed}", folds)
        if len(seeds) >= 3:
            metrics[f"accuracy/{row}"] = Metric.from_estimate(mean_over_seeds(by_seed.mean(axis=1)))
    steps = {step: accuracies[step].mean(axis=0) for step in STEPS}
    if len(seeds) > 1:
        steps[LONG] = fold_accuracies(results, STEPS[-1], seeds)
        metrics |= _over_folds(LONG, steps[LONG])
    for before, step in pairwise(steps):
        gain = mean_interval(steps[step] - steps[before], "t over folds", "folds")
        metrics[f"gain/{step}"] = Metric.from_estimate(gain)
    for name in MEMBERS:
        seconds = [figures["seconds"] for (own, *_), figures in cells.items() if own == name]
        metrics[f"processor seconds/{name}"] = Metric(max(seconds), len(seconds))
    return metrics


def _metrics_without_seeds(results: Results) -> dict[str, Metric]:
    """Baselines, SFace, and the rows of Fisher vectors alone."""
    folds = {name: np.array(own) for key in ((BASELINES,), (SFACE,)) for name, own in results[key].items()}
    folds |= {row: fold_accuracies(results, row, [0]) for row in ROWS if row not in DRAWN}
    metrics = {}
    for name, own in folds.items():
        metrics |= _over_folds(name, own)
    return metrics


def _over_folds(name: str, folds: np.ndarray) -> dict[str, Metric]:
    estimate = mean_interval(folds, "t over folds", "folds")
    error = float(folds.std(ddof=1) / np.sqrt(len(folds)))
    return {
        f"accuracy/{name}": Metric.from_estimate(estimate),
        f"standard error/{name}": Metric(error, len(folds)),
    }


def parameters(seeds: int) -> dict[str, object]:
    """Of the record: the members, and what else was tried on View 1."""
    return {
        "dataset": "lfw",
        "protocol": "View 2, unrestricted, no outside data; one training a fold",
        "threshold": THRESHOLD,
        "seeds": seeds,
        "members": {name: describe_member(name) for name in MEMBERS},
        "rows": ROWS,
        "tried on View 1": TRIED,
    }


def data() -> dict[str, dict[str, object]]:
    """Of the record: all photographs, as each member sees them."""
    return {name: load_for_member(name).describe() for name in MEMBERS}


EXPERIMENTS = (
    Experiment(
        name=NAME,
        notebook="07",
        shows="View 2 of LFW step by step: a network, Joint Bayesian, Fisher vectors, a second crop; one training a fold",
        datasets=("lfw",),
        grid=grid,
        run=run,
        summarise=summarise,
        parameters=parameters,
        data=data,
        least_seeds=1,
    ),
)
