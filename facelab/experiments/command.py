"""``facelab experiment``: the measurements behind ``data/results``, and how they are made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import console
from facelab.errors import BadParameterError

if TYPE_CHECKING:  # they take their time, and facelab --help needs none
    from facelab.experiments.experiment import Experiment
    from facelab.experiments.slurm_jobs import SlurmJobs

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
        int | None,
        typer.Option(help="Cells at a time, a core each; one a core by default, 4 at most; slurm: 256."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Only cells whose label this regular expression finds: print their figures, write no record."
        ),
    ] = None,
    on: Annotated[str, typer.Option(help="local: processes of this machine; slurm: a job for each cell.")] = "local",
    timeout: Annotated[
        int | None, typer.Option(min=1, help="Minutes that a job of Slurm may take; 240 by default.")
    ] = None,
    slurm: Annotated[
        list[str] | None, typer.Option(help="An option of sbatch, as partition=gpu, as often as needed.")
    ] = None,
) -> None:
    """Compute the cells of an experiment that are not kept yet, and write its record. Stop it and call again: it goes on."""
    from facelab.experiments.cells import code_digest
    from facelab.experiments.grid import run_experiment
    from facelab.experiments.registry import get_experiment
    from facelab.paths import runs_root

    experiment = get_experiment(name)
    engine = _make_engine(experiment, on, workers, timeout, slurm or [])
    if on == "slurm" and workers is None and not experiment.alone:
        workers = engine.engine.workers
    kept, record = run_experiment(experiment, seeds, workers, only, engine)
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


def _make_engine(
    experiment: Experiment, on: str, workers: int | None, minutes: int | None, sbatch: list[str]
) -> SlurmJobs | None:
    """Who computes the cells; None: processes of this machine.

    Raises:
        BadParameterError: no such engine, or an option that it has no use for.
    """
    from facelab.batches.jobs import make_engine
    from facelab.experiments.slurm_jobs import SlurmJobs
    from facelab.paths import runs_root

    if on not in ("local", "slurm"):
        raise BadParameterError(f"--on {on!r} is nothing that computes cells.", "Give local or slurm.")
    if on == "local" and minutes is not None:
        raise BadParameterError("--timeout is for jobs of Slurm.", "Give --on slurm too, or leave it out.")
    folder = runs_root().resolve() / "experiments" / experiment.name / "jobs"
    engine = make_engine(on, folder, f"facelab-{experiment.name}", workers, minutes, sbatch)
    return SlurmJobs(engine) if on == "slurm" else None
