"""Less data: only the photographs differ between the trainings of one seed."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from tiny import tiny_faces
from trainings import Spy, compute, equal, files

from facelab.datasets import FaceSet, derived_set, load
from facelab.evaluation import TopK
from facelab.experiments import data_size
from facelab.methods import embed_faces
from facelab.paths import project_data
from facelab.protocols.closed_set import split_closed_set
from facelab.records import read_record
from facelab.training import Plan

PLAN = Plan(epochs=1, batch_size=16, warmup_epochs=0.5)


@pytest.fixture(scope="module")
def wild() -> FaceSet:
    return load("orl-wild", 32)


def test_only_the_photographs_differ_between_the_trainings_of_one_seed(wild):
    calls, share = [], {}

    def learn(train: FaceSet, enrolled: FaceSet, plan: Plan):
        calls.append((train, enrolled, plan, tested := []))
        number = len(calls)

        def answer(on: FaceSet) -> TopK:
            """A top-1 that tells which training was asked about which photographs."""
            tested.append(on)
            right = share[number, len(on)] = np.arange(len(on)) < len(on) * number / 6
            return TopK(np.where(right, 1, 2), on.identity)

        return answer

    found = [data_size.measure(wild, learn, name, seed=2, epochs=10) for name in data_size.TRAININGS]
    trains, enrolled, plans, tests = zip(*calls, strict=True)
    everything, test = trains[0], tests[0][0]
    assert [len(train) for train in trains[:3]] == [960, 480, 160]
    assert files(trains[2]) < files(trains[1]) < files(everything)
    assert all(left is right for left, right in zip(enrolled[:3], trains[:3], strict=True))
    for train, gallery, rule in zip(trains[3:], enrolled[3:], ("no-occlusion", "frontal"), strict=True):
        assert files(train) == files(derived_set(everything, rule)) and files(gallery) == files(everything)
    for train, plan in zip(trains, plans, strict=True):
        assert abs(plan.epochs * (len(train) // 32) - 10 * (960 // 32)) <= len(train) // 32 / 2
        assert plan.seed == 2 and replace(plan, epochs=10, warmup_epochs=1.0) == replace(plans[0])
    assert not set(everything.attributes["photo"]) & set(test.attributes["photo"])
    names, rules = ["photographs/6", "photographs/3", "photographs/1"], list(data_size.RULES)
    expected = {name: (number, test) for number, name in enumerate(names, start=1)}
    for number, source in zip((1, 4, 5), rules, strict=True):
        expected |= {f"cross/{source}/{rule}": (number, derived_set(test, rule)) for rule in rules}
    together = {name: top1 for figures in found for name, top1 in figures.items()}
    assert len(together) == sum(map(len, found)) == 12
    assert together == {name: share[number, len(on)].mean() for name, (number, on) in expected.items()}
    assert {name for kind in tests for on in kind for name in files(on)} == files(test)


def test_fewer_photographs_are_nested_and_complete(wild):
    train = wild.subset(split_closed_set(wild, 0).train)
    drawn = [files(data_size.draw_photographs(train, count, seed=1)) for count in (6, 3, 1)]
    assert [len(part) for part in drawn] == [960, 480, 160]
    assert drawn[2] < drawn[1] < drawn[0]


def test_the_classifier_knows_everybody_who_is_enrolled(monkeypatch):
    faces, spy = tiny_faces(people=5, shots=8), Spy(monkeypatch, data_size)
    enrolled = faces.subset(faces.identity != 1)
    train = enrolled.subset(enrolled.identity != 2)  # 0, 3 and 4
    ranks = data_size.train_classifier(train, enrolled, PLAN)(enrolled)
    classes = {person: place for place, person in enumerate((0, 2, 3, 4))}
    assert spy.calls[0]["labels"].tolist() == [classes[person] for person in train.identity]
    logits = spy.calls[0]["method"].predict(enrolled)
    own = [classes[person] for person in enrolled.identity]
    expected = [int((row >= row[right]).sum()) for row, right in zip(logits, own, strict=True)]
    assert logits.shape == (32, 4) and ranks.rank.tolist() == expected


def test_supcon_looks_people_up_among_the_enrolled(monkeypatch):
    faces, spy = tiny_faces(people=4, shots=16), Spy(monkeypatch, data_size)
    train, enrolled, test = (faces.subset(np.arange(64) % 4 == kind) for kind in (0, 1, 2))
    ranks = data_size.train_supcon(train, enrolled, replace(PLAN, epochs=2, seed=5))(test)
    method = spy.calls[0]["method"]
    assert spy.calls[0]["faces"] is train
    oracle = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    oracle.fit(embed_faces(method, enrolled), enrolled.identity)
    assert ranks.predicted.tolist() == oracle.predict(embed_faces(method, test)).tolist()
    again = data_size.train_supcon(train, enrolled, replace(PLAN, epochs=2, seed=5))(test)
    assert again.rank.tolist() == ranks.rank.tolist()
    assert all(equal(spy.calls[0]["before"], spy.calls[1]["before"]))


@pytest.mark.parametrize(("experiment", "learner"), zip(data_size.EXPERIMENTS, data_size.LEARNERS, strict=True))
def test_a_record_is_of_one_learner_over_the_seeds(wild, monkeypatch, experiment, learner):
    asked = []

    def measure(faces, learn, training, seed):
        assert faces is wild and learn is data_size.LEARNERS[learner]
        asked.append((training, seed))
        return {training: seed / 10}

    monkeypatch.setattr(data_size, "load", lambda name, size: wild)
    monkeypatch.setattr(data_size, "measure", measure)
    metrics = experiment.summarise(compute(experiment, 3))
    assert sorted(asked) == sorted((training, seed) for training in data_size.TRAININGS for seed in range(3))
    assert list(metrics) == list(data_size.TRAININGS)
    assert {(round(metric.value, 9), metric.n) for metric in metrics.values()} == {(0.1, 3)}
    assert experiment.parameters(3)["method"] == learner and experiment.parameters(3)["seeds"] == 3
    assert experiment.data()["faces"]["sha256"] == wild.sha256


def test_the_settings_of_the_records_are_those_of_today():
    for experiment in data_size.EXPERIMENTS:
        stored = read_record(project_data("results", f"{experiment.name}.json"))
        now = experiment.parameters(stored.parameters["seeds"])
        assert stored.parameters | {"method": now["method"]} == now and stored.data == experiment.data()
