"""Trainings side by side: the same digits as one after the other, nothing lost where they are stopped, nobody left behind."""

import copy
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from tiny import tiny_contrastive, tiny_faces, tiny_margin, tiny_method

from facelab import threads
from facelab.errors import FacelabError, PreemptedError, TrainingError
from facelab.methods import VCL, MoCo
from facelab.training import Plan, ScratchFolder, Training, fit, fit_all, side_by_side

PLAN = Plan(epochs=3, batch_size=8, lr=0.01, seed=3)


@pytest.fixture
def two_cores(monkeypatch):
    """As where nobody chose the number of threads, on two cores, and every training is worth a process."""
    for name in (*threads.MOST_VARIABLES, *threads.CHOICE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_at_start", 2)
    monkeypatch.setattr(threads, "_last_set", torch.get_num_threads())
    monkeypatch.setattr(side_by_side, "MIN_OPERATIONS", 0)


class Diary:
    """A monitor that remembers how often it was asked, and in which process it was."""

    def __init__(self):
        self.asked, self.process = 0, os.getpid()

    def __call__(self, method):
        self.asked, self.process = self.asked + 1, os.getpid()
        return {"asked": self.asked}

    def state_dict(self):
        return {"asked": self.asked, "process": self.process}

    def load_state_dict(self, state):
        self.asked, self.process = state["asked"], state["process"]


def test_the_same_digits_as_one_after_the_other(two_cores):
    faces, bent = tiny_faces(), 2.0
    scenes = np.arange(len(faces)) // 2

    def judge(method):
        return bent * next(method.parameters()).sum().item()

    def new_trainings():
        return {
            "names": Training(tiny_method(), faces, PLAN, validate=judge),
            "margin": Training(tiny_margin("cosface"), faces, PLAN, labels=1 - faces.identity % 2),
            "MoCo": Training(tiny_contrastive(MoCo, queue=16), faces, PLAN, scenes=scenes, monitors=[Diary()]),
            "VCL": Training(tiny_contrastive(VCL), faces, Plan(epochs=2, batch_size=12, chunk=4, seed=1)),
        }

    one_by_one, at_once = new_trainings(), new_trainings()
    expected = {name: one.fit() for name, one in one_by_one.items()}
    after = torch.rand(3)
    found = fit_all(at_once)
    assert list(found) == list(expected)
    assert torch.equal(torch.rand(3), after)
    for name, history in found.items():
        assert history.epochs == expected[name].epochs and history.best_epoch == expected[name].best_epoch
        method, other = at_once[name].method, one_by_one[name].method
        assert not method.training
        weights = other.state_dict()
        assert all(torch.equal(value, weights[key]) for key, value in method.state_dict().items())
        strides = [one.stride() for one in other.parameters()]
        assert [one.stride() for one in method.parameters()] == strides
    diary = at_once["MoCo"].monitors[0]
    assert diary.asked == PLAN.epochs and diary.process != os.getpid()


def test_what_is_wrong_with_one_is_said_as_by_fit(two_cores):
    faces = tiny_faces()
    broken = tiny_method()
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingError, match="Epoch 1, step 1"):
        fit_all({"broken": Training(broken, faces, PLAN), "whole": Training(tiny_method(), faces, PLAN)})


