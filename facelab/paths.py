"""Where things are: the user's data sets, the cache of decoded images, and the small tables that are ours."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from facelab.errors import DataMissingError


def data_root() -> Path:
    """Folder with the user's data sets: ``FACELAB_DATA``, else the user's data folder of this system."""
    named = os.environ.get("FACELAB_DATA")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("facelab", appauthor=False))


def cache_root() -> Path:
    """Folder for decoded images, safe to delete: ``FACELAB_CACHE``, else the user's cache folder of this system."""
    named = os.environ.get("FACELAB_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("facelab", appauthor=False))


def project_data(*parts: str) -> Path:
    """Path below ``data/``: labels, pair lists, references and measured results that come with the project.

    Raises:
        DataMissingError: neither a checkout's ``data/`` nor an installed copy of it is there.
    """
    package = Path(__file__).resolve().parent
    for root in (package / "_data", package.parent / "data"):
        if root.is_dir():
            return root.joinpath(*parts)
    raise DataMissingError(
        "The project's own tables (data/) are not there.", "Install facelab again from a full clone."
    )


def project_root() -> Path:
    """The checkout that holds ``notebooks/``: where this package was installed from, else the current folder."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def runs_root() -> Path:
    """Folder for everything that a run writes (executed notebooks, records, checkpoints): ``FACELAB_RUNS``, else ``runs/``."""
    named = os.environ.get("FACELAB_RUNS")
    return Path(named).expanduser() if named else project_root() / "runs"
