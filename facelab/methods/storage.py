"""A trained method in one file: its weights, and what is needed to build it again. Nobody's name is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from facelab.augment import Augmentation
from facelab.backbones import Backbone, backbone
from facelab.errors import BadParameterError, FacelabError, one_line
from facelab.methods.base import Method
from facelab.methods.registry import METHODS, new_method
from facelab.tensor_files import DamagedFileError, load_tensors, save_tensors

SCHEMA = 2  #: raised when the meaning of a field changes; files of schema 1 have no hash of their content, and are still read

# what building raises where a file is foreign, or has other types than it should
_BROKEN = (RuntimeError, LookupError, ValueError, TypeError, AttributeError)
_REMEDY = "Give the method.pt of a facelab train, or train again with another --out."


@dataclass(frozen=True)
class StoredMethod:
    """What a file of ``save_method`` holds.

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


def save_method(
    method: Method,
    path: Path,
    *,
    size: int,
    classes: int,
    options: Mapping[str, object] | None = None,
    notes: Mapping[str, object] | None = None,
) -> None:
    """Write a method with a ``Backbone`` of the registry, whole or not at all.

    ``load_weights`` reads the same file, for a backbone to start from.

    Args:
        method: of a class in ``METHODS``.
        path: the file, by custom ``method.pt``.
        size: side in pixels of the photographs that it was trained on.
        classes: how many people it was trained on.
        options: as given to ``new_method``.
        notes: anything else to keep, of plain types.

    Raises:
        BadParameterError: its class is not in ``METHODS``, or its backbone not of the registry.
        FacelabError: the file cannot be written.
    """
    names = [name for name, entry in METHODS.items() if entry.method_class is type(method)]
    network = method.backbone
    if not names or not isinstance(network, Backbone):
        raise BadParameterError(
            f"A {type(method).__name__} on a {type(network).__name__} cannot be stored.",
            f"Take one of {', '.join(METHODS)} on a network of the registry.",
        )
    content = {
        "schema": SCHEMA,
        "method": names[0],
        "options": dict(options or {}),
        "classes": classes,
        "size": size,
        "backbone": {key: getattr(network, key) for key in ("name", "in_channels", "width", "stem")},
        "augmentation": asdict(method.augmentation),
        "notes": dict(notes or {}),
        "state_dict": {key: value.cpu() for key, value in method.state_dict().items()},
    }
    save_tensors(content, path)


def load_method(path: Path) -> StoredMethod:
    """Build the method in a file again. Only tensors and plain types are read, never code.

    Raises:
        FacelabError: no such file, a damaged or foreign one, or one of a later version of facelab.
    """
    if not path.is_file():
        raise FacelabError(f"There is no stored method {path}.", "Train one: facelab train METHOD.")
    try:
        content, verified = load_tensors(path)
        schema = content["schema"]
        if schema == 1 or (schema <= SCHEMA and verified):
            return _built(content)
    except DamagedFileError as error:
        raise FacelabError(f"{path} {error}.", _REMEDY) from error
    except _BROKEN as error:
        raise FacelabError(f"{path} is not a stored method of facelab ({one_line(error)}).", _REMEDY) from error
    if schema <= SCHEMA:
        raise FacelabError(f"{path} is damaged: the hash of its content is not there.", _REMEDY)
    raise FacelabError(f"{path} has schema {schema}, later than {SCHEMA}.", "Update facelab.")


def _built(content: dict) -> StoredMethod:
    name, options, classes = content["method"], content["options"], content["classes"]
    with torch.random.fork_rng(devices=[]):  # the initial weights, soon replaced, are nobody's seed's business
        network = backbone(**content["backbone"])
        method = new_method(name, network, Augmentation(**content["augmentation"]), options, classes)
    method.load_state_dict(content["state_dict"])
    return StoredMethod(method.eval(), name, content["size"], classes, options, content["notes"])
