"""``facelab sweep NOTEBOOK``: the number that a notebook records, under parameters that are drawn; and the report."""

import math
import os
import shlex
import sys

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from test_sweep_trials import SPACE, Parabola, study_at

from facelab import cli, records
from facelab.errors import BadParameterError, TrainingError
from facelab.labs import batch, parameters
from facelab.labs.notebook import record_path
from facelab.plots import use_course_style
from facelab.sweeps import ObjectiveError, run_trials, trial_table, write_report
from facelab.sweeps.notebook import NotebookObjective

pytest.importorskip("optuna")

SOURCE = """# %% tags=["parameters"]
preset: str = "laptop"  # smoke, laptop or paper
dataset: str = "orl"  # any source
seed: int = 0  # [0 ≤ seed ≤ 9] of everything
x: float = 0.5  # [0 ≤ x ≤ 1] where it is measured
views: str = "plain"  # [plain, supcon] of the photographs
tries: int = 0  # [0, 2 ≤ tries] how many; 0: the preset's

# %%
import json, os
from pathlib import Path

# %%
record = dict(name="95_parabola", command="a test", wall_seconds=1.0, data=dict(), created="2026-01-01T00:00:00+00:00")
record |= dict(parameters=dict(preset=preset, dataset=dataset, seed=seed, x=x, views=views, tries=tries), versions=dict())
record |= dict(metrics={"error/all": dict(value=(x - 0.25) ** 2), "height": dict(value=1.0)}, schema=1)
path = Path(os.environ["FACELAB_RUNS"]) / "records" / "95_parabola" / NAME
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(record))
"""
NAME = """f'{preset}-{dataset}-{seed}{"" if x == 0.5 else f"-x={x}"}.json'"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A notebook of our own among those of the course."""
    folder = tmp_path / "notebooks" / "src"
    folder.mkdir(parents=True)
    (folder / "95_parabola.py").write_text(SOURCE.replace("NAME", NAME), encoding="utf-8")
    monkeypatch.setattr(parameters, "project_folder", lambda name: tmp_path / name)
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path / "runs"))
    return folder / "95_parabola.py"


def call(monkeypatch, line):
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_a_notebook_is_run_and_its_number_read(source, tmp_path, monkeypatch, capsys):
    """Two trials: the notebook's own value, then one that is drawn. Their records do not mix with those of other runs."""
    (tmp_path / "space.toml").write_text("[x]\nlow = 0.0\nhigh = 1.0\n")
    line = f"facelab sweep 95 --trials 2 --search {tmp_path / 'space.toml'} --metric error/all --minimize -p seed=3 --name s"
    assert call(monkeypatch, line) == 0
    said = capsys.readouterr().out
    assert os.environ["FACELAB_RUNS"] == str(tmp_path / "runs")
    folder = tmp_path / "runs" / "sweeps" / "s"
    table = pd.read_csv(folder / "trials.csv")
    assert set(table["trial"]) == {0, 1} and table["value"].is_monotonic_increasing
    assert [value == pytest.approx((x - 0.25) ** 2) for value, x in zip(table["value"], table["x"], strict=True)] == [
        True
    ] * 2
    assert 0.5 in set(table["x"])
    assert f"facelab run 95_parabola -p seed=3 -p x={table['x'][0]}" in said
    assert {path.parts[-4] for path in folder.glob("*/records/*/*.json")} == {"trial-0000", "trial-0001"}
    assert not (tmp_path / "runs" / "records").exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("x", 2.0, "0 <= x <= 1"), ("views", "strong", "There are: plain, supcon"), ("tries", 1, "2 <= tries")],
)
def test_values_of_the_space_are_those_that_the_notebook_allows(source, name, value, said):
    objective = NotebookObjective(source, {}, "height", True)
    assert objective.types == {"x": float, "views": str, "tries": int}
    with pytest.raises(BadParameterError, match=said):
        objective.check(name, value)


