"""``facelab train``: what is promised of a run, of its folder, and of its recipe."""

import shlex
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from tiny import tiny_faces

from facelab import cli, records
from facelab.augment import PRESETS
from facelab.backbones import backbone
from facelab.commands.train import run as run_module
from facelab.commands.train import task as task_module
from facelab.commands.train.processes import new_fabric
from facelab.commands.train.run import train_and_measure
from facelab.commands.train.settings import RECIPES, Settings, command_line, recipe
from facelab.commands.train.task import prepare_task
from facelab.errors import BadParameterError, FacelabError
from facelab.evaluation import accuracy_over_people
from facelab.methods import METHODS, MoCo, SupCon, load_method, new_method
from facelab.methods.registry import method_options
from facelab.protocols.closed_set import run_closed_set
from facelab.protocols.unseen_people import run_unseen_people
from facelab.training import Plan, loop

FACES = tiny_faces(people=6, shots=10)
PLAN = Plan(epochs=2, batch_size=8, lr=2e-3)
PLAIN = Settings(
    method="supcon", options={"projection": "6"}, dataset="tiny", min_photos=4, size=16, people="known", scene=None,
    augmentation="supcon", backbone="resnet10", width=8, weights=None, freeze=0, head="none",
)  # fmt: skip

HEADED = replace(PLAIN, head="finetuned", head_epochs=2)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(task_module, "load", lambda name, size: FACES)


def settings(**changes) -> Settings:
    return replace(PLAIN, **changes)


def metrics(folder: Path) -> dict[str, float]:
    return {name: metric.value for name, metric in records.read_record(folder / "record.json").metrics.items()}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_method(path).method.state_dict()


