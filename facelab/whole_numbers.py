"""Whole numbers that a caller gives: Python's or NumPy's, never a truth value or 3.0, and always handed on as Python's."""

from __future__ import annotations

from numbers import Integral

from facelab.errors import BadParameterError

MAX_SEED = 2**32 - 1  #: NumPy takes greater ones, scikit-learn does not


def is_whole_number(value: object) -> bool:
    """Whether a value is a whole number of Python or NumPy; True and 3.0 are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_whole_number(value: object, what: str, least: int, most: int | None = None) -> int:
    """The number as an ``int``, which every library and JSON take.

    Args:
        value: what was given.
        what: its name in an error, such as ``"k"``.
        least: the least that it may be.
        most: the greatest; None: any.

    Raises:
        BadParameterError: it is no whole number, or outside of that range.
    """
    if not is_whole_number(value) or value < least or (most is not None and value > most):
        allowed = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise BadParameterError(f"{what} is {value!r}.", f"Give a whole number {allowed}.")
    return int(value)


def check_seed(seed: object) -> int:
    """The seed of a random generator, 0 to ``MAX_SEED``, as an ``int``.

    Raises:
        BadParameterError: it is no such number.
    """
    return check_whole_number(seed, "The seed", 0, MAX_SEED)
