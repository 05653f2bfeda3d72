"""``facelab experiment`` as a person types it: one line for what can be mended, figures for what was computed."""

import importlib
import importlib.metadata
from types import ModuleType

import pytest
from commands import call

from facelab.experiments import registry, search_times


@pytest.fixture(autouse=True)
def few_experiments(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "MODULES", ("lars", "search_times"))
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def test_the_list_names_every_experiment_and_what_it_needs(monkeypatch, capsys):
    assert call(monkeypatch, "experiment", "list") == 0
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert "05_lars" in text and "06_search_times" in text and "orl-wild" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nonsense"], "No experiment is called 'nonsense'."),
        (["05_lars", "--seeds", "2"], "--seeds 2 is too few for 05_lars."),
        (["06_search_times", "--seeds", "3"], "06_search_times draws nothing that has a seed."),
        (["06_search_times", "--workers", "2"], "06_search_times measures time: its cells run alone."),
        (["06_search_times", "--only", "77"], "No cell's label contains '77'."),
        (["06_search_times", "--only", "("], "'(' is not a regular expression"),
        (["05_lars", "--on", "slrum"], "--on 'slrum' is nothing that computes cells."),
        (["05_lars", "--timeout", "3"], "--timeout is for jobs of Slurm."),
        (["05_lars", "--slurm", "mem=1G"], "--slurm is for jobs of Slurm."),
        (["06_search_times", "--on", "slurm", "--workers", "2"], "06_search_times measures time: its cells run alone."),
        (["06_search_times", "--on", "slurm", "--only", "^1000$"], "Slurm is not on this machine."),
    ],
)
def test_what_the_user_can_mend_is_one_line(monkeypatch, capsys, words, told):
    monkeypatch.setenv("PATH", "/nowhere")
    assert call(monkeypatch, "experiment", "run", *words) == 1
    printed = capsys.readouterr()
    said = (printed.err or printed.out).strip()
    assert told in said and said.count("\n") == 0


def test_one_cell_is_computed_and_its_figures_are_printed(monkeypatch, capsys, tmp_path):
    assert call(monkeypatch, "experiment", "run", "06_search_times", "--only", "^1000$") == 0
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert all(f"{search_times.setting_name(kind, {})}" in text for kind in ("exact", "faiss"))
    assert len(list((tmp_path / "experiments" / "06_search_times").glob("*.json"))) == 1


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch, capsys):
    version = importlib.metadata.version

    def without_faiss(name: str) -> str:
        if name == "faiss-cpu":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_faiss)
    assert call(monkeypatch, "experiment", "run", "06_search_times", "--only", "^1000$") == 1
    assert capsys.readouterr().err == (
        "facelab: The experiment 06_search_times needs faiss-cpu, which is not installed. pip install 'facelab[ann]'\n"
    )


@pytest.mark.parametrize("words", [["list"], ["run", "05_lars"]])
def test_experiments_whose_imports_fail_say_which_extra_brings_them(monkeypatch, capsys, words):
    import_module = importlib.import_module

    def without_uvicorn(name: str) -> ModuleType:
        if name.startswith("facelab.experiments."):
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return import_module(name)

    monkeypatch.setattr(importlib, "import_module", without_uvicorn)
    assert call(monkeypatch, "experiment", *words) == 1
    assert capsys.readouterr().err == (
        "facelab: facelab experiment needs uvicorn, which is not installed. pip install 'facelab[app]'\n"
    )
