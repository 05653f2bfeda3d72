"""VICReg and LFW: nobody of the tested pairs is in the training that is tested."""

import numpy as np
import pandas as pd
import pytest
import torch
from trainings import Spy, compute, equal, lfw_of_noise, of_unknown_people, shortened, weights

from facelab.errors import LeakageError
from facelab.evaluation import cosine_scores as cosines
from facelab.evaluation import mean_over_seeds
from facelab.experiments.experiment import Cell
from facelab.experiments.lfw import finetuning, view2
from facelab.methods import embed_faces
from facelab.records import Metric
from facelab.training import loop


@pytest.fixture
def lfw(monkeypatch):
    """A small LFW, and 40 other pictures to learn on first."""
    faces, pairs = lfw_of_noise()
    elsewhere = of_unknown_people(pd.DataFrame(index=range(40)), side=48, source="utkface@48")
    elsewhere.images[:] = 255 - elsewhere.images
    shortened(monkeypatch, finetuning)
    monkeypatch.setattr(finetuning, "load_cropped_lfw", lambda: faces)
    monkeypatch.setattr(finetuning, "lfw_pairs", lambda faces: pairs)
    monkeypatch.setattr(finetuning, "load", lambda *_: elsewhere)
    return faces, pairs, elsewhere


def test_no_training_has_anybody_of_the_pairs_that_it_is_tested_on(lfw, monkeypatch):
    faces, pairs, elsewhere = lfw
    spy, embedded, tested = Spy(monkeypatch, finetuning), [], []
    monkeypatch.setattr(finetuning, "embed_faces", lambda m, f: embedded.append(m) or embed_faces(m, f))
    monkeypatch.setattr(view2, "cosine_scores", lambda z, some: tested.append(some) or cosines(z, some))
    found = finetuning.evaluate_seed(2)
    start, *further = spy.calls
    assert start["faces"] is elsewhere and len(further) == 4
    trained = {id(call["method"]): call for call in spy.calls}
    for method, call in zip(embedded, [start, start, *further], strict=True):
        assert trained[id(method)] is call
    assert len(found) == 3 and len(tested) == 6
    for call, some in zip(further, tested[2:], strict=True):
        people = set(faces.identity[some.first]) | set(faces.identity[some.second])
        assert len(people) == 20 and not people & set(call["faces"].people)
        assert all(equal(call["before"], start["after"])) and call["plan"].seed == 2
    for name, result in found.items():
        one, other = (set(some.fold) for some in tested[2 * list(found).index(name) :][:2])
        assert one | other == set(range(1, 11)) and not one & other and len(result.folds) == 10
    sizes = [len(call["faces"]) for call in further]
    assert sizes == [75, 75, 70, 70]  # without names everybody; with names those with two photographs or more
    assert all(equal(weights(start["method"]), start["after"]))  # what goes on is a copy
    assert len({call["folder"] for call in spy.calls}) == 5


def test_people_with_one_photograph_are_left_out_where_names_are_learned(lfw, monkeypatch):
    faces, _, elsewhere = lfw
    spy = Spy(monkeypatch, finetuning, trains=False)
    start = finetuning.pretrain(elsewhere, 0)
    named, unnamed = (
        finetuning.fine_tune_with_names(start.backbone, faces, 1),
        finetuning.continue_without_names(start, faces, 1),
    )
    assert np.bincount(spy.calls[1]["faces"].identity)[spy.calls[1]["faces"].people].tolist() == [3] * 40 + [2] * 5
    assert spy.calls[2]["faces"] is faces
    assert named.backbone is not start.backbone and unnamed.backbone is not start.backbone
    assert all(equal(unnamed.state_dict(), start.state_dict()))  # the expander too


def test_what_was_learned_elsewhere_is_read_the_second_time(lfw, monkeypatch):
    (_, _, elsewhere), steps, step = lfw, [], loop.TrainingLoop.step
    monkeypatch.setattr(loop.TrainingLoop, "step", lambda self, *a: steps.append(1) or step(self, *a))
    first = finetuning.pretrain(elsewhere, 0)
    done = len(steps)
    again = finetuning.pretrain(elsewhere, 0)
    assert len(steps) == done > 0
    assert all(equal(first.state_dict(), again.state_dict()))
    other = finetuning.pretrain(elsewhere, 1)
    assert len(steps) == 2 * done and not torch.equal(other.backbone[0].weight, first.backbone[0].weight)


def test_the_metrics_of_lfw_hold_every_seed_and_baseline(lfw, monkeypatch):
    faces, _, elsewhere = lfw
    spy = Spy(monkeypatch, finetuning, trains=False)
    monkeypatch.setattr(finetuning, "SEARCH_K", (2000,))
    done, evaluate_seed = [], finetuning.evaluate_seed
    monkeypatch.setattr(finetuning, "evaluate_seed", lambda seed: done.append(evaluate_seed(seed)) or done[-1])
    (experiment,) = finetuning.EXPERIMENTS
    metrics = experiment.summarise(compute(experiment, 3))
    assert [call["plan"].seed for call in spy.calls] == [0] * 5 + [1] * 5 + [2] * 5 + [0]  # the last is for the search
    assert spy.calls[-1]["folder"] == spy.calls[0]["folder"]  # where it is read
    for name in done[0]:
        expected = mean_over_seeds([found[name].mean for found in done])
        assert metrics[f"accuracy/{name}"] == Metric.from_estimate(expected)
        for seed, found in enumerate(done):
            assert metrics[f"accuracy/seed {seed}/{name}"] == Metric.from_estimate(found[name].estimate)
    assert {"accuracy/raw pixels", "accuracy/whitened PCA"} < set(metrics)
    assert metrics["annoy/trees"].value == 5 and metrics["annoy/search_k"].value == 2000
    recall = metrics["annoy/recall@10"]  # so much search looks at everybody; one of the ten may tie with the eleventh
    missed = round((1 - recall.value) * 10 * len(faces))
    assert (recall.n, recall.method) == (finetuning.QUERIES, "wilson") and missed <= 1 and recall.low < 1
    assert experiment.data() == {"faces": faces.describe(), "learned on": elsewhere.describe()}


@pytest.mark.parametrize("key", [("View 2", 0), ("search", 0)])
def test_a_picture_of_lfw_among_those_that_are_learned_from_is_refused(lfw, key):
    faces, _, elsewhere = lfw
    elsewhere.images[3] = faces.images[8]
    with pytest.raises(LeakageError):
        finetuning.run(Cell(key))
    with pytest.raises(LeakageError):
        finetuning.data()