def test_what_decides_the_measurement_is_not_searched(source):
    objective = NotebookObjective(source, {"x": "0.3", "seed": "4", "preset": "smoke"}, "height", True)
    assert objective.types.keys() == objective.start.keys() == {"views", "tries"} and objective.seed == 4
    assert objective.run({"views": "supcon"}).parameters == {
        "preset": "smoke", "dataset": "orl", "seed": 4, "x": 0.3, "views": "supcon", "tries": 0,
    }  # fmt: skip
    assert shlex.split(objective.command({"views": "supcon"}))[2:] == [
        "95_parabola", "-p", "preset=smoke", "-p", "seed=4", "-p", "views=supcon", "-p", "x=0.3",
    ]  # fmt: skip
    assert NotebookObjective(source, {"x": "0.4"}, "height", True).description != objective.description


def test_a_number_that_is_not_recorded_is_named_with_those_that_are(source, tmp_path, monkeypatch):
    def execute(run, *, makes_room):
        metrics = {"error/all": records.Metric(0.1), "height": records.Metric(1.0)}
        records.Record("95_parabola", "a test", run.parameters, {}, metrics).write(
            record_path("95_parabola", run.parameters)
        )

    monkeypatch.setattr(batch, "execute", execute)
    with pytest.raises(ObjectiveError, match="no number 'hight'. Did you mean 'height'.*error/all, height"):
        NotebookObjective(source, {}, "hight", True).measure({"x": 0.5}, tmp_path / "trial-0000")
    assert NotebookObjective(source, {}, "error/all", True).measure({"x": 0.5}, tmp_path / "trial-0001") == 0.1


class SometimesFaulty(Parabola):
    def measure(self, values, folder):
        value = super().measure(values, folder)
        if len(self.seen) in (2, 5):
            raise TrainingError("Epoch 1, step 1: nan.", "Lower the learning rate.")
        return value


@pytest.mark.filterwarnings("error:This figure was using a layout engine")
@pytest.mark.parametrize("maximize", [True, False])
def test_the_report_has_every_trial_and_three_pictures(tmp_path, maximize):
    objective = SometimesFaulty()
    objective.maximize = maximize
    study = study_at(tmp_path / "log", objective)
    run_trials(study, objective, SPACE, 9, tmp_path)
    table = trial_table(study, SPACE)
    expected = [
        math.nan if number in (1, 4) else Parabola.height(values) for number, (values, _) in enumerate(objective.seen)
    ]
    by_trial = table.set_index("trial").sort_index()
    assert by_trial["value"].tolist() == pytest.approx(expected, nan_ok=True)
    assert by_trial[["x", "kind"]].to_dict("records") == [values for values, _ in objective.seen]
    good = table["value"].dropna()
    assert len(good) == 7 and good.is_monotonic_decreasing == maximize and good.is_monotonic_increasing != maximize
    assert table["error"].tolist() == [""] * 7 + ["Epoch 1, step 1: nan. Lower the learning rate."] * 2
    with plt.rc_context():
        use_course_style()  # as in a notebook: it has a way of its own to find margins
        files = write_report(study, SPACE, objective, tmp_path / "out")
    assert {file.name for file in files} == {path.name for path in (tmp_path / "out").iterdir()}
    for name in ("history", "importance", "parallel_coordinates"):
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            assert picture.size == (1280, 640) and len(picture.info["Description"]) > 40
    assert pd.read_csv(tmp_path / "out" / "trials.csv")["trial"].tolist() == table["trial"].tolist()


def test_where_all_trials_measure_the_same_only_their_history_is_drawn(tmp_path):
    objective = Parabola()
    objective.height = lambda values: 1.0
    study = study_at(tmp_path / "log", objective)
    run_trials(study, objective, SPACE, 2, tmp_path)
    assert [file.name for file in write_report(study, SPACE, objective, tmp_path)] == ["trials.csv", "history.png"]
