"""``facelab leaderboard``: every measured number, from the records of runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import error_console, print_metrics
from facelab.errors import BadParameterError, FacelabError

if TYPE_CHECKING:  # pandas and torch take their time, and facelab --help needs none
    from facelab.records import FoundRecords


def leaderboard(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders with records; runs/records by default.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only metrics whose name this regular expression finds.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file too.")] = None,
) -> None:
    """Every measured number with its interval, from the records below some folders."""
    from facelab import records
    from facelab.files import write_text
    from facelab.paths import runs_root, user_path

    below = [user_path(folder) for folder in folders or []] or [runs_root() / "records"]
    for folder in below if folders else []:
        if not folder.is_dir():
            raise BadParameterError(f"{folder} is not a folder.", "Name folders with records, such as runs/records.")
    found = records.search_records(*below)
    _tell_what_is_left_out(found)
    if not found.records and found.unusable:
        raise FacelabError("No other record is there.", "Run their notebooks or commands again: they are written anew.")
    if not found.records:
        raise FacelabError(
            f"There is no record yet in {', '.join(map(str, below))}.", "Run a notebook first: facelab run 02."
        )
    table = records.leaderboard(found.records, metric)
    if table.empty and metric is not None:
        raise BadParameterError(f"No metric's name contains {metric!r}.", "Call it without --metric to see them all.")
    print_metrics(table)
    if csv is not None:
        # the mark at its beginning tells Excel that the letters are UTF-8
        write_text(user_path(csv), "\ufeff" + table.to_csv(index=False))


def _tell_what_is_left_out(found: FoundRecords) -> None:
    """A line on stderr for each record that cannot be read, and one for all JSON files of other programs."""
    for problem in found.unusable:
        error_console.print(f"left out: {problem}")
    if count := len(found.foreign):
        files = "1 JSON file" if count == 1 else f"{count} JSON files"
        error_console.print(f"passed over: {files} of other programs (the first: {found.foreign[0]})")
