"""``facelab run``: notebooks by papermill, with other parameters."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import console, error_console, print_table
from facelab.commands.parameters import Parameters, Preset, notebook_values
from facelab.errors import BadParameterError, FacelabError, PreemptedError

if TYPE_CHECKING:  # papermill takes its time, and facelab --help needs none
    from facelab.labs.batch import BatchRun


def run(
    notebooks: Annotated[
        list[str], typer.Argument(help="Numbers or names of the course's notebooks, paths of notebook files, or 'all'.")
    ],
    preset: Preset = None,
    param: Parameters = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going/--stop", help="Where a notebook fails: run the others, or stop.")
    ] = True,
) -> None:
    """Run notebooks by papermill into runs/notebooks; the measured numbers go to runs/records.

    A number or a name runs the course's own notebook, whatever was changed in the file in notebooks/. A path, such as
    notebooks/03_supcon.ipynb, runs that very file.
    """
    from facelab.labs import batch

    # a wrong parameter is refused before the first notebook runs, and so is what is not on this machine
    runs = _plan(notebooks, notebook_values(preset, param))
    for planned in runs:
        batch.prepare(planned)
    for planned in runs:
        if not planned.is_file and (edited := batch.differs_from_course(planned.notebook)):
            error_console.print(
                f"{edited} has other code than the course's {planned.notebook.stem}, which is run now. "
                f"To run that file: facelab run {shlex.quote(str(edited))}"
            )
    failed: list[tuple[str, FacelabError]] = []
    for number, planned in enumerate(runs, start=1):
        kind = f" (preset {planned.parameters['preset']})" if "preset" in planned.parameters else ""
        name = str(planned.notebook) if planned.is_file else planned.notebook.stem
        console.print(f"[{number}/{len(runs)}] {name}{kind} ...")
        try:
            console.print(f"    {batch.execute(planned, makes_room=True)}")
        except PreemptedError:  # there is no room for the others either
            raise
        except FacelabError as error:
            if not keep_going or len(runs) == 1:
                raise
            console.print("    failed")
            failed.append((name, error))
    if failed:
        print_table(("notebook", "error"), [(name, str(error)) for name, error in failed])
        raise FacelabError(
            f"{len(failed)} of {len(runs)} notebooks failed.",
            f"Mend them, and run them alone: facelab run {shlex.join(name for name, _ in failed)}.",
        )


def _plan(words: list[str], values: dict[str, str]) -> list[BatchRun]:
    """What is to be run, in the order in which it was named.

    Raises:
        BadParameterError: no such notebook, or one that is named twice; a wrong parameter.
    """
    from facelab.labs import batch
    from facelab.labs.parameters import find_sources
    from facelab.paths import absolute_path

    names = [word for word in words if not _is_path(word)]
    sources = iter(find_sources(names) if names else [])
    if names == ["all"]:
        if len(words) > 1:
            raise BadParameterError("'all' stands beside other notebooks.", "Name either all or some.")
        return [batch.plan_source(source, values, parse=True) for source in sources]
    runs = [
        batch.plan_file(absolute_path(word), values)
        if _is_path(word)
        else batch.plan_source(next(sources), values, parse=True)
        for word in words
    ]
    written = [planned.executed for planned in runs]
    for planned in runs:
        if written.count(planned.executed) > 1:
            raise BadParameterError(
                f"Two notebooks would be written to {planned.executed}.", "Run them one after the other."
            )
    return runs


def _is_path(word: str) -> bool:
    """Whether a word is meant as the path of a notebook file, and not as a number or a name."""
    return word.lower().endswith(".ipynb") or "/" in word or "\\" in word
