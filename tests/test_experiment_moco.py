"""MoCo, one screw at a time: what a setting changes, and who is tested."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from sklearn.metrics import roc_curve
from tiny import tiny_method
from trainings import Spy, equal

from facelab.backbones import parameter_layers
from facelab.datasets import FaceSet, load
from facelab.datasets.pairs import all_pairs
from facelab.experiments import moco as moco_experiments
from facelab.experiments.experiment import Cell
from facelab.experiments.lfw.view2 import crop_center
from facelab.experiments.moco import OPTIONS, PRETRAINING_VIEWS, SETTINGS, StoredHalves, measure_pretraining
from facelab.methods import embed_faces
from facelab.paths import project_data
from facelab.records import read_record
from facelab.training import Plan

PLAN = Plan(epochs=1, batch_size=16, warmup_epochs=0.5)


@pytest.fixture(scope="module")
def wild() -> FaceSet:
    return load("orl-wild", 32)


@pytest.fixture(scope="module")
def people(wild) -> StoredHalves:
    """The stored halves, thinned: all renderings of 12 photographs to train, and every fifth picture to test."""
    whole = StoredHalves.from_faces(wild)
    photo = whole.train.attributes["photo"].unique()
    train = whole.train.subset(np.isin(whole.train.attributes["photo"], photo[:12]))
    test = whole.test.subset(np.arange(0, len(whole.test), 5))
    return StoredHalves(train, test, all_pairs(test, exclude_same="photo"))


def test_nobody_is_on_both_sides_and_no_pair_is_of_one_photograph(wild):
    whole = StoredHalves.from_faces(wild)
    assert not set(whole.train.people) & set(whole.test.people)
    assert (len(whole.train), len(whole.test), whole.pairs.same.sum()) == (800, 800, 20 * (780 - 10 * 6))
    assert len(whole.pairs) == 800 * 799 // 2 - 20 * 10 * 6
    photo = whole.test.attributes["photo"].to_numpy()
    assert (photo[whole.pairs.first] != photo[whole.pairs.second]).all()


def test_the_error_is_the_equal_error_rate_of_the_cosines(people):
    method = tiny_method()
    embeddings = embed_faces(method, people.test).astype(np.float64)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = (unit[people.pairs.first] * unit[people.pairs.second]).sum(1)
    far, tar, _ = roc_curve(people.pairs.same, cosines, drop_intermediate=False)
    assert people.eer(method) == pytest.approx(brentq(lambda x: x + np.interp(x, far, tar) - 1, 0, 1), abs=1e-6)


def facts(call: dict) -> dict[str, object]:
    """All that a setting may change, read off what is trained."""
    method, plan = call["method"], call["plan"]
    network, views = method.backbone, method.augmentation
    return {
        "network": f"{network.name}, width {network.width}", "batch": plan.batch_size, "queue": len(method.queue),
        "temperature": method.temperature, "momentum": method.momentum, "groups": method.groups,
        "jitter": (views.brightness, views.contrast), "views": call["scenes"] is None,
        "rest": (replace(plan, batch_size=1), replace(views, brightness=0, contrast=0)),
    }  # fmt: skip


def test_a_setting_changes_what_its_name_says_and_nothing_else(people, monkeypatch):
    spy = Spy(monkeypatch, moco_experiments, trains=False)
    monkeypatch.setattr(StoredHalves, "eer", lambda people, method: 0.25)
    assert [moco_experiments.measure(people, setting, seed=7) for setting in SETTINGS.values()] == [0.25] * len(
        SETTINGS
    )
    found = dict(zip(SETTINGS, map(facts, spy.calls), strict=True))
    base = found.pop("base")
    assert {name: base[name] for name in OPTIONS} == OPTIONS and base["rest"][0].seed == 7
    photo, scenes = people.train.attributes["photo"].tolist(), spy.calls[0]["scenes"].tolist()
    assert len(set(zip(scenes, photo, strict=True))) == len(set(scenes)) == len(set(photo))
    for name, changed in found.items():
        group, value = name.split("/")
        number = float(value) if value[0].isdigit() else None
        wanted = {"network": value, "views": True, "jitter": (number, number)}.get(group, number)
        assert {key: now for key, now in changed.items() if now != base[key]} == {group: wanted}, name
    same_network = [call for call in spy.calls if facts(call)["network"] == base["network"]]
    assert all(all(equal(call["before"], spy.calls[0]["before"])) for call in same_network)


@pytest.mark.parametrize("name", ["base", "views/of one rendering", "groups/4"])
def test_a_setting_is_measured_after_its_training(people, monkeypatch, name):
    spy = Spy(monkeypatch, moco_experiments)
    found = moco_experiments.measure(people, SETTINGS[name], seed=0, plan=PLAN)
    assert 0 < found < 1 and found == people.eer(spy.calls[0]["method"])
    assert not any(equal(spy.calls[0]["before"], spy.calls[0]["after"]))


def test_both_continuations_start_from_the_pretrained_network_and_frozen_layers_stay(people, monkeypatch):
    spy = Spy(monkeypatch, moco_experiments)
    larger = crop_center(FaceSet(
        np.random.default_rng(0).integers(0, 256, (32, 48, 48, 3), dtype=np.uint8), np.arange(32), ("p",) * 32,
        pd.DataFrame({"file": [str(row) for row in range(32)]}), "lfw@48",
    ), 32, gray=True)  # fmt: skip
    found = measure_pretraining(larger, people, seed=3, large=replace(PLAN, epochs=2), small=PLAN)
    large, free, frozen = spy.calls
    assert list(found) == [
        f"pretrained on LFW{end}" for end in (", as it is", ", then orl-wild", ", then orl-wild, 6 layers frozen")
    ]
    assert list(found.values()) == [people.eer(call["method"]) for call in spy.calls]
    assert (
        large["faces"] is larger and large.get("scenes") is None and large["method"].augmentation == PRETRAINING_VIEWS
    )
    assert [(call["plan"].epochs, call["plan"].seed) for call in spy.calls] == [(2, 3), (1, 3), (1, 3)]
    assert all(call["faces"] is people.train for call in (free, frozen))
    assert all(equal(large["after"], free["before"])) and all(equal(large["after"], frozen["before"]))
    assert not any(equal(free["before"], free["after"]))
    first = 6  # layers, counted by what owns parameters
    network = frozen["method"].backbone
    kept = {
        name
        for layer in parameter_layers(network)[:first]
        for name, module in network.named_modules()
        if module is layer
    }
    for name, stays in zip(frozen["before"], equal(frozen["before"], frozen["after"]), strict=True):
        assert stays == (name.rpartition(".")[0] in kept), name


def test_a_cell_is_a_setting_or_all_that_begins_on_lfw(wild, monkeypatch):
    asked = []
    monkeypatch.setattr(moco_experiments, "load", lambda name, size: asked.append((name, size)) or wild)
    monkeypatch.setattr(moco_experiments, "crop_center", lambda faces, size, gray: ("center", size, gray))
    monkeypatch.setattr(moco_experiments, "measure", lambda people, setting, seed: (setting, seed))
    monkeypatch.setattr(moco_experiments, "measure_pretraining", lambda faces, people, seed: {"end": (faces, seed)})
    for name, setting in SETTINGS.items():
        assert moco_experiments.run(Cell((name, 4))) == {name: (setting, 4)}
    assert set(asked) == {("orl-wild", 48)}
    assert moco_experiments.run(Cell(("pretraining", 4))) == {"pretraining/end": (("center", 48, True), 4)}
    assert asked[-1] == ("lfw", 112)


@pytest.mark.parametrize("experiment", moco_experiments.EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_the_record_of_moco_holds_every_setting_over_the_seeds(wild, monkeypatch, experiment):
    lfw = "lfw" in experiment.datasets
    monkeypatch.setattr(moco_experiments, "load", lambda name, size: wild)
    monkeypatch.setattr(moco_experiments, "load_pretraining_set", lambda: wild)
    values = {name: number / 100 for number, name in enumerate((*SETTINGS, "pretraining"))}
    results = {cell.key: {cell.key[0]: values[cell.key[0]] + cell.key[1] / 10} for cell in experiment.grid(3)}
    metrics = experiment.summarise(results)
    expected = {f"eer/{name}": value + 0.1 for name, value in values.items() if lfw or name != "pretraining"}
    assert {name: metric.value for name, metric in metrics.items()} == pytest.approx(expected)
    assert {metric.n for metric in metrics.values()} == {3}
    data = experiment.data()
    assert (data["train"]["people"], data["test"]["people"]) == (20, 20)
    assert ("pretraining" in data) == ("pretraining" in experiment.parameters(3)) == lfw


def test_a_cell_is_computed_again_when_what_decides_it_changes():
    """No two cells of a seed have the same settings, and the pretraining's are its own."""
    cells = moco_experiments.EXPERIMENTS[0].grid(3)
    assert len(cells) == 3 * (len(SETTINGS) + 1)
    assert len({str(cell.settings) for cell in cells}) == len(SETTINGS) + 1
    stored = read_record(project_data("results", "04_experiments.json")).parameters
    now = moco_experiments.EXPERIMENTS[0].parameters(3)
    assert now == stored | {"pretraining": stored["pretraining"] | {"chunk": 0}}  # a field that plans have had since
