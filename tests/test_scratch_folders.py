"""Checkpoints that a notebook keeps: thrown away where they are of no use, written seldom, and small when all is done."""

import pytest
import torch
from tiny import tiny_faces, tiny_method

from facelab.tensor_files import load_tensors
from facelab.training import DiscardedCheckpointWarning, Plan, ScratchFolder, checkpoint, fit, loop

PLAN = Plan(epochs=3, batch_size=8, lr=0.01, seed=3)


@pytest.fixture
def folder(tmp_path):
    return ScratchFolder(tmp_path / "training")


@pytest.fixture
def taken(monkeypatch):
    """The steps that are taken, by their number in the whole run."""
    real, found = loop.TrainingLoop._descend, []
    monkeypatch.setattr(loop.TrainingLoop, "_descend", lambda self, loss, at: found.append(at) or real(self, loss, at))
    return found


@pytest.fixture
def nothing_is_short(monkeypatch):
    monkeypatch.setattr(checkpoint, "_SHORT", 0.0)
    monkeypatch.setattr(checkpoint, "_SHARE", 1e9)


def assert_same(left, right):
    assert all(torch.equal(value, right.state_dict()[name]) for name, value in left.state_dict().items())


def test_a_finished_training_is_passed_and_its_checkpoint_holds_no_optimiser(folder, nothing_is_short, taken):
    scores = iter([0.9, 0.1, 0.2])
    first, second = tiny_method(), tiny_method(seed=9)
    history = fit(first, tiny_faces(), PLAN, validate=lambda method: next(scores), folder=folder)
    after = torch.rand(3)
    state, _ = load_tensors(folder.path / "last.ckpt")
    assert state["optimizer"] is None and state["position"]["best_weights"] is None
    taken.clear()
    again = fit(second, tiny_faces(), PLAN, validate=lambda method: next(scores), folder=folder)
    assert taken == [] and again == history
    assert_same(first, second)
    assert torch.equal(torch.rand(3), after), "who draws without a seed after a training draws the same"


def test_a_training_of_a_moment_leaves_nothing_and_writes_nothing(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "save_tensors", lambda *_: pytest.fail("something was written"))
    fit(tiny_method(), tiny_faces(), PLAN, folder=folder)
    assert not folder.path.exists()


@pytest.mark.parametrize("spoil", ["other data", "other plan", "cut off"])
def test_what_is_of_no_use_is_thrown_away_and_the_training_begins_anew(folder, nothing_is_short, spoil, taken):
    faces, plan = tiny_faces(), PLAN
    fit(
        tiny_method(),
        tiny_faces(seed=1) if spoil == "other data" else faces,
        Plan(epochs=2, batch_size=8) if spoil == "other plan" else plan,
        folder=folder,
    )
    path = folder.path / "last.ckpt"
    if spoil == "cut off":
        path.write_bytes(path.read_bytes()[:1000])
    whole, method = tiny_method(), tiny_method()
    expected = fit(whole, faces, plan)
    taken.clear()
    with pytest.warns(DiscardedCheckpointWarning, match="last.ckpt .*The training begins anew."):
        history = fit(method, faces, plan, folder=folder)
    assert taken == list(range(18)) and history.epochs == expected.epochs
    assert_same(whole, method)


class Disk:
    """A clock in place of the computer's, and a disk that takes its time by it."""

    def __init__(self, monkeypatch, seconds: float) -> None:
        self.now = self.spent = 0.0
        self.seconds, self.writes = seconds, 0
        monkeypatch.setattr(checkpoint.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(checkpoint, "save_tensors", self.write)
        monkeypatch.setattr(loop.TrainingLoop, "step", self.step)

    def write(self, *_):
        self.now, self.spent, self.writes = self.now + self.seconds, self.spent + self.seconds, self.writes + 1

    def step(self, position, batch, terms):
        self.now += 10.0
        position.step += 1


@pytest.mark.parametrize(("seconds", "fewest"), [(0.1, 44), (2.0, 15), (30.0, 1)])
def test_writing_takes_a_fiftieth_of_the_time_however_slow_the_disk_is(folder, monkeypatch, seconds, fewest):
    """1800 s of training by the clock of the test. What a write costs is known from the first on, and the last one is due."""
    disk = Disk(monkeypatch, seconds)
    fit(tiny_method(), tiny_faces(), Plan(epochs=30, batch_size=8), folder=folder)
    assert disk.spent <= 0.02 * disk.now + 2 * seconds
    assert fewest <= disk.writes <= 1800 / 30


def test_the_folder_of_a_run_is_written_after_each_epoch_and_at_the_end(tmp_path, monkeypatch):
    disk = Disk(monkeypatch, 0.1)
    fit(tiny_method(), tiny_faces(), Plan(epochs=4, batch_size=8), folder=tmp_path, checkpoint_seconds=1e9)
    assert disk.writes == 5


def test_seconds_are_those_of_all_pieces(tmp_path, monkeypatch):
    real = checkpoint.save_tensors
    disk = Disk(monkeypatch, 0.0)
    monkeypatch.setattr(checkpoint, "save_tensors", real)

    def stop(method):
        if disk.now >= 120:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path, monitors=[stop])
    assert disk.now == 120  # two epochs of six steps; the first is kept
    disk.now = 1000.0
    assert fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path).seconds == pytest.approx(180.0)
