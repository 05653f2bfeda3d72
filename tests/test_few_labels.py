"""Few labels: who is asked, which labels are seen, what starts from where; figures by scikit-learn and SciPy."""

import copy
import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TinyBackbone, tiny_contrastive, tiny_faces, tiny_method
from torch import nn
from trainings import Spy, equal, files, weights

from facelab import records
from facelab.augment import Augmentation
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.evaluation import fit_probe
from facelab.methods import SimCLR, embed_faces
from facelab.protocols import few_labels
from facelab.protocols.few_labels import (
    FineTuning,
    LabelTask,
    confusion_metrics,
    fine_tune,
    metrics_over_seeds,
    pixel_features,
    predict_from_features,
    predict_with_few_labels,
    read_confusion_matrix,
    replace_backbone,
)
from facelab.records import Record

TUNING = FineTuning(steps=150, batch_size=12, lr=0.03, augmentation=Augmentation(flip_p=0.5))


def in_halves(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    return faces.subset(np.arange(len(faces)) % 2 == 0), faces.subset(np.arange(len(faces)) % 2 == 1)


@pytest.fixture(scope="module")
def greys() -> LabelTask:
    """Who is it? Easily seen by the grey."""
    return LabelTask.from_column(None, *in_halves(tiny_faces(people=4, shots=24)))


@pytest.fixture(scope="module")
def hard() -> LabelTask:
    """Three patterns under so much noise that nobody tells them for sure: the answers depend on every step."""
    rng, identity = np.random.default_rng(0), np.repeat(np.arange(3), 60)
    images = 128 + 8 * rng.normal(size=(3, 48, 48, 1))[identity] + rng.normal(0, 50, (180, 48, 48, 1))
    table = pd.DataFrame({"file": [str(row) for row in range(180)]})
    images = np.clip(images, 0, 255).astype(np.uint8)
    return LabelTask.from_column(None, *in_halves(FaceSet(images, identity, ("a", "b", "c"), table, "hard")))


def with_animals(faces: FaceSet) -> FaceSet:
    """A column of classes that are not in the order of the people: 0 and 3 wolf, 1 ant, 2 bee."""
    animal = np.array(["wolf", "ant", "bee", "wolf"], dtype=object)[faces.identity % 4]
    return replace(faces, attributes=faces.attributes.assign(animal=animal))


# the question


@pytest.mark.parametrize("column", ["animal", None])
def test_labels_point_at_the_names_of_classes(column):
    pool, test = in_halves(with_animals(tiny_faces(people=6)))
    pool, test = pool.select_people([1, 2, 3, 5]), test.select_people([2, 5])
    asked = LabelTask.from_column(column, pool, test)
    assert asked.names == (("ant", "bee", "wolf") if column else ("p1", "p2", "p3", "p5"))
    for part, labels in ((pool, asked.pool_labels), (test, asked.test_labels)):
        known = part.attributes["animal"] if column else [part.names[number] for number in part.identity]
        assert [asked.names[label] for label in labels] == list(known)
        assert labels.dtype == np.int64


@pytest.mark.parametrize(("column", "strange"), [("animal", "'bee'"), (None, "2")])
def test_a_class_of_which_the_pool_has_nobody_is_refused(column, strange):
    pool, test = in_halves(with_animals(tiny_faces()))
    with pytest.raises(BadParameterError, match=f"The test has .*{strange}, the pool has not"):
        LabelTask.from_column(column, pool.select_people([0, 1, 3]), test)
    assert (
        LabelTask.from_column(column, pool, test.select_people([2])).names
        == LabelTask.from_column(column, pool, pool).names
    )


@pytest.mark.parametrize("side", [0, 1])
def test_a_photograph_without_an_answer_is_refused(side):
    parts = list(in_halves(with_animals(tiny_faces())))
    parts[side].attributes.loc[3, "animal"] = np.nan
    with pytest.raises(BadParameterError, match="'animal' of tiny is missing for 1 photographs"):
        LabelTask.from_column("animal", *parts)
    parts[side].identity[3] = -1
    with pytest.raises(BadParameterError, match="unknown people"):
        LabelTask.from_column(None, *parts)
    with pytest.raises(BadParameterError, match="no attribute 'plant'"):
        LabelTask.from_column("plant", *parts)


@pytest.mark.parametrize("column", ["animal", None])
def test_labels_are_as_many_of_each_class_and_more_hold_the_fewer(column):
    asked = LabelTask.from_column(column, *in_halves(with_animals(tiny_faces(people=4, shots=40))))  # a pool of 80
    classes, draws = len(asked.names), {}
    for draw in (0, 1):
        draws[draw] = [set(asked.draw_labeled_rows(fraction, draw)) for fraction in (0.01, 0.1, 0.4)]
        for rows, fraction in zip(draws[draw], (0.01, 0.1, 0.4), strict=True):
            each = np.bincount(asked.pool_labels[list(rows)], minlength=classes)
            assert each.tolist() == [max(1, round(fraction * 80 / classes))] * classes
        assert draws[draw][0] < draws[draw][1] < draws[draw][2] < set(range(80))
    assert draws[0][1] != draws[1][1]


# answers


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_the_means_of_blocks(channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48, channels), dtype=np.uint8)
    faces = FaceSet(images, np.zeros(5, int), ("a",), pd.DataFrame({"file": list("abcde")}), "noise")
    side = few_labels.PIXEL_SIDE
    blocks = images.reshape(5, side, 48 // side, side, 48 // side, channels).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(pixel_features(faces), blocks.reshape(5, -1), atol=0.51 / 255)


@pytest.mark.parametrize(
    ("fraction", "chosen"), [(0.2, False), (0.6, True), (1, True)], ids=["6 of each", "18 of each", "all"]
)
def test_linear_answers_are_those_of_logistic_regression(hard, monkeypatch, fraction, chosen):
    probes = []
    monkeypatch.setattr(few_labels, "fit_probe", lambda *a, **k: probes.append(fit_probe(*a, **k)) or probes[-1])
    networks = {"one": tiny_method(seed=1), "two": tiny_method(seed=2)}
    found = predict_with_few_labels(hard, networks, fraction, 4, None)
    assert list(found) == ["pixels, linear", "one, linear", "two, linear"]
    rows = hard.draw_labeled_rows(fraction, 4)
    seen = [(pixel_features(hard.pool)[rows], pixel_features(hard.test), few_labels.STRENGTHS["pixels"])]
    for name, method in networks.items():
        z = [embed_faces(method, part) for part in (hard.pool, hard.test)]
        given = predict_from_features(hard, *z, fraction, 4)
        assert given.tolist() == found[f"{name}, linear"].tolist()
        seen.append((z[0][rows], z[1], few_labels.STRENGTHS["features"]))
    for given, probe, (z, test_z, strengths) in zip(found.values(), probes[:3], seen, strict=True):
        assert set(probe.validation) == (set(strengths) if chosen else set())
        assert probe.c in strengths if chosen else probe.c == strengths[1]
        oracle = make_pipeline(StandardScaler(), LogisticRegression(C=probe.c, max_iter=2000))
        oracle.fit(z, hard.pool_labels[rows])
        assert given.tolist() == oracle.predict(test_z).tolist()
    assert 0.4 < (found["pixels, linear"] == hard.test_labels).mean() < 0.98


def asked_of_probe(task, monkeypatch) -> tuple[np.ndarray | None, tuple[float, ...]]:
    """The groups and the grid that the probe of pixels is given, with all labels."""
    given = []
    with monkeypatch.context() as patch:
        patch.setattr(few_labels, "fit_probe", lambda *asked: given.append(asked) or fit_probe(*asked))
        few_labels.predict_from_pixels(task, 1, 0)
    [(_, _, groups, grid, _)] = given
    return groups, grid


def test_strengths_are_chosen_on_other_people_and_on_other_photographs(monkeypatch):
    faces = with_animals(tiny_faces(people=40, shots=4))
    faces.attributes["photo"] = np.arange(len(faces)) // 2  # two renderings of each
    faces = replace(faces, identity=np.where(faces.identity == 7, -1, faces.identity))
    groups, grid = asked_of_probe(LabelTask.from_column("animal", faces, faces), monkeypatch)
    assert grid == few_labels.STRENGTHS["pixels"]
    for one, other in itertools.combinations(range(24, 40), 2):  # with somebody unknown, who is apart from all
        same = faces.identity[one] == faces.identity[other] >= 0
        assert (groups[one] == groups[other]) == same
    known = faces.select_people(faces.people[:3])
    groups, _ = asked_of_probe(LabelTask.from_column(None, known, known), monkeypatch)
    assert groups.tolist() == known.attributes["photo"].factorize()[0].tolist()


def test_nothing_is_chosen_where_a_class_has_few_people_and_nothing_is_grouped_that_is_alone(greys, monkeypatch):
    few = with_animals(tiny_faces(people=16, shots=12))  # four ants
    assert (
        asked_of_probe(LabelTask.from_column("animal", few, few), monkeypatch)[1] == few_labels.STRENGTHS["pixels"][1:2]
    )
    assert asked_of_probe(greys, monkeypatch) == (None, few_labels.STRENGTHS["pixels"])


def test_each_network_is_tuned_from_where_it_is_on_what_is_labelled(greys, monkeypatch):
    spy = Spy(monkeypatch, few_labels)
    networks = {"one": tiny_contrastive(SimCLR, seed=1), "two": tiny_method(seed=2)}
    before = copy.deepcopy({name: method.state_dict() for name, method in networks.items()})
    found = predict_with_few_labels(greys, networks, 0.5, 3, TUNING)
    assert list(found) == ["pixels, linear", "one, linear", "one, fine-tuned", "two, linear", "two, fine-tuned"]
    rows = greys.draw_labeled_rows(0.5, 3)
    for (name, method), call in zip(networks.items(), spy.calls, strict=True):
        assert files(call["faces"]) == files(greys.pool.subset(rows)) and not files(call["faces"]) & files(greys.test)
        assert call["labels"].tolist() == greys.pool_labels[rows].tolist()
        assert (call["plan"].seed, call["plan"].lr) == (3, TUNING.lr)
        assert all(equal(before[name], method.state_dict())) and method.training
        assert all(equal(weights(method), call["before"])) and not any(equal(call["before"], call["after"]))
        assert [type(layer) for layer in call["method"].head] == [nn.Linear]
        given = found[f"{name}, fine-tuned"]
        assert given.tolist() == call["method"].predict(greys.test).argmax(axis=1).tolist()
        assert (given == greys.test_labels).mean() > 0.9  # of four


def test_the_head_of_the_method_is_thrown_away(greys):
    method, broken = tiny_method(), tiny_method()
    for weight in broken.head.parameters():
        nn.init.constant_(weight, torch.nan)
    tuning = replace(TUNING, steps=4)
    given = [
        fine_tune(start, greys.pool, greys.pool_labels, 4, tuning, seed).predict(greys.test)
        for start, seed in ((method, 0), (broken, 0), (method, 1))
    ]
    np.testing.assert_array_equal(given[0], given[1])
    assert not np.allclose(given[0], given[2])


def test_the_backbone_sees_pixels_as_it_knows_them(greys, monkeypatch):
    spy, method = Spy(monkeypatch, few_labels, trains=False), tiny_method()
    known = {"size": 12, "mean": (0.3,), "std": (0.1,)}
    method.augmentation = Augmentation(degrees=5.0, **known)
    fine_tune(method, greys.pool, greys.pool_labels, 4, TUNING, 0)
    assert spy.calls[0]["method"].augmentation == replace(TUNING.augmentation, **known)


def test_untrained_is_another_network_in_a_copy_of_the_method():
    method = tiny_contrastive(SimCLR, seed=1)
    torch.manual_seed(9)
    network = TinyBackbone()
    before = copy.deepcopy((method.state_dict(), network.state_dict()))
    copied = replace_backbone(method, network)
    assert all(equal(copied.backbone.state_dict(), network.state_dict()))
    assert all(equal(copied.head.state_dict(), method.head.state_dict())) and type(copied) is SimCLR
    assert copied.augmentation == method.augmentation
    with torch.no_grad():
        for weight in copied.parameters():
            weight.add_(1)
    assert all(equal(before[0], method.state_dict())) and all(equal(before[1], network.state_dict()))


@pytest.mark.parametrize("labels", [2, 5, 49, 50, 51, 99, 100, 130, 1000, 20_000])
@pytest.mark.parametrize("steps", [40, 700])
def test_a_tuning_takes_its_steps_however_few_the_labels(labels, steps):
    tuning = FineTuning(steps, batch_size=50, lr=0.02)
    plan = tuning.plan(labels, seed=7)
    an_epoch = labels // plan.batch_size
    assert plan.batch_size == min(50, labels)
    assert abs(plan.epochs * an_epoch - steps) <= an_epoch / 2 or (plan.epochs == 2 and 2 * an_epoch > steps)
    assert (plan.seed, plan.lr) == (7, 0.02)


# figures


@pytest.fixture
def guesses() -> list[tuple[np.ndarray, np.ndarray]]:
    """Three seeds of truth and guess, of three classes of different size, right more often than not."""
    rng = np.random.default_rng(0)
    truth = [np.repeat([0, 1, 2], [60, 25, 9]) for _ in range(3)]
    return [(true, np.where(rng.random(94) < 0.6, true, rng.integers(0, 3, 94))) for true in truth]


def test_figures_over_the_seeds_are_those_of_scikit_learn_and_scipy(guesses):
    turned = [(true, (guess + 1) % 3) for true, guess in guesses]
    both = {"0.1/SimCLR": guesses, "0.1/SimCLR, fine-tuned": turned}
    seeds = [{key: confusion_matrix(*both[key][seed]) for key in both} for seed in range(3)]
    found = metrics_over_seeds(seeds)
    assert len(found) == 4
    for key, pairs in both.items():
        for name, score in (("accuracy", accuracy_score), ("balanced", balanced_accuracy_score)):
            values, metric = [score(*pair) for pair in pairs], found[f"{name}/{key}"]
            ends = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
            assert (metric.value, metric.low, metric.high) == pytest.approx((np.mean(values), *ends))
            assert metric.n == 3


def test_a_confusion_matrix_comes_back_from_its_record(guesses, tmp_path):
    names = ("wolf", "ant", "bee")
    record = Record("tiny", "none", {})
    for key, (true, guess) in zip(("race/SimCLR", "race/SimCLR, fine-tuned"), guesses, strict=False):
        record.metrics |= confusion_metrics(confusion_matrix(true, guess), names, key)
    record = records.read_record(record.write(tmp_path / "tiny.json"))
    for key, (true, guess) in zip(("race/SimCLR", "race/SimCLR, fine-tuned"), guesses, strict=False):
        np.testing.assert_allclose(read_confusion_matrix(record, key), confusion_matrix(true, guess, normalize="true"))
    ant_as_wolf = record.metrics["race/SimCLR: ant taken for wolf"]
    true, guess = guesses[0]
    assert (ant_as_wolf.value, ant_as_wolf.n) == (pytest.approx((guess[true == 1] == 0).mean()), 25)
    with pytest.raises(BadParameterError, match="tiny has no confusion matrix of 'race'"):
        read_confusion_matrix(record, "race")
