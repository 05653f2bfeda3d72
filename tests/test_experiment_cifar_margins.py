"""Margin losses on CIFAR-10: one start, one budget, and a test that nobody trained on."""

import numpy as np
import pandas as pd
import pytest
from trainings import Spy, compute, equal, noise, pictures, short, shortened

from facelab.datasets import FaceSet
from facelab.errors import LeakageError
from facelab.evaluation import mean_over_seeds
from facelab.experiments.cifar import margins, transfer
from facelab.experiments.cifar.margins import EXPERIMENTS, LOSSES, build_method, summarise
from facelab.experiments.experiment import Cell

(EXPERIMENT,) = EXPERIMENTS


@pytest.fixture
def cifar(monkeypatch) -> FaceSet:
    """20 training and 3 test pictures of each of ten classes."""
    identity, split = np.tile(np.arange(10), 23), np.where(np.arange(230) < 200, "train", "test")
    table = pd.DataFrame({"file": [f"{split[row]}/{row}.png" for row in range(230)], "split": split})
    faces = FaceSet(noise(230, 16), identity, tuple(f"class {n}" for n in range(10)), table, "cifar10@16")
    shortened(monkeypatch, margins)
    monkeypatch.setattr(transfer, "load", lambda name, *_: faces)
    monkeypatch.setattr(margins, "PLAN", short(margins.PLAN, 50))
    monkeypatch.setattr(margins, "BF16", "32-true")
    return faces


def test_all_losses_train_alike_and_are_asked_about_pictures_that_none_saw(cifar, monkeypatch):
    spy = Spy(monkeypatch, margins)
    results = compute(EXPERIMENT, 3)
    assert list(results) == [(loss, seed) for seed in range(3) for loss in LOSSES]
    assert [call["method"].loss for call in spy.calls] == [loss for loss, _ in results]
    for call, (_, seed) in zip(spy.calls, results, strict=True):
        assert pictures(call["faces"]) == pictures(cifar.subset(np.arange(200)))
        assert call["plan"].seed == seed and call["plan"].epochs == margins.PLAN.epochs
    assert len({call["folder"] for call in spy.calls}) == len(results)
    for figures in results.values():
        assert np.sum(figures["matrix"], axis=1).tolist() == [3] * 10 and figures["names"] == list(cifar.names)


def test_all_losses_start_from_the_same_network():
    first, *others = (build_method(loss, seed=1).backbone.state_dict() for loss in LOSSES)
    assert all(all(equal(first, other)) for other in others)
    assert not all(equal(first, build_method("softmax", seed=2).backbone.state_dict()))


def test_the_annealing_ends_after_two_thirds_of_the_run():
    plan = margins.PLAN
    assert LOSSES["sphereface"]["annealing"] / (plan.epochs * (50_000 // plan.batch_size)) == pytest.approx(
        2 / 3, abs=1e-3
    )


def test_a_test_picture_in_training_is_refused(cifar):
    cifar.images[5] = cifar.images[-1]
    with pytest.raises(LeakageError):
        margins.run(Cell(("ring", 0)))


def test_the_summary_against_matrices_made_by_hand():
    names, right = (
        ["cat", "dog"],
        {"softmax": (9, 8, 10), "ring": (7, 7, 7), "sphereface": (5, 6, 10), "cosface": (10, 10, 9)},
    )
    results = {
        (loss, seed): {"matrix": [[count, 10 - count], [0, 10]], "names": names}
        for seed in range(3)
        for loss, counts in right.items()
        for count in counts[seed : seed + 1]
    }
    metrics = summarise(results)
    for loss, counts in right.items():
        expected = mean_over_seeds([(count + 10) / 20 for count in counts])
        found = metrics[f"accuracy/{loss}"]
        assert (found.value, found.low, found.high, found.n) == (expected.value, expected.low, expected.high, 3)
        assert [metrics[f"accuracy/{loss}/seed {seed}"].value for seed in range(3)] == [(c + 10) / 20 for c in counts]
    assert metrics["seed 0/sphereface: cat taken for dog"].value == 0.5
    assert metrics["seed 0/ring: dog taken for dog"].value == 1.0
    assert not any("seed 0/softmax:" in name for name in metrics)
