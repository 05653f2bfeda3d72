"""Exercises of notebook 03: the supervised contrastive loss, a neighbour that is not oneself, votes in order, clusters."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix
from torch import Tensor

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    refuse_mistakes,
    require,
    require_loss,
    require_share,
    require_value,
    require_written,
)
from facelab.losses import sup_con


def sup_con_loss(cosines: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """L_out of M rows from their (M, M) cosines; every row has a positive."""
    itself = torch.eye(len(labels), dtype=torch.bool)
    positive = (labels[:, None] == labels) & ~itself
    log_p = (cosines / temperature).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    return -(log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


def _check_sup_con(answer) -> None:
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2, 2])
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(9, 4))).float()
    z = torch.nn.functional.normalize(z)
    cosines, itself = (z @ z.T).clamp(-1, 1), torch.eye(9, dtype=torch.bool)
    got = answer(cosines.clone().requires_grad_(), labels, 0.5)
    require_loss(got)

    def value(cosines, temperature):
        return float(answer(cosines.clone(), labels, temperature))

    refuse(value(cosines, 0.5), value(cosines, 1.0), "the temperature changes nothing. Divide the cosines by it.")
    require(
        np.isclose(value(cosines, 0.5), value(cosines.masked_fill(itself, 0.3), 0.5)),
        "the diagonal, which is each row's cosine with itself, changes your loss. An anchor is neither its own "
        "positive nor one of those in its denominator.",
    )
    require(
        value(torch.ones(9, 9), 0.5) > np.log(8) - 1e-4,
        f"all cosines equal: each of 8 other rows is as likely as the next, so the loss is log(8) = {np.log(8):.3f}. "
        f"You have {value(torch.ones(9, 9), 0.5):.3f}: the other positives are missing from the denominator.",
    )
    require(
        np.isfinite(value(cosines, 0.01)),
        "at a temperature of 0.01 the loss is not finite: exp(100) overflows in float32. Use log_softmax or logsumexp.",
    )
    positive = (labels[:, None] == labels) & ~itself
    log_p = (cosines / 0.5).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    refuse(
        value(cosines, 0.5),
        -log_p[positive].mean(),
        "this is the mean over all pairs: a class of four has 12 pairs and a class of two has 2. "
        "Take the mean over the positives of each anchor first, then over the anchors.",
    )
    for temperature in (0.5, 0.1, 0.01):
        expected = sup_con(z, labels, temperature)
        require_value(value(cosines, temperature), expected, f"the loss at {temperature}", tolerance=1e-2 * temperature)


def _masks(cosines, labels):
    itself = torch.eye(len(labels), dtype=torch.bool)
    return itself, (labels[:, None] == labels) & ~itself


def _positives_out(cosines, labels, t):
    itself, positive = _masks(cosines, labels)
    exp = torch.exp(cosines / t)
    negatives = exp.masked_fill(itself | positive, 0).sum(dim=1, keepdim=True)
    log_p = torch.log(exp / (exp + negatives))
    return -(log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


def _itself_positive(cosines, labels, t):
    log_p = (cosines / t).log_softmax(dim=1)
    positive = labels[:, None] == labels
    return -(log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


def _over_pairs(cosines, labels, t):
    itself, positive = _masks(cosines, labels)
    return -(cosines / t).masked_fill(itself, -torch.inf).log_softmax(dim=1)[positive].mean()


def _raw_exp(cosines, labels, t):
    itself, positive = _masks(cosines, labels)
    exp = torch.exp(cosines / t).masked_fill(itself, 0)
    log_p = torch.log(exp / exp.sum(dim=1, keepdim=True))
    return -(log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


SUP_CON_LOSS = Exercise(
    "3.1 the supervised contrastive loss",
    sup_con_loss,
    _check_sup_con,
    mistakes={
        "positives out of the denominator": (_positives_out, "missing from the denominator"),
        "itself among the positives": (_itself_positive, "neither its own positive"),
        "mean over all pairs": (_over_pairs, "mean over all pairs"),
        "raw exp": (_raw_exp, "exp(100) overflows"),
        "temperature forgotten": (lambda c, y, t: sup_con_loss(c, y, 1.0), "temperature changes nothing"),
        "a sum over anchors": (lambda c, y, t: len(y) * sup_con_loss(c, y, t), "the loss at 0.5: got"),
        "without gradient": (lambda c, y, t: sup_con_loss(c, y, t).item(), "no gradient"),
        "one loss for each anchor": (lambda c, y, t: sup_con_loss(c, y, t).expand(len(y)), "the loss is one number"),
    },
)


def nearest_person(cosines: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(N,), the person of the most similar other photograph, for each of N photographs with (N, N) cosines."""
    others = np.where(np.eye(len(person), dtype=bool), -np.inf, cosines)
    return person[others.argmax(axis=1)]


