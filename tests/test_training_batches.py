"""What a step trains on: prepared one step ahead, in parts for several processes, its losses looked at now and then."""

import math
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_training import PLAN, Stop, assert_same, stop_at, weights
from tiny import TinyBackbone, tiny_contrastive, tiny_faces, tiny_method

from facelab.augment import PRESETS
from facelab.errors import TrainingError
from facelab.methods import METHODS, SupCon, new_method
from facelab.tensor_files import load_tensors
from facelab.training import Plan, SceneIndex, fit, loop, order, terms
from facelab.training.batches import BatchLoader, Step
from facelab.training.checkpoint import Position
from facelab.training.log import TrainingLog
from facelab.training.prefetch import prefetch
from facelab.training.transfer import Transfer

CPU = torch.device("cpu")


def loader(rank: int = 0, processes: int = 1, scenes: np.ndarray | None = None, **changes) -> BatchLoader:
    faces, method = tiny_faces(size=24), tiny_contrastive(SupCon)
    method.augmentation = changes.pop("augmentation", PRESETS["moco_v2"])
    scenes = SceneIndex(np.arange(len(faces)) if scenes is None else scenes)
    parts = method, replace(faces, **changes), faces.labels(), scenes, Plan(2, 12, seed=4)
    return BatchLoader(*parts, Transfer(CPU), rank, processes)


def views(loader: BatchLoader, step: Step) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batch = loader.load(step)
    images, labels, scenes = batch.tensors.receive()
    return torch.stack(loader.method.make_views(images, batch.parameters, batch.own)), labels, scenes


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scenes", [None, np.arange(48) // 4])
def test_processes_make_together_the_views_of_one(name, scenes):
    augmentation = replace(PRESETS[name], noise=0.1, erase_p=0.5)  # whatever is random, the pixels of the noise too
    whole, parts = (
        [loader(rank, count, scenes, augmentation=augmentation) for rank in range(count)] for count in (1, 3)
    )
    for step in whole[0].upcoming(1, 2):
        expected = views(whole[0], step)
        for rank, part in enumerate(parts):
            found = views(part, step)
            assert torch.equal(found[0], expected[0][:, rank::3])
            assert torch.equal(found[1], expected[1][rank::3]) and torch.equal(found[2], expected[2][rank::3])


def test_steps_to_come_are_those_of_every_epoch():
    one = loader()
    steps = list(one.upcoming(0, 0))
    assert [(step.epoch, step.number) for step in steps] == [(epoch, number) for epoch in (0, 1) for number in range(4)]
    for epoch in (0, 1):
        rows = np.concatenate([step.rows for step in steps if step.epoch == epoch])
        assert (rows == np.random.default_rng([4, epoch]).permutation(48)).all()
    left = list(one.upcoming(1, 3))
    assert len(left) == 1 and (left[0].rows == steps[-1].rows).all()


