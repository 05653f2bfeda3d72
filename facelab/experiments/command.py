"""``facelab experiment``: the measurements behind ``data/results``, and how they are made again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from facelab.commands.console import console

app = typer.Typer(no_args_is_help=True, help="The measurements behind data/results, and how they are made again.")


@app.command("list")
def list_() -> None:
    """Every experiment: its record, what it shows, minutes of computing when last made, and its data sets."""
    from facelab.experiments.overview import list_experiments

    table = Table(box=None, pad_edge=False)
    for column, side in (("name", "left"), ("notebook", "left"), ("min", "right"), ("data sets", "left"), ("what", "left")):
        table.add_column(column, justify=side, overflow="fold")
    for row in list_experiments():
        own = row.experiment
        data = ", ".join(f"{name} (missing)" if name in row.missing else name for name in own.datasets)
        minutes = "" if row.minutes is None else f"{row.minutes:.0f}"
        table.add_row(own.name, own.notebook, minutes, data or "none", own.shows)
    console.print(table, markup=False)
    console.print("The record of NAME is data/results/NAME.json; without minutes it was not made yet.", markup=False)


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="A name of facelab experiment list.")],
    seeds: Annotated[int | None, typer.Option(help="Seeds 0 ... seeds-1; the experiment's own number by default.")] = None,
    workers: Annotated[int | None, typer.Option(help="Cells at a time, a core each; one a core by default.")] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Only cells whose label this regular expression finds: print their figures, write no record."),
    ] = None,
) -> None:
    """Compute what is missing of an experiment, and write its record. Stop it and call again: it goes on."""
    from facelab.experiments.grid import code_digest, run_experiment
    from facelab.experiments.registry import get_experiment
    from facelab.paths import runs_root

    kept, record = run_experiment(get_experiment(name), seeds, workers, only)
    if only is not None:
        for label, cell in kept.items():
            console.print(f"{label} ({cell.seconds:.0f} s)", markup=False, style="bold", soft_wrap=True)
            for figure, value in cell.figures.items():
                text = f"{value:.6g}" if isinstance(value, float) else str(value)
                console.print(f"  {figure}: {text[:100]}", markup=False, highlight=False, soft_wrap=True)
    if old := [label for label, cell in kept.items() if cell.code != code_digest()]:
        console.print(
            f"{len(old)} of {len(kept)} cells were computed by another state of the code ({old[0]} ...). To compute them again, "
            f"move {runs_root() / 'experiments' / name} away.",
            markup=False,
            soft_wrap=True,
        )
    if record is not None:
        console.print(f"{len(kept)} cells, record {record}", markup=False, soft_wrap=True)
