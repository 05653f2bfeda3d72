"""``facelab batch``: notebooks under many seeds and on many data sets, on this machine or on a cluster."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import console, error_console, print_metrics, print_table
from facelab.commands.parameters import Parameters, Preset, notebook_values
from facelab.errors import BadParameterError, FacelabError

if TYPE_CHECKING:  # they take their time, and facelab --help needs none
    from facelab.batches.plan import Batch
    from facelab.batches.status import TaskStatus

app = typer.Typer(
    no_args_is_help=True, help="Notebooks under many seeds and on many data sets, on this machine or on a cluster."
)

Name = Annotated[str, typer.Argument(help="Name of the batch.")]
_INDEX_VARIABLES = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")


@app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="Name of the batch: letters, digits, '.', '_' and '-'.")],
    notebooks: Annotated[list[str], typer.Argument(help="Numbers or names of the course's notebooks, or 'all'.")],
    seeds: Annotated[str, typer.Option(help="0-19, or 0,3,7.")] = "0",
    datasets: Annotated[
        list[str] | None, typer.Option(help="Data sets, with commas between them; by default each notebook's own.")
    ] = None,
    preset: Preset = None,
    param: Parameters = None,
) -> None:
    """Check every task (notebook x data set x seed), and write the plan whole or not at all."""
    from facelab.batches.plan import plan_batch
    from facelab.batches.status import DONE, batch_status, summary

    names = [dataset.strip() for word in datasets or [] for dataset in word.split(",")]
    batch = plan_batch(name, notebooks, notebook_values(preset, param), seeds, names)
    new = batch.write()
    found = batch_status(batch)
    console.print(f"{batch.folder / 'plan.json'}{'' if new else ' (was there)'}")
    console.print(summary(found))
    if new and any(status.state == DONE for status in found):
        console.print(
            "Those that are done have a record below runs/records already. Where the code has changed, move it away."
        )


@app.command("task")
def task(
    name: Name,
    index: Annotated[
        int | None,
        typer.Argument(help="Number of the task, from 0; by default SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX."),
    ] = None,
) -> None:
    """Do one task; nothing where its record is there. For sbatch --array, indexed jobs of Kubernetes, GNU parallel."""
    from facelab.batches.plan import read_batch
    from facelab.batches.task import run_task

    batch = read_batch(name)
    number = _index_from_environment() if index is None else index
    planned = batch.task(number)
    console.print(f"Task {number} of {name}: {planned.label} ...")
    console.print("done" if run_task(batch, number) else "done already")


@app.command("run")
def run(
    name: Name,
    on: Annotated[
        str, typer.Option(help="local: processes of this machine; slurm; debug: one after the other in this process.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Tasks at a time; local: 1, slurm: 256 by default.")
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            min=1, help="Minutes that a try of a task may take; slurm: 240 by default, then it is queued again."
        ),
    ] = None,
    slurm: Annotated[
        list[str] | None, typer.Option(help="An option of sbatch, as partition=gpu, as often as needed.")
    ] = None,
) -> None:
    """Do all tasks that are not done. Stop it and call it again: it does what is missing. Exit code 1 where a task failed."""
    from facelab.batches.jobs import make_engine
    from facelab.batches.plan import read_batch
    from facelab.batches.run import run_batch
    from facelab.batches.status import DONE, RUNNING, batch_status, summary

    batch = read_batch(name)
    engine = make_engine(on, batch.folder / "jobs", f"facelab-{name}", workers, timeout, slurm or [], leave=True)
    found = batch_status(batch)
    todo = [own.index for own in found if own.state not in (DONE, RUNNING)]
    if todo:
        console.print(summary(found))
    try:
        with contextlib.closing(run_batch(batch, todo, engine)) as ended:
            for number, own in enumerate(ended, start=1):
                seconds = f", {own.attempts.seconds:.0f} s" if own.attempts.seconds is not None else ""
                console.print(f"[{number}/{len(todo)}] {own.index}: {own.task.label}: {own.state}{seconds}")
    except (KeyboardInterrupt, SystemExit):
        if on == "slurm":
            error_console.print(
                f"Jobs that were submitted go on. To see them: facelab batch status {shlex.quote(name)}. "
                f"To end them: scancel --name={shlex.quote(engine.name)}"
            )
        raise
    _require_done(batch, batch_status(batch))


@app.command("status")
def status(
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """How far the tasks are, from records and tries on the disk. Exit code 1 where one is not done."""
    from facelab.batches.plan import read_batch
    from facelab.batches.status import DONE, batch_status, summary

    found = batch_status(read_batch(name))
    if as_json:
        typer.echo(json.dumps({"name": name, "tasks": [own.as_json() for own in found]}, indent=1))
    else:
        _print_tasks(found)
        console.print(summary(found))
    if any(own.state != DONE for own in found):
        raise typer.Exit(1)


@app.command("results")
def results(
    name: Name,
    reference: Annotated[
        bool, typer.Option(help="Store them as the notebooks' references, with their tolerances.")
    ] = False,
) -> None:
    """Mean and interval over the seeds, of each notebook on each data set. All tasks must be done."""
    from facelab import records
    from facelab.batches.plan import read_batch
    from facelab.batches.results import records_by_setting
    from facelab.labs import references
    from facelab.paths import project_root

    if reference:
        project_root()  # an installed package is never written to
    batch = read_batch(name)
    found = records_by_setting(batch)
    if reference:
        for own in found.values():
            references.make(own)  # all of them, or none is stored
    for setting, own in found.items():
        console.print(f"{setting}, {len(own)} seed{'s' if len(own) != 1 else ''}", style="bold")
        print_metrics(records.summarize_over_seeds(own))
        if reference:
            references.store(own)


def _index_from_environment() -> int:
    """The index of a task that the cluster gave.

    Raises:
        BadParameterError: no cluster gave one, or what it gave is no number.
    """
    for variable in _INDEX_VARIABLES:
        text = os.environ.get(variable)
        if text and text.isdecimal():
            return int(text)
        if text:
            raise BadParameterError(f"{variable} is {text!r}.", "It is the number of a task: sbatch --array=0-9.")
    raise BadParameterError(
        "No task is named.", f"Give its number; in an array of jobs {' or '.join(_INDEX_VARIABLES)} has it."
    )


def _print_tasks(found: list[TaskStatus]) -> None:
    rows = [
        (
            str(own.index),
            own.task.label,
            own.state,
            str(own.attempts.count),
            "" if own.attempts.seconds is None else f"{own.attempts.seconds:.0f}",
            own.error,
        )
        for own in found
    ]
    print_table(("task", "run", "state", "tries", "seconds", "error"), rows, right=("task", "tries", "seconds"))


def _require_done(batch: Batch, found: list[TaskStatus]) -> None:
    """A row for each task that is not done.

    Raises:
        FacelabError: there is one.
    """
    from facelab.batches.status import DONE, RUNNING, summary

    left = [own for own in found if own.state != DONE]
    if not left:
        console.print(summary(found))
        return
    _print_tasks(left)
    if all(own.state == RUNNING for own in left):
        remedy = f"Wait for those that run elsewhere: facelab batch status {shlex.quote(batch.name)}."
    else:
        remedy = (
            f"The executed notebooks are in {left[0].task.run().executed.parent}, each with its error on top. "
            f"To do what is missing: facelab batch run {shlex.quote(batch.name)}."
        )
    raise FacelabError(f"{summary(found)}.", remedy)
