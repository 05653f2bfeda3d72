"""Exercises of notebook 04 on the loss: InfoNCE, false negatives. Others: ``chapter_04_queue``, ``chapter_04_step``."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    refuse_mistakes,
    require,
    require_loss,
    require_value,
    require_written,
)
from facelab.exercises.faults.losses import info_nce_broadcast
from facelab.exercises.prediction import Prediction
from facelab.losses import info_nce


def info_nce_loss(q: torch.Tensor, k: torch.Tensor, queue: torch.Tensor, temperature: float) -> torch.Tensor:
    """The loss of queries (N, D) that are to find their keys (N, D) and not those of the queue (K, D), any norm."""
    q, k, queue = (torch.nn.functional.normalize(rows) for rows in (q, k, queue))
    positive = (q * k).sum(dim=1, keepdim=True)
    logits = torch.cat([positive, q @ queue.T], dim=1) / temperature
    return torch.nn.functional.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


def _check_info_nce(answer) -> None:
    rng = np.random.default_rng(0)
    q, k, queue = (torch.from_numpy(rng.normal(size=(rows, 4))).float() for rows in (6, 6, 16))
    k[:3] = q[:3]  # half of the queries have found their key, so that their losses differ
    require_loss(answer(q.clone().requires_grad_(), k.clone(), queue.clone(), 0.2))

    def value(q, k, queue, temperature=0.2):
        return float(answer(q.clone(), k.clone(), queue.clone(), temperature))

    require(
        math.isclose(value(q, k, queue), value(3 * q, 2 * k, queue / 2), rel_tol=1e-3),
        "longer vectors give another loss. Normalise queries, keys and queue: only the direction is compared.",
    )
    one = value(q[3:4], k[3:4], queue)
    refuse(
        one,
        info_nce(q[3:4], k[3:4], torch.cat([queue, k[3:4]]), 0.2),
        "one query: its key is among the negatives as well. Compare with the queue as it was before this batch.",
        tolerance=1e-4,
    )
    require_value(one, float(info_nce(q[3:4], k[3:4], queue, 0.2)), "the loss of one query", tolerance=1e-3)
    axes = torch.eye(4)
    require(
        value(axes[:2], axes[:2], axes[2:], 0.05) < 0.1,
        "every query equals its key, and all negatives are at right angles: the loss must be nearly 0. "
        "The right answer is class 0 of every row, the place of the positive.",
    )
    alone = np.mean([value(q[[row]], k[[row]], queue) for row in range(6)])
    require(
        math.isclose(value(q, k, queue), alone, rel_tol=1e-4),
        f"the loss of 6 queries is {value(q, k, queue):.4f}, the mean of the same queries taken one at a time {alone:.4f}. "
        "Did you join (N,) and (N, 1)? That makes (N, N), each query with every positive. Or are other keys of the batch "
        "among the negatives?",
    )
    require(math.isfinite(value(q, k, queue, 0.01)), "at a temperature of 0.01, exp(100) overflows. Use cross_entropy.")
    require_value(value(q, k, queue, 0.5), float(info_nce(q, k, queue, 0.5)), "the loss at 0.5", tolerance=1e-4)


def _raw_exp(q, k, queue, t):
    q, k, queue = normalize(q), normalize(k), normalize(queue)
    positive = torch.exp((q * k).sum(dim=1) / t)
    return -torch.log(positive / (positive + torch.exp(q @ queue.T / t).sum(dim=1))).mean()


def _without_norms(q, k, queue, t):
    logits = torch.cat([(q * k).sum(dim=1, keepdim=True), q @ queue.T], dim=1) / t
    return cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


def _label_of_the_row(q, k, queue, t):
    q, k, queue = normalize(q), normalize(k), normalize(queue)
    logits = torch.cat([(q * k).sum(dim=1, keepdim=True), q @ queue.T], dim=1) / t
    return cross_entropy(logits, torch.arange(len(q)))


def _whole_batch(q, k, queue, t):
    logits = normalize(q) @ normalize(torch.cat([k, queue])).T / t
    return cross_entropy(logits, torch.arange(len(q)))


INFO_NCE_LOSS = Exercise(
    "4.1 InfoNCE with a queue",
    info_nce_loss,
    _check_info_nce,
    mistakes={
        "(N,) beside (N, 1)": (info_nce_broadcast, "each query with every positive"),
        "other keys of the batch": (_whole_batch, "among the negatives?"),
        "its key in the queue": (lambda q, k, queue, t: info_nce(q, k, torch.cat([k, queue]), t), "before this batch"),
        "norms forgotten": (_without_norms, "only the direction"),
        "label of the row": (_label_of_the_row, "class 0 of every row"),
        "raw exp": (_raw_exp, "overflows"),
        "the temperature forgotten": (lambda q, k, queue, t: info_nce(q, k, queue, 1.0), "the loss of one query: got"),
        "one loss for each query": (
            lambda q, k, queue, t: info_nce_loss(q, k, queue, t).expand(len(q)),
            "the loss is one number",
        ),
        "no tensor": (lambda q, k, queue, t: info_nce_loss(q, k, queue, t).item(), "must be a tensor"),
        "without gradient": (lambda q, k, queue, t: info_nce_loss(q.detach(), k, queue, t), "no gradient"),
    },
    minutes=15,
    difficulty=3,
    importance=5,
    hints=(
        "It is a classification with 1 + K classes. One column of logits holds the positives, K columns the negatives of the "
        "queue; the other keys of the batch appear nowhere.",
        "Normalise all three. The positives are the row sums of `q * k`, kept as a column `(N, 1)` by `keepdim=True`. Put them "
        "beside `q @ queue.T` with `torch.cat`, divide by the temperature, and take `cross_entropy` with class 0 for each row.",
    ),
)


def false_negatives(person: np.ndarray, queue_person: np.ndarray) -> np.ndarray:
    """(N,): how many of K keys in the queue show the person of each of N queries. -1: unknown; -2: no key yet.

    With the rows of photographs in place of people it counts older keys of the very photograph.
    """
    return ((person[:, None] == queue_person) & (person[:, None] >= 0)).sum(axis=1)


def _check_false_negatives(answer) -> None:
    person = np.array([4, -1, 7, 0, 4])
    queue_person = np.array([4, -1, 4, 0, -1, 7, 4, -2, -2, -2, 1])
    got = answer(person.copy(), queue_person.copy())
    require_written(got)
    refuse_mistakes(got, _COUNT_MISTAKES, person, queue_person)
    require_value(
        got, false_negatives(person, queue_person), "false negatives of 5 queries among 8 keys and 3 empty slots"
    )
    require_value(answer(person, np.full(6, -2)), np.zeros(5), "a queue without any key")


_COUNT_MISTAKES = {
    "unknown people": (
        lambda y, queue: (y[:, None] == queue).sum(axis=1),
        "-1 means that nobody knows who it is: two unknown people are not one person.",
    ),
    "with the positive": (
        lambda y, queue: false_negatives(y, queue) + (y >= 0),
        "one too many for each: the query's own key is the positive. It enters the queue after the loss.",
    ),
    "true negatives": (
        lambda y, queue: (y[:, None] != queue).sum(axis=1),
        "you count those who differ. They are the true negatives, and the empty slots.",
    ),
    "shares of the queue": (
        lambda y, queue: false_negatives(y, queue) / len(queue),
        "these are shares of all slots. Return counts: empty slots would make the share look small.",
    ),
    "one number": (
        lambda y, queue: false_negatives(y, queue).sum(),
        "this is the sum over all queries. Return one count for each: a person with many photographs has many.",
    ),
}
FALSE_NEGATIVES = Exercise(
    "4.4 false negatives in the queue",
    false_negatives,
    _check_false_negatives,
    mistakes=_COUNT_MISTAKES
    | {
        "whether there is one": (lambda y, queue: np.isin(y, queue) & (y >= 0), "among 8 keys"),
        "pairs": (lambda y, queue: (y[:, None] == queue) & (y[:, None] >= 0), "the shape is (5, 11)"),
        "person of the row": (lambda y, queue: (y == queue[: len(y)]).astype(int), "among 8 keys"),
    },
    minutes=6,
    difficulty=2,
    importance=3,
    hints=(
        "Compare every query with every key: a table with N rows and K columns. Which of the equal numbers are no people?",
        "`person[:, None] == queue_person` is the table. An unknown query, -1, has no false negatives that can be "
        "counted. Sum along each row.",
    ),
)


GUESS_VIEWS_OF_A_PICTURE = Prediction(
    "4.6 guess: MoCo, two views of one picture",
    "guess_views_of_a_picture",
    metric="eer/MoCo, views of a picture",
    highest=0.5,
    minutes=4,
    hints=(
        "What must a network know to tell two views of one picture from the views of other pictures? List what is special "
        "about a picture of `orl-wild`: the person is only one entry.",
        "Two pictures of one person differ in light, turn and occlusion. The network has no reason to ignore any of them, "
        "since both of its views have the same light, the same turn and the same scarf.",
    ),
)
