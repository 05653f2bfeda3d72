"""Margin losses on CIFAR-10: one start, one budget, and a test that nobody trained on."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from trainings import Spy, cifar_of_noise, compute, equal, noise, pictures, short

from facelab.datasets import FaceSet
from facelab.errors import LeakageError
from facelab.evaluation import mean_over_seeds
from facelab.experiments.cifar import margins, splits
from facelab.experiments.cifar.margins import (
    EXPERIMENTS,
    LONG,
    LOSSES,
    TARGET,
    TRAININGS,
    VIEWS,
    describe_training,
    summarise,
)
from facelab.experiments.experiment import Cell
from facelab.paths import project_data

(EXPERIMENT,) = EXPERIMENTS


@pytest.fixture
def cifar(monkeypatch) -> FaceSet:
    """20 training and 3 test pictures of each of ten classes, and small networks."""
    faces = cifar_of_noise("cifar10")
    monkeypatch.setattr(splits, "load", lambda name, *_: faces)
    monkeypatch.setattr(margins, "BF16", "32-true")
    small = {name: replace(own, width=8, plan=short(own.plan, 50)) for name, own in TRAININGS.items()}
    monkeypatch.setattr(margins, "TRAININGS", small)
    return faces


def test_all_losses_train_alike_and_are_asked_about_pictures_that_none_saw(cifar, monkeypatch):
    spy = Spy(monkeypatch, margins)
    results = compute(EXPERIMENT, 3)
    assert list(results) == [(name, seed) for seed in range(3) for name in TRAININGS]
    assert [call["method"].loss for call in spy.calls] == [TRAININGS[name].loss for name, _ in results]
    for call, (_, seed) in zip(spy.calls, results, strict=True):
        assert pictures(call["faces"]) == pictures(cifar.subset(np.arange(200)))
        assert call["plan"].seed == seed
    assert len({call["folder"] for call in spy.calls}) == len(results)
    for figures in results.values():
        assert np.sum(figures["matrix"], axis=1).tolist() == [3] * 10 and figures["names"] == list(cifar.names)
        assert len(figures["accuracy"]) == len(figures["processor seconds"]) == 1  # one epoch, and nothing learned
    starts = {key: call["before"] for key, call in zip(results, spy.calls, strict=True)}
    assert all(all(equal(starts["softmax", seed], starts[loss, seed])) for seed in range(3) for loss in LOSSES)
    assert not all(equal(starts["softmax", 0], starts["softmax", 1]))


def test_the_losses_differ_in_nothing_but_the_loss():
    described = [describe_training(loss) for loss in LOSSES]
    for one in described:
        assert one.pop("loss") in LOSSES and isinstance(one.pop("options"), dict)
    assert all(one == described[0] for one in described) and described[0]["width"] == 32
    assert describe_training(LONG)["loss"] == "cosface" and describe_training(LONG)["width"] == 64


def test_views_are_whole_pixels_of_the_picture_or_of_its_mirror_image():
    image = noise(1, 32)
    padded = np.pad(image[0], ((2, 2), (2, 2), (0, 0)))
    windows = [padded[y : y + 32, x : x + 32] for y in range(5) for x in range(5)]
    allowed = VIEWS.preprocess(np.stack(windows + [window[:, ::-1] for window in windows]))
    drawn = VIEWS.draw(200, np.random.default_rng(0))
    views = VIEWS.apply(np.repeat(image, 200, axis=0), drawn)
    distance = (views[:, None] - allowed[None]).abs().amax((2, 3, 4))
    assert distance.amin(1).max() < 1e-3
    assert len(set(distance.argmin(1).tolist())) == 50, "each shift is drawn, mirrored or not"


def test_the_annealing_ends_after_two_thirds_of_the_run():
    own = TRAININGS["sphereface"]
    steps = own.plan.epochs * (50_000 // own.plan.batch_size)
    assert own.options["annealing"] == math.floor(2 / 3 * steps)


def test_a_test_picture_in_training_is_refused(cifar):
    cifar.images[5] = cifar.images[-1]
    with pytest.raises(LeakageError):
        margins.run(Cell(("ring", 0)))


def test_settings_are_chosen_by_training_pictures_alone(cifar, monkeypatch):
    monkeypatch.setattr(splits, "HELD_OUT", 50)
    spy = Spy(monkeypatch, margins)
    figures = margins.evaluate_held_out("cosface")
    margins.run(Cell(("cosface", 0)))
    known, (call, tested) = pictures(cifar.subset(np.arange(200))), spy.calls
    assert pictures(call["faces"]) < known and len(call["faces"]) == 150 and np.sum(figures["matrix"]) == 50
    assert call["folder"] != tested["folder"], "nothing that the experiment would go on from"


def test_the_target_is_what_the_earlier_project_reported():
    founding = pd.read_csv(project_data("founding.csv")).query("data == 'CIFAR-10' and method == 'Ring loss'")
    assert founding["value"].tolist() == [TARGET]


def test_the_summary_against_figures_made_by_hand():
    names, right = ["cat", "dog"], {"softmax": (9, 8, 10), "ring": (7, 7, 7), "sphereface": (5, 6, 10)}
    right |= {"cosface": (10, 10, 9), LONG: (8, 9, 8)}
    curves = {"ring": ([0.5, 0.8], [0.7, 0.79, 0.81], [0.794]), "softmax": ([0.8], [0.8], [0.7, 0.7])}
    results = {
        (name, seed): {
            "matrix": [[counts[seed], 10 - counts[seed]], [0, 10]],
            "names": names,
            "accuracy": curves.get(name, ([0.9],) * 3)[seed],
            "processor seconds": [10 + seed, 20 + seed, 30 + seed],
        }
        for seed in range(3)
        for name, counts in right.items()
    }
    metrics = summarise(results)

    def assert_mean(name, values):
        expected, found = mean_over_seeds(values), metrics[name]
        assert (found.value, found.low, found.high, found.n) == (expected.value, expected.low, expected.high, 3)

    for name, counts in right.items():
        assert_mean(f"accuracy/{name}", [(count + 10) / 20 for count in counts])
        assert [metrics[f"accuracy/{name}/seed {seed}"].value for seed in range(3)] == [(c + 10) / 20 for c in counts]
        assert_mean(f"processor seconds/{name}", [30, 31, 32])
    assert_mean("epochs to 79.4 %/ring", [2, 3, 1])
    assert_mean("processor seconds to 79.4 %/ring", [20, 31, 12])
    assert_mean(f"processor seconds to 79.4 %/{LONG}", [10, 11, 12])
    assert not any("to 79.4 %/softmax" in name for name in metrics), "one seed does not get there"
    assert metrics["seed 0/sphereface: cat taken for dog"].value == 0.5
    assert metrics["seed 0/ring: dog taken for dog"].value == 1.0
    assert not any("seed 0/softmax:" in name for name in metrics)
