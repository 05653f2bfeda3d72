"""What a built notebook says of each exercise beside its text: minutes, difficulty and importance above the stub; hints and
solution, folded away, below its check."""

from __future__ import annotations

import ast
import importlib
import inspect

import nbformat
from nbformat import NotebookNode

from facelab.exercises import Exercise, Prediction

_CALLS = ("labs.check_answer", "labs.predict")


def add_exercise_cells(notebook: NotebookNode) -> None:
    """Complete the cells of a notebook, in place, where a cell calls ``labs.check_answer`` or ``labs.predict``."""
    modules = _imported_chapters(notebook)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        exercise = _exercise_of(cell, modules) if cell.cell_type == "code" else None
        if exercise is not None:
            task = next(cell for cell in reversed(cells) if cell.cell_type == "markdown")
            task["source"] += f"\n\n*{effort(exercise)}*"
            cells.append(nbformat.v4.new_markdown_cell(folded(exercise)))
    notebook["cells"] = cells


def effort(exercise: Exercise | Prediction) -> str:
    """One line: how long, how hard, how important."""
    return f"About {exercise.minutes} minutes. Difficulty {exercise.difficulty} of 5, importance {exercise.importance} of 5."


def folded(exercise: Exercise | Prediction) -> str:
    """Markdown with the hints and the solution of an exercise, each to be unfolded by a click."""
    parts = [(f"Hint {number}", hint) for number, hint in enumerate(exercise.hints, start=1)]
    if isinstance(exercise, Exercise):
        parts.append(("Solution", f"```python\n{solution_source(exercise)}\n```"))
    return "\n\n".join(
        f"<details><summary>{exercise.number} {title}</summary>\n\n{text}\n\n</details>" for title, text in parts
    )


def solution_source(exercise: Exercise) -> str:
    """The code of the reference, as a student could have written it into the notebook."""
    return inspect.getsource(exercise.solution).strip()


def _imported_chapters(notebook: NotebookNode) -> dict[str, object]:
    """The chapters that a notebook imports, by the name that it calls them."""
    found = {}
    for cell in notebook.cells:
        for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
            if isinstance(node, ast.ImportFrom) and node.module == "facelab.exercises":
                for alias in node.names:
                    if alias.name.startswith("chapter_"):
                        module = importlib.import_module(f"facelab.exercises.{alias.name}")
                        found[alias.asname or alias.name] = module
    return found


def _exercise_of(cell: NotebookNode, modules: dict[str, object]) -> Exercise | Prediction | None:
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _CALLS:
            module, _, constant = ast.unparse(node.args[0]).partition(".")
            return getattr(modules[module], constant)
    return None