def test_a_killed_process_is_one_error(two_cores):
    def kill_oneself(method):
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        return {}

    trainings = {name: Training(tiny_method(), tiny_faces(), PLAN, monitors=[kill_oneself]) for name in "ab"}
    with pytest.raises(FacelabError, match="A process that trained was killed.*FACELAB_THREADS=1"):
        fit_all(trainings)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_signal_to_make_room_reaches_all_and_the_same_call_goes_on(two_cores, tmp_path, monkeypatch):
    came = []
    before = signal.signal(signal.SIGUSR1, lambda *_: came.append("unheard"))
    parent = os.getpid()

    def new_trainings(asks):
        def ask(method):
            """After the first epoch of one, while the other trains and the third has not begun."""
            if asks:
                os.kill(parent, signal.SIGUSR1)
            return {}

        plan = Plan(epochs=100, batch_size=8, seed=3)
        names = {"asks": [ask], "trains": [], "waits": []}
        folder = ScratchFolder(tmp_path)
        return {
            name: Training(tiny_method(), tiny_faces(), plan, monitors=monitors, folder=folder / name)
            for name, monitors in names.items()
        }

    try:
        with pytest.raises(PreemptedError, match="make room"):
            fit_all(new_trainings(asks=True))
        assert signal.getsignal(signal.SIGUSR1) not in (signal.SIG_DFL, signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert came == []
    kept = {path.parent.name for path in tmp_path.rglob("last.ckpt")}
    assert "asks" in kept and "waits" not in kept
    monkeypatch.setattr(side_by_side, "MIN_OPERATIONS", float("inf"))  # the rest in this process
    again = new_trainings(asks=False)
    histories = fit_all(again)
    whole = tiny_method()
    expected = fit(whole, tiny_faces(), again["waits"].plan)
    for name, one in again.items():
        assert histories[name].epochs == expected.epochs, name
        assert all(torch.equal(a, b) for a, b in zip(one.method.parameters(), whole.parameters(), strict=True))


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_the_processes_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "trains.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, sys
            from pathlib import Path

            from facelab.training import Plan, Training, fit_all, side_by_side
            from tiny import tiny_faces, tiny_method

            side_by_side.MIN_OPERATIONS = 0

            def tell(method):
                Path(sys.argv[1], str(os.getpid())).touch()
                return {}

            plan = Plan(epochs=100_000, batch_size=8)
            fit_all({name: Training(tiny_method(), tiny_faces(), plan, monitors=[tell]) for name in "ab"})
            """
        )
    )
    told = tmp_path / "told"
    told.mkdir()
    hidden = {*threads.MOST_VARIABLES, *threads.CHOICE_VARIABLES}
    surroundings = {name: value for name, value in os.environ.items() if name not in hidden}
    surroundings["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen([sys.executable, script, told], env=surroundings)
    try:
        deadline = time.monotonic() + 120
        while not list(told.iterdir()):
            assert parent.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        children = psutil.Process(parent.pid).children(recursive=True)
        assert parent.pid not in {int(path.name) for path in told.iterdir()}
    finally:
        parent.kill()
        parent.wait()
    _, left = psutil.wait_procs(children, timeout=60)
    assert not left


def in_this_process(trainings, monkeypatch) -> bool:
    """Whether nothing would be handed to other processes."""
    handed = []
    monkeypatch.setattr(side_by_side, "_fit_in_processes", lambda some: handed.extend(some) or {})
    monkeypatch.setattr(Training, "fit", lambda self: "trained here")
    assert fit_all(trainings) == ({} if handed else dict.fromkeys(trainings, "trained here"))
    return not handed


def test_who_has_chosen_or_gains_nothing_trains_in_this_process(two_cores, monkeypatch):
    two = {name: Training(tiny_method(), tiny_faces(), PLAN) for name in "ab"}
    assert not in_this_process(two, monkeypatch)
    assert in_this_process({"a": two["a"]}, monkeypatch)
    for name, value in (("FACELAB_THREADS", "1"), ("SLURM_CPUS_PER_TASK", "1"), ("OMP_NUM_THREADS", "2")):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            assert in_this_process(two, patched), name
    with monkeypatch.context() as patched:
        patched.setattr(torch.cuda, "is_available", lambda: True)
        assert in_this_process(two, patched)
    with monkeypatch.context() as patched:  # steps so large that each is worth both cores
        patched.setattr(threads, "OPERATIONS_PER_THREAD", 1)
        assert in_this_process(two, patched)
    uneven = {"a": two["a"], "b": replace(two["b"], plan=replace(PLAN, batch_size=16))}  # one step of these is larger
    with monkeypatch.context() as patched:
        patched.setattr(threads, "OPERATIONS_PER_THREAD", two["a"].count_operations()[0])
        assert not in_this_process(two, patched) and in_this_process(uneven, patched)
    of_all = 2 * 3 * 18 * two["a"].count_operations()[0]  # two trainings, three passes a step, 18 steps
    for least, stays in ((of_all, False), (of_all + 1, True)):
        with monkeypatch.context() as patched:
            patched.setattr(side_by_side, "MIN_OPERATIONS", least)
            assert in_this_process(two, patched) == stays


def test_the_work_of_a_training_is_counted_as_fit_does(two_cores, monkeypatch):
    counted = []
    monkeypatch.setattr(threads, "choose_threads", lambda operations: counted.append(operations) or 1)
    for chunk in (0, 4):
        one = Training(tiny_contrastive(VCL), tiny_faces(), replace(PLAN, chunk=chunk))
        copy.deepcopy(one).fit()
        assert counted.pop(0) == one.count_operations()[0]
        counted.clear()
