"""A random sample of all pairs of a set, where these are too many to be looked at: equally many genuine and impostor pairs
of a thousand photographs and of a million cost the same."""

from __future__ import annotations

import numpy as np

from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.datasets.pairs import Pairs, column_codes
from facelab.whole_numbers import check_seed, check_whole_number


def draw_from_all_pairs(
    faces: FaceSet, genuine: int, impostor: int, seed: int = 0, exclude_same: str | None = None
) -> Pairs:
    """Genuine and impostor pairs drawn from ``all_pairs``, each pair of a kind as likely as any other, none twice.

    A figure of them estimates the same figure of all pairs. (``sample_pairs`` takes people in turn instead, so that nobody
    with many photographs rules the list: a figure of its pairs is one of another mixture.)

    Args:
        faces: photographs of known people; those of ``UNKNOWN`` people are in no pair.
        genuine, impostor: how many of each kind; all, where there are not more.
        seed: of the NumPy generator.
        exclude_same: as in ``all_pairs``.

    Returns:
        The genuine pairs, then the impostor pairs, each first < second; all in fold 0. ``population`` says of how many.

    Raises:
        BadParameterError: no such column, or a number below 0.
    """
    genuine = check_whole_number(genuine, "The number of genuine pairs", 0)
    impostor = check_whole_number(impostor, "The number of impostor pairs", 0)
    rng, known = np.random.default_rng(check_seed(seed)), np.flatnonzero(faces.identity != UNKNOWN)
    person = faces.identity[known]
    unit = np.arange(len(faces)) if exclude_same is None else column_codes(faces, exclude_same)
    order = np.lexsort((unit[known], person))  # people stand together, and within them their photographs
    person, unit = person[order], unit[known][order]
    everybody = np.zeros(len(order), np.int64), np.full(len(order), len(order))
    own_person, own_unit = _stretches(person), _stretches(person, unit)
    drawn = [
        _draw(*own_person, *own_unit, genuine, rng),
        _draw(*everybody, *own_person, impostor, rng),
    ]
    pairs = np.sort(known[order][np.concatenate([own for own, _ in drawn])], axis=1)
    same = np.arange(len(pairs)) < len(drawn[0][0])
    fold = np.zeros(len(pairs), dtype=np.int64)
    return Pairs(pairs[:, 0], pairs[:, 1], same, fold, (drawn[0][1], drawn[1][1]))


def _stretches(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the stretch of equal values that each row stands in begins, and where it ends: int64 (N,) each."""
    changes = np.zeros(max(len(columns[0]) - 1, 0), dtype=bool)
    for column in columns:
        changes |= column[1:] != column[:-1]
    begins = np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)
    number = np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)[: len(columns[0])]
    return begins[number], np.append(begins[1:], len(columns[0]))[number]


def _draw(
    begin: np.ndarray,
    end: np.ndarray,
    skip_begin: np.ndarray,
    skip_end: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, int]:
    """Pairs of a row and another one from ``begin`` to ``end`` but not from ``skip_begin`` to ``skip_end``, within them.

    Each pair can be drawn from either side, so that drawing a side at random and then its other side makes all alike.

    Returns:
        int64 (n, 2), each pair once, and how many there are.
    """
    partners = (end - begin) - (skip_end - skip_begin)
    sides = int(partners.sum())
    if sides // 2 <= 2 * count:  # then it is cheaper to list them all
        first = np.repeat(np.arange(len(partners)), partners)
        nth = np.arange(sides) - np.repeat(np.cumsum(partners) - partners, partners)
        second = _partner(first, nth, begin, skip_begin, skip_end)
        pairs = np.stack([first, second], axis=1)[first < second]
        return (pairs if len(pairs) <= count else rng.permutation(pairs)[:count]), sides // 2
    last, keys = np.cumsum(partners), np.empty(0, np.int64)
    while len(keys) < count:
        ticket = rng.integers(sides, size=2 * (count - len(keys)))
        first = np.searchsorted(last, ticket, side="right")
        second = _partner(first, ticket - (last - partners)[first], begin, skip_begin, skip_end)
        keys = np.concatenate([keys, np.minimum(first, second) * len(partners) + np.maximum(first, second)])
        _, at = np.unique(keys, return_index=True)
        keys = keys[np.sort(at)][:count]  # in the order of their drawing, so that cutting favours none
    return np.stack(np.divmod(keys, len(partners)), axis=1), sides // 2


def _partner(
    first: np.ndarray, nth: np.ndarray, begin: np.ndarray, skip_begin: np.ndarray, skip_end: np.ndarray
) -> np.ndarray:
    """The nth row, from 0, that a row can be paired with."""
    row = begin[first] + nth
    return np.where(row >= skip_begin[first], row + (skip_end - skip_begin)[first], row)
