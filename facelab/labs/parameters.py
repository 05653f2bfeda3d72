"""The parameters cell of a notebook, read from its source: names, types, defaults and help, and the check of given values."""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from facelab.datasets.sources import get_source, parse_joined_name
from facelab.errors import BadParameterError
from facelab.paths import project_root

PRESETS = ("smoke", "laptop", "paper")
_TYPES = {"str": str, "int": int, "float": float, "bool": bool}
_LINE = re.compile(
    r"^(?P<name>[a-z_][a-z0-9_]*): (?P<type>str|int|float|bool) = (?P<value>[^#]+?)(?:\s+# (?P<help>.*))?$"
)


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: ``name: type = default  # help``."""

    name: str
    type: type
    default: object
    help: str

    def parse(self, text: str) -> object:
        """The value that a person typed, as this parameter's type.

        Raises:
            BadParameterError: it is not of that type.
        """
        text = text.strip()
        value: object = text
        if self.type is bool and text.lower() in ("true", "false"):
            value = text.lower() == "true"
        elif self.type in (int, float):
            try:
                value = self.type(text)
            except ValueError:
                value = text  # check() says that it is of the wrong type
        return self.check(value)

    def check(self, value: object) -> object:
        """The value, if its type is right (an int serves for a float).

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
        if self.name == "preset" and value not in PRESETS:
            raise BadParameterError(f"preset is {value!r}.", f"There are: {', '.join(PRESETS)}.")
        if self.name in ("seed", "epochs") and value < 0:
            raise BadParameterError(f"{self.name} is {value}.", "Give 0 or more.")
        return value


def notebook_sources() -> list[Path]:
    """Sources of all notebooks, in the order of the course."""
    return sorted((project_root() / "notebooks" / "src").glob("[0-9][0-9]_*.py"))


def find_source(notebook: str) -> Path:
    """Source of a notebook, by its number (``"02"`` or ``"2"``) or its name.

    Raises:
        BadParameterError: there is none; the message lists those that there are.
    """
    found = notebook_sources()
    number = notebook.zfill(2) if notebook.isdigit() else None
    for path in found:
        if notebook == path.stem or path.stem.split("_")[0] == number:
            return path
    raise BadParameterError(f"No notebook is called {notebook!r}.", f"There are: {', '.join(p.stem for p in found)}.")


def declared_parameters(source: Path) -> dict[str, Parameter]:
    """The parameters that a notebook's source declares, in order.

    Raises:
        BadParameterError: no cell is tagged ``parameters``, or a line of it is not ``name: type = literal  # help``.
    """
    text = source.read_text(encoding="utf-8")
    cell = re.search(r'^# %%.*tags=\[[^\]]*"parameters".*\n((?:(?!# %%).*\n?)*)', text, flags=re.MULTILINE)
    if cell is None:
        raise BadParameterError(f"{source.name} has no cell tagged 'parameters'.", "Add one after the introduction.")
    found = {}
    for line in filter(None, map(str.strip, cell.group(1).splitlines())):
        if line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise BadParameterError(f"{source.name}: {line!r} is no parameter.", "Write name: type = literal  # help.")
        kind = _TYPES[match["type"]]
        parameter = Parameter(match["name"], kind, ast.literal_eval(match["value"]), match["help"] or "")
        parameter.check(parameter.default)
        found[parameter.name] = parameter
    return found


def resolve_parameters(source: Path, values: dict[str, object], *, parse: bool) -> dict[str, object]:
    """All parameters of a notebook: its defaults, overridden by ``values``.

    Args:
        source: the notebook's source.
        values: name -> value; text where ``parse``, as from a command line, else of the parameter's own type.
        parse: whether the values are text.

    Raises:
        BadParameterError: a name that the notebook does not have, a value of another type, an unknown data set.
    """
    known = declared_parameters(source)
    for name in values:
        if name not in known:
            raise BadParameterError(f"{source.stem} has no parameter {name!r}.", f"It has: {', '.join(known)}.")
    if "dataset" in values:
        for part in parse_joined_name(str(values["dataset"])):
            get_source(part)
    read = {name: known[name].parse(str(v)) if parse else known[name].check(v) for name, v in values.items()}
    return {name: parameter.default for name, parameter in known.items()} | read


def run_label(source: Path, parameters: dict[str, object]) -> str:
    """Name of a run's files: preset, data set and seed, then whatever else differs from the notebook's defaults."""
    always = ("preset", "dataset", "seed")
    changed = [
        f"{name}={parameters[name]}"
        for name, parameter in declared_parameters(source).items()
        if name not in always and parameters[name] != parameter.default
    ]
    text = "-".join([*(str(parameters[name]) for name in always), *changed])
    plain = "".join(c if c.isalnum() or c in "-_+.=" else "_" for c in text)
    if plain == text and len(plain) <= 100:
        return plain
    return f"{plain[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"  # two runs never share a name
