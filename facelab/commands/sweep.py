"""``facelab sweep``: a search for better parameters of a method or a notebook, by one process or by many."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import console, error_console, print_table
from facelab.commands.parameters import Parameters, Preset, notebook_values, parse_parameters
from facelab.errors import BadParameterError, FacelabError, nearest_name

if TYPE_CHECKING:  # both take their time, and facelab --help needs none
    import pandas as pd

    from facelab.commands.train.search import MethodObjective
    from facelab.sweeps.notebook import NotebookObjective

SHOWN = 10  #: rows of the table


def sweep(
    what: Annotated[str, typer.Argument(help="A method of facelab train, or number or name of a notebook.")],
    trials: Annotated[
        int, typer.Option(min=1, help="How many, those of earlier calls and of other processes included.")
    ],
    search: Annotated[
        Path | None, typer.Option(help="File with the space; of a method, rate, batch and its own options by default.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="A file, a database (postgresql://...) or grpc://HOST:PORT; a file in the folder by default."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the study, and of its folder below runs/sweeps.")] = None,
    metric: Annotated[str | None, typer.Option(help="Of a notebook: the recorded number that is to be best.")] = None,
    minimize: Annotated[bool, typer.Option("--minimize", help="Of a notebook: the smallest is best.")] = False,
    preset: Preset = None,
    param: Parameters = None,
) -> None:
    """Search for better parameters of a method (as facelab train has it) or of a notebook, by Optuna.

    Call it again to go on, with more --trials if you like. Call it several times at once, on one machine or on many that share
    the folder or the --storage, and the processes make --trials of them together; the trial of a process that is killed is run
    again by another one. Each process ends when all trials are done. With Slurm:

    sbatch --array=0-7 --wrap "facelab sweep moco --trials 100"

    The space is a file in TOML. A table [NAME] has low and high, with log = true or a step, or choices = [...]; what was
    searched is in the folder as space.toml, which is such a file. With -p a value stays as it is; of a method these are its own
    options and those of facelab train, such as -p epochs=10. A method is measured on validation photographs, never on the test.
    """
    from facelab.labs.parameters import plain_name
    from facelab.methods.registry import METHODS
    from facelab.paths import runs_root
    from facelab.sweeps import open_storage, open_study, read_space, run_trials, trial_table, write_report

    if name is not None and plain_name(name) != name:
        raise BadParameterError(
            f"--name {name!r} is to be the name of a folder.", "Take lower-case letters, digits and '-'."
        )
    given = metric, minimize, preset, param
    objective = _method_objective(what, *given) if what in METHODS else _notebook_objective(what, search, *given)
    space = objective.default_space() if search is None else read_space(search, objective.types, objective.check)
    name = name or _default_name(what, objective, space)
    folder = runs_root() / "sweeps" / name
    study = open_study(open_storage(storage or str(folder / "study.log")), name, objective, space)
    _begin_folder(folder, space)
    console.print(f"sweep {name}: {trials} trials, best {objective.metric}; the folder is {folder}")
    run_trials(study, objective, space, trials, folder, error_console.print)
    table = trial_table(study, space)
    _print_trials(table, list(space))
    if table["value"].isna().all():
        raise FacelabError("No trial could be measured.", f"See the errors in {folder / 'trials.csv'}.")
    write_report(study, space, objective, folder)
    console.print(f"best of {len(table)} trials: {objective.describe_value(study.best_value)} ({objective.metric})")
    console.print("It was chosen for this very number, which is too good by that. To measure these values anew:")
    console.print(objective.command(study.best_params))
    console.print(f"table and pictures are in {folder}")


def _method_objective(
    method: str, metric: str | None, minimize: bool, preset: str | None, param: list[str] | None
) -> MethodObjective:
    from facelab.commands.train.search import MethodObjective

    if metric is not None or minimize or preset is not None:
        raise BadParameterError(
            "--metric, --minimize and --preset are for notebooks; a method is measured in one way.", "Leave them out."
        )
    return MethodObjective(method, parse_parameters(param))


def _notebook_objective(
    notebook: str, search: Path | None, metric: str | None, minimize: bool, preset: str | None, param: list[str] | None
) -> NotebookObjective:
    from facelab.labs.batch import prepare
    from facelab.labs.parameters import find_source, notebook_sources
    from facelab.methods.registry import METHODS
    from facelab.sweeps.notebook import NotebookObjective

    try:
        source = find_source(notebook)
    except BadParameterError as error:
        near = nearest_name(notebook, [*METHODS, *(path.stem for path in notebook_sources())])
        raise BadParameterError(
            f"No method or notebook is called {notebook!r}.{near}", f"Methods: {', '.join(METHODS)}. {error.remedy}"
        ) from error
    for option, value, example in (
        ("--search", search, "space.toml"),
        ("--metric", metric, "NAME, as its record has it"),
    ):
        if value is None:
            raise BadParameterError(f"A sweep of a notebook needs {option}.", f"Give {option} {example}.")
    objective = NotebookObjective(source, notebook_values(preset, param), metric, not minimize)
    prepare(objective.run({}))  # refuses what is not on this machine
    return objective


def _default_name(what: str, objective: MethodObjective | NotebookObjective, space: object) -> str:
    """A name that no other sweep has."""
    from facelab.labs.parameters import plain_name
    from facelab.sweeps import describe_sweep

    digest = hashlib.sha256(describe_sweep(objective, space).encode()).hexdigest()[:8]
    return plain_name(f"{what.lower()}-{digest}")


def _begin_folder(folder: Path, space: object) -> None:
    from facelab.files import write_text
    from facelab.sweeps import describe_space

    write_text(folder / "space.toml", describe_space(space))


def _print_trials(table: pd.DataFrame, names: list[str]) -> None:
    """The best trials, and those that failed."""
    good, failed = table[table["value"].notna()], table[table["value"].isna()]
    columns = ("trial", "value", *names)
    rows = [(str(row[0]), f"{row[1]:.4g}", *map(_cell, row[2:-1])) for row in good.head(SHOWN).itertuples(index=False)]
    print_table(columns, rows, right=columns)
    for row in failed.itertuples(index=False):
        console.print(f"trial {row[0]} failed: {row[-1]}")


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
