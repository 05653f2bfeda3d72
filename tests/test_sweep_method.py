"""``facelab sweep METHOD``: what it trains, what it sees, where it begins, and what is printed at the end."""

import shlex
import sys
from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_faces

from facelab import cli, sweeps
from facelab.commands.train import run as run_module
from facelab.commands.train import search as search_module
from facelab.commands.train import task as task_module
from facelab.commands.train.search import MethodObjective, parse_train_options, task_without_test
from facelab.commands.train.task import prepare_task
from facelab.errors import BadParameterError, FacelabError, TrainingError
from facelab.evaluation import topk_by_scores
from facelab.sweeps import describe_space, open_storage, open_study, run_trials, trial_table
from facelab.sweeps.space import contains
from facelab.training import single_process_fabric

pytest.importorskip("optuna")

FACES = tiny_faces(people=6, shots=10)
FIXED = {"dataset": "tiny", "size": "16", "width": "8", "epochs": "2", "projection": "6"}
GIVEN = {**FIXED, "lr": "0.002", "batch_size": "8"}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(task_module, "load", lambda name, size: FACES)


@pytest.fixture
def quick(monkeypatch):
    """Trainings that take no time: the result follows from the settings. Gives what was trained and looked up."""
    seen = []

    def fit(method, faces, plan, **_):
        seen.append((plan.lr, plan.batch_size, method.temperature, faces, None))
        if plan.lr > 0.015:
            raise TrainingError("Epoch 1, step 1: nan.", "Lower the learning rate.")

    def nearest(method, train, validation):
        seen[-1] = (*seen[-1][:3], train, validation)
        right = np.arange(len(validation)) < len(validation) * (1 - abs(method.temperature - 0.5))
        return topk_by_scores(np.eye(2)[right.astype(int)], np.ones(len(right), int))

    monkeypatch.setattr(search_module, "fit", fit)
    monkeypatch.setattr(search_module, "rank_by_nearest_photograph", nearest)
    return seen


def search(objective, folder, trials, space=None):
    space = objective.default_space() if space is None else space
    study = open_study(open_storage(str(folder / "log")), "s", objective, space)
    run_trials(study, objective, space, trials, folder)
    return study


@pytest.mark.parametrize("people", ["known", "unseen"])
def test_a_search_never_sees_the_test(tmp_path, quick, people):
    given = {**FIXED, "batch_size": "8", "people": people}
    task = prepare_task(*parse_train_options("supcon", given), single_process_fabric())
    secret = set(task.test.attributes["file"])
    search(MethodObjective("supcon", given), tmp_path, 3)
    assert len(quick) == 3
    for *_, train, validation in quick:
        parts = [set(part.attributes["file"]) for part in (train, validation) if part is not None]
        assert all(part and not part & secret for part in parts)
        assert len(parts) == 1 or not parts[0] & parts[1]
    assert len(task_without_test(task).test) == 0


def test_a_search_begins_with_the_recipe_and_finds_the_best(tmp_path, quick):
    objective = MethodObjective("supcon", FIXED)
    study = search(objective, tmp_path, 12)
    assert quick[0][:3] == (4e-3, 32, 0.1)
    assert len(quick) == 12
    diverged = [entry for entry in quick if entry[4] is None]
    table = trial_table(study, objective.default_space())
    assert diverged and (table["value"] == 0).sum() == len(diverged)  # and the search went on
    best = max(1 - abs(entry[2] - 0.5) for entry in quick if entry[4] is not None)
    assert abs(study.best_value - best) < 1 / 6  # of six photographs
    settings, plan = typed(objective.command(study.best_params))
    assert settings.options["projection"] == "6"
    assert (plan.lr, plan.batch_size, float(settings.options["temperature"])) in [entry[:3] for entry in quick]
    assert "n = 6 validation photographs" in objective.describe_value(study.best_value)


def typed(line):
    """What ``facelab train`` makes of a line."""
    caught = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "train_and_measure", lambda *given: caught.append(given[:2]))
        cli.app(shlex.split(line)[1:], standalone_mode=False)
    return caught[0]


