"""The frame of every notebook: checked parameters at the start, references on the way, one record at the end."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import TypeVar

import pandas as pd
from matplotlib.figure import Figure

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.evaluation import Estimate
from facelab.files import atomic_write
from facelab.labs import parameters as _parameters
from facelab.labs import references as _references
from facelab.paths import project_data, project_folder, runs_root
from facelab.plots import use_course_style
from facelab.records import Metric, Record, versions
from facelab.threads import begin_with_one_thread
from facelab.training import ScratchFolder

T = TypeVar("T")

BUILDING_VARIABLE = "FACELAB_BUILDING"  #: set in the environment while ``facelab build`` makes the stored notebooks
CHECKPOINTS_VARIABLE = "FACELAB_CHECKPOINTS"  #: set for a kernel in batch, to where its checkpoints are kept


class Run:
    """One run of one notebook.

    Attributes:
        notebook: name of the notebook.
        parameters: all of them, checked.
        record: what will be written by ``finish``.
    """

    def __init__(self, notebook: str, parameters: dict[str, object]) -> None:
        self.notebook, self.parameters = notebook, parameters
        declared = _parameters.declared_parameters(_parameters.find_source(notebook))
        changed = [f"{k}={v}" for k, v in parameters.items() if k != "preset" and v != declared[k].default]
        words = ["facelab", "run", notebook, "--preset", str(parameters["preset"])]
        words += [word for value in changed for word in ("-p", value)]
        self.record = Record(
            name=notebook,
            command=shlex.join(words),
            parameters=parameters,
        )
        self._started = time.perf_counter()
        self._trainings: set[str] = set()

    def choose(self, smoke: T, laptop: T, paper: T) -> T:
        """The value that belongs to the preset of this run."""
        return {"smoke": smoke, "laptop": laptop, "paper": paper}[str(self.parameters["preset"])]

    def record_data(self, role: str, faces: FaceSet) -> FaceSet:
        """Note in the record which pixels played a role (``"train"``, ``"test"``), and hand the set back."""
        self.record.data[role] = faces.describe()
        return faces

    def record_metric(self, name: str, value: Estimate | float, *, n: int | None = None) -> None:
        """Put a measured number into the record.

        Args:
            name: short and stable: ``"top1/all"``.
            value: a number, or an estimate with its interval.
            n: what a plain number was measured on.
        """
        self.record.metrics[name] = (
            Metric.from_estimate(value) if isinstance(value, Estimate) else Metric(float(value), n)
        )

    def check_references(self, *names: str) -> None:
        """Compare recorded metrics with the stored references and print a line each that says whether it holds.

        The measured values themselves are not printed here, so that the output is the same wherever the reference holds.

        Raises:
            BadParameterError: a name was not recorded.
        """
        preset, dataset = str(self.parameters["preset"]), str(self.parameters["dataset"])
        stored = _references.lookup(self.notebook, preset, dataset)
        for name in names:
            if name not in self.record.metrics:
                raise BadParameterError(f"{name!r} was not recorded.", "Call run.record_metric with it first.")
            value = self.record.metrics[name].value
            if name not in stored:
                print(
                    f"{name}: no reference for preset={preset}, dataset={dataset}; the measured value is in the record"
                )
            elif stored[name].holds(value):
                print(f"{name}: reference {stored[name].bounds}: holds")
            else:
                print(f"{name}: reference {stored[name].bounds}: DOES NOT HOLD, measured {value:.3f}")

    def save_figure(self, figure: Figure, name: str | None = None) -> None:
        """Keep a figure as a small PNG: in ``figures/`` while the stored notebooks are built, else below ``runs/figures``."""
        folder = project_folder("figures") if os.environ.get(BUILDING_VARIABLE) else runs_root() / "figures"
        with atomic_write(folder / f"{name or self.notebook}.png") as partial:
            figure.savefig(partial, format="png", dpi=80)

    def data_file(self, *parts: str) -> Path:
        """Where a table that the notebook makes for the project goes: ``data/`` while the stored notebooks are built, else
        ``runs/data``."""
        return project_data(*parts) if os.environ.get(BUILDING_VARIABLE) else runs_root().joinpath("data", *parts)

    def folder(self, name: str) -> ScratchFolder | None:
        """Where a training of this notebook keeps its checkpoint, for ``fit(..., folder=run.folder(name))``.

        A notebook that ``facelab run`` or ``facelab batch`` was running when it was killed goes on from there. None where
        somebody steps through the notebook: a cell that is run again shall train again.

        Args:
            name: of the training, another one for each.

        Raises:
            BadParameterError: in a batch run, where another training of the notebook has this name.
        """
        root = os.environ.get(CHECKPOINTS_VARIABLE)
        if not root:
            return None
        if name in self._trainings:
            raise BadParameterError(f"Two trainings are called {name!r}.", "Give run.folder another name for each.")
        self._trainings.add(name)
        return ScratchFolder(Path(root) / _parameters.plain_name(name))

    def finish(self) -> None:
        """Write the record below ``runs/records``, where ``facelab leaderboard`` finds it."""
        self.record.wall_seconds = round(time.perf_counter() - self._started, 2)
        self.record.versions = versions()  # now that it is known how many threads the work got
        path = self.record.write(record_path(self.notebook, self.parameters))
        print(f"recorded {len(self.record.metrics)} numbers in {path.name}; facelab leaderboard shows them")


def record_path(notebook: str, parameters: dict[str, object]) -> Path:
    """Where the record of a run is written: below ``runs/records``."""
    name = _parameters.run_label(_parameters.find_source(notebook), parameters)
    return runs_root() / "records" / notebook / f"{name}.json"


def begin(notebook: str, **values: object) -> Run:
    """Start a notebook: check its parameters, set its threads and the style of its figures, and open its record.

    Args:
        notebook: its name: ``"02_cnn_mlp"``.
        values: every parameter of its parameters cell, by name.

    Raises:
        BadParameterError: unknown name or wrong type, named.
    """
    checked = _parameters.resolve_parameters(_parameters.find_source(notebook), values, parse=False)
    if checked["preset"] != "paper":  # whose matrices are large enough for more
        begin_with_one_thread()
    use_course_style()
    pd.set_option("display.max_colwidth", None)  # a sentence in a table is there to be read
    return Run(notebook, checked)
