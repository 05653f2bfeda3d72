"""Does the share of women in training change who is refused and who is let in? LFW, people never seen, one global threshold.

Gender is LFW's own label, one a person.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache

import numpy as np
import torch

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.datasets import FaceSet
from facelab.datasets.group_shares import sample_with_shares
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import Pairs, all_pairs
from facelab.evaluation import (
    Estimate,
    cosine_scores,
    eer,
    fairness_estimates,
    group_rates,
    roc,
    threshold_at_fmr,
)
from facelab.evaluation.disparity import fairness_discrepancy_rate, garbe
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.imbalance.designs import SHARES
from facelab.experiments.imbalance.summary import summarise as summarise_runs
from facelab.experiments.lfw.view2 import load_cropped_lfw, training_rounds
from facelab.methods import Margin, Method, embed_faces
from facelab.records import Metric
from facelab.training import Plan, fit

TOTAL = 220  #: people in training; there are 228 women with two photographs or more to train on
MOST = 5  #: photographs of a person in training and in the test: some men of LFW have hundreds
FMR = 0.05  #: of all impostor pairs of the calibration's people
PLAN = Plan(epochs=40, batch_size=64, lr=3e-3)
OVER_PEOPLE, DRAWS = "over people", 300  #: in the key of the cell of the bootstrap over people, and its draws
OPTIONS = {"loss": "cosface", "scale": 16.0, "margin": 0.2, "dimension": 256}


@cache
def load_parts() -> tuple[FaceSet, FaceSet, FaceSet]:
    """The people to draw a training from, to set the threshold on, and to judge: nobody in two of them.

    The last two are the people of folds 1 to 5 of View 2 in halves, those with two photographs or more.
    """
    faces = load_cropped_lfw()
    table = faces.attributes["gender"]
    faces = faces.subset((table.isin(["female", "male"])).to_numpy())
    pairs = lfw_pairs(faces)
    train, tested = next(iter(training_rounds(faces, pairs)))
    rows = np.flatnonzero(tested)
    people = np.unique(faces.identity[np.concatenate([pairs.first[rows], pairs.second[rows]])])
    people = np.random.default_rng(0).permutation(people)
    calibration, test = (limit_photographs(faces.select_people(half), 2, MOST) for half in np.array_split(people, 2))
    train = limit_photographs(train, 2, MOST)
    for one, other in ((train, calibration), (train, test), (calibration, test)):
        assert_disjoint(one, other, kinds=("identity", "file", "hash"))
    return train, calibration, test


def limit_photographs(faces: FaceSet, least: int, most: int) -> FaceSet:
    """The first ``most`` photographs of everybody who has ``least`` or more."""
    order = np.argsort(faces.identity, kind="stable")
    _, start, count = np.unique(faces.identity[order], return_index=True, return_counts=True)
    rank = np.arange(len(faces)) - np.repeat(start, count)
    kept_rows = order[(rank < most) & (np.repeat(count, count) >= least)]
    return faces.subset(np.sort(kept_rows))


def train(pool: FaceSet, share: float, seed: int) -> Method:
    """CosFace on ``TOTAL`` people of whom ``share`` are women; as many steps whoever was drawn."""
    drawn = sample_with_shares(pool, "gender", {"female": share, "male": 1 - share}, TOTAL, seed)
    faces = pool.subset(drawn.rows)
    torch.manual_seed(seed)
    method = Margin(backbone("resnet10", in_channels=3), CLASSIFIER, len(faces.people), **OPTIONS)
    fit(method, faces, replace(PLAN, seed=seed).with_equal_steps(700, len(faces)))
    return method


def measure(method: Method, calibration: FaceSet, test: FaceSet) -> dict[str, float]:
    """FNMR, FMR and EER of women and men, FMR between them, and the disparity, at the threshold of ``calibration``'s people."""
    pairs, found, threshold = score_test_pairs(method, calibration, test)
    gender = test.attributes["gender"].to_numpy()
    rates = group_rates(found, pairs, gender, threshold)
    own = rates.fmr.diagonal()
    figures = {"fmr/female with male": float(rates.fmr[0, 1]), "eer/all": eer(roc(found, pairs.same))}
    for number, name in enumerate(rates.names):
        inside = (gender[pairs.first] == name) & (gender[pairs.second] == name)
        figures[f"fnmr/{name}"], figures[f"fmr/{name}"] = float(rates.fnmr[number]), float(own[number])
        figures[f"eer/{name}"] = eer(roc(found[inside], pairs.same[inside]))
    figures["fmr/all"] = float(np.mean(found[~pairs.same] >= threshold))
    figures["FDR"], figures["GARBE"] = fairness_discrepancy_rate(own, rates.fnmr), garbe(own, rates.fnmr)
    return figures


