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

_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_CHECKS = ("check_answer", "predict")
_DEFINED = re.compile(r"^\s*(?:async\s+)?def\s+(\w+)", re.MULTILINE)  # in a cell that cannot be parsed
# magics under which a cell is still Python, and its names are the notebook's
_MAGIC_OF_PYTHON = re.compile(r"(?:\s*#.*\n)*\s*(%%)(?:time|timeit|capture|prun)\b")
_TIMED = re.compile(r"^([ \t]*)%time[ \t]+(?=\w)", re.MULTILINE)
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
    is_sure: bool = True  # whether it binds the name in any case, and not by means of what the name was before


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
    """The text of a cell as Python, each statement in its line.

    Magics that time or silence Python are commented out; others such as ``%matplotlib inline`` and ``!ls`` become calls.
    """
    while magic := _MAGIC_OF_PYTHON.match(text):  # one may stand below another
        text = f"{text[: magic.start(1)]}#{text[magic.end(1) :]}"
    try:
        ast.parse(text)
        return text
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return TransformerManager().transform_cell(_TIMED.sub(r"\1", text))


def _bindings_of(text: str, cell: int) -> list[tuple[str, _Binding]]:
    """(name, where it is bound) of each statement of a cell that binds names; ``"*"`` where nobody knows which.

    A statement with others in it, such as an ``if``, binds as a whole what they bind.
    """
    found = []
    for place, node in enumerate(ast.parse(text).body):
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        is_assignment = isinstance(node, (ast.Assign, ast.AnnAssign))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [(_bound_by(node, alias), _source_of_import(node, alias)) for alias in node.names]
        elif isinstance(node, ast.Delete) or (is_assignment and (node.value is None or _is_check(node.value))):
            continue
        else:
            lines = text.split("\n")[first - 1 : node.end_lineno]  # with the decorators
            source = "\n".join(lines) if first < node.lineno else ast.get_source_segment(text, node)
            named = [(name, source) for name in _names_bound_in(node, source)]
        for name, source in named:
            is_sure = isinstance(node, _DEFINITIONS) or (is_assignment and name not in _global_names(source))
            binding = _Binding((cell, place), Piece(cell, first, source), _defines_function(node, name), is_sure)
            found.append((name, binding))
    return found


def _names_bound_in(node: ast.stmt, source: str) -> list[str]:
    """Names that a statement binds in its notebook, those in it included."""
    symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    imports = [inner for inner in ast.walk(node) if isinstance(inner, ast.ImportFrom)]
    stars = ["*"] if any(alias.name == "*" for inner in imports for alias in inner.names) else []
    return [symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()] + stars


def _defines_function(node: ast.stmt, name: str) -> bool:
    """Whether a statement, or one in it, defines a function of that name."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef) and inner.name == name:
            return True
        if isinstance(inner, (ast.Assign, ast.AnnAssign)) and isinstance(inner.value, ast.Lambda):
            targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return True
    return False


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
    needed = {exercise.function_name: _back_to_a_sure_one(bindings[exercise.function_name], answer)}
    needed["*"] = bindings.get("*", [])
    open_names = {name for binding in needed[exercise.function_name] for name in _global_names(binding.piece.source)}
    while open_names:
        name = open_names.pop()
        if name in needed or name not in bindings:
            continue
        before = [b for b in bindings[name] if b.order <= answer.order]
        last = before[-1] if before else bindings[name][0]
        needed[name] = _back_to_a_sure_one(bindings[name], last)
        if name in others:
            source = inspect.getsource(others[name].solution)
            needed[name] = [_Binding(last.order, Piece(last.piece.cell, 1, source), True)]
        open_names |= {other for binding in needed[name] for other in _global_names(binding.piece.source)}
    in_order = sorted((b for found in needed.values() for b in found), key=lambda b: b.order)
    return list(dict.fromkeys(b.piece for b in in_order))


def _back_to_a_sure_one(bindings: list[_Binding], last: _Binding) -> list[_Binding]:
    """The bindings of a name up to the last, from the one on that binds it whatever it was before: ``x = 1``, ``x += 1``."""
    until = bindings[: bindings.index(last) + 1]
    sure = [number for number, binding in enumerate(until) if binding.is_sure]
    return until[sure[-1] if sure else 0 :]


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
