"""What tests of experiments share: a spy in place of fit, short plans, the figures of all cells, and a made-up LFW."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import TinyBackbone

from facelab.datasets import FaceSet
from facelab.datasets.pairs import Pairs
from facelab.experiments.experiment import Experiment, Results
from facelab.records import Metric
from facelab.training import History, Plan, fit


class Spy:
    """In place of a module's ``fit``: keeps what it was given, and the backbone before and after.

    Where it does not train, each training takes a second more of the processor than the one before, the first none.
    """

    def __init__(self, monkeypatch, module, trains: bool = True) -> None:
        self.calls, self.trains = [], trains
        monkeypatch.setattr(module, "fit", self)

    def __call__(self, method, faces, plan, **given) -> History:
        call = {"method": method, "faces": faces, "plan": plan, "before": weights(method), **given}
        history = fit(method, faces, plan, **given) if self.trains else untrained(len(self.calls))
        self.calls.append(call | {"after": weights(method)})
        return history


def untrained(seconds: int) -> History:
    return History([{"processor seconds": float(seconds)}])


def weights(method) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in method.backbone.state_dict().items()}


def equal(left: dict, right: dict) -> list[bool]:
    return [torch.equal(left[name], right[name]) for name in left]


def files(faces: FaceSet) -> set[str]:
    return set(faces.attributes["file"])


def short(plan: Plan, batch_size: int = 16) -> Plan:
    """The plan with one epoch of small batches."""
    return replace(plan, epochs=1, batch_size=batch_size, warmup_epochs=0.5)


def noise(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Coloured pictures of nothing: uint8 (count, side, side, 3), no two alike."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def cifar_of_noise(name: str = "cifar10", side: int = 32) -> FaceSet:
    """20 training and 3 test pictures of each of ten classes; those of two names differ."""
    split = np.where(np.arange(230) < 200, "train", "test")
    table = pd.DataFrame({"file": [f"{split[row]}/{row}.png" for row in range(230)], "split": split})
    names = tuple(f"class {number}" for number in range(10))
    return FaceSet(noise(230, side, seed=len(name)), np.tile(np.arange(10), 23), names, table, f"{name}@{side}")


def lfw_of_noise() -> tuple[FaceSet, Pairs]:
    """Ten folds of four people with three noise pictures each, and in no fold 5 people with two and 5 with one."""
    rng, rows = np.random.default_rng(0), []
    identity = np.repeat(np.arange(50), [3] * 40 + [2] * 5 + [1] * 5)
    images = rng.integers(0, 256, (len(identity), 48, 48, 3), dtype=np.uint8)
    table = pd.DataFrame({"file": [f"{row}.png" for row in range(len(identity))]})
    faces = FaceSet(images, identity, tuple(f"p{number:02d}" for number in range(50)), table, "lfw@48")
    for fold in range(1, 11):
        own = np.flatnonzero((identity < 40) & (identity // 4 == fold - 1))
        first, second = (own[side] for side in np.triu_indices(len(own), k=1))
        same = identity[first] == identity[second]
        chosen = [*np.flatnonzero(same), *rng.permutation(np.flatnonzero(~same))[: same.sum()]]
        rows += [(first[at], second[at], same[at], fold) for at in chosen]
    first, second, same, fold = np.array(rows).T
    return faces, Pairs(first, second, same.astype(bool), fold)


def of_unknown_people(table: pd.DataFrame, side: int = 16, source: str = "utkface@16") -> FaceSet:
    table = table.assign(file=[f"{row}.png" for row in range(len(table))])
    return FaceSet(noise(len(table), side), np.full(len(table), -1), (), table, source)


def shortened(monkeypatch, module) -> None:
    """Its network and its trainings made small."""
    monkeypatch.setattr(module, "backbone", lambda *_, **__: TinyBackbone(3))
    for name, plan in [(name, value) for name, value in vars(module).items() if isinstance(value, Plan)]:
        monkeypatch.setattr(module, name, short(plan))
    if hasattr(module, "STEPS"):
        monkeypatch.setattr(module, "STEPS", dict.fromkeys(module.STEPS, 2))


def kept(monkeypatch, module, name: str) -> list:
    """What a function of the module gives, call by call."""
    given, function = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *a, **k: given.append(function(*a, **k)) or given[-1])
    return given


def pictures(faces: FaceSet) -> set[bytes]:
    return {image.tobytes() for image in faces.images}


def compute(experiment: Experiment, seeds: int) -> Results:
    """The figures of all cells of an experiment, as they are after they were kept as JSON."""
    return {cell.key: json.loads(json.dumps(experiment.run(cell))) for cell in experiment.grid(seeds)}


def assert_matrices_summarised(
    metrics: dict[str, Metric], results: Results, test_labels: dict[str, np.ndarray]
) -> None:
    """Every figure is the mean over the seeds of what was found, and every matrix is one of the whole test.

    test_labels: beginning of a key -> the true classes.
    """
    done = [{key: np.array(matrix) for key, matrix in found["matrices"].items()} for found in results.values()]
    assert len(done) == 3 and len({matrix.tobytes() for found in done for matrix in found.values()}) > len(done[0])
    for key, matrix in done[0].items():
        labels = next(labels for start, labels in test_labels.items() if key.startswith(start))
        assert matrix.sum(axis=1).tolist() == np.bincount(labels).tolist(), key
        accuracy = [found[key].trace() / found[key].sum() for found in done]
        assert metrics[f"accuracy/{key}"].value == pytest.approx(np.mean(accuracy))
        assert metrics[f"accuracy/{key}"].n == 3
    shown = [name for name in metrics if " taken for " in name]
    assert len(shown) == sum(len(np.unique(labels)) ** 2 for labels in test_labels.values())
