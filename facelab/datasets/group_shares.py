"""Training sets with an uneven share of groups, 10/90 to 50/50, and nothing else that differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.datasets.splits import Selection
from facelab.errors import BadParameterError
from facelab.whole_numbers import check_seed, check_whole_number

Shares = Mapping[object, float]  #: value of the attribute -> share of the set, adding up to 1


def sample_with_shares(
    faces: FaceSet, column: str, shares: Shares, total: int, seed: int = 0, per_person: int | None = None
) -> Selection:
    """A set of ``total`` people, drawn so that each group has exactly its share.

    People are drawn with their photographs; where no photograph's person is known, photographs are drawn instead. Of two
    sets with one seed the one is the other with some of a group exchanged for some of another: nothing else changes.

    Args:
        faces: where to draw from.
        column: the attribute, one value a person; rows without a value are not drawn.
        shares: share of each group, such as ``{"female": 0.1, "male": 0.9}``; values that are not named are not drawn.
        total: number of people (or photographs), the same for all sets that are to be compared: see ``largest_total``.
        seed: of the NumPy generator.
        per_person: take so many photographs of each person drawn, so that the shares of photographs are exact too; None: all.

    Raises:
        BadParameterError: no such column, shares that do not add up to 1, a share that is no whole number of people, a
            group with too few, a person with two values, known and unknown people mixed.
    """
    _check_shares(shares)
    total, seed = check_whole_number(total, "total", 1), check_seed(seed)
    units, values, rows = _units(faces, column, per_person)
    rng = np.random.default_rng(seed)
    drawn = []
    for value in sorted(shares, key=str):
        own = rng.permutation(units[values == value])
        exact = shares[value] * total
        count = round(exact)
        if abs(exact - count) > 1e-6:
            raise BadParameterError(
                f"{shares[value]:g} of {total} is {exact:g} for {column} {value!r}, not a whole number.",
                "Give a total that the shares divide.",
            )
        if count > len(own):
            raise BadParameterError(
                f"{faces.source} has {len(own)} of {column} {value!r}, {shares[value]:g} of {total} needs {count}.",
                "Ask for a smaller total: largest_total tells the greatest.",
            )
        drawn.append(own[:count])
    chosen = np.sort(np.concatenate([rows[unit] for unit in np.concatenate(drawn)]))
    recipe = {"split": "unbalanced", "column": column, "shares": {str(key): share for key, share in shares.items()}}
    each = None if per_person is None else int(per_person)
    return Selection(chosen, recipe | {"total": total, "per_person": each, "seed": seed})


def largest_total(faces: FaceSet, column: str, series: Sequence[Shares], per_person: int | None = None) -> int:
    """The greatest total for which every set of a series can be drawn with exact shares.

    Raises:
        BadParameterError: there is none; otherwise as ``sample_with_shares``.
    """
    _, values, _ = _units(faces, column, per_person)
    for shares in series:
        _check_shares(shares)
    wanted = [
        (share, int((values == value).sum())) for shares in series for value, share in shares.items() if share > 0
    ]
    for total in range(min(int(have / share + 1e-6) for share, have in wanted), 0, -1):
        if all(abs(share * total - round(share * total)) <= 1e-6 for share, _ in wanted):
            return total
    raise BadParameterError(
        f"{faces.source} is too small for these shares of {column!r}.", "Use shares that are simpler fractions."
    )


def _check_shares(shares: Shares) -> None:
    if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) < 0:
        raise BadParameterError(f"The shares {dict(shares)} do not add up to 1.", "Give one share of 0 to 1 a group.")


def _units(faces: FaceSet, column: str, per_person: int | None) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """What is drawn: numbers 0 ... U-1, value of each, rows of each. Units without a value are left out."""
    if column not in faces.attributes:
        raise BadParameterError(
            f"{faces.source} has no attribute {column!r}.", f"It has: {', '.join(faces.attributes.columns)}."
        )
    if per_person is not None:
        per_person = check_whole_number(per_person, "per_person", 1)
    known = faces.identity != UNKNOWN
    if known.any() and not known.all():
        raise BadParameterError(f"{faces.source} mixes known and unknown people.", "Draw from one kind.")
    table = faces.attributes[column]
    plain = table.to_numpy(dtype=object)  # a table cell read on its own costs microseconds
    has = table.notna().to_numpy() & (plain != "")
    every = np.flatnonzero(has)
    if known.all():
        order = every[np.argsort(faces.identity[every], kind="stable")]
        rows = np.split(order, np.flatnonzero(np.diff(faces.identity[order])) + 1)
    else:
        rows = list(every[:, None])
    rows = [own[:per_person] for own in rows if len(own) and len(own) >= (per_person or 1)]
    values = np.array([plain[own[0]] for own in rows], dtype=object)
    for own, value in zip(rows, values, strict=True):
        if any(plain[own] != value):
            person = faces.names[faces.identity[own[0]]]
            raise BadParameterError(f"{person} has more than one value of {column!r}.", "Give each person one.")
    return np.arange(len(rows)), values, rows
