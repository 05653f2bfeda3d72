"""All experiments by name, what ``facelab experiment list`` says of each, and the table of ``data/results/README.md``."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from facelab.datasets.sources import get_source
from facelab.errors import BadParameterError
from facelab.experiments.experiment import Experiment
from facelab.extras import needs_extra
from facelab.paths import project_data
from facelab.records import read_record

#: Modules of this package that declare ``EXPERIMENTS``.
MODULES = (
    "cropping_survey",
    "data_size",
    "notebooks",
    "moco",
    "lars",
    "utkface_labels",
    "cifar.self_supervised",
    "lfw.finetuning",
    "search_times",
    "lfw.view2",
    "lfw.ensemble",
    "lfw.self_supervised",
    "face_id.families",
    "face_id.replays",
    "face_id.attacks",
    "cifar.margins",
    "cifar.compression",
    "imbalance.runs",
    "imbalance.lfw",
    "noise_robustness",
    "attributes",
    "comparison",
)

TABLE_STARTS = "| file | notebook | what | command | module |"  #: first line of the table in ``data/results/README.md``


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by its name, in the order of the names.

    Raises:
        FacelabError: the packages of the Face-ID application are not installed, which its experiments import.
    """
    with needs_extra("facelab experiment", "app"):
        modules = [importlib.import_module(f"facelab.experiments.{name}") for name in MODULES]
    found = [experiment for module in modules for experiment in module.EXPERIMENTS]
    return {experiment.name: experiment for experiment in sorted(found, key=lambda experiment: experiment.name)}


def get_experiment(name: str) -> Experiment:
    """An experiment by name.

    Raises:
        BadParameterError: none has that name.
        FacelabError: as ``all_experiments``.
    """
    known = all_experiments()
    if name not in known:
        raise BadParameterError(f"No experiment is called {name!r}.", "facelab experiment list names them all.")
    return known[name]


@dataclass(frozen=True)
class ExperimentStatus:
    """One experiment as the list shows it.

    Attributes:
        experiment: which one.
        minutes: of computing, all cells together, when its record was last made; None: there is no record.
        missing: data sets that it needs and that are not on this machine.
    """

    experiment: Experiment
    minutes: float | None
    missing: tuple[str, ...]


def list_experiments() -> list[ExperimentStatus]:
    """All experiments, with what their records and this machine say of them; errors as ``all_experiments``."""
    return [_status(experiment) for experiment in all_experiments().values()]


def _status(experiment: Experiment) -> ExperimentStatus:
    path = project_data("results", f"{experiment.name}.json")
    minutes = read_record(path).wall_seconds / 60 if path.is_file() else None
    missing = tuple(name for name in experiment.datasets if get_source(name).locate() is None)
    return ExperimentStatus(experiment, minutes, missing)


def results_table() -> str:
    """The table of ``data/results/README.md``: a row for each experiment that has a record."""
    rows = [TABLE_STARTS, "|---|---|---|---|---|"]
    for experiment in all_experiments().values():
        path = project_data("results", f"{experiment.name}.json")
        if path.is_file():
            command = read_record(path).command
            cells = (f"`{path.name}`", experiment.notebook, experiment.shows, f"`{command}`", f"`{experiment.module}`")
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"
