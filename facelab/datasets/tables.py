"""A table of attributes as plain arrays: numbers as they are, everything else as text, with missing values kept."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

_NUMBERS = {"boolean", "integer", "floating", "mixed-integer-float", "empty"}


def pack(table: pd.DataFrame) -> tuple[list[str], dict[str, np.ndarray]]:
    """Column names, and one array a column that ``numpy.savez`` can write without pickle: ``c0``, ``c1``, ...

    Columns of booleans, integers and floats keep their type; numbers with gaps become float64 with NaN; all else becomes text.
    """
    return [str(name) for name in table], {f"c{place}": _pack(table.iloc[:, place]) for place in range(table.shape[1])}


def unpack(names: list[str], arrays: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The table that ``pack`` packed.

    Raises:
        KeyError, ValueError: an array is missing or damaged.
    """
    return pd.DataFrame({name: _unpack(arrays[f"c{place}"]) for place, name in enumerate(names)})


def _pack(column: pd.Series) -> np.ndarray:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy()
    if pd.api.types.infer_dtype(column, skipna=True) in _NUMBERS:  # with gaps, as two joined tables have them
        return np.array(
            [np.nan if missing else value for value, missing in zip(column, column.isna(), strict=True)], float
        )
    text = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    return np.frombuffer(json.dumps(text).encode("ascii"), np.uint8).reshape(1, -1)  # two axes: not a column of numbers


def _unpack(array: np.ndarray) -> np.ndarray | pd.Series:
    return array if array.ndim == 1 else pd.Series(json.loads(array.tobytes()))
