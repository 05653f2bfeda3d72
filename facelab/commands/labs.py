"""``facelab labs``: the exercises, how far you are with them, their hints and solutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from facelab.commands.console import console, error_console, print_table
from facelab.errors import BadParameterError

if TYPE_CHECKING:  # torch takes its time, and facelab --help needs none
    from facelab.exercises import Exercise, Prediction
    from facelab.exercises.progress import Progress

_SHOW = "show"


class _NotebookOrCommand(TyperGroup):
    """``facelab labs 03`` is ``facelab labs show 03``."""

    def parse_args(self, ctx: object, args: list[str]) -> list[str]:
        """A first word that is neither a command nor an option is a notebook."""
        named = bool(args) and args[0] not in self.commands and not args[0].startswith("-")
        return super().parse_args(ctx, [_SHOW, *args] if named else args)


app = typer.Typer(
    cls=_NotebookOrCommand,
    subcommand_metavar="[NOTEBOOK | hint EXERCISE | solution EXERCISE]",
    help="Exercises: what is done, what is open, and the minutes that are left. NOTEBOOK, as 03, shows that one alone.",
)
Number = Annotated[str, typer.Argument(metavar="EXERCISE", help="Its number, as 3.1.")]


@app.callback(invoke_without_command=True)
def labs(context: typer.Context) -> None:
    """All exercises, where no command is given."""
    if context.invoked_subcommand is None:
        show(None)


@app.command(_SHOW, hidden=True)
def show(
    notebook: Annotated[str | None, typer.Argument(help="Number or name; all notebooks by default.")] = None,
) -> None:
    """The exercises of all notebooks, or of one."""
    from facelab.exercises.progress import DONE, read_progress
    from facelab.exercises.registry import all_exercises
    from facelab.labs.parameters import find_source, notebook_sources

    sources = notebook_sources() if notebook is None else [find_source(notebook)]
    exercises = all_exercises()
    done_count, count, minutes_left = 0, 0, 0
    for source in sources:
        chapter = [task for number, task in exercises.items() if int(number.split(".")[0]) == int(source.stem[:2])]
        progress = {task.number: read_progress(task.number) for task in chapter}
        left = [task for task in chapter if progress[task.number].state not in DONE]
        console.print(f"{source.stem}: {_sums(len(chapter) - len(left), len(chapter), _minutes(left))}", style="bold")
        rows = [
            (task.name, _state_in_words(progress[task.number]), str(task.minutes), str(task.difficulty),
             str(task.importance))
            for task in chapter
        ]  # fmt: skip
        print_table(("exercise", "state", "minutes", "difficulty", "importance"), rows, right=("minutes",))
        console.print("")
        for path in [path for found in progress.values() for path in found.damaged]:
            error_console.print(f"{path} cannot be read. The notebook writes it anew when it checks that exercise.")
        done_count, count = done_count + len(chapter) - len(left), count + len(chapter)
        minutes_left += _minutes(left)
    if len(sources) > 1:
        console.print(f"All notebooks: {_sums(done_count, count, minutes_left)}", style="bold")
    console.print("Stuck? facelab labs hint EXERCISE, then facelab labs solution EXERCISE (as 2.1).")


@app.command()
def hint(
    number: Number,
    second: Annotated[bool, typer.Option("--second", help="The second hint, which says how it goes.")] = False,
) -> None:
    """The first hint for an exercise, which says where to look; with --second the second."""
    from facelab.exercises.registry import find_exercise

    exercise = find_exercise(number)
    wanted = 2 if second else 1
    if len(exercise.hints) < wanted:
        kind = "hint" if wanted == 1 else "second hint"
        raise BadParameterError(f"Exercise {exercise.name} has no {kind}.", f"See facelab labs solution {number}.")
    console.print(f"{exercise.name}, hint {wanted} of {len(exercise.hints)}", style="bold")
    _print_lines(exercise.hints[wanted - 1])
    if wanted < len(exercise.hints):
        console.print(f"The second hint: facelab labs hint {number} --second")


@app.command()
def solution(number: Number) -> None:
    """The solution of an exercise; of a guess, what was measured."""
    from facelab.exercises import Exercise
    from facelab.exercises.registry import find_exercise
    from facelab.labs.exercise_cells import solution_source

    exercise = find_exercise(number)
    console.print(exercise.name, style="bold")
    if isinstance(exercise, Exercise):
        _print_lines(solution_source(exercise))
    else:
        _print_measured(exercise)


def _print_measured(prediction: Prediction) -> None:
    from facelab.labs.guesses import reference_of

    console.print("This is a guess. It has no solution: it counts for being made.")
    reference = reference_of(prediction)
    if reference is not None:
        console.print(f"Measured with the settings of the stored notebook: {reference}.")


def _print_lines(text: str) -> None:
    for line in text.splitlines():
        console.print(line)


def _minutes(tasks: list[Exercise | Prediction]) -> int:
    return sum(task.minutes for task in tasks)


def _sums(done: int, count: int, minutes_left: int) -> str:
    return f"{done} of {count} done, {count - done} open, {minutes_left} minutes left"


def _state_in_words(progress: Progress) -> str:
    words = {"right": "done", "made": "guess made"}.get(progress.state, progress.state)
    return f"{words} (the last answer was wrong)" if progress.last_wrong else words
