"""The list of experiments and the table of data/results agree with the records that are there."""

import json
import re

import pytest

from facelab.datasets.sources import all_sources
from facelab.experiments.cells import cell_path
from facelab.experiments.grid import matching_cells
from facelab.experiments.registry import (
    MODULES,
    TABLE_STARTS,
    all_experiments,
    get_experiment,
    list_experiments,
    results_table,
)
from facelab.labs.parameters import notebook_sources
from facelab.paths import project_data
from facelab.records import read_record

EXPERIMENTS = all_experiments()
RECORDS = sorted(project_data("results").glob("*.json"))


def test_every_record_has_an_experiment_that_makes_it_again():
    assert len(RECORDS) >= 28 and {path.stem for path in RECORDS} <= set(EXPERIMENTS)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_command_of_a_record_is_what_one_types_today(path):
    record, experiment = read_record(path), EXPERIMENTS[path.stem]
    assert record.name == experiment.name
    seeds = re.fullmatch(r"facelab experiment run (\S+?)(?: --seeds (\d+))?", record.command)
    assert seeds and record.command == experiment.command(int(seeds[2] or 0))
    if experiment.seeds:
        assert record.parameters["seeds"] == int(seeds[2]) >= experiment.least_seeds


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_what_a_record_says_of_its_settings_is_what_the_experiment_says_today(path):
    """Except settings that came or went since: then one of the two does not name them."""
    record, experiment = read_record(path), EXPERIMENTS[path.stem]
    today = json.loads(json.dumps(experiment.parameters(record.parameters.get("seeds", 0))))
    assert len(set(today) - set(record.parameters)) <= 3, "an older record may lack a setting, never most of them"
    assert list(differences(record.parameters, today)) == []


def differences(stored, today, name: str = "parameters"):
    """Settings that both name, with two values."""
    if isinstance(stored, dict) and isinstance(today, dict):
        for key in stored.keys() & today.keys():
            yield from differences(stored[key], today[key], f"{name}/{key}")
    elif stored != today:
        yield f"{name}: {stored!r} in the record, {today!r} today"


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=lambda experiment: experiment.name)
def test_a_declaration_holds_together(experiment):
    cells = experiment.grid(experiment.seeds)
    labels = [cell.label for cell in cells]
    assert cells and len({cell.key for cell in cells}) == len(set(labels)) == len(cells)
    assert matching_cells(cells, f"^{re.escape(labels[-1])}$") == [cells[-1]], "each can be had alone"
    assert experiment.summarise is not None, "whatever is in the list makes a record"
    assert set(experiment.datasets) <= {source.name for source in all_sources()}
    assert experiment.notebook in {path.stem[:2] for path in notebook_sources()}
    if experiment.seeds:
        assert experiment.seeds >= experiment.least_seeds
        assert set(labels) < set(cell.label for cell in experiment.grid(experiment.seeds + 1)), "seeds can be added"


def test_every_module_that_declares_experiments_is_registered():
    package = project_data().parent / "facelab" / "experiments"
    declaring = {
        path.relative_to(package).with_suffix("").as_posix().replace("/", ".")
        for path in package.rglob("*.py")
        if re.search(r"^EXPERIMENTS\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert declaring == set(MODULES)


def test_the_table_of_results_is_made_from_the_declarations():
    text = (project_data("results") / "README.md").read_text(encoding="utf-8")
    assert text[text.index(TABLE_STARTS) :].strip() == results_table().strip(), "print(results_table()) makes it anew"


def test_the_list_says_what_is_here_and_what_it_took():
    rows = {row.experiment.name: row for row in list_experiments()}
    assert set(rows) == set(EXPERIMENTS)
    assert rows["11_comparison"].minutes == pytest.approx(
        read_record(project_data("results", "11_comparison.json")).wall_seconds / 60
    )
    assert rows["11_comparison"].missing == (), "orl-wild is made here"
    assert rows["09_noise_celeba"].minutes is None


def test_an_unknown_experiment_is_one_line():
    with pytest.raises(ValueError, match=r"No experiment is called 'byol'\. facelab experiment list"):
        get_experiment("byol")


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=lambda experiment: experiment.name)
def test_whatever_decides_a_cell_can_be_written_as_json(experiment):
    paths = {cell_path(experiment, cell, {}) for cell in experiment.grid(experiment.seeds)}
    assert len(paths) == len(experiment.grid(experiment.seeds))
