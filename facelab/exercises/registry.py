"""All exercises by their numbers, whichever chapter they are in."""

from __future__ import annotations

import importlib
import pkgutil

import facelab.exercises
from facelab.errors import BadParameterError, nearest_name
from facelab.exercises.exercise import Exercise
from facelab.exercises.prediction import Prediction


def all_exercises() -> dict[str, Exercise | Prediction]:
    """Number -> exercise, in the order of the course."""
    found = {}
    for module in pkgutil.iter_modules(facelab.exercises.__path__):
        if module.name.startswith("chapter_"):
            content = vars(importlib.import_module(f"facelab.exercises.{module.name}")).values()
            found |= {value.number: value for value in content if isinstance(value, (Exercise, Prediction))}
    return {
        number: found[number] for number in sorted(found, key=lambda number: [int(part) for part in number.split(".")])
    }


def find_exercise(number: str) -> Exercise | Prediction:
    """An exercise by its number, ``"4.3"``.

    Raises:
        BadParameterError: there is none.
    """
    known = all_exercises()
    if number not in known:
        raise BadParameterError(
            f"There is no exercise {number!r}.{nearest_name(number, list(known))}", "facelab labs lists them all."
        )
    return known[number]
