"""LFW with uneven shares of women: who is in which part, and what is counted."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_faces
from torch import nn
from trainings import OneProcess, own_results

from facelab import records
from facelab.augment import PLAIN
from facelab.evaluation import group_rates, threshold_at_fmr
from facelab.experiments import grid as kept
from facelab.experiments.imbalance import lfw as imbalance_lfw
from facelab.experiments.imbalance.lfw import at_most, judged, measured
from facelab.methods import Method


class Pixels(Method):
    """Embeds a photograph by its pixels: nothing to learn."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(1, 1), PLAIN)

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
    found = at_most(faces, least=2, most=3)
    assert np.bincount(found.identity, minlength=4).tolist() == [2, 3, 3, 0]
    first = faces.attributes["file"][faces.identity == 2].tolist()[:3]
    assert found.attributes["file"][found.identity == 2].tolist() == first


def test_figures_are_those_of_the_groups_at_the_threshold_of_other_people():
    calibration, test = people(12, 1), people(15, 2)
    pairs, found, threshold = judged(Pixels(), calibration, test)
    own, mine, _ = judged(Pixels(), test, calibration)
    assert threshold == threshold_at_fmr(mine, own.same, imbalance_lfw.FMR)
    figures = measured(Pixels(), calibration, test)
    rates = group_rates(found, pairs, test.attributes["gender"].to_numpy(), threshold)
    assert figures["fnmr/female"] == rates.fnmr[0] and figures["fmr/male"] == rates.fmr[1, 1]
    assert figures["fmr/female with male"] == rates.fmr[1, 0]
    assert 0 <= figures["eer/female"] <= 1 and figures["FDR"] <= 1


def test_a_training_has_its_share_of_women(monkeypatch):
    faces, drawn = people(60, 0), []
    monkeypatch.setattr(imbalance_lfw, "TOTAL", 20)
    monkeypatch.setattr(imbalance_lfw, "fit", lambda method, some, plan: drawn.append((some, plan)))
    for share in (0.1, 0.5, 0.9):
        imbalance_lfw.trained(faces, share, seed=0)
    for (some, plan), women in zip(drawn, (2, 10, 18), strict=True):
        gender = some.attributes["gender"].groupby(some.identity).first()
        assert len(gender) == 20 and (gender == "female").sum() == women
        assert plan.epochs * (len(some) // plan.batch_size) == drawn[0][1].epochs * (
            len(drawn[0][0]) // plan.batch_size
        )


def test_the_record_has_seeds_and_people(monkeypatch, tmp_path):
    train, calibration, test = people(60, 0), people(12, 1), people(15, 2)
    monkeypatch.setattr(imbalance_lfw, "parts", lambda: (train, calibration, test))
    monkeypatch.setattr(imbalance_lfw, "trained", lambda train, share, seed: Pixels())
    monkeypatch.setattr(kept, "runs_root", lambda: tmp_path)
    monkeypatch.setattr(kept, "ProcessPoolExecutor", OneProcess)
    own_results(monkeypatch, imbalance_lfw, tmp_path)
    imbalance_lfw.main(seeds=3)
    record = records.read(tmp_path / "results" / "08_lfw_gender.json")
    assert record.metrics["slope/fnmr/female"].value == pytest.approx(
        0
    )  # nothing was learned, so nothing depends on it
    assert record.metrics["gap/0.5/fnmr"].n == 3
    assert record.metrics["over people/0.5/fnmr/female"].n == 15
    assert len(list((tmp_path / "imbalance").rglob("*.json"))) == 27


def test_the_parts_of_the_real_set_share_nobody(real_lfw):
    train, calibration, test = imbalance_lfw.parts()
    women = [
        (part.attributes["gender"].groupby(part.identity).first() == "female").sum()
        for part in (train, calibration, test)
    ]
    assert women[0] >= 0.9 * imbalance_lfw.TOTAL and min(women) > 50
    sets = [set(part.people) for part in (train, calibration, test)]
    assert not sets[0] & sets[1] and not sets[0] & sets[2] and not sets[1] & sets[2]
    for part in (train, calibration, test):
        assert np.bincount(part.identity)[part.people].min() >= 2 and np.bincount(part.identity).max() <= 5
