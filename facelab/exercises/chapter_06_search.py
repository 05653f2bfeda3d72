"""Exercises of notebook 06 on search: Annoy's distance, the recall of a search, and a guess about the farthest."""

from __future__ import annotations

import math

import numpy as np

from facelab.exercises.exercise import (
    Exercise,
    refuse_mistakes,
    require,
    require_share,
    require_value,
    require_written,
)
from facelab.exercises.prediction import Prediction


def cosine_of_angular(distance: np.ndarray) -> np.ndarray:
    """The cosine of two vectors from Annoy's angular distance, sqrt(2 - 2 cos): one, or an array of any shape."""
    return 1 - distance**2 / 2


def _check_angular(answer) -> None:
    cosine = np.array([[1, 0.9, 0.5], [0, -0.5, -1]])
    distance = np.sqrt(2 - 2 * cosine)
    got = answer(distance.copy())
    require_written(got)
    require(
        np.shape(got) == (2, 3), f"for (2, 3) distances you return the shape {np.shape(got)}: one for each distance."
    )
    refuse_mistakes(got, _ANGULAR_MISTAKES, distance)
    require_value(got, cosine, "distances 0, 0.447, 1, 1.414, 1.732 and 2")
    require_value(answer(math.sqrt(0.4)), 0.8, "a single distance of 0.632", tolerance=1e-9)


_ANGULAR_MISTAKES = {
    "1 - d": (
        lambda d: 1 - d,
        "1 - d: at a right angle the cosine is 0 and the distance sqrt(2), for which you give -0.41. "
        "Solve d = sqrt(2 - 2 cos) for cos.",
    ),
    "1 - d / 2": (
        lambda d: 1 - d / 2,
        "1 - d / 2 is right for equal vectors, but gives 0 for opposite ones, whose cosine is -1. "
        "Solve d = sqrt(2 - 2 cos) for cos.",
    ),
    "1 - d squared": (
        lambda d: 1 - d**2,
        "1 - d^2: opposite vectors, at distance 2, get -3. Halve the square.",
    ),
    "d squared / 2 - 1": (lambda d: d**2 / 2 - 1, "equal vectors get -1: the sign is the wrong way round."),
    "cosine of the distance": (
        np.cos,
        "you take the cosine of the distance. Annoy calls it angular, but it is no angle: it is the length of the chord "
        "between two points of the unit sphere.",
    ),
    "per cent": (
        lambda d: 100 - d,
        "100 - d lies between 98 and 100 for any two vectors: a distance is no percentage. Solve d = sqrt(2 - 2 cos) for cos.",
    ),
    "100 (1 - d)": (
        lambda d: 100 * (1 - d),
        "a cosine lies between -1 and 1, and is no percentage. Solve d = sqrt(2 - 2 cos) for cos.",
    ),
}
COSINE_OF_ANGULAR = Exercise(
    "6.3 the cosine behind Annoy's distance",
    cosine_of_angular,
    _check_angular,
    mistakes=_ANGULAR_MISTAKES
    | {
        "one number only": (lambda d: float(np.mean(cosine_of_angular(d))), "one for each distance"),
        "arrays alone": (lambda d: 1 - d.clip(0, 2) ** 2 / 2, "raised AttributeError"),
        "a constant": (lambda d: 0 * d + 1, "distances 0, 0.447, 1"),
    },
    minutes=4,
    difficulty=1,
    importance=3,
    hints=(
        "No code is needed at first: square both sides of $d = \\sqrt{2 - 2\\cos}$ on paper.",
        "One line of arithmetic does for a number and for an array. Test it: $d = 0$ must give 1, $d = 2$ must give -1.",
    ),
)


def recall_at_k(results: np.ndarray, exact: np.ndarray) -> float:
    """The share of a query's exact neighbours among its results, in the mean over queries; -1 is a place without neighbour.

    Both are ids (n, k); their order within a row says nothing, and each query has an exact neighbour at least.
    """
    real = exact >= 0
    hit = (exact[:, :, None] == results[:, None, :]).any(axis=2) & real
    return float((hit.sum(axis=1) / real.sum(axis=1)).mean())