def assert_same(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


def build(part, name: str = "supcon", seed: int = 0, **options):
    torch.manual_seed(seed)
    augmentation = PRESETS[METHODS[name].augmentation]
    return new_method(name, backbone("resnet10", 1, width=8), augmentation, options, len(part.people))


def test_known_people_are_measured_as_in_notebook_02(tmp_path):
    assert (
        train_and_measure(settings(method="classifier", options={}, augmentation="classifier"), PLAN, tmp_path)
        == tmp_path
    )
    done = run_closed_set(FACES, lambda part: build(part, "classifier"), PLAN)
    found = records.read_record(tmp_path / "record.json").metrics
    names = {"CNN, nearest photograph": "classifier, nearest photograph"}
    names["CNN + MLP"] = "classifier, class scores"
    person = FACES.identity[done.split.test]
    for name, ranks in done.results.items():
        for k in (1, 2, 3):
            expected = records.Metric.from_estimate(accuracy_over_people(ranks, person, k))
            assert found[f"top{k}/{names.get(name, name)}"] == expected
            assert (expected.value, expected.n) == (ranks.accuracy(k).value, 6)
    assert {f"top{k}/classifier, k-means" for k in (1, 2, 3)} | {"silhouette/classifier"} < set(found)
    for metric in found.values():
        assert metric.low <= metric.value <= metric.high


def test_unseen_people_are_measured_as_in_notebook_02(tmp_path, monkeypatch):
    faces = tiny_faces(people=8, shots=12)  # 864 impostor pairs: a FAR of .1 shows, .01 would rest on nine
    monkeypatch.setattr(task_module, "load", lambda name, size: faces)
    for do in ("train", "test"):
        train_and_measure(settings(people="unseen"), PLAN, tmp_path, do=do)
    done = run_unseen_people(faces, lambda part: build(part, projection=6), PLAN, fars=(0.1,), name="supcon")
    expected = {f"{what}/{name}": figures[what] for name, figures in done.metrics.items() for what in figures}
    found = records.read_record(tmp_path / "record.json").metrics
    assert found.keys() == expected.keys()
    for name, estimate in expected.items():
        assert (found[name].value, found[name].low, found[name].high) == (estimate.value, estimate.low, estimate.high)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run with a finetuned head, start to end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_module, "load", lambda name, size: FACES)
        return train_and_measure(HEADED, PLAN, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("head", ["frozen", "finetuned"])
def test_a_head_goes_on_top_of_what_was_learned(tmp_path, whole, head):
    folder = whole if head == "finetuned" else train_and_measure(replace(HEADED, head=head), PLAN, tmp_path, plots=True)
    before, after = (
        {k: v for k, v in weights(folder / f"{n}.pt").items() if k[:9] == "backbone."} for n in ("method", "head")
    )
    same = [torch.equal(before[name], after[name]) for name in before]
    assert all(same) if head == "frozen" else not any(same)
    assert 0 <= metrics(folder)[f"top1/supcon + MLP, {head}"] <= metrics(folder)[f"top3/supcon + MLP, {head}"] <= 1
    pictures = {"method-loss.png", "head-loss.png", "head-accuracy.png", "results.png"} if head == "frozen" else set()
    assert {path.name for path in folder.glob("*.png")} == pictures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png"))


def test_train_then_test_is_both(tmp_path, whole):
    with pytest.raises(FacelabError, match="There is no stored method"):
        train_and_measure(HEADED, PLAN, tmp_path, do="test")
    train_and_measure(HEADED, PLAN, tmp_path, do="train")
    assert not (tmp_path / "record.json").exists()
    (tmp_path / "last.ckpt").unlink()  # the stored method is enough
    train_and_measure(HEADED, PLAN, tmp_path, do="test")
    assert metrics(tmp_path) == metrics(whole)


@pytest.mark.parametrize("step", [5, 9, 12])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, whole, step):
    """36 photographs, 4 steps an epoch: it stops in the method's second epoch, and in the head's two."""
    real, count = loop.TrainingLoop._descend, iter(range(10**6))

    class Stop(Exception):
        pass

    def dying(*arguments):
        if next(count) == step:
            raise Stop
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "_descend", dying)
        with pytest.raises(Stop):
            train_and_measure(HEADED, PLAN, tmp_path)
    taken = []
    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "_descend", lambda *given: taken.append(real(*given)))
        train_and_measure(HEADED, PLAN, tmp_path)
    assert len(taken) == 16 - step // 4 * 4  # it went on after the last whole epoch
    for name in ("method.pt", "head.pt"):
        assert_same(weights(tmp_path / name), weights(whole / name))
    assert metrics(tmp_path) == metrics(whole)


def test_a_method_without_labels_is_told_no_names(tmp_path, monkeypatch):
    told, real = [], MoCo.training_step

    def spy(self, views, labels, *others):
        told.append(labels)
        return real(self, views, labels, *others)

    monkeypatch.setattr(MoCo, "training_step", spy)
    train_and_measure(settings(method="moco", options={"queue": "16"}), PLAN, tmp_path, do="train")
    assert len(told) == 9 and all((labels == -1).all() for labels in told)
    with pytest.raises(BadParameterError, match="who is who"):
        train_and_measure(settings(method="moco", options={"queue": "16"}), replace(PLAN, per_class=2), tmp_path / "b")


def test_photographs_of_one_scene_are_told_to_be(tmp_path, monkeypatch):
    table = FACES.attributes.assign(moment=[f"m{row // 5}" for row in range(len(FACES))])  # two moments a person
    monkeypatch.setattr(task_module, "load", lambda name, size: replace(FACES, attributes=table))
    seen, real = [], run_module.fit

    def spy(method, faces, plan, *, scenes, **others):
        seen.append((faces.attributes["moment"].to_numpy(), scenes))
        return real(method, faces, plan, scenes=scenes, **others)

    monkeypatch.setattr(run_module, "fit", spy)
    train_and_measure(settings(people="unseen", scene="moment"), PLAN, tmp_path, do="train")
    ((moments, scenes),) = seen
    assert ((moments[:, None] == moments) == (scenes[:, None] == scenes)).all() and len(set(scenes)) == 6


