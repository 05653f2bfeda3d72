"""All experiments by name."""

from __future__ import annotations

import importlib

from facelab.errors import BadParameterError
from facelab.experiments.experiment import Experiment

#: Modules of this package that declare ``EXPERIMENTS``.
MODULES = (
    "cropping_survey",
    "data_size",
    "notebooks",
    "moco",
    "lars",
    "utkface_labels",
    "cifar_transfer",
    "lfw_finetuning",
    "search_times",
    "lfw_view2",
    "cifar_margins",
    "imbalance.runs",
    "imbalance.lfw",
    "noise_robustness",
    "comparison",
)


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by its name, in the order of the names."""
    modules = [importlib.import_module(f"facelab.experiments.{name}") for name in MODULES]
    found = [experiment for module in modules for experiment in module.EXPERIMENTS]
    return {experiment.name: experiment for experiment in sorted(found, key=lambda experiment: experiment.name)}


def get_experiment(name: str) -> Experiment:
    """An experiment by name.

    Raises:
        BadParameterError: none has that name.
    """
    known = all_experiments()
    if name not in known:
        raise BadParameterError(f"No experiment is called {name!r}.", "facelab experiment list names them all.")
    return known[name]
