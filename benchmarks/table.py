"""The table of the README, from the results alone."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import Results
from benchmarks.timing import OURS, Row, Spread
from facelab.errors import FacelabError
from facelab.files import write_text

BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"
#: units of what other programs hardly change: memory, and what is learned in so much time of the processor
UNDISTURBED = ("MB", "%")
BUSY = 0.05  #: share of all cores that other programs may take before the figures are called provisional


def table(results: Results) -> str:
    """A sentence that names the machine, and the table: Markdown, without markers."""
    lines = [_caption(results), "", "| | facelab | beside it, and how many times as fast facelab is |", "|---|---|---|"]
    for part in results.parts.values():
        lines.append(f"| **{part.title}** | | |")
        lines += [_line(row) for row in part.rows]
    return "\n".join(lines)


def _caption(results: Results) -> str:
    machine, parts = results.machine, results.parts.values()
    days = sorted({part.created for part in parts})
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    text = (
        f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} on {machine['processor']} "
        f"({machine['instructions']}, {machine['cores']} cores, {machine['memory in GB']} GB, {machine['system']}), "
        f"{machine['threads']} thread{'' if machine['threads'] == 1 else 's'}; {versions}. "
        "Medians, with quartiles in brackets. Contenders took turns, and what they are compared by is the ratio within a turn; "
        "what is in per cent has no ratio. Rows of a record of `data/results` are of that record's day and machine, with the "
        "least and the greatest of its batches in brackets; seconds as stored are those in which each notebook was built, on a "
        "day and a machine that it does not name."
    )
    most = max((part.others for part in parts if any(row.unit not in UNDISTURBED for row in part.rows)), default=0)
    if most > BUSY:
        text += f" **Provisional**: other programs took up to {100 * most:.0f} % of the processor meanwhile."
    return text


def _line(row: Row) -> str:
    others = []
    for name, value in row.values.items():
        if ratio := row.ratios.get(name):
            others.append(f"{name} {number(value.median)}: **{number(ratio.median)}**{_bracketed(ratio)}")
        elif name != OURS:
            others.append(f"{name} {number(value.median)}{_bracketed(value)}")
    ours = row.values[OURS]
    return f"| {row.name}, {row.unit} | {number(ours.median)}{_bracketed(ours)} | {'; '.join(others)} |"


def _bracketed(spread: Spread) -> str:
    return f" ({number(spread.low)} to {number(spread.high)})" if spread.n > 1 else ""


def number(value: float) -> str:
    """Three digits that count: ``12,300``, ``12.3``, ``0.123``."""
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100 or rounded == 0:
        return f"{rounded:,.0f}"
    decimals = 2
    while decimals and abs(rounded) >= 10 ** (3 - decimals):
        decimals -= 1
    while abs(rounded) < 10 ** (2 - decimals):
        decimals += 1
    return f"{rounded:.{decimals}f}"


def between_markers(text: str) -> str:
    """What stands between the markers.

    Raises:
        FacelabError: they are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    inside, end, _ = rest.partition(END)
    if not begin or not end:
        raise FacelabError(f"README.md lacks {BEGIN if not begin else END}.", "Put it back where the table belongs.")
    return inside.strip("\n")


def write_readme(path: Path, results: Results) -> None:
    """Put the table between the markers of a README; errors as ``between_markers``."""
    text = path.read_text(encoding="utf-8")
    between_markers(text)
    before, _, rest = text.partition(BEGIN)
    write_text(path, f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{rest.partition(END)[2]}")
