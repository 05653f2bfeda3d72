"""LFW with uneven shares of women: who is in which part, and what is counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import tiny_faces
from torch import nn
from trainings import compute

from facelab.augment import PLAIN
from facelab.evaluation import Estimate, group_rates, threshold_at_fmr
from facelab.experiments.experiment import Cell
from facelab.experiments.imbalance import lfw as imbalance_lfw
from facelab.experiments.imbalance.lfw import limit_photographs, measure, score_test_pairs
from facelab.methods import Method


class Pixels(Method):
    """Embeds a photograph by its pixels: nothing to learn."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), PLAIN)
        self.weight = nn.Parameter(torch.zeros(1))  # whose device and type are the method's

    def embed(self, images):
        return images.flatten(1)


def people(count: int, seed: int):
    faces = tiny_faces(people=count, shots=4, seed=seed)
    noise = np.random.default_rng(seed).integers(0, 256, faces.images.shape)
    blend = (0.5 * faces.images[np.repeat(np.arange(count) * 4, 4)] + 0.5 * noise).astype(np.uint8)
    table = faces.attributes.assign(gender=np.where(faces.identity % 3 == 0, "female", "male"))
    return replace(faces, images=blend, attributes=table)


def test_the_first_photographs_of_those_with_enough():
    faces = tiny_faces(people=4, shots=5)
    faces = faces.subset(np.array([0, 5, 10, 1, 6, 7, 11, 12, 13, 15, 14]))  # 2, 3, 5 and 1 of a person
    found = limit_photographs(faces, least=2, most=3)
    assert np.bincount(found.identity, minlength=4).tolist() == [2, 3, 3, 0]
    first = faces.attributes["file"][faces.identity == 2].tolist()[:3]
    assert found.attributes["file"][found.identity == 2].tolist() == first


def test_figures_are_those_of_the_groups_at_the_threshold_of_other_people():
    calibration, test = people(12, 1), people(15, 2)
    pairs, found, threshold = score_test_pairs(Pixels(), calibration, test)
    own, mine, _ = score_test_pairs(Pixels(), test, calibration)
    assert threshold == threshold_at_fmr(mine, own.same, imbalance_lfw.FMR)
    figures = measure(Pixels(), calibration, test)
    rates = group_rates(found, pairs, test.attributes["gender"].to_numpy(), threshold)
    assert figures["fnmr/female"] == rates.fnmr[0] and figures["fmr/male"] == rates.fmr[1, 1]
    assert figures["fmr/female with male"] == rates.fmr[1, 0]
    assert 0 <= figures["eer/female"] <= 1 and figures["FDR"] <= 1


def test_a_training_has_its_share_of_women(monkeypatch):
    faces, drawn = people(60, 0), []
    monkeypatch.setattr(imbalance_lfw, "TOTAL", 20)
    monkeypatch.setattr(imbalance_lfw, "fit", lambda method, some, plan: drawn.append((some, plan)))
    for share in (0.1, 0.5, 0.9):
        imbalance_lfw.train(faces, share, seed=0)
    for (some, plan), women in zip(drawn, (2, 10, 18), strict=True):
        gender = some.attributes["gender"].groupby(some.identity).first()
        assert len(gender) == 20 and (gender == "female").sum() == women
        assert plan.epochs * (len(some) // plan.batch_size) == drawn[0][1].epochs * (
            len(drawn[0][0]) // plan.batch_size
        )


def test_the_metrics_are_of_seeds_and_of_people(monkeypatch):
    pool, calibration, test = people(60, 0), people(12, 1), people(15, 2)
    monkeypatch.setattr(imbalance_lfw, "load_parts", lambda: (pool, calibration, test))
    trained = []
    monkeypatch.setattr(imbalance_lfw, "train", lambda pool, share, seed: trained.append((share, seed)) or Pixels())
    (experiment,) = imbalance_lfw.EXPERIMENTS
    results = compute(experiment, 3)
    assert len(results) == len(trained) == 28 and trained[-1] == (0.5, 0)
    metrics = experiment.summarise(results)
    assert metrics["slope/fnmr/female"].value == pytest.approx(0)  # nothing was learned, so nothing depends on it
    assert metrics["gap/0.5/fnmr"].n == 3
    over_people = metrics["over people/0.5/fnmr/female"]
    assert over_people.n == 5 and metrics["over people/0.5/FDR"].n == 15  # people: the women, and all
    assert over_people.low < over_people.value < over_people.high
    assert over_people.value == measure(Pixels(), calibration, test)["fnmr/female"]
    assert experiment.data()["to draw from"] == pool.describe() and experiment.seeds == 5


def test_an_interval_without_an_end_is_left_out(monkeypatch):
    monkeypatch.setattr(imbalance_lfw, "load_parts", lambda: (people(60, 0), people(12, 1), people(15, 2)))
    monkeypatch.setattr(imbalance_lfw, "train", lambda pool, share, seed: Pixels())
    found = {"ratio": Estimate(2.0, 1.0, np.inf, 15, "bootstrap"), "rate": Estimate(0.2, 0.1, 0.3, 15, "bootstrap")}
    monkeypatch.setattr(imbalance_lfw, "bootstrap", lambda *_: found)
    assert list(imbalance_lfw.run(Cell((imbalance_lfw.OVER_PEOPLE, 0.5, 0)))) == ["rate"]


def test_the_parts_of_the_real_set_share_nobody(real_lfw):
    train, calibration, test = imbalance_lfw.load_parts()
    women = [
        (part.attributes["gender"].groupby(part.identity).first() == "female").sum()
        for part in (train, calibration, test)
    ]
    assert women[0] >= 0.9 * imbalance_lfw.TOTAL and min(women) > 50
    sets = [set(part.people) for part in (train, calibration, test)]
    assert not sets[0] & sets[1] and not sets[0] & sets[2] and not sets[1] & sets[2]
    for part in (train, calibration, test):
        assert np.bincount(part.identity)[part.people].min() >= 2 and np.bincount(part.identity).max() <= 5
