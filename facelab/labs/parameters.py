"""The parameters cell of a notebook: names, types, defaults and help, and the check of given values.

A notebook is its source in ``notebooks/src`` or a notebook file (.ipynb); both are read in the same way.
"""

from __future__ import annotations

import ast
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from facelab.errors import BadParameterError, nearest_name
from facelab.labs.allowed import check_allowed
from facelab.labs.notebook_file import NOTEBOOK_SUFFIX, parameters_cell, read_notebook
from facelab.paths import project_folder

_TYPES = {"str": str, "int": int, "float": float, "bool": bool}
_LINE = re.compile(
    r"^(?P<name>[a-z_][a-z0-9_]*): (?P<type>str|int|float|bool) = (?P<value>[^#]+?)"
    r"(?:\s+# (?:\[(?P<allowed>[^\]]+)\] )?(?P<help>.*))?$"
)
# and the smallest float beside 0 is 1e-9: beyond, some library overflows in the midst
_MOST = {int: 2**31 - 1, float: 1e9}
_LABEL_BYTES = 100  # a file's name has 255 at most, and a label is not all of it
#: What the three parameters that every notebook has may be, where their lines say nothing else. Seeds go to Annoy too, whose
#: are 31 bits.
_ALLOWED = {"preset": "smoke, laptop, paper", "dataset": "a data set", "seed": "0 ≤ seed ≤ 2147483647"}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: ``name: type = default  # [allowed] help``; ``allowed`` as ``labs.allowed`` reads it."""

    name: str
    type: type
    default: object
    help: str
    allowed: str = ""

    def parse(self, text: str) -> object:
        """The value that a person typed, as this parameter's type.

        Raises:
            BadParameterError: it is not of that type, or not allowed.
        """
        value: object = text
        if self.type is bool and text.strip().lower() in ("true", "false"):
            value = text.strip().lower() == "true"
        elif self.type in (int, float):
            try:
                value = self.type(text)
            except ValueError:
                value = text  # check() says that it is of the wrong type
        return self.check(value)

    def check(self, value: object) -> object:
        """The value as the notebook gets it, if its type is right (an int serves for a float) and it is allowed.

        Raises:
            BadParameterError: it is not.
        """
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not self.type:
            raise BadParameterError(
                f"{self.name} is {value!r}, of type {type(value).__name__}.",
                f"Give a value of type {self.type.__name__}.",
            )
        if self.type is float and not math.isfinite(value):
            raise BadParameterError(f"{self.name} is {value}.", "Give a finite number.")
        checked = check_allowed(self.name, value, self.allowed)
        if self.type in _MOST and not _is_usual(checked):
            small = " and, but for 0, from 1e-09 on" if self.type is float else ""
            raise BadParameterError(
                f"{self.name} is {value}.", f"Give a number of at most {_MOST[self.type]:.10g}{small}."
            )
        return checked


def _is_usual(number: float) -> bool:
    return abs(number) <= _MOST[type(number)] and (number == 0 or abs(number) >= 1e-9)


def notebook_sources() -> list[Path]:
    """Sources of all notebooks, in the order of the course."""
    return sorted(_source_folder().glob("[0-9][0-9]_*.py"))


def _source_folder() -> Path:
    return project_folder("notebooks") / "src"


def find_source(notebook: str) -> Path:
    """Source of a notebook, by its number (``"02"`` or ``"2"``) or its name.

    Raises:
        BadParameterError: there is none; the message lists those that there are.
    """
    found = _known_sources()
    for path in found:
        if _is_name_of(notebook, path):
            return path
    raise BadParameterError(
        f"No notebook is called {notebook!r}.{nearest_notebook(notebook)}",
        f"There are: {', '.join(path.stem for path in found)}.",
    )


def nearest_notebook(word: str) -> str:
    """As ``nearest_name``, of the course's notebooks; the word may be the path of a file, too."""
    found, stem = notebook_sources(), Path(word).stem
    meant = next((path.stem for path in found if _is_name_of(stem, path)), stem)
    return nearest_name(meant, [path.stem for path in found])


def _is_name_of(word: str, source: Path) -> bool:
    return word == source.stem or (word.isdecimal() and int(word) == int(source.stem[:2]))


