"""The three sets that the founding project derived from GTAV, by rule, for ``orl-wild``."""

from __future__ import annotations

import numpy as np

from facelab.datasets.faceset import FaceSet
from facelab.datasets.wild.parameters import NEAR_FRONTAL, STRONG_TURN
from facelab.errors import BadParameterError

_NOT_OCCLUDED = {"occlusion": ("none",), "turn_degrees": STRONG_TURN}

#: a rule: for each column the values that are kept, or the largest magnitude that is. ``turn`` is the photograph's own: the
#: nose off the face's middle line, in eye distances. 0.12 is a little wider than what the label ``head_turn`` calls frontal
#: (0.1), so that everybody keeps four photographs.
RULES: dict[str, dict[str, tuple[str, ...] | float]] = {
    "all": {},
    "no-occlusion": _NOT_OCCLUDED,
    "frontal": {**_NOT_OCCLUDED, **NEAR_FRONTAL, "turn": 0.12},
}


def derived_set(faces: FaceSet, rule: str) -> FaceSet:
    """The renderings of ``orl-wild`` that a rule keeps; people keep their numbers.

    Args:
        faces: ``load("orl-wild")``, or a part of it.
        rule: ``"all"``; ``"no-occlusion"``: nothing before the face and no strong turn; ``"frontal"``: of those, the nearly
            frontal and upright without a strong shadow, as ``RULES`` says in numbers.

    Raises:
        BadParameterError: no such rule, or the set lacks a column that the rule asks for.
    """
    if rule not in RULES:
        raise BadParameterError(f"No derived set is called {rule!r}.", f"There are: {', '.join(RULES)}.")
    keep = np.ones(len(faces), dtype=bool)
    for column, allowed in RULES[rule].items():
        if column not in faces.attributes:
            raise BadParameterError(
                f"{faces.source} has no column {column!r}.", "The derived sets are those of orl-wild."
            )
        values = faces.attributes[column]
        keep &= (values.isin(allowed) if isinstance(allowed, tuple) else values.abs() <= allowed).to_numpy()
    return faces.subset(keep)
