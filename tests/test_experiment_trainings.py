"""Where the trainings of experiments are kept: one folder for one training, and for nothing else."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_faces, tiny_method

from facelab import records
from facelab.experiments import trainings
from facelab.experiments.trainings import training_folder
from facelab.paths import runs_root
from facelab.training import Plan, fit

PLAN = Plan(epochs=2, batch_size=4, lr=1e-3)


@pytest.fixture
def faces():
    return tiny_faces(shots=4)


def folder_of(faces, method=None, plan=PLAN, label="tiny: seed 0"):
    with training_folder("99_test", label, method or tiny_method(), faces, plan) as folder:
        return folder


def test_whatever_decides_a_training_has_a_folder_of_its_own(faces, monkeypatch):
    first = folder_of(faces)
    assert folder_of(faces) == first
    assert first.parent == runs_root().resolve() / "experiments" / "99_test" / "trainings"
    assert first.name.startswith("tiny-seed-0-"), "a name that people can read"
    others = [
        folder_of(faces, tiny_method(seed=1)),
        folder_of(faces, plan=replace(PLAN, seed=1)),
        folder_of(faces, plan=replace(PLAN, lr=2e-3)),
        folder_of(faces.subset(np.arange(6))),
    ]
    with monkeypatch.context() as patched:
        patched.setattr(trainings, "code_digest", lambda: "mended")
        others.append(folder_of(faces))
    with monkeypatch.context() as patched:
        newer = records.versions() | {"torch": "99"}
        patched.setattr(records, "versions", lambda: newer)
        others.append(folder_of(faces))
    assert len({first, *others}) == 7


def test_what_another_state_of_the_code_has_learned_is_not_read(faces, monkeypatch):
    def train():
        method = tiny_method()
        with training_folder("99_test", "tiny", method, faces, PLAN) as folder:
            before = (folder / "last.ckpt").exists()
            fit(method, faces, PLAN, folder=folder)
        return before

    assert [train(), train()] == [False, True]
    monkeypatch.setattr(trainings, "code_digest", lambda: "mended")
    assert [train(), train()] == [False, True]


def test_of_two_that_want_one_training_the_second_waits(faces):
    order, begun, inside = [], threading.Event(), threading.Event()

    def second():
        begun.set()
        with training_folder("99_test", "tiny", tiny_method(), faces, PLAN):
            order.append("second")

    other = threading.Thread(target=second)
    with training_folder("99_test", "tiny", tiny_method(), faces, PLAN):
        other.start()
        begun.wait()
        inside.wait(0.3)  # nobody sets it: time for the other to come in, if it could
        order.append("first")
    other.join(30)
    assert order == ["first", "second"]