def test_options_mean_what_they_mean_to_facelab_train():
    words = (
        "--dataset orl --people unseen --batch-size 16 --lr 0.01 --width 8 --epochs 3 --momentum 0.5 --optimizer sgd"
    )
    given = dict(word.replace("-", "_").split(" ", 1) for word in words.removeprefix("--").split(" --"))
    assert parse_train_options("supcon", {**given, "temperature": "0.2"}) == typed(
        f"facelab train supcon {words} -p temperature=0.2"
    )
    assert parse_train_options("margin", {}) == typed("facelab train margin")
    assert (
        parse_train_options("moco", {"momentum": "0.5"})[0].options["momentum"] == "0.5"
    )  # the method's, where both have one


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        ("supcon", {"tau": "1"}, "Neither supcon nor facelab train has an option 'tau'"),
        ("supcon", {"temprature": "1"}, "Did you mean 'temperature'"),
        ("supcon", {"out": "x"}, "has an option 'out'"),
        ("supcon", {"devices": "2"}, "has an option 'devices'"),
        ("supcon", {"lr": "fast"}, r"'--lr'.*\. See: facelab train --help"),
        ("supcon", {"epochs": "0"}, r"'--epochs'.*\. See: facelab train --help"),
        ("supcon", {"lr": "-1"}, "learning rate of -1"),
        ("supcon", {"momentum": "0.5"}, "--momentum changes nothing here"),
        ("supcon", {"temperature": "0"}, "above 0"),
        ("supcon", {"people": "some"}, "--people is 'some'"),
    ],
)
def test_what_cannot_be_is_one_line(method, given, said):
    with pytest.raises(BadParameterError, match=said) as error:
        MethodObjective(method, {**FIXED, **given})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("method", "given", "searched"),
    [
        ("supcon", {}, {"lr": 4e-3, "batch_size": 32, "temperature": 0.1}),
        ("supcon", {"temperature": "0.2", "lr": "0.1"}, {"batch_size": 32}),
        ("moco", {}, {"lr": 2e-3, "batch_size": 32, "temperature": 0.1, "queue": 64, "momentum": 0.99}),
        ("moco", {"temperature": "0.1"}, {"lr": 2e-3, "batch_size": 32, "queue": 64, "momentum": 0.99}),
        ("classifier", {}, {"lr": 3e-3, "batch_size": 32, "label_smoothing": 0.0}),
    ],
)
def test_what_has_a_fixed_value_is_not_searched_and_the_rest_starts_where_it_was(method, given, searched):
    small = {name: value for name, value in FIXED.items() if name != "projection"}
    objective = MethodObjective(method, {**small, **given})
    space = objective.default_space()
    assert space.keys() == searched.keys()
    for name, value in searched.items():
        assert objective.start[name] == value and contains(space[name], value)
        assert type(objective.start[name]) is type(value)


def test_where_all_is_fixed_nothing_is_searched():
    with pytest.raises(BadParameterError, match="Every parameter has a fixed value"):
        MethodObjective("supcon", {**GIVEN, "temperature": "0.1"}).default_space()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("temperature", 0.0, "above 0"),
        ("lr", 0.0, "learning rate of 0.0"),
        ("batch_size", 1, "--batch-size"),
        ("optimizer", "admw", "Did you mean 'adamw'"),
        ("batch_size", 1000, "Choose a smaller batch"),
        ("width", 7, "width 7"),
        ("backbone", "resnet11", "No backbone is called 'resnet11'"),
        ("augmentation", "strong", "--augmentation is 'strong'"),
    ],
)
def test_a_value_of_the_space_is_checked(name, value, said):
    objective = MethodObjective("supcon", {key: one for key, one in FIXED.items() if key != name})
    assert objective.types[name] is type(value)
    with pytest.raises(BadParameterError, match=said):
        objective.check(name, value)


