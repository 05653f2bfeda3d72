"""The code of a notebook that a student handed in: which exercises are in it, and what each answer needs to run.

Answers are found by the names of their functions. Nothing is executed here, and no metadata, output or identifier is read.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import symtable
from dataclasses import dataclass
from pathlib import Path

from facelab.errors import FacelabError
from facelab.exercises import Exercise, Prediction
from facelab.exercises.registry import all_exercises

_CHECKS = ("check_answer", "predict")
_DEFINED = re.compile(r"^\s*(?:async\s+)?def\s+(\w+)", re.MULTILINE)  # in a cell that cannot be parsed
_CHAPTER = re.compile(r"\bchapter_(\d\d)|\bbegin\(\s*[\"'](\d\d)_")


class UnreadableNotebookError(FacelabError):
    """A file is not a notebook that can be read."""


@dataclass(frozen=True)
class Piece:
    """One statement of a notebook: ``source`` begins in line ``line`` of code cell ``cell``, which counts all cells from 1."""

    cell: int
    line: int
    source: str


@dataclass(frozen=True)
class _Binding:
    order: tuple[int, int]  # cell, statement
    piece: Piece
    is_function: bool


def read_answers(path: Path) -> dict[str, list[Piece] | str | None]:
    """The answers in a notebook, by the number of the exercise.

    Returns:
        For each exercise of the notebook's chapter, and for each other that is in it: the statements to execute, in order, of
        which one defines the function; or what is wrong with its cell; or None where its function is not there.

    Raises:
        UnreadableNotebookError: the file is not a notebook, or has nothing of the course.
    """
    bindings: dict[str, list[_Binding]] = {}
    broken: dict[str, str] = {}
    named_chapters: list[int] = []
    exercises = all_exercises()
    for number, text in _code_cells(path):
        named_chapters += [int(first or second) for first, second in _CHAPTER.findall(text)]
        try:
            for name, binding in _bindings_of(_as_python(text), number):
                bindings.setdefault(name, []).append(binding)
                broken.pop(name, None)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            for name in _DEFINED.findall(text):
                reason = getattr(error, "msg", "") or str(error) or type(error).__name__
                broken[name] = f"cell {number}{line}: {reason}"
    there = {
        number: exercise
        for number, exercise in exercises.items()
        if exercise.function_name in broken or any(b.is_function for b in bindings.get(exercise.function_name, []))
    }
    known = {_chapter(number) for number in exercises}
    chapters = [c for c in named_chapters if c in known] or [_chapter(number) for number in there]
    if not chapters:
        raise UnreadableNotebookError("No exercise of the course is in it.", "Is it the right file?")
    main = max(set(chapters), key=chapters.count)
    return {
        number: None if number not in there
        else broken[exercise.function_name] if exercise.function_name in broken
        else _pieces_of(exercise, bindings, there)
        for number, exercise in exercises.items()
        if number in there or _chapter(number) == main
    }  # fmt: skip


def _chapter(number: str) -> int:
    return int(number.split(".")[0])


def _code_cells(path: Path) -> list[tuple[int, str]]:
    """(number among all cells from 1, text) of each code cell, in the format of today or that of 2013 (nbformat 3)."""
    data = path.read_bytes()
    if not data.strip():
        raise UnreadableNotebookError("The file is empty.", "Hand in the saved notebook.")
    try:
        content = json.loads(data)
        cells = content["cells"] if "cells" in content else [c for s in content["worksheets"] for c in s["cells"]]
        return [
            (number, _text(cell.get("source", cell.get("input", ""))))
            for number, cell in enumerate(cells, start=1)
            if cell["cell_type"] == "code"
        ]
    except UnicodeDecodeError as error:
        raise UnreadableNotebookError(
            f"It is not UTF-8 (byte {error.start}).", "Open it in JupyterLab and save it again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableNotebookError(f"It is not the JSON of a notebook ({error}).", "Save it again.") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableNotebookError("It has no cells as a notebook has.", "Save it again in JupyterLab.") from error


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _as_python(text: str) -> str:
    """The text of a cell as Python: magics such as ``%matplotlib inline`` and ``!ls`` become calls; nobody executes those."""
    try:
        ast.parse(text)
        return text
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return TransformerManager().transform_cell(text)


def _bindings_of(text: str, cell: int) -> list[tuple[str, _Binding]]:
    """(name, where it is bound) of each statement of a cell that binds names; ``"*"`` where nobody knows which."""
    found = []
    for place, node in enumerate(ast.parse(text).body):
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [(_bound_by(node, alias), _source_of_import(node, alias)) for alias in node.names]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            named = [(node.name, "\n".join(text.split("\n")[first - 1 : node.end_lineno]))]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and not _is_check(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            source = ast.get_source_segment(text, node)
            names = [n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            named = [(n.id, source) for n in names if isinstance(n.ctx, ast.Store)]
        else:
            continue
        is_function = isinstance(node, ast.FunctionDef) or isinstance(getattr(node, "value", None), ast.Lambda)
        found += [(name, _Binding((cell, place), Piece(cell, first, source), is_function)) for name, source in named]
    return found


def _bound_by(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    if alias.name == "*" or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
        return "*"
    return alias.asname or alias.name.split(".")[0]


def _source_of_import(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """One name of an import alone, so that an answer that uses NumPy does not bring the whole of facelab."""
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import([alias]))
    return ast.unparse(ast.ImportFrom(node.module, [alias], node.level))


def _is_check(value: ast.expr) -> bool:
    """Whether an assignment is the notebook's own ``x = labs.check_answer(EXERCISE, x)``."""
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in _CHECKS


def _pieces_of(
    exercise: Exercise | Prediction,
    bindings: dict[str, list[_Binding]],
    there: dict[str, Exercise | Prediction],
) -> list[Piece]:
    """The statement that defines an answer, with those it needs and those that these need, in the notebook's order."""
    answer = [b for b in bindings[exercise.function_name] if b.is_function][-1]
    # an answer that calls that of another exercise gets the reference, so that each is judged alone
    others = {e.function_name: e for e in there.values() if isinstance(e, Exercise) and e.number != exercise.number}
    needed = {exercise.function_name: answer} | {f"*{n}": b for n, b in enumerate(bindings.get("*", []))}
    open_names = _global_names(answer.piece.source)
    while open_names:
        name = open_names.pop()
        if name in needed or name not in bindings:
            continue
        before = [b for b in bindings[name] if b.order <= answer.order]
        binding = before[-1] if before else bindings[name][0]
        if name in others:
            source = inspect.getsource(others[name].solution)
            binding = _Binding(binding.order, Piece(binding.piece.cell, 1, source), True)
        needed[name] = binding
        open_names |= _global_names(binding.piece.source)
    return list(dict.fromkeys(b.piece for b in sorted(needed.values(), key=lambda b: b.order)))


def _global_names(source: str) -> set[str]:
    """Names that a statement takes from outside of itself."""
    names = set()
    tables = [symtable.symtable(source, "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        names |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return names
