"""One JSON a run: what was measured, on which data, with which parameters and versions. The leaderboard is read from these."""

from __future__ import annotations

import datetime
import errno
import importlib.metadata
import json
import math
import os
import platform
import re
import stat
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from numbers import Real
from pathlib import Path

import pandas as pd
import torch

from facelab.datasets.trees import is_litter
from facelab.errors import BadParameterError, FacelabError
from facelab.evaluation.intervals import Estimate, mean_over_seeds
from facelab.files import parse_json_object, write_json
from facelab.threads import threads_of_results

SCHEMA = 1  #: raised when the meaning of a field changes

_VERSIONS_OF = ("facelab", "torch", "torchvision", "numpy", "scikit-learn", "opencv-python-headless")
# as every record does, also one of which only a part is left
_BEGINS = re.compile(rb'\{\s*"name": "[^"]*",\s*"command": "')
_MOST_BYTES = 2**26  # of a record: the largest of data/results has less than half a megabyte


@dataclass(frozen=True)
class Metric:
    """A measured number.

    Attributes:
        value: the number; rates in 0 ... 1, not per cent.
        n: what it was measured on: images, pairs, seeds; None for a plain quantity such as a loss.
        low, high: its 95 % interval; None where there is none.
        method: how the interval was made: "wilson", "bootstrap over people", "t over seeds".
    """

    value: float
    n: int | None = None
    low: float | None = None
    high: float | None = None
    method: str = ""

    def __post_init__(self) -> None:
        numbers = [self.value, *(number for number in (self.n, self.low, self.high) if number is not None)]
        if not all(isinstance(number, Real) for number in numbers):
            raise BadParameterError("A metric is not a number.", "Record only what was measured.")
        if not all(map(_is_finite, numbers)):
            raise BadParameterError("A metric is not a finite number.", "Record only what was measured.")
        if (self.low is None) != (self.high is None):
            raise BadParameterError("The interval of a metric has one end.", "Give both ends, or none.")

    def __str__(self) -> str:
        interval = "" if self.low is None else f" [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return f"{100 * self.value:.1f} %{interval}" + ("" if self.n is None else f", n = {self.n}")

    def as_points(self) -> str:
        """A difference of two shares, in percentage points with signs: ``+1.2 [-0.6, +3.0]``."""
        interval = "" if self.low is None else f" [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"
        return f"{100 * self.value:+.1f}{interval}"

    @classmethod
    def from_estimate(cls, estimate: Estimate) -> Metric:
        """An estimate of ``evaluation`` as a metric."""
        return cls(float(estimate.value), int(estimate.n), float(estimate.low), float(estimate.high), estimate.method)


def _is_finite(number: Real) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number of more digits than any float has
        return False


@dataclass
class Record:
    """Everything needed to know what a number means, and to make it again.

    Attributes:
        name: the notebook or command that measured: ``"02_cnn_mlp"``.
        command: what to type to make it again.
        parameters: all of them, defaults included.
        data: ``FaceSet.describe()`` of each set used, by role.
        metrics: name -> Metric.
        wall_seconds: time from start to end; of a record of many runs, of which some may have been made earlier, their sum.
        created: UTC, ISO 8601.
        versions: of the packages that decide a result, of Python and of the machine.
    """

    name: str
    command: str
    parameters: dict[str, object]
    data: dict[str, dict[str, object]] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    wall_seconds: float = 0.0
    created: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    )
    versions: dict[str, str] = field(default_factory=lambda: versions())
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        texts, tables = (self.name, self.command, self.created), (self.parameters, self.data, self.versions)
        if not isinstance(self.wall_seconds, int | float) or not _is_finite(self.wall_seconds):
            raise BadParameterError("The seconds of a record are not a number.", "Give wall_seconds as a number.")
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(table, dict) for table in tables):
            raise BadParameterError("A field of a record is of another type.", "See the attributes of Record.")

    def write(self, path: Path) -> Path:
        """Write it as JSON, whole or not at all, and return the path."""
        write_json(path, asdict(self))
        return path


def versions(threads: int | None = None) -> dict[str, str]:
    """Versions of what decides a result, with Python, the processor's instruction set and the number of threads.

    Args:
        threads: with how many it was measured; None: ``threads_of_results()``.
    """
    found = {name: importlib.metadata.version(name) for name in _VERSIONS_OF}
    threads = threads or threads_of_results()
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, {threads} threads"
    return found | {"python": platform.python_version(), "machine": machine}


def read_record(path: Path) -> Record:
    """The record in a file.

    Raises:
        FacelabError: not there, not a record, a damaged one, or one of a later version of facelab.
    """
    if not path.is_file():
        raise FacelabError(f"There is no record {path}.", "Run the notebook or the command that makes it.")
    record = _read(path)
    if record is None:
        raise FacelabError(
            f"{path} is not a record of facelab.", "Name the JSON that a notebook or a command of facelab wrote."
        )
    return record


class UnusableRecordWarning(UserWarning):
    """A record cannot be read, and is left out."""


@dataclass(frozen=True)
class FoundRecords:
    """What the JSON files below some folders hold.

    Attributes:
        records: oldest first; a copy of one counts once.
        unusable: of each record that cannot be read (damaged, or of a later facelab) a line that names it and says why.
        foreign: the files that are somebody else's, and were passed over.
    """

    records: list[Record]
    unusable: list[str]
    foreign: list[Path]


