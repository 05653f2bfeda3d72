"""A method in plain values, and the method built from them again: the one form that ``method.pt`` and ``config.json`` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from facelab.augment import Augmentation
from facelab.backbones import Backbone, backbone
from facelab.errors import BadParameterError
from facelab.methods.base import Method
from facelab.methods.registry import METHODS, new_method

# what building raises where a description is foreign, or has other types or numbers than it should
BROKEN = (RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError)
_OF_BACKBONE = ("name", "in_channels", "width", "stem")


@dataclass(frozen=True)
class StoredMethod:
    """A method, and what it was trained on and with.

    Attributes:
        method: with its weights, in evaluation mode, on the CPU.
        name: its key in ``METHODS``.
        size: side in pixels of the photographs that it was trained on.
        classes: how many people it was trained on.
        options: those that differ from the defaults.
        notes: whatever its maker left with it.
    """

    method: Method
    name: str
    size: int
    classes: int
    options: dict[str, object] = field(default_factory=dict)
    notes: dict[str, object] = field(default_factory=dict)


def describe_method(method: Method, size: int, classes: int, options: Mapping[str, object]) -> dict[str, object]:
    """What ``build_method`` needs, in values that JSON holds too. Nobody's name is in it.

    Args:
        method: of a class in ``METHODS``, on a ``Backbone`` of the registry.
        size, classes, options: as in ``StoredMethod``.

    Raises:
        BadParameterError: its class is not in ``METHODS``, or its backbone not of the registry.
    """
    names = [name for name, entry in METHODS.items() if entry.method_class is type(method)]
    network = method.backbone
    if not names or not isinstance(network, Backbone):
        raise BadParameterError(
            f"A {type(method).__name__} on a {type(network).__name__} cannot be stored.",
            f"Take one of {', '.join(METHODS)} on a network of the registry.",
        )
    return {
        "method": names[0],
        "options": dict(options),
        "classes": classes,
        "size": size,
        "backbone": {key: getattr(network, key) for key in _OF_BACKBONE},
        "augmentation": asdict(method.augmentation),
    }


def build_method(description: Mapping[str, object]) -> StoredMethod:
    """The method that was described, of the right shapes but without weights: they are on torch's device "meta".

    So whatever sizes a foreign description asks for, they take no memory; ``assign_weights`` then finds that they do not fit.

    Args:
        description: of ``describe_method``, lists for tuples where it went through JSON; other keys are not looked at.

    Raises:
        BROKEN: it is no such description.
    """
    network, name = dict(description["backbone"]), description["method"]
    if network.keys() != set(
        _OF_BACKBONE
    ):  # above all no "weights", which would be looked for in files and on the network
        raise ValueError(f"a backbone described by {', '.join(map(str, network))}")
    options, augmentation = _with_tuples(description["options"]), _with_tuples(description["augmentation"])
    size, classes = description["size"], description["classes"]
    with torch.device("meta"):
        method = new_method(name, backbone(**network), Augmentation(**augmentation), options, classes)
    return StoredMethod(method.eval(), name, size, classes, options)


def assign_weights(method: Method, state: Mapping[str, Tensor]) -> None:
    """Give a method of ``build_method`` its weights: the very tensors, which it keeps.

    Raises:
        RuntimeError: a tensor is missing, too many, or of another shape.
        ValueError: one has another type of numbers.
    """
    own = method.state_dict()
    other = [key for key, value in state.items() if key in own and value.dtype != own[key].dtype]
    if other:
        raise ValueError(f"{other[0]} is {state[other[0]].dtype} in place of {own[other[0]].dtype}")
    method.load_state_dict(state, assign=True)


def _with_tuples(values: Mapping[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