def test_a_step_reads_its_own_rows_and_looks_at_no_other(monkeypatch):
    """The set may be of any size: nothing goes over all of it."""
    one = loader(scenes=np.arange(48) // 4)
    steps = list(one.upcoming(0, 0))

    class Rows:
        shape, dtype, ndim = one.faces.images.shape, np.dtype(np.uint8), 4

        def __len__(self):
            return 48

        def __getitem__(self, rows):
            assert isinstance(rows, np.ndarray) and len(rows) == 12
            return one.faces.images[rows]

    for name in ("bincount", "argsort", "unique", "cumsum"):
        monkeypatch.setattr(order.np, name, lambda *_, **__: pytest.fail("it went over the whole set"))
    lazy = replace(one, faces=replace(one.faces, images=Rows()))
    assert all(torch.equal(views(lazy, step)[0], views(one, step)[0]) for step in steps)


def test_partners_are_drawn_as_from_a_fresh_count():
    """The draw of earlier versions, which counted all scenes again: what is stored was computed with it."""
    scenes, rows = np.random.default_rng(0).integers(0, 30, 200), np.arange(0, 200, 7)
    scenes = np.unique(scenes, return_inverse=True)[1]
    index = SceneIndex(scenes)
    for seed in range(5):
        sizes, generator = np.bincount(scenes), np.random.default_rng(seed)
        by_scene, first = np.argsort(scenes, kind="stable"), np.cumsum(sizes) - sizes
        drawn = (generator.random(len(rows)) * sizes[scenes[rows]]).astype(np.int64)
        expected = by_scene[first[scenes[rows]] + drawn]
        assert (index.draw_partners(rows, np.random.default_rng(seed)) == expected).all()


def test_one_result_is_prefetch_and_no_more():
    begun, asked_for, second = [], [], threading.Event()

    def prepare(item):
        begun.append(item)
        if item == 1:
            second.set()
        return item * 10, threading.current_thread()

    def items():
        for item in range(6):
            asked_for.append(item)
            yield item

    with prefetch(prepare, items()) as results:
        for number, (result, thread) in enumerate(results):
            assert result == number * 10 and thread is not threading.current_thread()
            assert second.wait(60)  # without the caller's asking
            assert len(begun) <= len(asked_for) <= number + 2
    assert begun == list(range(6)) and not thread.is_alive()


def test_an_error_is_raised_in_its_turn_and_the_thread_ends():
    def prepare(item):
        if item == 2:
            raise OSError("row 2")
        return item

    seen, before = [], threading.active_count()
    with pytest.raises(OSError, match="row 2"), prefetch(prepare, range(10)) as results:
        for result in results:
            seen.append(result)
    assert seen == [0, 1] and threading.active_count() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
def test_the_thread_ends_with_a_training_that_is_stopped(monkeypatch, error):
    before = threading.active_count()
    monkeypatch.setattr(loop.TrainingLoop, "_descend", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(error):
        fit(tiny_method(), tiny_faces(), PLAN)
    assert threading.active_count() == before


def test_a_row_that_cannot_be_read_ends_the_training_in_its_own_step(monkeypatch):
    real, steps = BatchLoader.load, []
    descend = loop.TrainingLoop._descend

    def load(self, step):
        if (step.epoch, step.number) == (1, 2):
            raise OSError("the disk is gone")
        return real(self, step)

    monkeypatch.setattr(BatchLoader, "load", load)
    monkeypatch.setattr(loop.TrainingLoop, "_descend", lambda *a: (steps.append(a[2]), descend(*a)))
    with pytest.raises(OSError, match="the disk is gone"):
        fit(tiny_method(), tiny_faces(), PLAN)
    assert steps == list(range(8))  # 6 of the first epoch, 2 of the second


def waiting(monkeypatch, every: int) -> None:
    """Look at the losses as with a GPU: every so many steps."""
    monkeypatch.setattr(terms, "CHECK_EVERY", every)
    monkeypatch.setattr(terms, "values_are_at_hand", lambda fabric: False)


@pytest.mark.parametrize("every", [4, 100])
def test_losses_that_are_looked_at_later_are_the_same(monkeypatch, every):
    prompt, late = tiny_method(), tiny_method()
    expected = fit(prompt, tiny_faces(), PLAN)
    waiting(monkeypatch, every)
    history = fit(late, tiny_faces(), PLAN)
    assert history.epochs == expected.epochs
    assert_same(weights(prompt), weights(late))


@pytest.mark.parametrize("step", [1, 5, 6, 9, 17])
def test_a_run_that_looks_later_resumes_exactly_too(tmp_path, monkeypatch, step):
    waiting(monkeypatch, 4)
    whole, method = tiny_method(), tiny_method()
    expected = fit(whole, tiny_faces(), PLAN)
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(Stop):
            fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path, checkpoint_seconds=0)
    assert (tmp_path / "last.ckpt").exists() == (step > 4)
    history = fit(method, tiny_faces(), PLAN, folder=tmp_path, checkpoint_seconds=0)
    assert history.epochs == expected.epochs
    assert_same(weights(method), weights(whole))


def spoil(method, call: int) -> None:
    """Let the network's outputs be no numbers from a call on, counted from 1."""
    count = iter(range(1, 10**6))
    method.backbone.register_forward_hook(
        lambda module, inputs, output: output * math.nan if next(count) >= call else output
    )


@pytest.mark.parametrize("every", [1, 4, 100])
def test_a_loss_that_is_no_number_is_named_and_never_in_a_checkpoint(tmp_path, monkeypatch, every):
    waiting(monkeypatch, every)
    method = tiny_method()
    spoil(method, 9)
    with pytest.raises(TrainingError, match="Epoch 2, step 3"):
        fit(method, tiny_faces(), PLAN, folder=tmp_path, checkpoint_seconds=0)
    state, _ = load_tensors(tmp_path / "last.ckpt")
    assert state["position"]["epoch"] == 1 and state["position"]["step"] <= 2
    assert all(value.isfinite().all() for value in state["method"].values())


def test_nothing_is_asked_of_a_gpu_before_its_turn():
    """A device in name alone; what would be fetched from it goes through ``all_reduce`` first."""
    fetched = []
    fabric = SimpleNamespace(
        device=torch.device("cuda"),
        world_size=1,
        is_global_zero=True,
        all_reduce=lambda values, reduce_op: fetched.append(len(values)) or values,
    )
    position = Position()
    kept = terms.Terms(fabric, position, TrainingLog(None, fabric, 100, 0))
    for step in range(40):
        kept.add(step, {"loss": torch.tensor(0.1 * step), "accuracy": torch.tensor(1.0)})
        assert kept.settled == ((step + 1) % 16 == 0)
    assert fetched == [16, 16]
    kept.settle()
    assert fetched == [16, 16, 8] and kept.settled
    expected = 0.0
    for step in range(40):
        expected += float(torch.tensor(0.1 * step))
    assert position.sums == {"loss": expected, "accuracy": 40.0}


def test_terms_may_change_between_steps():
    fabric = SimpleNamespace(
        device=torch.device("cuda"), world_size=1, is_global_zero=True, all_reduce=lambda values, reduce_op: values
    )
    position = Position()
    kept = terms.Terms(fabric, position, TrainingLog(None, fabric, 100, 0))
    kept.add(0, {"loss": torch.tensor(1.0)})
    kept.add(1, {"loss": torch.tensor(2.0), "other": torch.tensor(5.0)})
    kept.settle()
    assert position.sums == {"loss": 3.0, "other": 5.0}


def test_the_next_batch_is_read_while_the_network_works(monkeypatch):
    """Within a step, the rows of the one that follows are read."""
    read, real = [], BatchLoader.load

    def load(self, step):
        read.append(step)
        return real(self, step)

    monkeypatch.setattr(BatchLoader, "load", load)
    descend, waited = loop.TrainingLoop._descend, []

    def wait(self, loss, step):
        end = time.monotonic() + 60
        while len(read) < min(step + 2, 18) and time.monotonic() < end:
            time.sleep(0.001)
        waited.append(len(read))
        return descend(self, loss, step)

    monkeypatch.setattr(loop.TrainingLoop, "_descend", wait)
    fit(tiny_method(), tiny_faces(), PLAN)
    assert waited == [min(step + 2, 18) for step in range(18)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", METHODS)
def test_no_step_waits_for_the_gpu(monkeypatch, name):
    """PyTorch itself finds what would. The first steps are left aside: they make what the others find made."""
    step, mode = loop.TrainingLoop.step, torch.cuda.set_sync_debug_mode

    def watched(self, position, *others):
        mode("error" if position.step > 2 else "default")
        try:
            step(self, position, *others)
        finally:
            mode("default")

    monkeypatch.setattr(loop.TrainingLoop, "step", watched)
    faces, entry = tiny_faces(people=8, shots=12, size=32), METHODS[name]
    options = {"margin": {"sample": 0.5}, "vicreg": {"expander": (16, 16)}}.get(name, {})
    torch.manual_seed(0)
    method = new_method(name, TinyBackbone(), PRESETS[entry.augmentation], options, 40)
    history = fit(method, faces, Plan(1, 8, warmup_epochs=0, clip_norm=1.0), scenes=np.arange(96) // 4)
    assert len(history.epochs) == 1
