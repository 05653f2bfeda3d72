"""A trained method in one file: its weights, and what is needed to build it again. Nobody's name is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from facelab.errors import FacelabError, one_line
from facelab.methods.base import Method
from facelab.methods.description import BROKEN, StoredMethod, assign_weights, build_method, describe_method
from facelab.tensor_files import DamagedFileError, load_tensors, save_tensors

SCHEMA = 2  #: raised when the meaning of a field changes; files of schema 1 have no hash of their content, and are still read

_REMEDY = "Give the method.pt of a facelab train, or train again with another --out."


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
    content = {
        "schema": SCHEMA,
        **describe_method(method, size, classes, options or {}),
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
    except BROKEN as error:
        raise FacelabError(f"{path} is not a stored method of facelab ({one_line(error)}).", _REMEDY) from error
    if schema <= SCHEMA:
        raise FacelabError(f"{path} is damaged: the hash of its content is not there.", _REMEDY)
    raise FacelabError(f"{path} has schema {schema}, later than {SCHEMA}.", "Update facelab.")


def _built(content: dict) -> StoredMethod:
    stored = build_method(content)
    assign_weights(stored.method, content["state_dict"])
    return replace(stored, notes=content["notes"])
