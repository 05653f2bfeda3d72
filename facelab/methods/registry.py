"""The methods by name, and the options of each: what ``facelab train METHOD -p option=value`` understands.

A new method is a file beside this one, and one line in ``METHODS``. Its options are its constructor's keyword arguments.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from torch import nn

from facelab.augment import Augmentation
from facelab.errors import BadParameterError, nearest_name
from facelab.methods.base import Method
from facelab.methods.classifier import Classifier
from facelab.methods.margin import Margin
from facelab.methods.moco import MoCo
from facelab.methods.simclr import SimCLR
from facelab.methods.supcon import SupCon
from facelab.methods.vcl import VCL
from facelab.methods.vicreg import VICReg


@dataclass(frozen=True)
class MethodEntry:
    """A line of ``METHODS``.

    Attributes:
        method_class: the method's class.
        augmentation: name of its own augmentation in ``augment.PRESETS``.
        labels: whether it learns from who is on a photograph.
    """

    method_class: type[Method]
    augmentation: str
    labels: bool = True


METHODS = {
    "classifier": MethodEntry(Classifier, "classifier"),
    "supcon": MethodEntry(SupCon, "supcon"),
    "moco": MethodEntry(MoCo, "moco_v2", labels=False),
    "simclr": MethodEntry(SimCLR, "simclr", labels=False),
    "vicreg": MethodEntry(VICReg, "vicreg", labels=False),
    "vcl": MethodEntry(VCL, "simclr", labels=False),
    "margin": MethodEntry(Margin, "classifier"),
}

_GIVEN = ("backbone", "augmentation", "classes")  # to the constructor, not options


@dataclass(frozen=True)
class Option:
    """A keyword argument of a method: its type as annotated, and its default."""

    type: Any
    default: object


def method_entry(name: str) -> MethodEntry:
    """The line of ``METHODS``.

    Raises:
        BadParameterError: no method has that name.
    """
    if name not in METHODS:
        raise BadParameterError(
            f"No method is called {name!r}.{nearest_name(name, METHODS)}", f"There are: {', '.join(METHODS)}."
        )
    return METHODS[name]


def method_options(name: str) -> dict[str, Option]:
    """The options of a method, in the order of its constructor.

    Raises:
        BadParameterError: no method has that name.
    """
    constructor = method_entry(name).method_class.__init__
    types = get_type_hints(constructor)
    arguments = inspect.signature(constructor).parameters.values()
    return {a.name: Option(types[a.name], a.default) for a in arguments if a.name not in ("self", *_GIVEN)}


def new_method(
    name: str, network: nn.Module, augmentation: Augmentation, options: Mapping[str, object], classes: int
) -> Method:
    """A method by name, its head drawn from torch's generator.

    Args:
        name: a key of ``METHODS``.
        network: its backbone.
        augmentation: of the training photographs.
        options: option -> value, as text (``"0.07"``, ``"256,128"``) or of the option's type; defaults for the others.
        classes: how many people are told apart; used by methods that do.

    Raises:
        BadParameterError: an unknown name or option, or a value of another type or out of its range.
    """
    kind = method_entry(name).method_class
    values = parse_options(name, options)
    if "classes" in inspect.signature(kind).parameters:
        values["classes"] = classes
    return kind(network, augmentation, **values)


def parse_options(name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Options of a method with their types; text is read as the value that it stands for.

    Args:
        name: a key of ``METHODS``.
        options: as for ``new_method``.

    Raises:
        BadParameterError: an unknown name or option, or a value of another type, infinite or too large to compute with.
    """
    known = method_options(name)
    listed = ", ".join(f"{option}={_written(o.default)}" for option, o in known.items())
    values = {}
    for option, value in options.items():
        if option not in known:
            raise BadParameterError(
                f"{name} has no option {option!r}.{nearest_name(option, known)}", f"It has, with defaults: {listed}."
            )
        values[option] = _read(value, known[option].type)
        if not _fits(values[option], known[option].type):
            raise BadParameterError(
                f"{option} of {name} is {_written(value)!r}, which is no {_called(known[option].type)}.",
                f"The options and their defaults are: {listed}.",
            )
        if not _is_moderate(values[option]):
            raise BadParameterError(
                f"{option} of {name} is {_written(value)}, too large to compute with.",
                f"The options and their defaults are: {listed}.",
            )
    return values


def _read(value: object, kind: Any) -> object:
    """Text as the literal that it stands for; what is no literal stays text, and fits nothing but ``str``."""
    if isinstance(value, str) and kind is not str:
        try:
            value = ast.literal_eval(value.strip().capitalize() if kind is bool else value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two of a thousand brackets
            return value
    return float(value) if kind is float and type(value) is int else value


def _fits(value: object, kind: Any) -> bool:
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        parts = parts[:1] * len(value) if parts[-1] is Ellipsis and isinstance(value, tuple) else parts
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_fits, value, parts))
    return type(value) is kind


def _is_moderate(value: object) -> bool:
    """Whether torch takes the number; a size of billions is nobody's wish."""
    if isinstance(value, tuple):
        return all(map(_is_moderate, value))
    return not isinstance(value, int | float) or abs(value) < 2**31


def _written(value: object) -> str:
    """As one types it: (256, 128) is 256,128."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _called(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
