"""A training that is asked to make room: its checkpoint is written, and the same call goes on; nothing is held back besides."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from commands import call
from tiny import tiny_faces, tiny_method

from facelab.errors import PreemptedError
from facelab.tensor_files import load_tensors
from facelab.training import Plan, fit, loop
from facelab.training.preemption import SIGNALS, watch_for_preemption

PLAN = Plan(epochs=3, batch_size=8, lr=0.01, seed=3)


def asked(monkeypatch, step: int, number: int, times: int = 1) -> list[int]:
    """Let the signal come while a step of the whole run is taken; gives the numbers of all steps."""
    real, taken = loop.TrainingLoop._descend, []

    def descend(self, loss, at):
        taken.append(at)
        for _ in range(times if at == step else 0):
            os.kill(os.getpid(), number)
        return real(self, loss, at)

    monkeypatch.setattr(loop.TrainingLoop, "_descend", descend)
    return taken


@pytest.fixture
def handled():
    """The signals that come through; without this they would end the tests."""
    came = []
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in SIGNALS}
    yield came
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("step", [0, 5, 17])  # the first, the last of an epoch, the last of all
def test_the_checkpoint_is_written_and_the_same_call_takes_the_other_steps(
    tmp_path, monkeypatch, handled, number, step
):
    whole = tiny_method()
    expected = fit(whole, tiny_faces(), PLAN)
    taken = asked(monkeypatch, step, number, times=2)
    with pytest.raises(PreemptedError, match="make room.*The same call goes on"):
        fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path)
    assert taken == list(range(step + 1))
    assert handled == [] and signal.getsignal(number) is not signal.SIG_DFL
    method = tiny_method(seed=9)
    history = fit(method, tiny_faces(), PLAN, folder=tmp_path)
    assert taken == list(range(18))
    assert history.epochs == expected.epochs
    assert all(torch.equal(value, method.state_dict()[name]) for name, value in whole.state_dict().items())
    os.kill(os.getpid(), number)
    assert handled == [number], "after the training, signals do what they did before"


def test_a_signal_while_the_last_epoch_is_closed_is_not_lost(tmp_path, handled):
    def validate(method):
        if validate.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        validate.left -= 1
        return 0.5

    validate.left = 2
    with pytest.raises(PreemptedError):
        fit(tiny_method(), tiny_faces(), PLAN, validate=validate, folder=tmp_path)
    assert len(fit(tiny_method(), tiny_faces(), PLAN, validate=validate, folder=tmp_path).epochs) == 3
    assert validate.left == -1, "all epochs were done"


def test_without_a_folder_nothing_is_held_back(monkeypatch, handled):
    taken = asked(monkeypatch, 4, signal.SIGTERM)
    fit(tiny_method(), tiny_faces(), PLAN)
    assert handled == [signal.SIGTERM] and taken == list(range(18))


def test_an_ignored_signal_stays_ignored(handled):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with watch_for_preemption(saves=True) as preemption:
        os.kill(os.getpid(), signal.SIGTERM)
    assert not preemption.asked and signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_another_thread_trains_without_handlers(tmp_path):
    before = [signal.getsignal(number) for number in SIGNALS]
    found = []
    thread = threading.Thread(
        target=lambda: found.append(fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path).epochs)
    )
    thread.start()
    thread.join()
    assert len(found[0]) == 3 and [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_to_one_of_two_processes_stops_both_at_the_same_step(tmp_path):
    """And one process goes on from there."""
    script = tmp_path / "ddp.py"
    script.write_text(
        "import os, signal, sys, torch; torch.set_num_threads(1)\n"
        "from lightning_fabric import Fabric\n"
        "from tiny import tiny_faces, tiny_method\n"
        "from facelab.errors import PreemptedError\n"
        "from facelab.training import Plan, fit, loop\n"
        "fabric = Fabric(accelerator='cpu', devices=2, strategy='ddp')\n"
        "fabric.launch()\n"
        "step = loop.TrainingLoop.step\n"
        "def told(self, position, *others):\n"
        "    if fabric.global_rank == 1 and (position.epoch, position.step) == (1, 2):\n"
        "        os.kill(os.getpid(), signal.SIGUSR1)\n"
        "    return step(self, position, *others)\n"
        "loop.TrainingLoop.step = told\n"
        "plan = Plan(epochs=40, batch_size=8, lr=.05, optimizer='sgd')\n"
        "try:\n"
        "    fit(tiny_method(norm=False), tiny_faces(), plan, folder=sys.argv[1], fabric=fabric)\n"
        "except PreemptedError:\n"
        "    open(f'{sys.argv[1]}/rank{fabric.global_rank}', 'w').close()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    folder = tmp_path / "run"
    done = subprocess.run([sys.executable, str(script), str(folder)], env=environment, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert {path.name for path in folder.iterdir()} == {"last.ckpt", "rank0", "rank1"}
    position = load_tensors(folder / "last.ckpt")[0]["position"]
    assert (position["epoch"], position["step"]) == (2, 0)  # the losses are looked at where the epoch ends
    plan = Plan(epochs=40, batch_size=8, lr=0.05, optimizer="sgd")
    method, whole = tiny_method(norm=False, seed=9), tiny_method(norm=False)
    fit(whole, tiny_faces(), plan)
    fit(method, tiny_faces(), plan, folder=folder)
    torch.testing.assert_close(method.state_dict(), whole.state_dict(), atol=1e-4, rtol=1e-3)


def test_the_command_ends_with_a_code_that_says_call_again(tmp_path, monkeypatch, handled, capsys):
    """75, EX_TEMPFAIL of sysexits.h, which Slurm can be told to requeue."""
    asked(monkeypatch, 3, signal.SIGTERM)
    words = [
        "train",
        "simclr",
        "--dataset",
        "orl",
        "--size",
        "16",
        "--batch-size",
        "32",
        "--out",
        str(tmp_path / "run"),
    ]
    assert call(monkeypatch, *words) == 75
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].endswith("The same call goes on from there.")
    assert load_tensors(tmp_path / "run" / "last.ckpt")[0]["position"]["step"] == 4
