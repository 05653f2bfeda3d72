"""Exercises of notebook 03 on clusters: the people of a cluster in the order of distance, the accuracy of clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    refuse_mistakes,
    require,
    require_share,
    require_value,
    require_written,
)


def people_by_distance(probe: np.ndarray, members: np.ndarray, person: np.ndarray, k: int) -> list[int]:
    """The first k different people among the members of the probe's cluster, the nearest to the probe first."""
    order = np.linalg.norm(members - probe, axis=1).argsort()
    return list(dict.fromkeys(person[order].tolist()))[:k]


def _check_votes(answer) -> None:
    probe = np.zeros(2)
    members = np.array([[-3, 0], [0, 4], [9, 0], [1, 0], [-2, 0], [10, 0], [5, 0]], dtype=float)
    person = np.array([9, 2, 4, 7, 7, 4, 4])
    got = answer(probe.copy(), members.copy(), person.copy(), 3)
    require_written(got)
    refuse_mistakes(got, _VOTE_MISTAKES, probe, members, person, 3)
    require_value(got, people_by_distance(probe, members, person, 3), "the first 3 people of 4")
    require_value(answer(probe, members[:2], person[:2], 3), [9, 2], "a cluster of two people has two, not 3")


def _most_frequent(person):
    values, counts = np.unique(person, return_counts=True)
    return values[np.argsort(-counts, kind="stable")]


def _nearest_first(probe, members, person):
    return person[np.linalg.norm(members - probe, axis=1).argsort()]


_VOTE_MISTAKES = {
    "array order": (
        lambda p, m, y, k: list(dict.fromkeys(y.tolist()))[:k],
        "this is the order of the array: whoever was enrolled first comes first, and the probe is never looked at.",
    ),
    "distance to the centroid": (
        lambda p, m, y, k: people_by_distance(m.mean(axis=0), m, y, k),
        "this is the order of distance to the centroid, the same for every probe of the cluster. Measure from the probe.",
    ),
    "farthest first": (
        lambda p, m, y, k: list(dict.fromkeys(_nearest_first(p, m, y)[::-1].tolist()))[:k],
        "the farthest comes first. Sort by increasing distance.",
    ),
    "np.unique": (
        lambda p, m, y, k: np.unique(_nearest_first(p, m, y))[:k],
        "these are sorted by their number, which is what np.unique does. dict.fromkeys keeps the order.",
    ),
    "most frequent": (
        lambda p, m, y, k: _most_frequent(y)[:k],
        "this is the order of the number of photographs: the person with most of them in the cluster comes first, near or far.",
    ),
    "repeated people": (
        lambda p, m, y, k: _nearest_first(p, m, y)[:k],
        "somebody is named twice. Name each person once, at the place of the nearest of their photographs.",
    ),
}
PEOPLE_BY_DISTANCE = Exercise(
    "3.3 the people of a cluster, in the order of distance",
    people_by_distance,
    _check_votes,
    mistakes=_VOTE_MISTAKES
    | {
        "all people": (lambda p, m, y, k: people_by_distance(p, m, y, 99), "the shape is (4,)"),
        "filled up": (lambda p, m, y, k: (people_by_distance(p, m, y, k) + [-1])[:k], "a cluster of two people"),
    },
    minutes=8,
    difficulty=2,
    importance=2,
    hints=(
        "Sort the photographs by their distance to the probe first. Only then make a list of people out of them.",
        "`np.linalg.norm(members - probe, axis=1).argsort()` is the order. `dict.fromkeys` keeps the first place of each "
        "person, which `np.unique` does not. Cut the list after k.",
    ),
)


def cluster_accuracy(cluster: np.ndarray, person: np.ndarray) -> float:
    """Share of photographs in the cluster of their person, under the best one-to-one pairing of clusters and people."""
    from scipy.optimize import linear_sum_assignment  # here, since the solution is pasted into a notebook

    counts = pd.crosstab(cluster, person).to_numpy()  # photographs by cluster and person
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(person))


def _check_clusters(answer) -> None:
    person = np.repeat([0, 1, 2], 6)
    cluster = np.array([5, 5, 5, 5, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 8, 8, 3])
    got = answer(cluster.copy(), person.copy())
    require_share(got)
    require(
        np.isclose(got, answer(np.select([cluster == 5, cluster == 3], [0, 1], 2), person)),
        "other numbers for the same clusters give another figure. A cluster's number means nothing: pair them first.",
    )
    alone = answer(np.arange(18), person)
    require(
        alone < 1,
        "each photograph a cluster of its own: you say 100 %. That is purity, where many clusters may stand for one "
        "person. Pair one cluster with one person.",
    )
    together = answer(np.zeros(18, int), person)
    require(together < 1, "all photographs in one cluster: you say 100 %. One cluster may stand for one person only.")
    counts = contingency_matrix(cluster, person)
    worst = counts[linear_sum_assignment(counts)].sum() / 18
    refuse(got, worst, "this is the worst pairing: linear_sum_assignment minimises, unless it gets maximize=True.")
    require_value(got, cluster_accuracy(cluster, person), "three clusters, three people")
    require_value(alone, 3 / 18, "each photograph a cluster of its own: three of them have a person")
    require_value(together, 6 / 18, "all photographs in one cluster: one person's are right")


CLUSTER_ACCURACY = Exercise(
    "3.4 the accuracy of clusters",
    cluster_accuracy,
    _check_clusters,
    mistakes={
        "purity": (lambda c, y: contingency_matrix(c, y).max(axis=1).sum() / len(y), "That is purity"),
        "each person's largest cluster": (
            lambda c, y: contingency_matrix(c, y).max(axis=0).sum() / len(y),
            "One cluster may stand for one person only",
        ),
        "numbers compared": (lambda c, y: (c == y).mean(), "means nothing"),
        "least pairing": (
            lambda c, y: (counts := contingency_matrix(c, y))[linear_sum_assignment(counts)].sum() / len(y),
            "worst pairing",
        ),
        "a count": (lambda c, y: len(y) * cluster_accuracy(c, y), "between 0 and 1"),
    },
    minutes=12,
    difficulty=3,
    importance=3,
    hints=(
        "Count the photographs by cluster and person in a table: `pd.crosstab`. You look for one cell in each row, no two in "
        "one column, with the largest sum.",
        "`scipy.optimize.linear_sum_assignment(counts, maximize=True)` gives the rows and the columns of these cells. The "
        "table need not be square. Divide their sum by the number of photographs.",
    ),
)