def search_records(*folders: Path) -> FoundRecords:
    """Look into every JSON file below the folders, but for hidden ones and what file managers leave behind.

    Linked folders are followed. One that cannot be opened is named with the records that cannot be read.
    """
    unusable: list[str] = []
    paths = {path for folder in folders for path in _json_files(folder, unusable)}
    records, foreign = {}, []
    for path in sorted(paths):
        try:
            record = _read(path)
        except FacelabError as error:
            unusable.append(str(error))
            continue
        if record is None:
            foreign.append(path)
        else:
            records[repr(record)] = record
    return FoundRecords(sorted(records.values(), key=lambda record: record.created), unusable, foreign)


def _json_files(top: Path, closed: list[str]) -> Iterator[Path]:
    """The real path of each; a line for each folder or file that the system does not let us see goes to ``closed``."""

    def tell(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError) and error.errno != errno.ELOOP:
            closed.append(f"{error.filename} cannot be opened ({error.strerror}). Check its rights.")

    entered = set()  # real paths: links may lead in circles
    for parent, folders, files in os.walk(top, onerror=tell, followlinks=True):
        if (real := os.path.realpath(parent)) in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(folder for folder in folders if not is_litter(folder))
        for name in files:
            if name.endswith(".json") and not is_litter(name):
                path = Path(real, name)
                try:
                    if stat.S_ISREG(path.stat().st_mode):
                        yield Path(os.path.realpath(path))
                except OSError as error:
                    tell(error)


def find_records(*folders: Path) -> list[Record]:
    """Every record below the folders, oldest first; one that cannot be read is named in a warning."""
    found = search_records(*folders)
    for problem in found.unusable:
        warnings.warn(problem, UnusableRecordWarning, stacklevel=2)
    return found.records


def _read(path: Path) -> Record | None:
    """The record in a file, or None where it is somebody else's file.

    Raises:
        FacelabError: a record that is damaged, of a later facelab, or that this user may not read.
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    except OSError as error:
        raise FacelabError(f"{path} cannot be read ({error.strerror}).", "Check its rights.") from error
    again = "Run its notebook or its command again."
    try:
        fields = parse_json_object(content.decode("utf-8-sig"))
    except ValueError as error:
        if _BEGINS.match(content):
            raise FacelabError(f"{path} is a damaged record ({error}).", again) from error
        return None
    if not {"name", "metrics"} <= fields.keys() or not isinstance(fields.get("schema"), int):
        return None
    try:
        if fields["schema"] > SCHEMA:
            raise FacelabError(f"{path} has schema {fields['schema']}, later than {SCHEMA}.", "Update facelab.")
        metrics = {name: Metric(**metric) for name, metric in fields.pop("metrics").items()}
        return Record(metrics=metrics, **fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise FacelabError(f"{path} is a damaged record ({error}).", again) from error


def leaderboard(records: list[Record], metric: str | None = None) -> pd.DataFrame:
    """One row a metric and record: name, preset, dataset, seed, metric, value, low, high, n, seconds, created.

    Args:
        records: the records to show.
        metric: only metrics whose name this regular expression finds: ``"^eer/"``.

    Raises:
        BadParameterError: no regular expression.
    """
    try:
        wanted = re.compile(metric or "")
    except re.error as error:
        raise BadParameterError(
            f"{metric!r} is not a regular expression ({error}).", "Write a part of the name."
        ) from error
    columns = ["name", "preset", "dataset", "seed", "metric", "value", "low", "high", "n", "seconds", "created"]
    rows = [
        [record.name, *(_label(record.parameters.get(key)) for key in ("preset", "dataset", "seed")), name, m.value, m.low,
         m.high, m.n, round(record.wall_seconds, 1), record.created]
        for record in records
        for name, m in record.metrics.items()
        if wanted.search(name)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _label(value: object) -> object:
    """A parameter as a cell of the table: what is neither text nor a number is written as text, and nothing stays empty."""
    return value if isinstance(value, str | int | float) else "" if value is None else json.dumps(value)


def summarize_over_seeds(records: list[Record]) -> pd.DataFrame:
    """Mean and 95 % interval (Student's t) of each metric over records that differ in their seed alone.

    Records that differ in another parameter, such as the preset or the data set, are told apart. The hashes of their data are
    not asked: the seed may draw who is for training and who for the test. Of several records of one seed the newest counts,
    since a run that is made again says nothing new.

    Returns:
        Columns name, parameters (those in which records of this name differ, as text), metric, value (the mean), low, high,
        n (seeds); the interval is NaN below three seeds.
    """
    settings: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, Record]] = {}
    for record in sorted(records, key=lambda record: record.created):
        texts = {key: json.dumps(value, sort_keys=True) for key, value in record.parameters.items()}
        seed = texts.pop("seed", "")
        settings.setdefault((record.name, tuple(sorted(texts.items()))), {})[seed] = record
    rows = []
    for (name, parameters), by_seed in settings.items():
        alike = set.intersection(*(set(other) for other_name, other in settings if other_name == name))
        label = ", ".join(f"{key}={text}" for key, text in parameters if (key, text) not in alike)
        for metric, group in leaderboard(list(by_seed.values())).groupby("metric", sort=False):
            values = group["value"].tolist()
            estimate = mean_over_seeds(values) if len(values) >= 3 else None
            low, high = (estimate.low, estimate.high) if estimate else (math.nan, math.nan)
            rows.append([name, label, metric, float(group["value"].mean()), low, high, len(values)])
    return pd.DataFrame(rows, columns=["name", "parameters", "metric", "value", "low", "high", "n"])