def _check_recall(answer) -> None:
    exact = np.array([[4, 7, 1, 9], [2, 5, 8, 0], [3, 6, -1, -1], [9, 0, 4, 1]])
    found = np.array([[1, 7, 4, 2], [5, 7, 3, 9], [6, 8, -1, -1], [9, -1, -1, -1]])
    got = answer(found.copy(), exact.copy())
    require_share(got)
    shuffled = np.random.default_rng(0).permuted(found, axis=1)
    require(
        math.isclose(got, answer(shuffled, exact)),
        "the recall changes with the order of the ids within a row. Ask whether an id was found, not at which place.",
    )
    refuse_mistakes(got, _RECALL_MISTAKES, found, exact)
    expected = np.mean([len(set(a) & set(b) - {-1}) / len(set(b) - {-1}) for a, b in zip(found, exact, strict=True)])
    require_value(got, expected, "4 queries, with 3 of 4, 1 of 4, 1 of 2 and 1 of 4 neighbours found")


def _hits(found, exact):
    return (exact[:, :, None] == found[:, None]).any(axis=2) & (exact >= 0)


_WHOLE_TABLE = (
    "an id that was found for another query counts as found: np.isin looks through the whole table. Compare row by row."
)
_RECALL_MISTAKES = {
    "whole table": (lambda found, exact: np.isin(exact, found).mean(), _WHOLE_TABLE),
    "whole table, without -1": (lambda found, exact: np.isin(exact, found)[exact >= 0].mean(), _WHOLE_TABLE),
    "padding counted": (
        lambda found, exact: (exact[:, :, None] == found[:, None]).any(axis=2).mean(),
        "you count -1 beside -1 as a hit. It stands for an empty place, not for a neighbour.",
    ),
    "padding missed": (
        lambda found, exact: _hits(found, exact).mean(),
        "you divide by k. Divide by the number of exact neighbours: a query that has 2 is complete when both are found.",
    ),
    "of those found": (
        lambda found, exact: recall_at_k(exact, found),
        "you divide by the number of results, so that a search that returns little looks good: this is precision. "
        "Divide by the number of exact neighbours.",
    ),
    "at least one": (
        lambda found, exact: _hits(found, exact).any(axis=1).mean(),
        "this is the share of queries with at least one neighbour found. Count the neighbours of each query.",
    ),
    "all neighbours together": (
        lambda found, exact: _hits(found, exact).sum() / (exact >= 0).sum(),
        "you pool the neighbours of all queries. Take the share of each query first, then the mean of the shares.",
    ),
}
RECALL_AT_K = Exercise(
    "6.4 recall of a search",
    recall_at_k,
    _check_recall,
    mistakes=_RECALL_MISTAKES
    | {
        "place by place": (lambda found, exact: (found == exact).mean(), "not at which place"),
        "sorted, place by place": (
            lambda found, exact: (np.sort(found) == np.sort(exact)).mean(),
            "4 queries, with 3 of 4",
        ),
        "only the first": (lambda found, exact: (found[:, 0] == exact[:, 0]).mean(), "not at which place"),
        "a count": (lambda found, exact: recall_at_k(found, exact) * found.shape[1], "between 0 and 1"),
        "one share for each query": (
            lambda found, exact: np.array([recall_at_k(a[None], b[None]) for a, b in zip(found, exact, strict=True)]),
            "ndarray of the shape (4,)",
        ),
    },
    minutes=12,
    difficulty=3,
    importance=4,
    hints=(
        "For one query it is a question about two sets. What must not be an element of either set?",
        "Compare each exact id of a row with all results of the same row, `exact[:, :, None] == results[:, None, :]`, and take "
        "`any` over the last axis. Where the exact id is -1, there is nothing to find: leave it out of both counts.",
    ),
)

GUESS_FARTHEST = Prediction(
    "6.6 guess: the least similar faces",
    "guess_farthest",
    "recall@10/farthest",
    importance=3,
    hints=(
        "A tree sends a query to where its nearest vectors are stored. Where does it send $-q$, and what is stored there?",
    ),
)
