"""``facelab leaderboard``: every measured number, from the records of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facelab.commands.console import print_metrics
from facelab.errors import BadParameterError, FacelabError


def leaderboard(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders with records; runs/records by default.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only metrics whose name this regular expression finds.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file too.")] = None,
) -> None:
    """Every measured number with its interval, from the records below some folders."""
    from facelab import records
    from facelab.files import write_text
    from facelab.paths import runs_root

    for folder in folders or []:
        if not folder.is_dir():
            raise BadParameterError(f"{folder} is no folder.", "Name folders with records, such as runs/records.")
    folders = folders or [runs_root() / "records"]
    found = records.find_records(*folders)
    if not found:
        raise FacelabError(
            f"There is no record yet in {', '.join(map(str, folders))}.", "Run a notebook first: facelab run 02."
        )
    table = records.leaderboard(found, metric)
    if table.empty and metric is not None:
        raise BadParameterError(f"No metric's name contains {metric!r}.", "Call it without --metric to see them all.")
    print_metrics(table)
    if csv is not None:
        write_text(csv, table.to_csv(index=False))
