"""A cell on its way: the job of computing it, what became of that, and what is kept of it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from threadpoolctl import threadpool_limits

from facelab import records
from facelab.errors import FacelabError
from facelab.experiments.experiment import Cell, Experiment, Figures
from facelab.extras import needs_extra
from facelab.files import read_json_object, write_json
from facelab.paths import runs_root

_NOT_DECIDING = ("python", "machine")  # of records.versions(): they change the last digits at the most


@dataclass(frozen=True)
class Job:
    """One cell to be computed.

    Attributes:
        run: of its experiment, a function of a module, so that another process can import it.
        cell: which one.
        path: where its figures go.
        code: ``code_digest`` when the work began.
    """

    run: Callable[[Cell], Figures]
    cell: Cell
    path: Path
    code: str


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its seconds, and the traceback of one that failed; no traceback where its figures are kept."""

    job: Job
    seconds: float
    error: str = ""


#: Computes jobs, so many at a time, in any order, and tells of each when it is done (by ``compute_cell``, which keeps the
#: figures). When the generator is closed, nothing of it goes on.
Engine = Callable[[Sequence[Job], int], Generator[Outcome]]


@dataclass(frozen=True)
class CellResult:
    """A cell that is done.

    Attributes:
        figures: what it measured.
        seconds: that it took.
        code: ``code_digest`` of the package that computed it.
    """

    figures: Figures
    seconds: float
    code: str


def cell_path(experiment: Experiment, cell: Cell, data: Mapping[str, Mapping[str, object]]) -> Path:
    """Where the figures of a cell are kept: named by its label and by a hash of all that decides them.

    Args:
        experiment, cell: which one.
        data: of the experiment: the hashes of its photographs count.

    Raises:
        FacelabError: as ``package_versions``.
    """
    pixels = {role: entry["sha256"] for role, entry in data.items()}
    packages = deciding_versions() | package_versions(experiment)
    decides = [experiment.name, cell.key, cell.settings, pixels, packages]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    return runs_root().resolve() / "experiments" / experiment.name / f"{plain_label(cell.label)}-{digest}.json"


def plain_label(label: str) -> str:
    """A label as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.,+-]+", "-", label)[:80]


def deciding_versions() -> dict[str, str]:
    """Of the libraries that decide what is computed, by name."""
    return {name: version for name, version in records.versions().items() if name not in _NOT_DECIDING}


@cache
def code_digest() -> str:
    """A hash of the package's source: a kept cell that has another one was made by other code."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def read_cell(path: Path) -> CellResult:
    """What is kept of a cell.

    Raises:
        FacelabError: the file is damaged.
    """
    try:
        result = CellResult(**read_json_object(path))
        if not isinstance(result.figures, dict) or not isinstance(result.seconds, int | float):
            raise TypeError("figures and seconds are not what they should be")
        return result
    except (OSError, ValueError, TypeError) as error:
        raise FacelabError(
            f"{path} holds no figures ({error}).", "Move it away; the cell is computed again."
        ) from error


def package_versions(experiment: Experiment) -> dict[str, str]:
    """Installed versions of the further packages of an experiment, by name.

    Raises:
        FacelabError: one of them is not installed.
    """
    with needs_extra(f"The experiment {experiment.name}", experiment.extra):
        return {name: importlib.metadata.version(name) for name in experiment.packages}


def compute_cell(job: Job) -> Outcome:
    """Compute one cell with one thread and keep its figures. Whatever it raises is handed back: it does not end the others.

    Raises:
        FacelabError: the figures cannot be written; nor could those of the other cells.
    """
    started = time.monotonic()
    try:
        with threadpool_limits(1):
            figures = job.run(job.cell)
        if not isinstance(figures, dict) or not all(isinstance(name, str) for name in figures):
            raise TypeError(f"A cell gives a dict of figures by name, not {figures!r:.80}.")
        json.dumps(figures, allow_nan=False)
    except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001  (reported when the other cells are done)
        return Outcome(job, time.monotonic() - started, traceback.format_exc())
    seconds = round(time.monotonic() - started, 1)
    write_json(job.path, {"figures": figures, "seconds": seconds, "code": job.code})
    return Outcome(job, seconds)
