"""``facelab data``: which data sets are here, what they are, and whether they are whole."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from facelab.commands.console import console

app = typer.Typer(no_args_is_help=True, help="Which data sets are here, what they are, and whether they are whole.")


@app.command("list")
def list_() -> None:
    """Every data set that facelab can read: whether it is here, where, and how large."""
    from facelab.datasets import catalog
    from facelab.paths import data_root

    table = Table(box=None, pad_edge=False)
    for column, side in (("name", "left"), ("here", "left"), ("images", "right"), ("MB", "right"), ("where", "left")):
        table.add_column(column, justify=side, overflow="fold")
    for entry in catalog.list_sources():
        size = f"{entry.bytes / 1e6:.0f}" if entry.is_present else ""
        table.add_row(
            entry.name, "yes" if entry.is_present else "no", f"{entry.images:,}" if entry.is_present else "", size,
            entry.problem or (str(entry.path) if entry.is_present else f"how to get it: facelab data info {entry.name}"),
        )  # fmt: skip
    console.print(table)
    console.print(f"FACELAB_DATA is {data_root()}. Any tree of person/photo is read as folder:PATH.", markup=False)


@app.command("info")
def info(name: Annotated[str, typer.Argument(help="A name of facelab data list.")]) -> None:
    """What a data set is, its licence and terms, its citation, and how to get it."""
    from facelab.datasets import catalog

    for what, text in catalog.info(name).items():
        console.print(f"[bold]{what}[/bold]")
        console.print(f"  {text}", markup=False, highlight=False)


@app.command("fetch")
def fetch(name: Annotated[str, typer.Argument(help="A name of facelab data list.")]) -> None:
    """Download a data set where its terms and the network allow that."""
    from facelab.datasets import catalog

    console.print(f"{name} is in {catalog.fetch(name)}", markup=False, soft_wrap=True)


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="A name of facelab data list, folder:PATH, or several joined by +.")],
    size: Annotated[int, typer.Option(help="Working size in pixels.")] = 64,
) -> None:
    """Decode a data set, name every unusable file, and compare it with what was published. Exit code 1 if it differs."""
    from facelab.datasets import catalog

    report = catalog.check(name, size)
    unknown = f", {report.unknown_images:,} of unknown people" if report.unknown_images else ""
    console.print(
        f"{name}: {report.images:,} images, {report.people:,} people{unknown}; SHA-256 at {size} px {report.sha256}"
    )
    for difference in report.differences:
        console.print(f"differs: {difference}", markup=False)
    for file, reason in report.rejected_files:
        console.print(f"not usable: {file}: {reason}", markup=False)
    if not report.ok:
        raise typer.Exit(1)