def find_sources(notebooks: list[str]) -> list[Path]:
    """Sources of several notebooks, as for ``find_source``; ``["all"]``: of all.

    Raises:
        BadParameterError: there is none of that name, one is named twice, or "all" does not stand alone.
    """
    if "all" in notebooks and len(notebooks) > 1:
        raise BadParameterError("'all' stands beside other notebooks.", "Name either all or some.")
    if notebooks == ["all"]:
        return _known_sources()
    for name in notebooks:
        if name.casefold() == "all":
            raise BadParameterError(f"No notebook is called {name!r}.", "Write 'all' for all of them.")
    found = [find_source(name) for name in notebooks]
    for source in found:
        if found.count(source) > 1:
            raise BadParameterError(f"{source.stem} is named twice.", "Name each notebook once.")
    return found


def _known_sources() -> list[Path]:
    found = notebook_sources()
    if not found:
        raise BadParameterError(
            f"No notebook is in {_source_folder()}.", "Install facelab again from its wheel or a full clone."
        )
    return found


def has_parameters(notebook: Path) -> bool:
    """Whether a cell of it is tagged ``parameters``; BadParameterError where the file is not a notebook."""
    return _cell_text(notebook) is not None


def _cell_text(notebook: Path) -> str | None:
    """What stands in the parameters cell of a source or a notebook file."""
    if notebook.suffix.lower() == NOTEBOOK_SUFFIX:
        return parameters_cell(read_notebook(notebook))
    text = notebook.read_text(encoding="utf-8")
    cell = re.search(r'^# %%.*tags=\[[^\]]*"parameters".*\n((?:(?!# %%).*\n?)*)', text, flags=re.MULTILINE)
    return None if cell is None else cell.group(1)


def declared_parameters(notebook: Path) -> dict[str, Parameter]:
    """The parameters that a notebook declares, in order.

    Args:
        notebook: its source, or a notebook file.

    Raises:
        BadParameterError: no cell is tagged ``parameters``, or a line of it is not ``name: type = literal  # help``,
            or a default is not allowed.
    """
    text = _cell_text(notebook)
    if text is None:
        raise BadParameterError(f"{notebook.name} has no cell tagged 'parameters'.", "Add one after the introduction.")
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            continue
        match = _LINE.match(line)
        try:
            default = ast.literal_eval(match["value"]) if match else None
        except (ValueError, SyntaxError):
            match = None
        if match is None:
            raise BadParameterError(
                f"{notebook.name}: {line!r} is not a parameter.", "Write name: type = literal  # help."
            )
        kind = _TYPES[match["type"]]
        allowed = match["allowed"] or _ALLOWED.get(match["name"], "")
        parameter = Parameter(match["name"], kind, default, match["help"] or "", allowed)
        parameter.check(parameter.default)
        found[parameter.name] = parameter
    return found


def resolve_parameters(notebook: Path, values: dict[str, object], *, parse: bool) -> dict[str, object]:
    """All parameters of a notebook: its defaults, overridden by ``values``.

    Args:
        notebook: its source, or a notebook file.
        values: name -> value; text where ``parse``, as from a command line, else of the parameter's own type.
        parse: whether the values are text.

    Raises:
        BadParameterError: a name that the notebook does not have, a value of another type, or one that is not allowed.
    """
    known = declared_parameters(notebook)
    for name in values:
        if name not in known:
            raise BadParameterError(
                f"{notebook.stem} has no parameter {name!r}.{nearest_name(name, known)}", f"It has: {', '.join(known)}."
            )
    read = {name: known[name].parse(str(v)) if parse else known[name].check(v) for name, v in values.items()}
    return {name: parameter.default for name, parameter in known.items()} | read


def run_label(notebook: Path, parameters: dict[str, object]) -> str:
    """Name of a run's files: preset, data set and seed, then whatever else differs from the notebook's defaults."""
    always = [name for name in ("preset", "dataset", "seed") if name in parameters]
    changed = [
        f"{name}={parameters[name]}"
        for name, parameter in declared_parameters(notebook).items()
        if name not in always and parameters[name] != parameter.default
    ]
    return plain_name("-".join([*(str(parameters[name]) for name in always), *changed]))


def plain_name(text: str) -> str:
    """A text as the name of a file; two texts never share one, not even where upper and lower case count as the same."""
    plain = "".join(c if c.isalnum() or c in "-_+.=" else "_" for c in text)
    short = plain.encode()[:_LABEL_BYTES].decode(errors="ignore")
    if short == text == text.lower():
        return text
    return f"{short}-{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:8]}"
