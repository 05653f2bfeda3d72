"""CIFAR and few labels: no tested picture is in any training."""

import json
from dataclasses import replace

import numpy as np
import pytest
from trainings import (
    Spy,
    assert_matrices_summarised,
    cifar_of_noise,
    compute,
    equal,
    pictures,
    short,
    shortened,
)

from facelab.datasets import FaceSet
from facelab.errors import LeakageError
from facelab.experiments.cifar import transfer
from facelab.experiments.experiment import Cell
from facelab.paths import project_data
from facelab.protocols import few_labels
from facelab.records import read_record


@pytest.fixture
def cifar(monkeypatch) -> dict[str, FaceSet]:
    sets = {name: cifar_of_noise(name, 16) for name in ("cifar10", "cifar100")}
    shortened(monkeypatch, transfer)
    monkeypatch.setattr(transfer, "load", lambda name, *_: sets[name])
    for name, recipe in transfer.RECIPES.items():
        monkeypatch.setitem(transfer.RECIPES, name, replace(recipe, plan=short(recipe.plan, 64)))
    return sets


@pytest.mark.parametrize(("name", "method"), [("05_cifar", "simclr"), ("06_cifar", "vicreg")])
def test_the_record_of_cifar_is_of_trainings_without_the_test(cifar, monkeypatch, name, method):
    first, then = Spy(monkeypatch, transfer), Spy(monkeypatch, few_labels)
    experiment = next(one for one in transfer.EXPERIMENTS if one.name == name)
    results = compute(experiment, 3)
    recipe = transfer.RECIPES[method]
    train = {name: faces.subset(np.arange(200)) for name, faces in cifar.items()}
    tested = pictures(cifar["cifar10"].subset(np.arange(200, 230)))
    assert [type(call["method"]) for call in first.calls] == [recipe.kind] * 3
    assert [pictures(call["faces"]) == pictures(train[recipe.dataset]) for call in first.calls] == [True] * 3
    assert len({call["folder"] for call in first.calls}) == 3
    assert len(then.calls) == 3 * 2 * len(transfer.STEPS)  # seeds, networks
    for call in then.calls:
        assert pictures(call["faces"]) < pictures(train["cifar10"])
    assert not any(pictures(call["faces"]) & tested for call in (*first.calls, *then.calls))
    for call in first.calls:
        seed = call["plan"].seed
        tuned = [other["before"] for other in then.calls if other["plan"].seed == seed]
        for start in ("before", "after"):
            assert sum(all(equal(before, call[start])) for before in tuned) == len(tuned) / 2
    metrics = experiment.summarise(results)
    assert_matrices_summarised(metrics, results, {"": np.tile(np.arange(10), 3)})
    assert f"accuracy/0.1/{recipe.kind.__name__}, fine-tuned" in metrics
    assert {role: part["sha256"] for role, part in experiment.data().items()} == {
        "pretraining": train[recipe.dataset].sha256,
        "pool": train["cifar10"].sha256,
        "test": cifar["cifar10"].subset(np.arange(200, 230)).sha256,
    }


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_test_picture_in_either_training_is_refused(cifar, name):
    cifar[name].images[5] = cifar["cifar10"].images[-1]
    with pytest.raises(LeakageError):
        transfer.run(Cell(("vicreg", 0)))


def test_the_settings_of_the_records_are_those_of_today():
    for experiment in transfer.EXPERIMENTS:
        stored = read_record(project_data("results", f"{experiment.name}.json")).parameters
        assert json.loads(json.dumps(experiment.parameters(3))) == stored
