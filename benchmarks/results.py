"""What was measured: ``results.json``, part by part, all of one machine."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.machine import LoadWatch, describe_machine
from benchmarks.timing import Row, Spread
from facelab.errors import FacelabError, one_line
from facelab.files import read_json_object, write_json

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Measured:
    """A part of the results.

    Attributes:
        title: of the part.
        created: date, UTC, ISO 8601.
        seconds: how long it took.
        others: share of the time of all cores that other programs took meanwhile, 0 to 1.
        rows: its lines.
    """

    title: str
    created: str
    seconds: float
    others: float
    rows: list[Row]

    @classmethod
    def now(cls, title: str, watch: LoadWatch, rows: list[Row]) -> Measured:
        """What was measured since ``watch`` began."""
        date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        return cls(title, date, round(watch.seconds(), 1), round(watch.others(), 3), rows)


@dataclass
class Results:
    """Of one machine: part -> what was measured."""

    machine: dict[str, object] = field(default_factory=describe_machine)
    parts: dict[str, Measured] = field(default_factory=dict)

    def write(self, path: Path = FILE) -> None:
        """As JSON, whole or not at all."""
        write_json(path, asdict(self))


def read_results(path: Path = FILE) -> Results:
    """What ``Results.write`` wrote.

    Raises:
        FacelabError: it is damaged, or cannot be read.
    """
    try:
        content = read_json_object(path)
        parts = {
            name: Measured(**{**part, "rows": [_row(row) for row in part["rows"]]})
            for name, part in content["parts"].items()
        }
        return Results(dict(content["machine"]), parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FacelabError(
            f"{path} holds no results ({one_line(error)}).",
            "Bring it back (git checkout), or move it away and measure all parts: make bench.",
        ) from error


def _row(content: dict) -> Row:
    spreads = {key: {name: Spread(**one) for name, one in content[key].items()} for key in ("values", "ratios")}
    return Row(content["name"], content["unit"], **spreads)


def results_to_complete(path: Path = FILE) -> Results:
    """Those of the file, or none where there is none, for some parts to be measured anew.

    Raises:
        FacelabError: they are of another machine or of other versions, or as ``read_results``.
    """
    if not path.is_file():
        return Results()
    found = read_results(path)
    if other := _differences(found):
        raise FacelabError(f"{path} is of another machine ({', '.join(other)}).", "Measure all parts: make bench.")
    return found


def results_to_begin(path: Path = FILE) -> Results:
    """Those of the file, for all parts to be measured anew: each stays until it is replaced. None where they are of another
    machine or of other versions, and it is said which these were.

    Raises:
        FacelabError: as ``read_results``.
    """
    found = read_results(path) if path.is_file() else Results()
    if other := _differences(found):
        print(f"Not kept: {', '.join(found.parts)}, of another machine ({', '.join(other)}).", flush=True)
        return Results()
    return found


def _differences(found: Results) -> list[str]:
    here = describe_machine()
    return [name for name in here if here[name] != found.machine.get(name)]
