"""Sweeps: parameters of a method or a notebook searched by Optuna, by one process or by many, on storage that they share.

space (``space.toml``), storage (a journal file, a database, a gRPC server), trials (who runs which), search (the work of one
worker), objective (what is searched), notebook (a notebook as one), report (the table, the pictures).

Imports from facelab: records, plots, labs.
"""

from facelab.sweeps.objective import Objective, ObjectiveError
from facelab.sweeps.report import trial_table, write_report
from facelab.sweeps.search import run_trials
from facelab.sweeps.space import Space, choice, describe_space, numeric_range, read_space
from facelab.sweeps.storage import describe_sweep, open_storage, open_study

__all__ = [
    "Objective",
    "ObjectiveError",
    "Space",
    "choice",
    "describe_space",
    "describe_sweep",
    "numeric_range",
    "open_storage",
    "open_study",
    "read_space",
    "run_trials",
    "trial_table",
    "write_report",
]
