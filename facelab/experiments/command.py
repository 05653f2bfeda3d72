"""``facelab experiment``: the measurements behind ``data/results``, and how they are made again."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.commands.console import console

app = typer.Typer(no_args_is_help=True, help="The measurements behind data/results, and how they are made again.")


@app.command("list")
def list_() -> None:
    """Every experiment: what it shows, minutes of computing when its record was last made, and its data sets."""
    from facelab.experiments.registry import list_experiments

    for row in list_experiments():
        own = row.experiment
        data = ", ".join(f"{name} (missing)" if name in row.missing else name for name in own.datasets) or "no data set"
        minutes = "no record yet" if row.minutes is None else f"{row.minutes:.0f} min"
        console.print(own.name, style="bold")
        console.print(f"    {own.shows}")
        console.print(f"    notebook {own.notebook}; {minutes}; {data}; {own.module}")
    console.print("The record of NAME is data/results/NAME.json.")


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="A name of facelab experiment list.")],
    seeds: Annotated[
        int | None, typer.Option(help="Seeds 0 ... seeds-1; the experiment's own number by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Cells at a time, a core each; one a core by default, 4 at most.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Only cells whose label this regular expression finds: print their figures, write no record."
        ),
    ] = None,
) -> None:
    """Compute the cells of an experiment that are not kept yet, and write its record. Stop it and call again: it goes on."""
    from facelab.experiments.cells import code_digest
    from facelab.experiments.grid import run_experiment
    from facelab.experiments.registry import get_experiment
    from facelab.paths import runs_root

    kept, record = run_experiment(get_experiment(name), seeds, workers, only)
    if only is not None:
        for label, cell in kept.items():
            console.print(f"{label} ({cell.seconds:.0f} s)", style="bold")
            for figure, value in cell.figures.items():
                text = f"{value:.6g}" if isinstance(value, float) else str(value)
                console.print(f"  {figure}: {text[:100]}")
    if old := [label for label, cell in kept.items() if cell.code != code_digest()]:
        console.print(
            f"{len(old)} of {len(kept)} cells were computed by another state of the code ({old[0]} ...). To compute them "
            f"again, move {runs_root() / 'experiments' / name} away."
        )
    if record is not None:
        console.print(f"{len(kept)} cells, record {record}")
