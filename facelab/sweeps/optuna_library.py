"""Optuna, loaded where a search begins: it takes its time, and is an extra of the installation."""

from __future__ import annotations

import warnings
from types import ModuleType

from facelab.extras import needs_extra


def import_optuna() -> ModuleType:
    """The library, which tells nothing but warnings of its own.

    Raises:
        FacelabError: it is not installed.
    """
    with needs_extra("A sweep", "track"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # of parts that are called experimental since years (gRPC, samplers that are told some values, matplotlib)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna
