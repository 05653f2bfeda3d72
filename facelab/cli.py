"""The ``facelab`` command: run notebooks, look after data, crop and split folders, train, and read the results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from facelab.errors import BadParameterError, FacelabError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_show_locals=False)
data_app = typer.Typer(
    no_args_is_help=True, help="Which data sets are here, what they are, and whether they are whole."
)
app.add_typer(data_app, name="data")
console = Console()

Values = Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value, as often as needed.")]


def _pairs(values: list[str] | None) -> dict[str, str]:
    """``["epochs=3"]`` to ``{"epochs": "3"}``."""
    for value in values or []:
        if "=" not in value:
            raise BadParameterError(f"-p {value!r} has no '='.", "Write -p name=value.")
    return dict(value.split("=", 1) for value in values or [])


@app.command()
def run(
    notebooks: Annotated[list[str], typer.Argument(help="Numbers or names, or 'all'.")],
    preset: Annotated[
        str, typer.Option(help="smoke: seconds; laptop: minutes; paper: the papers' settings, on a GPU.")
    ] = "laptop",
    param: Values = None,
) -> None:
    """Run notebooks by papermill into runs/notebooks; the measured numbers go to runs/records."""
    from facelab.labs import build
    from facelab.labs.parameters import find_source, given, sources

    found = sources() if notebooks == ["all"] else [find_source(name) for name in notebooks]
    values = {"preset": preset, **_pairs(param)}
    for source in found:
        given(source, values, typed=True)  # refuse a wrong parameter before the first notebook runs
    for number, source in enumerate(found, start=1):
        console.print(f"[{number}/{len(found)}] {source.stem} (preset {preset}) ...", markup=False)
        console.print(f"    {build.run(source, values, typed=True)}", markup=False, soft_wrap=True)


@app.command()
def sweep(
    notebook: Annotated[str, typer.Argument(help="Number or name.")],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 ... seeds-1.")] = 5,
    preset: Annotated[str, typer.Option()] = "laptop",
    param: Values = None,
    reference: Annotated[bool, typer.Option(help="Store the result as the notebook's reference.")] = False,
) -> None:
    """Run a notebook under several seeds; with --reference its numbers become the stored reference with its tolerance."""
    from facelab import records
    from facelab.labs import build, references
    from facelab.labs.notebook import record_path
    from facelab.labs.parameters import find_source, given

    source, found = find_source(notebook), []
    for seed in range(seeds):
        values = given(source, {"preset": preset, **_pairs(param), "seed": str(seed)}, typed=True)
        console.print(f"{source.stem}, seed {seed} ...", markup=False)
        build.run(source, values)
        found.append(records.read(record_path(source.stem, values)))
    _print_table(records.over_seeds(found))
    if reference:
        references.store(found)


@app.command()
def leaderboard(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders with records; runs/records by default.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only metrics whose name contains this.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file too.")] = None,
) -> None:
    """Every measured number with its interval, from the records below some folders."""
    from facelab import records
    from facelab.files import write_text
    from facelab.paths import runs_root

    found = records.find(*(folders or [runs_root() / "records"]))
    if not found:
        raise FacelabError("There is no record yet.", "Run a notebook first: facelab run 02.")
    table = records.leaderboard(found, metric)
    _print_table(table.drop(columns=["created"]))
    if csv is not None:
        write_text(csv, table.to_csv(index=False))


def _print_table(frame) -> None:
    """A data frame as a table that fits a terminal; rates with four digits."""
    table = Table(box=None, pad_edge=False)
    for column in frame.columns:
        table.add_column(str(column), justify="right" if frame[column].dtype.kind in "fi" else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(
            *(
                "" if cell is None or cell != cell else f"{cell:.4g}" if isinstance(cell, float) else str(cell)
                for cell in row
            )
        )
    console.print(table)


def main() -> None:
    """Entry point: one line for an error that the user can mend (exit code 1), 130 where stopped by Ctrl-C."""
    try:
        app(standalone_mode=True)
    except FacelabError as error:
        print(f"facelab: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("facelab: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