def _check_nearest(answer) -> None:
    # rows 0 and 1 are one photograph, filed under two people; row 2 is unlike all others; rounding has put the cosine
    # of row 6 with row 7 a little above that with itself
    person = np.array([0, 1, 0, 1, 2, 3, 2, 3])
    cosines = np.random.default_rng(0).uniform(0.2, 0.8, (8, 8))
    cosines = (cosines + cosines.T) / 2
    cosines[2] = cosines[:, 2] = [-0.3, -0.5, 0, -0.4, -0.6, -0.2, -0.7, -0.1]
    np.fill_diagonal(cosines, 1.0)
    cosines[0, 1] = cosines[1, 0] = 1.0
    cosines[6, 7] = cosines[7, 6] = 1 + 1e-7
    given = cosines.copy()
    got = answer(given, person.copy())
    require_written(got)
    require(np.array_equal(given, cosines), "your function changes the cosines that it was given. Work on a copy.")
    refuse_mistakes(got, _NEAREST_MISTAKES, cosines, person)
    require_value(got, nearest_person(cosines, person), "the people of the nearest photographs")


def _changes_its_input(cosines, person):
    np.fill_diagonal(cosines, -np.inf)
    return person[cosines.argmax(axis=1)]


_NEAREST_MISTAKES = {
    "the nearest dropped": (
        lambda c, y: y[np.argsort(-c, axis=1, kind="stable")[:, 1]],
        "you drop the most similar one, whatever it is. A copy, or a rounding error, comes before the photograph itself: "
        "then you drop a true neighbour and keep the probe. Leave it out by its row.",
    ),
    "itself kept": (lambda c, y: y, "every photograph finds itself, and 100 % of them are right. Leave its row out."),
    "0 on the diagonal": (
        lambda c, y: y[(c * (1 - np.eye(len(y)))).argmax(axis=1)],
        "a photograph may have negative cosines only, and 0 on the diagonal is then the largest. Use -inf.",
    ),
    "the least similar": (
        lambda c, y: y[c.argmin(axis=1)],
        "these are the least similar ones: the cosine is no distance.",
    ),
}
NEAREST_PERSON = Exercise(
    "3.2 the nearest photograph that is not the probe",
    nearest_person,
    _check_nearest,
    mistakes=_NEAREST_MISTAKES
    | {
        "in place": (_changes_its_input, "Work on a copy"),
        "rows instead of people": (
            lambda c, y: (c - 9 * np.eye(len(y))).argmax(axis=1),
            "the nearest photographs: got",
        ),
        "the accuracy": (lambda c, y: (nearest_person(c, y) == y).mean(), "the shape is ()"),
    },
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
        "the farthest comes first: by distance, sort upwards.",
    ),
    "np.unique": (
        lambda p, m, y, k: np.unique(_nearest_first(p, m, y))[:k],
        "these are sorted by their number, which is what np.unique does. dict.fromkeys keeps the order.",
    ),
    "most frequent": (
        lambda p, m, y, k: _most_frequent(y)[:k],
        "this is by number of photographs: who has most of them in the cluster comes first, near or far.",
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
)


def cluster_accuracy(cluster: np.ndarray, person: np.ndarray) -> float:
    """Share of photographs in the cluster of their person, under the best one-to-one pairing of clusters and people."""
    counts = contingency_matrix(cluster, person)
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
    refuse(got, worst, "this is the worst pairing: linear_sum_assignment minimises unless told.")
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
)