def test_a_search_trains_for_real_each_trial_in_a_folder_of_its_own(tmp_path, monkeypatch):
    objective = MethodObjective("moco", {**{k: v for k, v in FIXED.items() if k != "projection"}, "batch_size": "8"})
    folders, real = [], search_module.fit
    monkeypatch.setattr(
        search_module, "fit", lambda *given, **named: folders.append(named["folder"].path) or real(*given, **named)
    )
    study = search(objective, tmp_path, 2)
    assert 0 <= study.best_value <= 1 and "-p queue=" in objective.command(study.best_params)
    assert folders == [tmp_path / "trial-0000", tmp_path / "trial-0001"]
    assert not any(folder.exists() for folder in folders)  # what is measured needs no checkpoint
    again = {**study.best_params}
    assert objective.measure(again, tmp_path / "again") == study.best_value


def test_scenes_reach_the_training(tmp_path, monkeypatch):
    table = FACES.attributes.assign(moment=[f"m{row // 5}" for row in range(len(FACES))])  # two moments a person
    monkeypatch.setattr(task_module, "load", lambda name, size: replace(FACES, attributes=table))
    seen, real = [], search_module.fit

    def spy(method, faces, plan, *, scenes, **others):
        seen.append((faces.attributes["moment"].to_numpy(), scenes))
        return real(method, faces, plan, scenes=scenes, **others)

    monkeypatch.setattr(search_module, "fit", spy)
    MethodObjective("supcon", {**GIVEN, "people": "unseen", "scene": "moment"}).measure({}, tmp_path)
    ((moments, scenes),) = seen
    assert ((moments[:, None] == moments) == (scenes[:, None] == scenes)).all()


def call(monkeypatch, line):
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_the_command_shows_a_table_the_best_and_what_to_type_next(monkeypatch, capsys, tmp_path, quick):
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path))
    options = " ".join(f"-p {name}={value}" for name, value in FIXED.items())
    line = f"facelab sweep supcon --trials 5 {options}"
    assert call(monkeypatch, line) == 0
    said = capsys.readouterr().out.splitlines()
    (folder,) = (tmp_path / "sweeps").iterdir()
    assert {path.name for path in folder.iterdir()} >= {
        "history.png", "importance.png", "parallel_coordinates.png", "trials.csv", "space.toml", "study.log",
    }  # fmt: skip
    assert said[1].split() == ["trial", "value", "lr", "batch_size", "temperature"]
    assert [row.split()[1] for row in said[2:7]] == sorted((row.split()[1] for row in said[2:7]), reverse=True)
    assert said[7].startswith("best of 5 trials: ") and typed(said[9])[0].options["projection"] == "6"
    assert (folder / "space.toml").read_text() == describe_space(MethodObjective("supcon", FIXED).default_space())
    # with the space that was written it is the same sweep, and this another call of it
    monkeypatch.setattr(sweeps, "write_report", lambda *_: None)
    assert call(monkeypatch, f"{line} --search {folder / 'space.toml'} --name {folder.name}") == 0
    assert len(quick) == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("supercon --trials 2", "No method or notebook is called 'supercon'. Did you mean 'supcon'"),
        ("supcon --trials 2 --metric x", "are for notebooks"),
        ("supcon --trials 2 --preset smoke", "are for notebooks"),
        ("supcon --trials 2 --name a/b", "--name 'a/b' is to be the name of a folder"),
        ("supcon --trials 2 --search nowhere.toml", "nowhere.toml cannot be read"),
        ("supcon --trials 2 -p dataset=tiny -p epochs=2 --storage grpc://x", "names no host and port"),
        ("02 --trials 2", "A sweep of a notebook needs --search"),
        ("02 --trials 2 --search space.toml", "A sweep of a notebook needs --metric"),
    ],
)
def test_a_mistake_is_one_line(monkeypatch, capsys, tmp_path, words, said):
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, f"facelab sweep {words}") == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "runs").exists()


def test_without_optuna_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(FacelabError, match=r"pip install 'facelab\[track\]'"):
        open_storage(str(tmp_path / "log"))