def test_weights_and_frozen_layers_reach_the_backbone(tmp_path):
    train_and_measure(PLAIN, PLAN, tmp_path / "a", do="train")
    train_and_measure(
        settings(weights=str(tmp_path / "a" / "method.pt"), freeze=2), replace(PLAN, seed=4), tmp_path / "b"
    )
    first, second = weights(tmp_path / "a" / "method.pt"), weights(tmp_path / "b" / "method.pt")
    same = {name for name in first if torch.equal(first[name], second[name])}
    assert {
        name for name in same if name.startswith("backbone.body.conv1") or name.startswith("backbone.body.bn1")
    } == same
    assert "backbone.body.conv1.weight" in same and "backbone.body.bn1.running_mean" in same
    assert "top1/network before training" in metrics(tmp_path / "b")


@pytest.mark.parametrize(
    ("changes", "plan", "more", "said"),
    [
        ({"method": "supercon"}, {}, {}, "No method is called"),
        ({"options": {"tau": "1"}}, {}, {}, "no option 'tau'"),
        ({"options": {"temperature": "0"}}, {}, {}, "temperature is 0.*above 0"),
        ({"people": "some"}, {}, {}, "--people is 'some'.*known, unseen"),
        ({"head": "big"}, {}, {}, "--head is 'big'"),
        ({"precision": "8"}, {}, {}, "--precision is '8'"),
        ({"scene": "moment"}, {}, {}, "no column 'moment'. There are: file"),
        ({"method": "classifier", "options": {}, "scene": "file"}, {}, {}, "--scene is for second views"),
        ({"augmentation": "strong"}, {}, {}, "--augmentation is 'strong'.*moco_v2"),
        ({"head": "frozen", "people": "unseen"}, {}, {}, "--people unseen"),
        ({"backbone": "resnet11"}, {}, {}, "No backbone is called"),
        ({"backbone": "inception_resnet_v1", "width": None}, {}, {}, "75"),
        ({"width": 7}, {}, {}, "width 7"),
        ({"weights": "nowhere.pt"}, {}, {}, "nowhere.pt"),
        ({"freeze": 1000}, {}, {}, "1000 layers"),
        ({"min_photos": 11}, {}, {}, "0 people"),
        ({}, {"batch_size": 1000}, {}, "smaller batch"),
        ({"method": "classifier", "options": {}}, {"chunk": 4}, {}, "Classifier cannot train in chunks"),
        ({}, {"optimizer": "adam"}, {}, "No optimiser"),
        ({}, {"lr": -1.0}, {}, "learning rate"),
        ({}, {}, {"do": "nothing"}, "--do is 'nothing'"),
        ({"method": "classifier", "options": {}}, {"batch_size": 2}, {"devices": 2}, "more than 1 value"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_the_first_step(tmp_path, monkeypatch, changes, plan, more, said):
    monkeypatch.setattr(loop.TrainingLoop, "step", lambda *_: pytest.fail("it trained"))
    with pytest.raises(FacelabError, match=said) as error:
        train_and_measure(settings(**changes), replace(PLAN, **plan), tmp_path, **more)
    assert "\n" not in str(error.value)


def test_the_step_that_is_tried_goes_in_chunks_too(monkeypatch):
    seen, real = [], SupCon.project
    monkeypatch.setattr(SupCon, "project", lambda self, view: seen.append(len(view)) or real(self, view))
    prepare_task(PLAIN, replace(PLAN, chunk=4), new_fabric(1, "32-true"))
    assert seen == [4] * 4  # two views of eight photographs


def test_a_refused_run_does_not_take_the_folder(tmp_path):
    with pytest.raises(BadParameterError):
        train_and_measure(PLAIN, replace(PLAN, batch_size=1000), tmp_path)
    assert train_and_measure(PLAIN, PLAN, tmp_path, do="train") == tmp_path


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has it")
def test_half_precision_without_a_gpu_is_refused(tmp_path):
    with pytest.raises(BadParameterError, match="bf16-mixed"):
        train_and_measure(settings(precision="16-mixed"), PLAN, tmp_path)


def test_two_people_are_too_few_for_intervals_over_people(tmp_path, monkeypatch):
    monkeypatch.setattr(task_module, "load", lambda name, size: tiny_faces(people=2))
    with pytest.raises(BadParameterError, match="show 2 people"):
        train_and_measure(PLAIN, PLAN, tmp_path)


def test_a_folder_is_that_of_one_run(tmp_path, monkeypatch):
    train_and_measure(PLAIN, PLAN, tmp_path, do="train")
    for changed, plan in ((settings(freeze=1), PLAN), (PLAIN, replace(PLAN, seed=1))):
        for do in ("both", "test"):  # another seed is another split: its test has training photographs
            with pytest.raises(FacelabError, match="another run: facelab train supcon"):
                train_and_measure(changed, plan, tmp_path, do=do)
    monkeypatch.setattr(task_module, "load", lambda name, size: tiny_faces(people=6, shots=11))
    with pytest.raises(FacelabError, match="another run"):
        train_and_measure(PLAIN, PLAN, tmp_path, do="test")


def test_folders_by_default_differ_where_the_runs_do(tmp_path):
    given = [PLAIN, settings(freeze=1), settings(options={}), settings(dataset="folder:/a b")]
    folders = [run_module.default_run_folder(one, plan) for one in given for plan in (PLAN, replace(PLAN, lr=0.1))]
    assert len(set(folders)) == 8
    assert train_and_measure(PLAIN, PLAN, do="train") == folders[0] and (folders[0] / "method.pt").is_file()


def typed(monkeypatch, line: str) -> tuple[Settings, Plan]:
    """What the command makes of a line."""
    caught = []
    monkeypatch.setattr(run_module, "train_and_measure", lambda *given: caught.append(given[:2]))
    cli.app(shlex.split(line)[1:], standalone_mode=False)
    return caught[0]


def test_the_command_of_a_run_is_that_run(monkeypatch):
    other = settings(
        method="moco", options={"queue": "64", "temperature": "0.3"}, dataset="folder:/a b", min_photos=5, size=24,
        people="unseen", scene="photo", augmentation="simclr", backbone="resnet18", width=16, weights="w.pt", freeze=3,
        precision="bf16-mixed",
    )  # fmt: skip
    plan = Plan(7, 48, 1 / 3, "sgd", 0.01, 0.8, 2.5, 1.5, 2, 9, 12)
    for given in ((PLAIN, PLAN), (other, plan), (settings(head="finetuned"), plan)):
        assert typed(monkeypatch, command_line(*given)) == given


@pytest.mark.parametrize("method", METHODS)
def test_a_method_by_its_name_alone_has_its_recipe(monkeypatch, method):
    own = recipe(method)
    given, plan = typed(monkeypatch, f"facelab train {method}")
    assert (plan.epochs, plan.lr, given.augmentation, given.options) == tuple(asdict(own).values())
    assert (given.scene, given.width, given.head, plan.warmup_epochs) == (None, None, "none", 1.0)
    assert given.options.keys() <= method_options(method).keys()


def test_what_is_typed_comes_before_the_recipe(monkeypatch):
    given, plan = typed(monkeypatch, "facelab train moco -p queue=7 --augmentation simclr --lr 0.5 --epochs 3")
    assert given.options == {"queue": "7", "temperature": "0.1"} and given.augmentation == "simclr"
    assert (plan.lr, plan.epochs) == (0.5, 3) and RECIPES["moco"].options["queue"] == "64"


def test_a_method_without_a_recipe_keeps_its_own_augmentation(monkeypatch):
    monkeypatch.delitem(RECIPES, "moco")
    given, plan = typed(monkeypatch, "facelab train moco")
    assert (given.augmentation, given.options, plan.epochs) == ("moco_v2", {}, 40)
