"""Splits: which photographs train and which test. NumPy generators only, so that a seed means the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.datasets.pairs import column_codes, rows_by_value
from facelab.datasets.text_files import read_table
from facelab.errors import BadParameterError
from facelab.paths import project_data
from facelab.whole_numbers import check_seed, check_whole_number, is_whole_number


def _no_rows() -> np.ndarray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Split:
    """Rows of one FaceSet for training, testing and, where asked for, choosing between models.

    Attributes:
        train: int64, sorted.
        test: int64, sorted.
        validation: int64, sorted; empty unless asked for.
        recipe: how it was made, for the record.
    """

    train: np.ndarray
    test: np.ndarray
    validation: np.ndarray = field(default_factory=_no_rows)
    recipe: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """Some rows of one FaceSet.

    Attributes:
        rows: int64, sorted.
        recipe: how it was made, for the record.
    """

    rows: np.ndarray
    recipe: Mapping[str, object] = field(default_factory=dict)


def stratified_split(
    faces: FaceSet,
    train: float = 0.7,
    validation: float = 0.0,
    seed: int = 0,
    group: str | None = None,
    column: str | None = None,
) -> Split:
    """Closed set: each person's photographs are shared out, so that all people are in all parts.

    Args:
        faces: photographs of known people.
        train: share of each person's photographs, between 0 and 1, rounded to whole photographs, at least one.
        validation: the same; 0 for none. The test part gets the rest, at least one.
        seed: of the NumPy generator.
        group: a column whose equal values stay together (``"photo"`` for orl-wild). Shares are then of groups.
        column: to share out by its values instead of the person.

    Raises:
        BadParameterError: a share outside (0, 1), a person with too few photographs, a group on two people, no such column.
    """
    _check_shares(train, validation)
    classes, names = _classes(faces, column)
    unit = np.arange(len(faces)) if group is None else _groups(faces, group, classes, names)
    seed = check_seed(seed)
    rng, parts = np.random.default_rng(seed), ([], [], [])
    for own in rows_by_value(classes):
        units, name = np.unique(unit[own]), names[classes[own[0]]]
        sizes = _sizes(len(units), train, validation, f"{name} of {faces.source}", group or "photograph")
        shuffled = rng.permutation(units)
        for part, chosen in zip(parts, np.split(shuffled, np.cumsum(sizes)[:-1]), strict=True):
            part.append(own[np.isin(unit[own], chosen)])
    rows = [np.sort(np.concatenate(part)) for part in parts]
    recipe = {"split": "stratified", "by": column or "identity", "train": train, "validation": validation}
    return Split(rows[0], rows[2], rows[1], recipe | {"group": group, "seed": seed})


def identity_disjoint_split(
    faces: FaceSet, train: int | float = 0.5, validation: int | float = 0, seed: int = 0
) -> Split:
    """Open set: nobody is in two parts.

    Args:
        faces: photographs of known people.
        train: number of people (whole number) or share of the people (between 0 and 1).
        validation: the same; 0 for none. The test part gets the others, at least one person.
        seed: of the NumPy generator.

    Raises:
        BadParameterError: a share outside (0, 1), more people asked for than there are, photographs of unknown people.
    """
    _classes(faces, None)
    people, seed = faces.people, check_seed(seed)
    if is_whole_number(train) and is_whole_number(validation):
        train, validation = int(train), int(validation)
        sizes = (train, validation, len(people) - train - validation)
        if min(train, sizes[2]) < 1 or validation < 0:
            raise BadParameterError(
                f"{train} + {validation} people of {len(people)} leave nobody to test or to train on.", "Ask for fewer."
            )
    else:
        _check_shares(train, validation)
        sizes = _sizes(len(people), train, validation, faces.source, "person")
    parts = np.split(np.random.default_rng(seed).permutation(people), np.cumsum(sizes)[:-1])
    rows = [np.flatnonzero(np.isin(faces.identity, part)) for part in parts]
    recipe = {"split": "identity_disjoint", "train": train, "validation": validation, "seed": seed}
    return Split(rows[0], rows[2], rows[1], recipe)


def stored_people_split(faces: FaceSet, table: str = "orl-people") -> Split:
    """Open set by a list of ours, ``data/pairs/TABLE.csv``: for ORL and orl-wild, 20 people train and 20 others test.

    Raises:
        BadParameterError: a person of the set is not in the list.
    """
    columns = ["identity", "part"]
    part = dict(read_table(project_data("pairs", f"{table}.csv"), columns, columns)[columns].itertuples(index=False))
    classes, names = _classes(faces, None)
    strange = [names[number] for number in np.unique(classes) if names[number] not in part]
    if strange:
        raise BadParameterError(
            f"{strange[0]!r} of {faces.source} is not in {table}.", "Use splits.identity_disjoint_split."
        )
    parts = np.array([part[names[number]] for number in classes])
    return Split(
        np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test"), recipe={"split": "stored", "table": table}
    )


def select_label_fraction(
    faces: FaceSet, fraction: float, draw: int = 0, seed: int = 0, column: str | None = None
) -> Selection:
    """The few photographs whose labels a semi-supervised method may see: equally many of each class, at least one.

    The lists of one draw are nested (1 % lies within 10 %); draws are independent.

    Args:
        faces: the training photographs.
        fraction: of all photographs, between 0 and 1; fraction * N / classes of each class, rounded.
        draw: number of the draw, 0, 1, 2 ...
        seed: of the NumPy generator.
        column: of the classes; None: the person.

    Raises:
        BadParameterError: a fraction outside (0, 1), or a class with fewer photographs than its part.
    """
    _check_shares(fraction, 0)
    seed, draw = check_seed(seed), check_whole_number(draw, "draw", 0)
    classes, names = _classes(faces, column)
    rows_of_classes = rows_by_value(classes)
    each = max(1, _round(fraction * len(faces) / len(rows_of_classes)))
    rng, rows = np.random.default_rng([seed, draw]), []
    for own in rows_of_classes:
        if len(own) < each:
            raise BadParameterError(
                f"{names[classes[own[0]]]} of {faces.source} has {len(own)} photographs, {fraction:g} balanced needs {each}.",
                "Ask for a smaller fraction, or leave small classes out.",
            )
        rows.append(rng.permutation(own)[:each])
    recipe = {"split": "label_fraction", "fraction": fraction, "by": column or "identity", "draw": draw, "seed": seed}
    return Selection(np.sort(np.concatenate(rows)), recipe | {"each": each})


def _round(value: float) -> int:
    """Half up, and without the noise of 0.7 * 10."""
    return int(np.floor(round(value, 9) + 0.5))


def _check_shares(train: float, validation: float) -> None:
    for name, share in (("train", train), ("validation", validation)):
        if not isinstance(share, Real) or not (0 < share < 1 or (name == "validation" and share == 0)):
            raise BadParameterError(f"The share {share!r} is not between 0 and 1.", "Give 0.7 for 70 %.")
    if train + validation >= 1:
        raise BadParameterError(f"{train:g} + {validation:g} leave nothing to test on.", "Give less to the first two.")


def _sizes(count: int, train: float, validation: float, whose: str, unit: str) -> tuple[int, int, int]:
    """Whole numbers for the three parts, each at least one (validation: where asked for)."""
    least = 1 if validation > 0 else 0
    if count < 2 + least:
        if unit == "person":
            remedy = "Take a data set with more people."
        else:
            remedy = "Leave out people with fewer: facelab train --min-photos, in code closed_set.people_with_photos."
        raise BadParameterError(f"{whose} has {count} {unit}(s), the split needs {2 + least}.", remedy)
    first = min(max(1, _round(train * count)), count - 1 - least)
    both = min(max(first + least, _round((train + validation) * count) if least else first), count - 1)
    return first, both - first, count - both


def _classes(faces: FaceSet, column: str | None) -> tuple[np.ndarray, Sequence[str]]:
    """Class of each photograph and the names of the classes."""
    if column is not None:
        codes = column_codes(faces, column)
        return codes, [f"{column} {value}" for value in np.unique(faces.attributes[column].to_numpy())]
    if (faces.identity == UNKNOWN).any():
        raise BadParameterError(
            f"{int((faces.identity == UNKNOWN).sum())} photographs of {faces.source} are of unknown people.",
            "Take a data set whose people are known, or split by an attribute: stratified_split(column=...).",
        )
    return faces.identity, faces.names


def _groups(faces: FaceSet, group: str, classes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    unit = column_codes(faces, group)
    pairs = np.unique(np.stack([unit, classes]), axis=1)
    shared = np.flatnonzero(np.bincount(pairs[0]) > 1)
    if len(shared):
        value = faces.attributes[group].to_numpy()[unit == shared[0]][0]
        people = ", ".join(str(names[number]) for number in pairs[1][pairs[0] == shared[0]][:2])
        raise BadParameterError(
            f"The {group} {value!r} is on photographs of {people}, and would cross the split.",
            "Give a column that names one photograph of one person.",
        )
    return unit
