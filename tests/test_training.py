"""fit(): the loop against a loop written out, and stops at every place."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from scipy.stats import chisquare
from tiny import tiny_contrastive, tiny_faces, tiny_margin, tiny_method

from facelab.augment import Augmentation
from facelab.commands.train.processes import new_fabric
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, FacelabError, TrainingError
from facelab.methods import VCL, MoCo, SimCLR, SupCon, VICReg, embed_faces
from facelab.tensor_files import load_tensors, save_tensors
from facelab.training import (
    Plan,
    SceneIndex,
    default_accelerator,
    epoch_order,
    fit,
    loop,
    single_process_fabric,
)

PLAN = Plan(epochs=3, batch_size=8, lr=0.01, warmup_epochs=1, seed=3)


def weights(method) -> dict:
    return {name: value.clone() for name, value in method.state_dict().items()}


def assert_same(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


class Stop(Exception):
    """Stands for a kill: leaves the loop at once, from within a step."""


def stop_at(monkeypatch, step: int) -> None:
    """Let the training die at the given step of the whole run, before its weights move."""
    real, count = loop.TrainingLoop._descend, iter(range(10**6))

    def dying(*args):
        if next(count) == step:
            raise Stop
        return real(*args)

    monkeypatch.setattr(loop.TrainingLoop, "_descend", dying)


def test_learns_what_can_be_learned():
    faces, method = tiny_faces(), tiny_method()
    history = fit(method, faces, Plan(epochs=40, batch_size=16, lr=0.03))
    assert history.epochs[-1]["loss"] < 0.7 * history.epochs[0]["loss"]
    assert (method.predict(faces).argmax(axis=1) == faces.labels()).mean() > 0.9


def test_equals_a_loop_written_out():
    """SGD without momentum on a network without norm: every step by hand, from the seeds that the module promises."""
    plan = Plan(
        epochs=2, batch_size=8, lr=0.1, optimizer="sgd", momentum=0.0, weight_decay=0.1, warmup_epochs=0, seed=5
    )
    faces, method, oracle = tiny_faces(), tiny_method(norm=False), tiny_method(norm=False)
    fit(method, faces, plan)
    steps = len(faces) // 8
    for epoch in range(2):
        order = np.random.default_rng([5, epoch]).permutation(len(faces))
        for step in range(steps):
            rows = order[8 * step : 8 * step + 8]
            rng = np.random.default_rng(np.random.SeedSequence([5, epoch, step]))
            view = oracle.augmentation.apply(faces.images[rows], oracle.augmentation.draw(8, rng))
            logits = oracle.head(oracle.backbone(view))
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(faces.labels()[rows]))
            parameters = list(oracle.parameters())
            rate = 0.1 * 0.5 * (1 + np.cos(np.pi * (epoch * steps + step) / (2 * steps)))
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                decay = 0.1 if parameter.ndim > 1 else 0.0
                parameter.data -= rate * (gradient + decay * parameter.data)
    for name, value in oracle.state_dict().items():
        torch.testing.assert_close(method.state_dict()[name], value, atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize("step", [0, 1, 5, 6, 7, 17])
def test_resumes_exactly_from_any_step(tmp_path, monkeypatch, step):
    """18 steps, 6 an epoch; checkpoints at every step, so that stops within and between epochs are met."""
    whole = tiny_method()
    expected = fit(whole, tiny_faces(), PLAN)
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(Stop):
            fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path, checkpoint_seconds=0)
    resumed = tiny_method(seed=9)  # other initial weights: they must come from the checkpoint
    if step == 0:
        resumed = tiny_method()  # nothing was written yet
    history = fit(resumed, tiny_faces(), PLAN, folder=tmp_path, checkpoint_seconds=0)
    assert_same(weights(resumed), weights(whole))
    assert [e["loss"] for e in history.epochs] == [e["loss"] for e in expected.epochs]


def test_resumes_the_best_epoch_too(tmp_path, monkeypatch):
    scores = [0.9, 0.2, 0.3]
    plan = Plan(epochs=3, batch_size=8, lr=0.01)
    kept = []

    def validate(method):
        kept.append(weights(method))
        return scores[len(kept) - 1]

    with monkeypatch.context() as patch:
        stop_at(patch, 13)  # in the last epoch
        with pytest.raises(Stop):
            fit(tiny_method(), tiny_faces(), plan, validate=validate, folder=tmp_path)
    method = tiny_method(seed=4)
    history = fit(method, tiny_faces(), plan, validate=validate, folder=tmp_path)
    assert history.best_epoch == 1
    assert_same(weights(method), kept[0])
    assert history.series("validation") == scores


def test_resumes_the_scale_of_the_loss_too(tmp_path, monkeypatch):
    """Under 16-mixed Fabric scales the loss, and a step that overflows is lost: the first ones here, and whenever it grows."""

    def fabric() -> Fabric:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=3)
        return Fabric(accelerator="cpu", devices=1, plugins=MixedPrecision("16-mixed", "cpu", scaler))

    def trained(method, used: Fabric, **options) -> list[float]:
        scale = lambda _: {"scale": used.strategy.precision.state_dict()["scale"]}  # noqa: E731
        return fit(method, tiny_faces(), PLAN, fabric=used, monitors=[scale], **options).series("scale")

    whole, resumed, again, first = tiny_method(), tiny_method(seed=9), tiny_method(), fabric()
    scales = trained(whole, first)
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_at(patch, 13)
        trained(tiny_method(), fabric(), folder=tmp_path, checkpoint_seconds=0)
    assert trained(resumed, fabric(), folder=tmp_path) == scales and len(set(scales)) == 2
    assert_same(weights(resumed), weights(whole))
    assert trained(again, first) == scales  # the second training of a Fabric begins with its scale, not the first's
    assert_same(weights(again), weights(whole))


def test_validation_decides_the_weights_and_sees_evaluation_mode():
    modes = []

    def validate(method):
        modes.append(method.training)
        return [0.1, 0.8, 0.3][len(modes) - 1]

    history = fit(tiny_method(), tiny_faces(), PLAN, validate=validate)
    assert history.best_epoch == 2
    assert modes == [False] * 3


def test_a_killed_process_resumes_to_the_same_weights(tmp_path):
    """SIGKILL, twice, at whatever moment it happens to be; then to the end, against an undisturbed run."""
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, torch; torch.set_num_threads(1)\n"
        "from tiny import tiny_faces, tiny_method\n"
        "from facelab.training import Plan, fit\n"
        "folder, out = sys.argv[1:]\n"
        "method = tiny_method()\n"
        "print('go', flush=True)\n"
        "fit(method, tiny_faces(), Plan(epochs=30, batch_size=8, lr=.01), folder=folder, checkpoint_seconds=0)\n"
        "torch.save(method.state_dict(), out)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}

    def start(folder, out):
        command = [sys.executable, str(script), str(folder), str(out)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)

    assert start(tmp_path / "a", tmp_path / "a.pt").wait() == 0
    for wait in (0.15, 0.4):
        process = start(tmp_path / "b", tmp_path / "b.pt")
        process.stdout.readline()
        deadline = time.monotonic() + 60
        while not (tmp_path / "b" / "last.ckpt").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(tmp_path / "b", tmp_path / "b.pt").wait() == 0
    left, right = (torch.load(tmp_path / name, weights_only=True) for name in ("a.pt", "b.pt"))
    assert_same(left, right)


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    left, foreign = tmp_path / ".last.ckpt-abcd1234.partial", tmp_path / ".last.ckpt-notes"
    for path in (left, foreign):
        path.touch()
    fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path)
    assert not left.exists() and foreign.exists()


def test_nan_names_the_step():
    method = tiny_method()

    def spoil(module, inputs, output):
        spoil.calls += 1
        return output * float("nan") if spoil.calls == 9 else output

    spoil.calls = 0
    method.backbone.register_forward_hook(spoil)
    with pytest.raises(TrainingError, match="Epoch 2, step 3"):
        fit(method, tiny_faces(), PLAN)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path)
    for faces, plan in ((tiny_faces(), Plan(epochs=4, batch_size=8)), (tiny_faces(seed=1), PLAN)):
        with pytest.raises(TrainingError, match="another"):
            fit(tiny_method(), faces, plan, folder=tmp_path)


def test_a_broken_checkpoint_is_named(tmp_path):
    fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path)
    path = tmp_path / "last.ckpt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="last.ckpt"):
        fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path)


def test_a_foreign_checkpoint_is_refused(tmp_path):
    path = tmp_path / "last.ckpt"
    written = {"state_dict": {}}, {"position": {}}
    foreign = [partial(torch.save, {"weights": torch.zeros(3)}), partial(torch.save, [1, 2])]
    foreign += [partial(save_tensors, content) for content in written]
    foreign += [lambda path: path.write_text("hello"), Path.touch, Path.mkdir]
    for write in foreign:
        write(path)
        with pytest.raises(TrainingError, match="last.ckpt .*Move it away.*another --out") as error:
            fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path)
        assert "\n" not in str(error.value)
        if path.is_file():
            path.unlink()


def test_a_checkpoint_of_an_earlier_version_is_gone_on_from(tmp_path):
    """It has no hash of its content, and nothing of the precision."""
    first, second = tiny_method(), tiny_method(seed=9)
    fit(first, tiny_faces(), PLAN, folder=tmp_path)
    content, _ = load_tensors(tmp_path / "last.ckpt")
    del content["precision"]
    torch.save(content, tmp_path / "last.ckpt")
    fit(second, tiny_faces(), PLAN, folder=tmp_path)
    assert_same(weights(first), weights(second))


def test_a_full_disk_is_one_error_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    """The disk fills while the second epoch is written; a later run goes on from the first."""
    whole, method = tiny_method(), tiny_method()
    fit(whole, tiny_faces(), PLAN)
    real, count = Path.write_bytes, iter(range(100))

    def write(path, data):
        if next(count) == 1:
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(FacelabError, match="No space left"):
        fit(method, tiny_faces(), PLAN, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    fit(method, tiny_faces(), PLAN, folder=tmp_path)
    assert_same(weights(method), weights(whole))


def test_a_validation_that_is_no_number_is_named():
    with pytest.raises(TrainingError, match="epoch 1 is not a number"):
        fit(tiny_method(), tiny_faces(), PLAN, validate=lambda method: float("nan"))


def test_a_finished_run_is_not_trained_again(tmp_path):
    method = tiny_method()
    fit(method, tiny_faces(), PLAN, folder=tmp_path)
    again = tiny_method(seed=8)
    history = fit(again, tiny_faces(), PLAN, folder=tmp_path)
    assert len(history.epochs) == 3
    assert_same(weights(again), weights(method))


def test_wrong_plans_are_refused():
    with pytest.raises(BadParameterError, match="smaller batch"):
        fit(tiny_method(), tiny_faces(people=2, shots=3), PLAN)
    for wrong in ({"epochs": 0}, {"epochs": 10**20}, {"batch_size": 0}, {"warmup_epochs": 3}):
        with pytest.raises(BadParameterError):
            Plan(**{"epochs": 3} | wrong)
    with pytest.raises(BadParameterError, match="adamw"):
        fit(tiny_method(), tiny_faces(), Plan(epochs=2, batch_size=8, optimizer="adam"))


def test_a_plan_for_fewer_photographs_takes_as_many_steps():
    plan = Plan(epochs=20, batch_size=32)
    assert plan.with_equal_steps(960, 240).epochs == 86  # 600 steps, 7 an epoch
    assert plan.with_equal_steps(960, 960) == plan
    assert Plan(epochs=2, batch_size=8).with_equal_steps(8, 800).epochs == 1


def test_a_checkpoint_of_another_temperature_is_refused(tmp_path):
    fit(tiny_contrastive(SupCon, temperature=0.1), tiny_faces(), PLAN, folder=tmp_path)
    fit(tiny_contrastive(SupCon, temperature=0.1).eval(), tiny_faces(), PLAN, folder=tmp_path)
    with pytest.raises(TrainingError, match="another method, plan or data"):
        fit(tiny_contrastive(SupCon, temperature=0.2), tiny_faces(), PLAN, folder=tmp_path)


def test_a_checkpoint_of_a_network_with_the_same_shapes_is_refused(tmp_path):
    """Another stride, or layers that stay as they are."""
    fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path)
    fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path)
    finer, frozen = tiny_method(), tiny_method()
    finer.backbone[0].stride = (1, 1)
    frozen.backbone[0].requires_grad_(False)
    smooth = tiny_method()
    smooth.backbone[5].p = 0.5
    for other in (finer, frozen, smooth):
        with pytest.raises(TrainingError, match="another method, plan or data"):
            fit(other, tiny_faces(), PLAN, folder=tmp_path)


@pytest.mark.parametrize("buffer", ["importance", "margins"])
def test_a_checkpoint_of_other_weights_of_the_classes_is_refused(tmp_path, buffer):
    """They stand in buffers, which would be overwritten by those of the checkpoint."""
    fit(tiny_margin("cosface"), tiny_faces(), PLAN, folder=tmp_path)
    fit(tiny_margin("cosface"), tiny_faces(), PLAN, folder=tmp_path)
    other = tiny_margin("cosface")
    getattr(other.head, buffer)[0] = 0.9
    with pytest.raises(TrainingError, match="another method, plan or data"):
        fit(other, tiny_faces(), PLAN, folder=tmp_path)


@pytest.mark.parametrize("method", [tiny_method, partial(tiny_margin, "softmax"), partial(tiny_margin, "arcface")])
@pytest.mark.parametrize("wrong", [-1, 4])
def test_a_label_that_is_no_class_is_refused_before_the_first_step(method, wrong):
    """On a GPU a step would not look at it, and the whole process would be lost."""
    labels = tiny_faces().labels()
    labels[[3, 7]] = wrong
    with pytest.raises(BadParameterError, match=f"2 of 48 .* none of the 4 classes: {wrong}"):
        fit(method(), tiny_faces(), PLAN, labels=labels)
    fit(tiny_contrastive(SupCon), tiny_faces(), PLAN, labels=labels)  # which compares photographs


def test_a_scene_of_two_people_is_refused():
    """Else the photograph of one would be learned as a view of the other."""
    faces, scenes = tiny_faces(), np.arange(48) // 3
    unknown = np.full(48, -1)
    fit(tiny_contrastive(SimCLR), faces, PLAN, scenes=scenes, labels=unknown)
    scenes[[11, 12, 30]] = 7
    with pytest.raises(BadParameterError, match="1 of 16 scenes show more than one person, .* 6 photographs"):
        fit(tiny_contrastive(SimCLR), faces, PLAN, scenes=scenes, labels=unknown)
    unnamed = replace(faces, identity=unknown, names=())
    with pytest.raises(BadParameterError, match="1 of 16 scenes show more than one class"):
        fit(tiny_contrastive(SupCon), unnamed, PLAN, scenes=scenes, labels=faces.labels())
    fit(tiny_contrastive(SupCon), unnamed, PLAN, scenes=scenes)


@pytest.mark.parametrize("loss", ["", "softmax", "cosface", "sphereface"])
@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_other_precisions_train_and_measure(loss, precision):
    trained = tiny_margin(loss) if loss else tiny_method()
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    history = fit(
        trained, tiny_faces(), PLAN, fabric=fabric, validate=lambda one: float(one.predict(tiny_faces())[0, 0])
    )
    assert all(np.isfinite(history.series("loss"))) and embed_faces(trained, tiny_faces()).dtype == np.float32


def test_who_is_known_keeps_the_label_beside_one_who_is_not(monkeypatch):
    faces = tiny_faces()
    some = replace(faces, identity=np.where(np.arange(len(faces)) % 5, faces.identity, -1))
    seen = []
    monkeypatch.setattr(loop, "BatchLoader", lambda method, faces, labels, *rest: seen.append(labels))
    with pytest.raises(AttributeError):  # there are no batches
        fit(tiny_contrastive(SupCon), some, PLAN)
    assert seen[0].tolist() == some.identity.tolist()


@pytest.mark.parametrize(
    "given", [{"labels": np.zeros(47, int)}, {"scenes": np.arange(49)}, {"labels": np.zeros((48, 2))}]
)
def test_labels_and_scenes_are_one_a_photograph(given):
    with pytest.raises(BadParameterError, match=f"The {next(iter(given))} have the shape.*48 photographs"):
        fit(tiny_contrastive(SupCon), tiny_faces(), PLAN, **given)


def test_labels_of_32_bits_are_classes_too():
    faces = tiny_faces()
    plain, given = tiny_method(), tiny_method()
    fit(plain, faces, PLAN)
    fit(given, faces, PLAN, labels=faces.labels().astype(np.int32))
    assert_same(weights(plain), weights(given))


def test_monitors_join_the_history():
    history = fit(tiny_method(), tiny_faces(), PLAN, monitors=[lambda method: {"norm": 1.5}])
    assert history.series("norm") == [1.5] * 3
    assert np.isnan(history.series("unknown")).all()


def uneven(loss: str, **options):
    """A margin method whose classes count differently: the two halves of a batch then have different sums of weights."""
    method = tiny_margin(loss, norm=False, **options)
    method.head.importance.copy_(torch.tensor([0.1, 1.0, 3.0, 7.0]))
    return method


SHARED = {  # methods without batch norm, whose statistics are a device's own, and what their plan has besides
    "classifier": (partial(tiny_method, norm=False), {}),
    "supcon": (partial(tiny_contrastive, SupCon, norm=False), {}),
    "simclr": (partial(tiny_contrastive, SimCLR, norm=False), {}),
    "simclr in chunks": (partial(tiny_contrastive, SimCLR, norm=False), {"chunk": 3}),
    "vicreg": (partial(tiny_contrastive, VICReg, norm=False), {"clip_norm": 1.0}),
    "moco": (partial(tiny_contrastive, MoCo, norm=False, queue=11, momentum=0.5), {}),
    "vcl": (partial(tiny_contrastive, VCL, norm=False), {}),
    "cosface": (partial(tiny_margin, "cosface", norm=False), {}),
    "sphereface": (partial(tiny_margin, "sphereface", norm=False, annealing=5), {}),
    "center": (partial(tiny_margin, "center", norm=False), {}),
    "ring": (partial(tiny_margin, "ring", norm=False), {}),
    "cosface, uneven": (partial(uneven, "cosface"), {}),
    "sphereface, uneven": (partial(uneven, "sphereface", annealing=5), {}),
    "softmax, uneven": (partial(uneven, "softmax"), {}),
}


class CountedRows(np.ndarray):
    """Pixels that count the rows which are read from them by number."""

    total = 0

    def __getitem__(self, key):
        if isinstance(key, np.ndarray):
            CountedRows.total += len(key)
        return super().__getitem__(key)


def counted() -> FaceSet:
    """The photographs of ``tiny_faces``, which count what is read of them."""
    faces = tiny_faces()
    return replace(faces, images=faces.images.view(CountedRows))


@pytest.fixture(scope="module")
def trained_by(tmp_path_factory) -> dict[int, dict]:
    """Weights and history of each method of ``SHARED`` in float64, by how many processes trained it."""
    script = tmp_path_factory.mktemp("shared") / "ddp.py"
    script.write_text(
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from lightning_fabric import Fabric\n"
        "from test_training import SHARED, CountedRows, Plan, counted, fit\n"
        "devices, out = sys.argv[1:]\n"
        "strategy = 'ddp' if devices != '1' else 'auto'\n"
        "fabric = Fabric(accelerator='cpu', devices=int(devices), strategy=strategy, precision='64-true')\n"
        "fabric.launch()\n"
        "found = {}\n"
        "for name, (build, more) in SHARED.items():\n"
        "    method, plan = build(), Plan(epochs=2, batch_size=8, lr=.05, optimizer='sgd', **more)\n"
        "    history = fit(method, counted(), plan, fabric=fabric)\n"
        "    found[name] = method.state_dict(), history.epochs\n"
        "Path(f'{out}.{fabric.global_rank}').write_text(str(CountedRows.total))\n"
        "if fabric.is_global_zero: torch.save(found, out)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    found = {}
    for devices in (1, 2):
        out = script.with_name(f"{devices}.pt")
        command = [sys.executable, str(script), str(devices), str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        found[devices] = torch.load(out, weights_only=True)
        found[devices]["rows"] = [int(path.read_text()) for path in sorted(out.parent.glob(f"{out.name}.*"))]
    return found


@pytest.mark.parametrize("name", SHARED)
def test_two_processes_give_the_losses_and_weights_of_one(trained_by, name):
    """DDP over two processes is one process on the joined batch."""
    (one, losses), (two, same) = (trained_by[devices][name] for devices in (1, 2))
    torch.testing.assert_close(one, two, atol=1e-10, rtol=1e-10)
    for epoch, other in zip(losses, same, strict=True):
        assert epoch == pytest.approx(other, rel=1e-5)  # logged in float32


def test_of_two_processes_each_reads_half_of_the_rows(trained_by):
    [one], two = (trained_by[devices]["rows"] for devices in (1, 2))
    steps = 2 * len(tiny_faces()) // 8  # of each method
    assert one == len(SHARED) * steps * 8  # both views are of one photograph, which is read once
    assert two == [one // 2] * 2


def test_an_order_holds_everybody_once_and_keeps_people_together():
    labels = np.repeat([7, 3, 5, -1], [5, 1, 4, 2])
    order = epoch_order(labels, 2, np.random.default_rng(0))
    assert sorted(order) == list(range(12))
    runs = [list(group) for _, group in itertools.groupby(labels[order])]
    assert sum(len(run) // 2 for run in runs) == 5  # two pairs of 7, two of 5, one of the unknown
    assert sum(len(run) % 2 for run in runs) == 2  # what is left of 7, and 3
    other = epoch_order(labels, 2, np.random.default_rng(1))
    assert list(order) != list(other)
    plain = epoch_order(labels, 1, np.random.default_rng(0))
    assert list(plain) == list(np.random.default_rng(0).permutation(12))


def test_a_second_view_is_of_the_same_scene():
    scenes = np.array([0, 1, 0, 2, 1, 0])
    rows = np.tile(np.arange(6), 500)
    others = SceneIndex(scenes).draw_partners(rows, np.random.default_rng(0))
    assert (scenes[others] == scenes[rows]).all()
    for row in range(6):  # each of its scene as often as the next
        counts = np.bincount(others[rows == row], minlength=6)
        assert chisquare(counts[scenes == scenes[row]]).pvalue > 0.001 if (scenes == scenes[row]).sum() > 1 else True
    generator = np.random.default_rng(0)
    assert (SceneIndex(np.arange(6)).draw_partners(rows, generator) == rows).all()
    assert generator.random() == np.random.default_rng(0).random()


def test_scenes_reach_the_method_and_the_second_view():
    seen = []

    class Seeing(SupCon):
        def training_step(self, views, labels, scenes):
            seen.append((torch.stack(views).mean(dim=(2, 3, 4)), scenes))
            return super().training_step(views, labels, scenes)

    identity = np.repeat(np.arange(4), 2)
    images = np.broadcast_to(np.arange(0, 240, 30, dtype=np.uint8)[:, None, None, None], (8, 16, 16, 1)).copy()
    faces = replace(tiny_faces(4, 2), images=images, identity=identity)
    method = tiny_contrastive(Seeing)
    method.augmentation = Augmentation()
    fit(method, faces, Plan(epochs=20, batch_size=8, warmup_epochs=0), scenes=np.array([5, 5, 9, 9, 2, 2, 7, 7]))
    for (first, second), scenes in seen:
        row = ((first * 0.5 + 0.5) * 255 / 30).round().long()
        other = ((second * 0.5 + 0.5) * 255 / 30).round().long()
        assert (row // 2 == other // 2).all()
        assert (torch.tensor([1, 3, 0, 2])[row // 2] == scenes).all()
    assert any((first != second).any() for (first, second), _ in seen)


def test_photographs_of_unknown_people_have_the_label_below_zero():
    faces = tiny_faces()
    unknown = replace(faces, identity=np.full(len(faces), -1), names=())
    with pytest.raises(BadParameterError, match=r"48 of 48 .* none of the 4 classes: -1.*people alone"):
        fit(tiny_method(), unknown, PLAN)


def test_the_gpu_of_a_mac_is_not_taken_by_itself(monkeypatch):
    """MPS does not repeat its figures; Fabric's own "auto" would take it."""
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert default_accelerator() == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert default_accelerator() == "cuda"


def test_no_other_place_lets_fabric_choose():
    sources = Path(loop.__file__).parent.parent.rglob("*.py")
    assert not [path for path in sources if 'accelerator="auto"' in path.read_text(encoding="utf-8")]


def test_a_training_is_one_process_where_slurm_is_installed(tmp_path, monkeypatch, recwarn):
    """Fabric by itself would say that ``srun`` is there and not used, and take the tasks of a job for its processes."""
    srun = tmp_path / "srun"
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert shutil.which("srun") == str(srun)
    for name, value in {
        "SLURM_NTASKS": "2",
        "SLURM_JOB_NAME": "lab",
        "SLURM_PROCID": "1",
        "SLURM_LOCALID": "1",
    }.items():
        monkeypatch.setenv(name, value)
    for fabric in (single_process_fabric(), new_fabric(1, "32-true")):
        assert (fabric.world_size, fabric.global_rank) == (1, 0)
    fit(tiny_method(), tiny_faces(), PLAN)
    assert not recwarn.list
