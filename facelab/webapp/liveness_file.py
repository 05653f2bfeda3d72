"""The file of the liveness detector: a few numbers, beside the calibration of the embedder, on which it does not depend."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

from facelab.errors import FacelabError
from facelab.evaluation import Estimate
from facelab.files import read_json_object, write_json
from facelab.paths import project_data
from facelab.webapp.liveness import QUOTED_ATTACKS, Liveness
from facelab.webapp.liveness_features import FEATURES
from facelab.whole_numbers import is_whole_number

SCHEMA_VERSION = 1  #: raised when the meaning of a field, or of a feature, changes
_REMEDY = "Make it with facelab experiment run 10_attacks, then notebook 10."


def default_liveness_file() -> Path:
    """The file that comes with the project."""
    return project_data("calibration", "liveness.json")


def write_liveness(liveness: Liveness, path: Path) -> None:
    """Keep a detector as JSON, whole or not at all."""
    write_json(path, {"schema": SCHEMA_VERSION, **asdict(liveness)})


def read_liveness(path: Path) -> Liveness:
    """The detector in a file.

    Raises:
        FacelabError: no such file, not a detector, one of another schema, or values that no measurement gives.
    """
    try:
        content = read_json_object(path)
        schema = content.pop("schema")
        liveness = _built(content) if schema == SCHEMA_VERSION else None
    except FileNotFoundError as error:
        raise FacelabError(f"There is no liveness detector {path}.", _REMEDY) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise FacelabError(f"{path} is not a liveness detector ({error}).", _REMEDY) from error
    if liveness is None:
        raise FacelabError(f"{path} has schema {schema}, this facelab reads {SCHEMA_VERSION}.", _REMEDY)
    return liveness


def _built(content: dict) -> Liveness:
    apcer = {name: Estimate(**rate) for name, rate in content["apcer"].items()}
    found = Liveness(**{**content, "bpcer": Estimate(**content["bpcer"]), "apcer": apcer})
    if tuple(found.weights) != FEATURES:
        raise ValueError(f"its features are {', '.join(found.weights)!s:.80}")
    for name, value in (
        *found.weights.items(),
        ("intercept", found.intercept),
        ("sign_up_threshold", found.sign_up_threshold),
    ):
        if not _is_number(value):
            raise ValueError(f"{name} is {value!r:.60}")
    if not (_is_number(found.target_bpcer) and 0 < found.target_bpcer <= 0.5):
        raise ValueError(f"target_bpcer is {found.target_bpcer!r:.60}")
    missing = [name for name in QUOTED_ATTACKS if name not in apcer]
    if missing:
        raise ValueError(f"{missing[0]!r} was not measured")
    for name, rate in (("bpcer", found.bpcer), *apcer.items()):
        ends = (rate.low, rate.value, rate.high)
        if not (is_whole_number(rate.n) and rate.n >= 1 and all(_is_number(end) and 0 <= end <= 1 for end in ends)):
            raise ValueError(f"the rate of {name} is {rate!s:.60}")
    if not isinstance(found.dataset, dict) or not isinstance(found.command, str):
        raise ValueError("dataset or command is missing")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
