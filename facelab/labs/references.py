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
MISSED = 0.001  #: of all checks of a sound course, how many a run with other random numbers may miss


@dataclass(frozen=True)
class Reference:
    """A metric over several runs of the same notebook that differ in the seed alone.

    Attributes:
        value: mean over the seeds.
        deviation: standard deviation over the seeds.
        seeds: how many runs.
    """

    value: float
    deviation: float
    seeds: int

    @property
    def tolerance(self) -> float:
        """A run within ``value +- tolerance`` agrees: Student's prediction interval for one run more, and ``min_tolerance``.

        On a processor that adds in another order, a training soon is another one, as with another seed. Few seeds tell their
        own deviation badly: with five, four deviations would be missed once in fifty checks, and the course has 250 of them.

            t(1 - MISSED / 2, seeds - 1) sqrt(1 + 1 / seeds) deviation
        """
        quantile = float(stats.t.ppf(1 - MISSED / 2, self.seeds - 1))
        return max(min_tolerance(self.value), quantile * math.sqrt(1 + 1 / self.seeds) * self.deviation)

    def holds(self, value: float) -> bool:
        """Whether a measured value agrees."""
        return abs(value - self.value) <= self.tolerance

    @property
    def half_width(self) -> float:
        """Half the 95 % interval of the mean over the seeds (Student's t)."""
        return float(stats.t.ppf(0.975, self.seeds - 1)) * self.deviation / math.sqrt(self.seeds)

    @property
    def low(self) -> float:
        """Lower end of that interval."""
        return self.value - self.half_width

    @property
    def high(self) -> float:
        """Upper end of that interval."""
        return self.value + self.half_width

    def __str__(self) -> str:
        """The mean over the seeds with its interval, to compare with another."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}], {self.seeds} seeds"

    @property
    def bounds(self) -> str:
        """Within what another run agrees."""
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
        made[name] = Reference(round(statistics.mean(values), 4), round(statistics.stdev(values), 5), len(values))
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
