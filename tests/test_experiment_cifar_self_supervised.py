"""CIFAR without labels: one start for all methods, no tested picture in any training, and figures as they were found."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from trainings import Spy, cifar_of_noise, compute, equal, kept, pictures, weights

from facelab.datasets import FaceSet
from facelab.errors import LeakageError
from facelab.evaluation import raw_pixels, whitened_pca
from facelab.experiments.cifar import self_supervised, splits
from facelab.experiments.cifar.self_supervised import EXPERIMENTS, NAME, RANDOM, RECIPES, STEPS
from facelab.experiments.experiment import Cell
from facelab.methods import embed_faces
from facelab.paths import project_data
from facelab.protocols import few_labels
from facelab.records import read_record

(EXPERIMENT,) = EXPERIMENTS
TRAIN, TEST = np.arange(200), np.arange(200, 230)


@pytest.fixture
def cifar(monkeypatch) -> dict[str, FaceSet]:
    """20 training and 3 test pictures of each of ten classes, and trainings of one epoch of a narrow network."""
    sets = {name: cifar_of_noise(name, 16) for name in ("cifar10", "cifar100")}
    monkeypatch.setattr(splits, "load", lambda name, *_: sets[name])
    for name, value in {"NETWORK": {"name": "airbench", "width": 8}, "BF16": "32-true"}.items():
        monkeypatch.setattr(self_supervised, name, value)
    monkeypatch.setattr(self_supervised, "STEPS", {share: min(steps, 2) for share, steps in STEPS.items()})
    monkeypatch.setattr(self_supervised, "BATCH", 50)
    monkeypatch.setattr(splits, "HELD_OUT", 50)
    for name, recipe in RECIPES.items():
        monkeypatch.setitem(RECIPES, name, replace(recipe, epochs=min(recipe.epochs, 2)))
    monkeypatch.setattr(few_labels, "MIN_LABELS_PER_CLASS", 1000)  # one strength of each probe
    monkeypatch.setattr(self_supervised, "NEIGHBORS", 20)
    return sets


@pytest.fixture
def probed(monkeypatch) -> list:
    """What is given to the function behind the linear probes."""
    calls, probe = [], self_supervised.predict_from_features
    monkeypatch.setattr(self_supervised, "predict_from_features", lambda *given: calls.append(given) or probe(*given))
    return calls


def test_the_record_is_of_trainings_without_the_test(cifar, monkeypatch):
    first, then = Spy(monkeypatch, self_supervised), Spy(monkeypatch, few_labels)
    methods = kept(monkeypatch, self_supervised, "new_method")
    results = compute(EXPERIMENT, 3)
    trained = [(name, seed) for seed in range(3) for name in RECIPES if name != RANDOM]
    assert list(results) == [(name, seed) for seed in range(3) for name in RECIPES]
    train = {name: faces.subset(TRAIN) for name, faces in cifar.items()}
    tested = pictures(cifar["cifar10"].subset(TEST))
    for (name, seed), call in zip(trained, first.calls, strict=True):
        assert pictures(call["faces"]) == pictures(train[RECIPES[name].dataset])
        assert call["plan"].seed == seed and type(call["method"]).__name__.lower() == RECIPES[name].method
    assert len({call["folder"] for call in first.calls}) == len(trained)
    assert [len(call["faces"]) for call in then.calls] == [20, 10] * len(results), "10 % and 1 %: one of each class"
    for call, (name, seed) in zip(then.calls, np.repeat(list(results), 2, axis=0), strict=True):
        assert pictures(call["faces"]) < pictures(train["cifar10"])
        own = methods[list(results).index((name, int(seed)))]
        assert call["plan"].seed == int(seed) and all(equal(call["before"], weights(own))), "tuned from where it is"
    assert not any(pictures(call["faces"]) & tested for call in (*first.calls, *then.calls))
    starts = {key: call["before"] for key, call in zip(trained, first.calls, strict=True)}
    for name, seed in trained:
        learned = [key for key in starts["simclr", seed] if "whitening" not in key]
        assert all((starts[name, seed][key] == starts["simclr", seed][key]).all() for key in learned)
    assert not all(equal(starts["simclr", 0], starts["simclr", 1]))


def test_figures_are_those_of_the_networks(cifar, monkeypatch, probed):
    methods = kept(monkeypatch, self_supervised, "new_method")
    results = compute(EXPERIMENT, 3)
    metrics = EXPERIMENT.summarise(results)
    pool, test = (cifar["cifar10"].subset(rows) for rows in (TRAIN, TEST))
    right, whitened = {name: [] for name in RECIPES}, {name: [] for name in RECIPES}
    assert [given[3:] for given in probed] == [(share, seed) for _, seed in results for share in STEPS]
    for at, ((name, _), method) in enumerate(zip(results, methods, strict=True)):
        for _, z, asked, *_ in probed[3 * at : 3 * at + 3]:
            np.testing.assert_allclose(z, embed_faces(method, pool), atol=1e-5)
            np.testing.assert_allclose(asked, embed_faces(method, test), atol=1e-5)
        z, asked = embed_faces(method, pool), embed_faces(method, test)
        right[name].append(share_right(z, pool.labels(), asked, test.labels()))
        whitened[name].append(share_right(whiten(z, z), pool.labels(), whiten(z, asked), test.labels()))
    for name, recipe in RECIPES.items():
        assert metrics[f"accuracy/1/{recipe.title}, neighbours"].value == pytest.approx(np.mean(right[name]))
        found = metrics[f"accuracy/1/{recipe.title}, neighbours, whitened"].value
        assert found == pytest.approx(np.mean(whitened[name]), abs=1e-9)
        assert ((f"processor seconds/{recipe.title}") in metrics) == (name != RANDOM)
    assert right != whitened
    pixels = [raw_pixels(pool.images)(part.images) for part in (pool, test)]
    share = share_right(pixels[0], pool.labels(), pixels[1], test.labels())
    assert metrics["accuracy/1/pixels, neighbours"].value == pytest.approx(share)
    pixels = [whitened_pca(pool.images, 128)(part.images) for part in (pool, test)]
    share = share_right(pixels[0], pool.labels(), pixels[1], test.labels())
    assert metrics["accuracy/1/pixels, neighbours, whitened"].value == pytest.approx(share)
    ways = {key.partition("/")[2] for key in metrics if key.startswith("accuracy/")}
    titles = [recipe.title for recipe in RECIPES.values()]
    assert ways == {
        *(f"1/{title}, neighbours{how}" for title in (*titles, "pixels") for how in ("", ", whitened")),
        *(f"{share}/{title}, linear" for share in ("1", "0.1", "0.01") for title in (*titles, "pixels")),
        *(f"{share}/{title}, fine-tuned" for share in ("0.1", "0.01") for title in titles),
    }
    for way in ways:
        matrices = [np.array(figures["matrices"][way]) for figures in results.values() if way in figures["matrices"]]
        assert len(matrices) == 3 and all(matrix.sum(axis=1).tolist() == [3] * 10 for matrix in matrices)
        mean, shown = np.mean([matrix.trace() / 30 for matrix in matrices]), metrics[f"accuracy/{way}"]
        assert shown.value == pytest.approx(mean) and shown.n == (30 if way.startswith("1/pixels") else 3)
    seconds = [figures["processor seconds"] for (name, _), figures in results.items() if name == "vcl"]
    assert metrics["processor seconds/VCL"].value == pytest.approx(np.mean(seconds)) and min(seconds) > 0
    assert sum(" taken for " in name for name in metrics) == 100
    described = EXPERIMENT.data()
    assert described["cifar100, train"]["sha256"] == cifar["cifar100"].subset(TRAIN).sha256
    assert [described[f"cifar10, {part}"]["sha256"] for part in ("train", "test")] == [pool.sha256, test.sha256]


def share_right(z, labels, asked, asked_labels) -> float:
    vote = KNeighborsClassifier(20, metric="cosine", weights=lambda distance: np.exp(-distance / 0.1))
    return vote.fit(z, labels).score(asked, asked_labels)


def whiten(z, rows) -> np.ndarray:
    """Rows in the eigenvectors of the covariance of z, each over the root of its eigenvalue."""
    values, vectors = np.linalg.eigh(np.cov(z.astype(float).T))
    return (rows - z.mean(axis=0)) @ vectors / np.sqrt(values)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_test_picture_in_either_training_is_refused(cifar, name):
    cifar[name].images[5] = cifar["cifar10"].images[-1]
    with pytest.raises(LeakageError):
        self_supervised.run(Cell(("vicreg-cifar100", 0)))


def test_recipes_are_compared_on_photographs_held_out(cifar, monkeypatch):
    spy, calls = Spy(monkeypatch, self_supervised), []
    ask = self_supervised.ask_neighbors_by
    monkeypatch.setattr(
        self_supervised, "ask_neighbors_by", lambda *given: calls.append((given, ask(*given))) or calls[-1][1]
    )
    shares = [self_supervised.evaluate_held_out(name) for name in ("simclr", "vicreg-cifar100")]
    train = pictures(cifar["cifar10"].subset(TRAIN))
    own, other = (pictures(call["faces"]) for call in spy.calls)
    assert own < train and len(own) == 150 and other == pictures(cifar["cifar100"].subset(TRAIN))
    for ((_, known, asked), given), share in zip(calls, shares, strict=True):
        assert pictures(known) == own and pictures(asked) == train - own
        assert share == {way: (classes == asked.labels()).mean() for way, classes in given.items()}


def test_methods_differ_in_nothing_but_the_method():
    described = {name: self_supervised.describe_recipe(name) for name in RECIPES if name != RANDOM}
    for one in described.values():
        assert one["plan"].pop("epochs") == one.pop("epochs")
    assert [key for key in described["vicreg"] if described["vicreg"][key] != described["vicreg-cifar100"][key]] == [
        "title",
        "dataset",
    ]
    own = ("title", "method", "options", "dataset")
    shared = [{key: value for key, value in one.items() if key not in own} for one in described.values()]
    assert shared == shared[:1] * len(shared)
    assert self_supervised.describe_recipe(RANDOM)["plan"] is None


def test_the_settings_of_the_record_are_those_of_today():
    stored = read_record(project_data("results", f"{NAME}.json")).parameters
    assert json.loads(json.dumps(EXPERIMENT.parameters(3))) == stored
