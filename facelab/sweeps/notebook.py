"""A notebook as the objective of a sweep: one of the numbers that it records, under other parameters."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from facelab import records
from facelab.errors import nearest_name
from facelab.labs import batch
from facelab.labs.notebook import record_path
from facelab.labs.parameters import declared_parameters
from facelab.sweeps.objective import ObjectiveError


class NotebookObjective:
    """One of the course's notebooks, run by papermill; each trial has a folder of runs of its own.

    Args:
        source: of the notebook.
        fixed: its parameters that stay as they are, as text.
        metric: name of the number in its record.
        maximize: whether a larger one is better.

    Raises:
        BadParameterError: a parameter that it does not have, or that cannot be.
    """

    def __init__(self, source: Path, fixed: Mapping[str, str], metric: str, maximize: bool) -> None:
        self.source, self.metric, self.maximize = source, metric, maximize
        self._parameters = batch.plan_source(source, dict(fixed), parse=True).parameters
        self._declared = {name: one for name, one in declared_parameters(source).items() if name not in fixed}
        self.seed = int(str(self._parameters["seed"]))
        self.start = {name: self._parameters[name] for name in self.types}
        self._fixed = {name: self._parameters[name] for name in fixed}
        self.description = self.command({})

    @property
    def types(self) -> dict[str, type]:
        """The parameters that may be searched: all that have no fixed value, but for those that say what is measured."""
        kept = ("preset", "dataset", "seed")
        return {name: one.type for name, one in self._declared.items() if name not in kept}

    def check(self, name: str, value: object) -> object:
        """Raise BadParameterError where a parameter cannot have a value."""
        return self._declared[name].check(value)

    def command(self, values: Mapping[str, object]) -> str:
        """The line that runs the notebook with given values."""
        given = {**self._fixed, **values}
        words = [word for name in sorted(given) for word in ("-p", f"{name}={given[name]}")]
        return shlex.join(["facelab", "run", self.source.stem, *words])

    def run(self, values: Mapping[str, object]) -> batch.BatchRun:
        """The run of the notebook with given values."""
        return batch.plan_source(self.source, {**self._fixed, **values}, parse=False)

    def describe_value(self, value: float) -> str:
        """The number as it is recorded; its interval is in the record of the trial."""
        return f"{value:.4g}"

    def measure(self, values: Mapping[str, object], folder: Path) -> float:
        """Run the notebook, and read the number from its record; its files are below the trial's folder.

        Raises:
            ObjectiveError: the record has no number of that name.
            FacelabError: as ``batch.execute``.
        """
        run = self.run(values)
        with _runs_below(folder):
            batch.execute(run, makes_room=True)
            record = records.read_record(record_path(self.source.stem, run.parameters))
        if self.metric not in record.metrics:
            raise ObjectiveError(
                f"{self.source.stem} records no number {self.metric!r}.{nearest_name(self.metric, record.metrics)}",
                f"Give --metric one of: {', '.join(record.metrics)}.",
            )
        return float(record.metrics[self.metric].value)


@contextmanager
def _runs_below(folder: Path) -> Iterator[None]:
    """While the block lasts, runs of this process and of its kernels are kept below a folder."""
    before = os.environ.get("FACELAB_RUNS")
    os.environ["FACELAB_RUNS"] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ["FACELAB_RUNS"]
        else:
            os.environ["FACELAB_RUNS"] = before
