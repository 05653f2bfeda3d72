"""Stored references: what a number of a notebook is on our machines, and how far another machine or seed may be from it."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from scipy import stats

from facelab.errors import BadParameterError, FacelabError
from facelab.files import read_json_object, write_json
from facelab.paths import project_data
from facelab.records import Record

MIN_SEEDS = 5


@dataclass(frozen=True)
class Reference:
    """A metric over several runs of the same notebook that differ in the seed alone.

    Attributes:
        value: mean over the seeds.
        tolerance: a run within ``value +- tolerance`` agrees with it: four standard deviations over the seeds, and at
            least ``min_tolerance``.
        seeds: how many runs.
    """

    value: float
    tolerance: float
    seeds: int

    def holds(self, value: float) -> bool:
        """Whether a measured value agrees."""
        return abs(value - self.value) <= self.tolerance

    @property
    def half_width(self) -> float:
        """Half the 95 % interval of the mean over the seeds (Student's t), on the wide side: a quarter of the tolerance is the
        standard deviation, or more."""
        return float(stats.t.ppf(0.975, self.seeds - 1)) * self.tolerance / 4 / math.sqrt(self.seeds)

    @property
    def low(self) -> float:
        """Lower end of that interval."""
        return self.value - self.half_width

    @property
    def high(self) -> float:
        """Upper end of that interval."""
        return self.value + self.half_width

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.tolerance:.3f} ({self.seeds} seeds)"


def lookup(notebook: str, preset: str, dataset: str) -> dict[str, Reference]:
    """References of a notebook at a preset on a data set, by metric; empty where none were made.

    Raises:
        FacelabError: their file is damaged.
    """
    return _read(_path(notebook)).get(f"{preset}/{dataset}", {})


def min_tolerance(value: float) -> float:
    """What another processor may change, since it adds in another order: .02, less for a figure of less than .1, so that a
    rate of one in a thousand can be missed, and never less than .001."""
    return max(0.001, min(0.02, abs(value) / 5))


def make(records: list[Record]) -> dict[str, Reference]:
    """References from records of one notebook, preset and data set under different seeds.

    Raises:
        BadParameterError: fewer than five seeds, or records that differ in more than the seed.
    """
    settings = {json.dumps({k: v for k, v in r.parameters.items() if k != "seed"} | {"_": r.name}) for r in records}
    seeds = {r.parameters["seed"] for r in records}
    if len(settings) != 1 or len(seeds) != len(records) or len(seeds) < MIN_SEEDS:
        raise BadParameterError(
            f"{len(records)} records with {len(seeds)} seeds and {len(settings)} settings make no reference.",
            f"Run one notebook with the same parameters and at least {MIN_SEEDS} seeds.",
        )
    made = {}
    for name in records[0].metrics:
        values = [record.metrics[name].value for record in records]
        mean = statistics.mean(values)
        tolerance = max(min_tolerance(mean), 4 * statistics.stdev(values))
        made[name] = Reference(round(mean, 4), round(tolerance, 4), len(values))
    return made


def store(records: list[Record]) -> None:
    """Make references from the records and put them into ``data/references``, in place of older ones of the same setting."""
    made = make(records)
    notebook, parameters = records[0].name, records[0].parameters
    path = _path(notebook)
    settings = _read(path) | {f"{parameters['preset']}/{parameters['dataset']}": made}
    write_json(path, {setting: {name: asdict(r) for name, r in found.items()} for setting, found in settings.items()})


def _path(notebook: str) -> Path:
    return project_data("references", f"{notebook}.json")


def _read(path: Path) -> dict[str, dict[str, Reference]]:
    """References by preset and data set, then by metric; empty where there is no file."""
    if not path.is_file():
        return {}
    try:
        return {
            setting: {name: Reference(**entry) for name, entry in found.items()}
            for setting, found in read_json_object(path).items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise FacelabError(
            f"{path} holds no references ({error}).", "Install facelab again from a full clone."
        ) from error
