"""``facelab data``: which data sets are here, what they are, and whether they are whole."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.commands.console import console, print_table

app = typer.Typer(no_args_is_help=True, help="Which data sets are here, what they are, and whether they are whole.")

NAME_OF_SET = "A name of facelab data list, a form:PATH that it shows, or several joined by +."


@app.command("list")
def list_() -> None:
    """Every data set that facelab can read: whether it is here, where, and how large."""
    from facelab.datasets import catalog
    from facelab.datasets.sources import family_forms
    from facelab.paths import data_root

    rows = [
        (entry.name, "yes" if entry.is_present else "no", f"{entry.images:,}" if entry.is_present else "",
         f"{entry.bytes / 1e6:.0f}" if entry.is_present else "",
         entry.problem or (str(entry.path) if entry.is_present else f"how to get it: facelab data info {entry.name}"))
        for entry in catalog.list_sources()
    ]  # fmt: skip
    print_table(("name", "here", "images", "MB", "where"), rows, right=("images", "MB"))
    console.print(f"FACELAB_DATA is {data_root()}. Read by a path, wherever it is:")
    for name, form in family_forms().items():
        console.print(f"  {name:16} {form}")


@app.command("info")
def info(name: Annotated[str, typer.Argument(help="A name of facelab data list.")]) -> None:
    """What a data set is, its licence and terms, its citation, and how to get it."""
    from facelab.datasets import catalog

    for what, text in catalog.info(name).items():
        console.print(what, style="bold")
        for line in text.splitlines():
            console.print(f"  {line}")


@app.command("fetch")
def fetch(name: Annotated[str, typer.Argument(help="A name of facelab data list.")]) -> None:
    """Download a data set where its terms and the network allow that."""
    from facelab.datasets import catalog

    console.print(f"{name} is in {catalog.fetch(name)}")


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help=NAME_OF_SET)],
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
        console.print(f"differs: {difference}")
    for file, reason in report.rejected_files:
        console.print(f"not usable: {file}: {reason}")
    if not report.ok:
        raise typer.Exit(1)


@app.command("duplicates")
def duplicates(
    name: Annotated[str, typer.Argument(help=NAME_OF_SET)],
    all_pairs: Annotated[bool, typer.Option("--all", help="Also within one person, and among unknown people.")] = False,
    size: Annotated[int, typer.Option(help="Working size in pixels.")] = 64,
) -> None:
    """List the pictures that are there twice under two people's names, changed copies too; exit code 1 if any."""
    from facelab.datasets import load
    from facelab.datasets.duplicates import find_duplicates

    faces = load(name, size)
    files, pairs = faces.attributes["file"].to_numpy(), 0
    for first, second in find_duplicates(faces, all_pairs):
        console.print(f"{files[first]} = {files[second]}")
        pairs += 1
    where = "in all" if all_pairs else "under two people's names"
    console.print(f"{name}: {pairs:,} pairs of copies {where} among {len(faces):,} photographs")
    if pairs:
        raise typer.Exit(1)