def score_test_pairs(method: Method, calibration: FaceSet, test: FaceSet) -> tuple[Pairs, np.ndarray, float]:
    """All pairs of the test, their scores, and the threshold that gives ``FMR`` among the people of ``calibration``."""
    others, pairs = all_pairs(calibration), all_pairs(test)
    threshold = threshold_at_fmr(cosine_scores(embed_faces(method, calibration), others), others.same, FMR)
    return pairs, cosine_scores(embed_faces(method, test), pairs), threshold


def bootstrap(method: Method, calibration: FaceSet, test: FaceSet) -> dict[str, Estimate]:
    """The figures of ``measure`` with intervals over the people of the test."""
    pairs, similarity, threshold = score_test_pairs(method, calibration, test)
    gender = test.attributes["gender"].to_numpy()
    return fairness_estimates(similarity, pairs, test.identity, gender, threshold, draws=DRAWS)


def grid(seeds: int) -> list[Cell]:
    """Every share under every seed, and the bootstrap over people of one training with as many women as men."""
    settings = {"plan": asdict(PLAN), "total": TOTAL, "most": MOST, "fmr": FMR, **OPTIONS}
    runs = [Cell((share, seed), settings) for seed in range(seeds) for share in SHARES]
    return [*runs, Cell((OVER_PEOPLE, 0.5, 0), settings | {"draws": DRAWS})]


def run(cell: Cell) -> Figures:
    """One training: see ``measure``; over people, name -> ``Estimate``."""
    *kind, share, seed = cell.key
    pool, calibration, test = load_parts()
    method = train(pool, share, seed)
    if not kind:
        return measure(method, calibration, test)
    estimates = bootstrap(method, calibration, test)
    # a ratio whose interval has no end cannot be a number of a record
    return {name: estimate.as_dict() for name, estimate in estimates.items() if np.isfinite(estimate.high)}


def summarise(results: Results) -> dict[str, Metric]:
    """See ``summary.summarise``, and ``over people/0.5/FIGURE`` of one training."""
    over_people = {key: own for key, own in results.items() if key[0] == OVER_PEOPLE}
    runs = {(*key, "none"): own for key, own in results.items() if key not in over_people}
    metrics = summarise_runs(runs, ("female", "male"))
    for (kind, share, _), estimates in over_people.items():
        for name, estimate in estimates.items():
            metrics[f"{kind}/{share:g}/{name}"] = Metric.from_estimate(Estimate(**estimate))
    return metrics


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    return {"seeds": seeds, "total": TOTAL, "most": MOST, "fmr": FMR, "plan": asdict(PLAN), **OPTIONS}


def data() -> dict[str, dict[str, object]]:
    """Of the record: the people whom trainings are drawn from, those of the threshold, and those of the test."""
    pool, calibration, test = load_parts()
    return {"to draw from": pool.describe(), "calibration": calibration.describe(), "test": test.describe()}


SHOWS = "verification by gender on LFW, 10 to 90 % women in training"
EXPERIMENTS = (Experiment("08_lfw_gender", "08", SHOWS, ("lfw",), grid, run, summarise, parameters, data, seeds=5),)
