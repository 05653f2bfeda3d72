"""Exercises of notebook 00: the cosine of two embeddings, people who are on both sides, a guess. The bootstrap over people:
``chapter_00_bootstrap``."""

from __future__ import annotations

import numpy as np

from facelab.exercises.exercise import Exercise, refuse, require, require_returned, require_value, require_written
from facelab.exercises.prediction import Prediction


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
        got,
        dot_products,
        "these are dot products: with more contrast a photograph would score higher. Divide by both lengths.",
    )
    refuse(
        got,
        dot_products / np.linalg.norm(a, axis=1),
        "you divide by the length of a alone, so more contrast in b gives a higher score. Divide by both lengths.",
    )
    refuse(
        got,
        dot_products / (np.linalg.norm(a) * np.linalg.norm(b)),
        "you divide by the length of the whole array. np.linalg.norm needs axis=1 for one length a row.",
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
        "one norm": (lambda a, b: (a * b).sum(axis=1) / np.linalg.norm(a, axis=1), "the length of a alone"),
        "norm of all": (lambda a, b: (a * b).sum(axis=1) / (np.linalg.norm(a) * np.linalg.norm(b)), "needs axis=1"),
    },
    minutes=5,
    difficulty=1,
    importance=5,
    hints=(
        "The formula stands in the section *Comparing two photographs*. Row `i` of `a` goes with row `i` of `b` "
        "alone, so the result has one number a row.",
        "Multiply element by element and sum over `axis=1`: these are the dot products. The lengths are "
        "`np.linalg.norm(..., axis=1)`, one a row, of `a` and of `b`.",
    ),
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
    require(-1 not in got, f"{got}: -1 means that it is not known who it is. Two unknown people are not one person.")
    require(got == [3, 9], f"got {got}, expected [3, 9].")
    require(
        list(answer(np.array([1]), np.array([2]))) == [], "two sets without a common person must give an empty list."
    )


PEOPLE_ON_BOTH_SIDES = Exercise(
    "0.2 people on both sides",
    people_on_both_sides,
    _check_people,
    mistakes={
        "with unknown": (lambda a, b: sorted(set(a.tolist()) & set(b.tolist())), "not known who it is"),
        "repeated": (lambda a, b: [x for x in b.tolist() if x in a and x >= 0], "each person once"),
        "union": (lambda a, b: sorted(set(a.tolist()) | set(b.tolist()) - {-1}), "not known who it is"),
        "first only": (lambda a, b: [3], "expected [3, 9]"),
    },
    minutes=5,
    difficulty=1,
    importance=4,
    hints=(
        "Each person counts once, however many photographs there are. What collection of Python holds everything once?",
        "Intersect two sets, take out `-1`, and sort. `array.tolist()` gives Python's own numbers.",
    ),
)

GUESS_PIXEL_EER = Prediction(
    "0.4 guess: the error of raw pixels",
    "guess_pixel_eer",
    "eer/raw pixels",
    highest=1.0,
    minutes=3,
    difficulty=1,
    importance=4,
    hints=(
        "Look at the histogram above. If the two histograms were the same, every threshold would be no better than "
        "chance; what would the equal error rate be then? And if they did not touch?",
    ),
)
