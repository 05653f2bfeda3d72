"""Records that are copies of what a notebook recorded: the same faces, parameters and metrics."""

import json

import pytest
from trainings import compute

from facelab.errors import BadParameterError
from facelab.experiments import notebooks
from facelab.labs import batch
from facelab.labs.notebook import record_path
from facelab.paths import project_data
from facelab.records import Metric, Record, read_record

EXPERIMENTS = {experiment.name: experiment for experiment in notebooks.EXPERIMENTS}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_settings_of_the_records_are_those_of_today(name):
    stored, experiment = read_record(project_data("results", f"{name}.json")), EXPERIMENTS[name]
    assert experiment.parameters(0) == stored.parameters
    assert (stored.name, stored.command) == (name, experiment.command(0))
    (cell,) = experiment.grid(0)
    assert cell.key[0][:2] == experiment.notebook == name[:2]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_photographs_are_those_of_the_records(real_lfw, name):
    assert json.loads(json.dumps(EXPERIMENTS[name].data())) == read_record(project_data("results", f"{name}.json")).data


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_metrics_are_those_that_the_notebook_recorded(monkeypatch, tmp_path, name):
    """The run is made up: the notebook writes its record where its run would."""
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path))
    stored, asked = read_record(project_data("results", f"{name}.json")), []

    def run(source, values):
        asked.append((source.stem, values))
        record = Record(source.stem, "a run", values, metrics=stored.metrics)
        record.write(record_path(source.stem, values))

    monkeypatch.setattr(batch, "run_notebook", run)
    metrics = EXPERIMENTS[name].summarise(compute(EXPERIMENTS[name], 0))
    assert metrics == stored.metrics and all(type(metric) is Metric for metric in metrics.values())
    assert asked == [(EXPERIMENTS[name].grid(0)[0].key[0], stored.parameters)]


def test_the_code_of_a_notebook_decides_and_its_text_does_not(monkeypatch, tmp_path):
    source = tmp_path / "02_cnn_mlp.py"
    monkeypatch.setattr(notebooks, "find_source", lambda notebook: source)
    hashes = []
    for text, code in (("One.", "x = 1"), ("Other.", "x = 1"), ("One.", "x = 2")):
        source.write_text(f"# %% [markdown]\n# {text}\n\n# %%\n{code}\n")
        hashes.append(notebooks.code_hash("02_cnn_mlp"))
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_notebook_is_run_and_its_numbers_are_the_figures(monkeypatch, tmp_path):
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path))
    monkeypatch.setattr(notebooks, "PRESET", "smoke")
    monkeypatch.setattr(notebooks, "DATASET", "orl-wild")
    (cell,) = EXPERIMENTS["02_lfw"].grid(0)
    figures = notebooks.run(cell)
    record = read_record(record_path("02_cnn_mlp", notebooks.checked_parameters("02_cnn_mlp")))
    assert {name: Metric(**metric) for name, metric in figures.items()} == record.metrics and len(figures) > 20


def test_an_unknown_notebook_is_refused():
    with pytest.raises(BadParameterError, match="99_none"):
        notebooks.checked_parameters("99_none")
