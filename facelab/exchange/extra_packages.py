"""What only the extra ``exchange`` brings, imported where it is needed: without it, everything else works."""

from __future__ import annotations

import importlib
from types import ModuleType

from facelab.errors import FacelabError


def import_package(name: str, purpose: str) -> ModuleType:
    """A module of the extra ``exchange``.

    Args:
        name: of the module, such as ``"safetensors.torch"``.
        purpose: what needs it, to begin the error with.

    Raises:
        FacelabError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise FacelabError(
            f"{purpose} needs {package}, which is not installed.", "pip install 'facelab[exchange]'"
        ) from error
