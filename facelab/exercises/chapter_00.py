"""Exercises of notebook 00: the cosine of two embeddings, and people who are on both sides."""

from __future__ import annotations

import numpy as np

from facelab.exercises.exercise import Exercise, refuse, require, require_returned, require_value, require_written


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of ``a`` with the same row of ``b``, (N, D) and (N, D) to (N,)."""
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def _check_cosine(answer) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 8)), rng.normal(size=(5, 8))
    got = answer(a.copy(), b.copy())
    require_written(got)
    expected, dot_products = cosine_similarity(a, b), (a * b).sum(axis=1)
    require(
        np.shape(got) != (5, 5), "the shape is (5, 5): you compared every row with every row. Row i goes with row i."
    )
    refuse(
        got, dot_products, "these are dot products: a brighter photograph would score higher. Divide by both lengths."
    )
    require_value(got, expected, "the cosines of five pairs")
    require_value(answer(3 * a, b), expected, "scaling one side by 3 must change nothing")


COSINE_SIMILARITY = Exercise(
    "0.1 cosine similarity",
    cosine_similarity,
    _check_cosine,
    mistakes={
        "all pairs": (lambda a, b: a @ b.T, "every row with every row"),
        "dot product": (lambda a, b: (a * b).sum(axis=1), "dot products"),
        "one norm": (lambda a, b: (a * b).sum(axis=1) / np.linalg.norm(a, axis=1), "expected"),
        "norm of all": (lambda a, b: (a * b).sum(axis=1) / (np.linalg.norm(a) * np.linalg.norm(b)), "expected"),
    },
)


def people_on_both_sides(train: np.ndarray, test: np.ndarray) -> list[int]:
    """Numbers of the people who are in both, sorted; -1 (unknown) is nobody."""
    return sorted((set(train.tolist()) & set(test.tolist())) - {-1})


def _check_people(answer) -> None:
    train, test = np.array([3, 3, 7, 1, -1, 9]), np.array([9, 2, 3, -1, 3])
    got = answer(train, test)
    require_returned(got)
    got = list(got)
    require(len(got) == len(set(got)), f"{got}: name each person once.")
    require(-1 not in got, f"{got}: -1 means that nobody knows who it is. Two unknown people are not one person.")
    require(got == [3, 9], f"got {got}, expected [3, 9].")
    require(
        list(answer(np.array([1]), np.array([2]))) == [], "two sets without a common person must give an empty list."
    )


PEOPLE_ON_BOTH_SIDES = Exercise(
    "0.2 people on both sides",
    people_on_both_sides,
    _check_people,
    mistakes={
        "with unknown": (lambda a, b: sorted(set(a.tolist()) & set(b.tolist())), "nobody knows"),
        "repeated": (lambda a, b: [x for x in b.tolist() if x in a and x >= 0], "each person once"),
        "union": (lambda a, b: sorted(set(a.tolist()) | set(b.tolist()) - {-1}), "nobody knows"),
        "first only": (lambda a, b: [3], "expected [3, 9]"),
    },
)
