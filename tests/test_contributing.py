"""CONTRIBUTING.md is true: its examples run as they stand, one after the other."""

import re

import numpy as np
import photos
import pytest
import torch
from tiny import AUGMENTATION, TinyBackbone, tiny_faces

from facelab import datasets
from facelab.datasets import sources
from facelab.exercises import judge
from facelab.paths import project_root
from facelab.training import Plan, fit

PAGE = (project_root() / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def names(monkeypatch) -> dict:
    monkeypatch.setattr(sources, "_SOURCES", dict(sources._SOURCES))
    found: dict = {"__name__": "examples"}
    for example in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile("from __future__ import annotations\n" + example, "CONTRIBUTING.md", "exec"), found)
    return found


def test_the_loss_is_the_formula(names):
    p, z = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    rows = [float(p[i] @ z[i].detach() / (p[i].norm() * z[i].detach().norm())) for i in range(5)]
    loss = names["negative_cosine"](p, z)
    assert float(loss) == pytest.approx(-sum(rows) / 5) and not loss.requires_grad


def test_the_method_learns(names):
    torch.manual_seed(0)
    method = names["SimSiam"](TinyBackbone(), AUGMENTATION, projection=6, hidden=4)
    history = fit(method, tiny_faces(), Plan(epochs=4, batch_size=16, lr=0.01))
    assert history.series("loss")[-1] < history.series("loss")[0]


def test_the_data_set_loads(names, data):
    for name in ("subject01.glasses", "subject01.sad", "subject02.happy"):
        photos.write(data / "yale" / f"{name}.png")
    faces = datasets.load("yale", 16)
    assert faces.names == ("subject01", "subject02") and np.bincount(faces.identity).tolist() == [2, 1]
    assert sorted(faces.attributes["condition"]) == ["glasses", "happy", "sad"]


def test_the_exercise_judges(names):
    task = names["RANK_ONE"]
    assert judge(task, task.solution).state == "right"
    assert judge(task, lambda *_: ...).state == "open"
    for wrong, message in task.mistakes.values():
        assert message in judge(task, wrong).message
