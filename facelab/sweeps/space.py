"""The space of a sweep: which values each parameter may have. ``space.toml`` has a table for each of them:

[lr]
low = 1e-4
high = 1e-2
log = true          # drawn in the logarithm

[queue]
low = 64
high = 512
step = 64           # a multiple of it above low; whole numbers have 1 by default

[augmentation]
choices = ["classifier", "supcon"]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facelab.errors import BadParameterError, FacelabError, nearest_name
from facelab.paths import user_path
from facelab.sweeps.optuna_library import import_optuna

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Space = Mapping[str, "BaseDistribution"]
_RANGE, _CHOICES = {"low", "high", "log", "step"}, {"choices"}


def read_space(path: Path, types: Mapping[str, type], check: Callable[[str, object], object]) -> Space:
    """The space of a file.

    Args:
        path: of ``space.toml``.
        types: of each parameter that may be searched: float, int, bool or str.
        check: called with each parameter and each end of its range, or each of its choices; raises BadParameterError where
            the parameter cannot have that value.

    Raises:
        FacelabError: there is no such file, or it cannot be read.
        BadParameterError: it is not TOML, or a table of it says something that cannot be; the message names the table.
    """
    path = user_path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FacelabError(
            f"{path} cannot be read ({error.strerror}).", "Name a file in TOML after --search."
        ) from error
    except ValueError as error:  # of the text's encoding, or of TOML
        raise BadParameterError(f"{path} is not TOML ({error}).", "See: facelab sweep --help.") from error
    if not tables:
        raise BadParameterError(
            f"{path} names no parameter.", "Write a table for each, such as [lr] with low and high."
        )
    space = {}
    for name, table in tables.items():
        where = f"[{name}] of {path}"
        if name not in types:
            raise BadParameterError(
                f"{where}: nothing that can be searched is called so.{nearest_name(name, types)}",
                f"There are: {', '.join(types)}.",
            )
        space[name] = _distribution(where, table, types[name])
        for value in values_to_check(space[name]):
            try:
                check(name, value)
            except BadParameterError as error:
                raise BadParameterError(f"{where}: {error.problem}", error.remedy) from error
    return space


def numeric_range(
    kind: type, low: float, high: float, *, log: bool = False, step: float | None = None
) -> BaseDistribution:
    """Numbers from low to high, both included.

    Args:
        kind: int or float.
        low, high: ends of the range.
        log: drawn in the logarithm.
        step: between two numbers; None: 1 of whole numbers, any other number else.
    """
    distributions = import_optuna().distributions
    if kind is int:
        return distributions.IntDistribution(low, high, log=log, step=1 if step is None else step)
    return distributions.FloatDistribution(low, high, log=log, step=step)


def choice(values: Sequence[object]) -> BaseDistribution:
    """One of some values: numbers, truth values or text."""
    return import_optuna().distributions.CategoricalDistribution(values)


def values_to_check(distribution: BaseDistribution) -> list[object]:
    """The ends of a range, or all choices."""
    choices = getattr(distribution, "choices", None)
    return [distribution.low, distribution.high] if choices is None else list(choices)


def contains(distribution: BaseDistribution, value: object) -> bool:
    """Whether a value can be drawn from a distribution."""
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        return value in choices
    if not isinstance(value, int | float) or not distribution.low <= value <= distribution.high:
        return False
    return distribution.step is None or _is_multiple(value - distribution.low, distribution.step)


def describe_space(space: Space) -> str:
    """The space in TOML, as ``read_space`` reads it; the same text for the same space."""
    lines = []
    for name in sorted(space):
        lines.append(f"[{name}]")
        for key, value in _table(space[name]).items():
            lines.append(f"{key} = {_toml(value)}")
        lines.append("")
    return "\n".join(lines)


def _table(distribution: BaseDistribution) -> dict[str, object]:
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        return {"choices": list(choices)}
    table = {"low": distribution.low, "high": distribution.high}
    if distribution.log:
        table["log"] = True
    elif distribution.step is not None:
        table["step"] = distribution.step
    return table


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def _distribution(where: str, table: object, kind: type) -> BaseDistribution:
    """The distribution that a table says, of a parameter of some type."""
    if not isinstance(table, dict):
        raise BadParameterError(f"{where} is {table!r} and no table.", "Write [NAME], then low and high, or choices.")
    keys = set(table)
    if keys == _CHOICES:
        return _categorical(where, table["choices"], kind)
    if kind not in (int, float):
        raise BadParameterError(f"{where}: its values are no numbers.", "Give choices = [...], and nothing else.")
    if not {"low", "high"} <= keys <= _RANGE:
        raise BadParameterError(
            f"{where} has {', '.join(sorted(keys)) or 'nothing'}.",
            "Give low and high, with log or step if you like; or choices alone.",
        )
    return _range(where, table, kind)


def _categorical(where: str, choices: object, kind: type) -> BaseDistribution:
    if not isinstance(choices, list) or not choices:
        raise BadParameterError(f"{where}: choices is {choices!r}.", "Give a list of values.")
    values = [_typed(where, "choices", value, kind) for value in choices]
    if len(set(values)) < len(values):
        raise BadParameterError(f"{where}: choices names a value twice.", "Name each once.")
    return choice(values)


def _range(where: str, table: Mapping[str, object], kind: type) -> BaseDistribution:
    numbers = {key: _typed(where, key, table[key], kind) for key in ("low", "high", "step") if key in table}
    log = table.get("log", False)
    if not isinstance(log, bool):
        raise BadParameterError(f"{where}: log is {log!r}.", "Give true or false.")
    if numbers["low"] >= numbers["high"]:
        raise BadParameterError(
            f"{where}: low is {numbers['low']}, and high {numbers['high']}.", "Give a high that is above low."
        )
    if log and numbers["low"] <= 0:
        raise BadParameterError(f"{where}: low is {numbers['low']}, and has no logarithm.", "Give one above 0.")
    if log and "step" in table:
        raise BadParameterError(f"{where} has both log and step.", "Give one of them.")
    if "step" in numbers and numbers["step"] <= 0:
        raise BadParameterError(f"{where}: step is {numbers['step']}.", "Give a number above 0.")
    if "step" in numbers and not _is_multiple(numbers["high"] - numbers["low"], numbers["step"]):
        raise BadParameterError(
            f"{where}: from low to high it is not a whole number of steps.", "Give another high or another step."
        )
    return numeric_range(kind, numbers["low"], numbers["high"], log=log, step=numbers.get("step"))


def _is_multiple(length: float, step: float) -> bool:
    return math.isclose(length / step, round(length / step), rel_tol=1e-9, abs_tol=1e-9)


def _typed(where: str, key: str, value: object, kind: type) -> object:
    """The value as the parameter's type; a whole number serves for a float."""
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise BadParameterError(f"{where}: {key} has {value!r}.", f"Give values of type {kind.__name__}.")
    return value
