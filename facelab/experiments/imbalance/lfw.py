"""Does the share of women in training change who is refused and who is let in? LFW, people never seen, one global threshold.

``python -m facelab.experiments.imbalance.lfw`` makes the record that notebook 08 shows. Gender is LFW's own label, one a person.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from typing import Annotated

import numpy as np
import torch
import typer

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import all_pairs
from facelab.datasets.unbalanced import unbalanced
from facelab.evaluation import (
    eer,
    fairness_figures,
    group_rates,
    roc,
    scores,
    threshold_at_fmr,
)
from facelab.evaluation.disparity import fairness_discrepancy_rate, garbe
from facelab.experiments import command
from facelab.experiments.grid import Run, kept, over, seconds_of
from facelab.experiments.imbalance.runs import SHARES
from facelab.experiments.imbalance.summary import summary
from facelab.experiments.lfw_view2 import framed, rounds
from facelab.methods import Margin, Method, embed_faces
from facelab.paths import own_data
from facelab.progress import bar
from facelab.records import Metric, Record
from facelab.training import Plan, fit

TOTAL = 220  #: people in training; there are 228 women with two photographs or more to train on
MOST = 5  #: photographs of a person in training and in the test: some men of LFW have hundreds
FMR = 0.05  #: of all impostor pairs of the calibration's people
PLAN = Plan(epochs=40, batch_size=64, lr=3e-3)
OPTIONS = {"loss": "cosface", "scale": 16.0, "margin": 0.2, "dimension": 256}


@cache
def parts() -> tuple[FaceSet, FaceSet, FaceSet]:
    """The people to draw a training from, to set the threshold on, and to judge: nobody in two of them.

    The last two are the people of folds 1 to 5 of View 2 in halves, those with two photographs or more.
    """
    faces = framed()
    table = faces.attributes["gender"]
    faces = faces.subset((table.isin(["female", "male"])).to_numpy())
    pairs = lfw_pairs(faces)
    train, tested = next(iter(rounds(faces, pairs)))
    rows = np.flatnonzero(tested)
    people = np.unique(faces.identity[np.concatenate([pairs.first[rows], pairs.second[rows]])])
    people = np.random.default_rng(0).permutation(people)
    calibration, test = (at_most(faces.of_people(half), 2, MOST) for half in np.array_split(people, 2))
    train = at_most(train, 2, MOST)
    for one, other in ((train, calibration), (train, test), (calibration, test)):
        assert_disjoint(one, other, by=("identity", "file", "hash"))
    return train, calibration, test


def at_most(faces: FaceSet, least: int, most: int) -> FaceSet:
    """The first ``most`` photographs of everybody who has ``least`` or more."""
    order = np.argsort(faces.identity, kind="stable")
    _, start, count = np.unique(faces.identity[order], return_index=True, return_counts=True)
    rank = np.arange(len(faces)) - np.repeat(start, count)
    kept_rows = order[(rank < most) & (np.repeat(count, count) >= least)]
    return faces.subset(np.sort(kept_rows))


def trained(train: FaceSet, share: float, seed: int) -> Method:
    """CosFace on ``TOTAL`` people of whom ``share`` are women; as many steps whoever was drawn."""
    drawn = unbalanced(train, "gender", {"female": share, "male": 1 - share}, TOTAL, seed)
    faces = train.subset(drawn.rows)
    torch.manual_seed(seed)
    method = Margin(backbone("resnet10", in_channels=3), CLASSIFIER, len(faces.people), **OPTIONS)
    fit(method, faces, replace(PLAN, seed=seed).as_long_as(700, len(faces)))
    return method


def run(share: float, seed: int) -> Run:
    """One training: FNMR, FMR and EER of women and men, FMR between them, and the disparity."""
    settings = {"share": share, "seed": seed, "plan": asdict(PLAN), "total": TOTAL, "most": MOST, "fmr": FMR, **OPTIONS}

    def compute() -> dict[str, float]:
        torch.set_num_threads(1)
        train, calibration, test = parts()
        return measured(trained(train, share, seed), calibration, test)

    return kept("imbalance/lfw-gender", f"{share:g}-{seed}", settings, compute)


def measured(method: Method, calibration: FaceSet, test: FaceSet) -> dict[str, float]:
    """The figures of ``run``, the threshold from the people of ``calibration``."""
    pairs, found, threshold = judged(method, calibration, test)
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


def judged(method: Method, calibration: FaceSet, test: FaceSet):
    """All pairs of the test, their scores, and the threshold that gives ``FMR`` among the people of ``calibration``."""
    others, pairs = all_pairs(calibration), all_pairs(test)
    threshold = threshold_at_fmr(scores(embed_faces(method, calibration), others), others.same, FMR)
    return pairs, scores(embed_faces(method, test), pairs), threshold


def main(
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1, of the draws, weights and order.")] = 5,
) -> None:
    """Run what is missing, and write ``data/results/08_lfw_gender.json``."""
    train, calibration, test = parts()
    asked = [(share, seed) for seed in range(seeds) for share in SHARES]
    found = over(run, asked, "lfw-gender")
    given = {"seeds": seeds, "total": TOTAL, "most": MOST, "fmr": FMR, "plan": asdict(PLAN), **OPTIONS}
    record = Record("08_lfw_gender", f"python -m facelab.experiments.imbalance.lfw --seeds {seeds}", given)
    record.data |= {"to draw from": train.describe(), "calibration": calibration.describe(), "test": test.describe()}
    by_run = {(share, seed, "none"): done.figures for (share, seed), done in found.items()}
    record.metrics = summary(by_run, ("female", "male"))
    with bar("bootstrap over people", 1) as progress:
        pairs, similar, threshold = judged(trained(train, 0.5, 0), calibration, test)
        gender = test.attributes["gender"].to_numpy()
        over_people = fairness_figures(similar, pairs, test.identity, gender, threshold, draws=300)
        progress.advance()
    # a ratio whose interval has no end cannot be a number of a record
    finite = {name: figure for name, figure in over_people.items() if np.isfinite(figure.high)}
    record.metrics |= {f"over people/0.5/{name}": Metric.of(figure) for name, figure in finite.items()}
    record.wall_seconds = seconds_of(found)
    print(record.write(own_data("results", "08_lfw_gender.json")))


if __name__ == "__main__":
    command.run(main)
