"""Exercises of notebook 04: InfoNCE with a queue, the ring that holds it, the key encoder's average, false negatives."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from facelab.exercises.exercise import (
    Exercise,
    ExerciseError,
    refuse,
    refuse_mistakes,
    require,
    require_loss,
    require_value,
    require_written,
)
from facelab.exercises.faults.losses import info_nce_broadcast
from facelab.losses import info_nce


def info_nce_loss(q: Tensor, k: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """The loss of queries (N, D) that are to find their keys (N, D) and not those of the queue (K, D), any norm."""
    q, k, queue = normalize(q), normalize(k), normalize(queue)
    positive = (q * k).sum(dim=1, keepdim=True)
    logits = torch.cat([positive, q @ queue.T], dim=1) / temperature
    return cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


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
        "every query is its key, and all negatives are at right angles: the loss must be nearly 0. "
        "The right answer is class 0 of every row, the place of the positive.",
    )
    alone = np.mean([value(q[[row]], k[[row]], queue) for row in range(6)])
    require(
        math.isclose(value(q, k, queue), alone, rel_tol=1e-4),
        f"the loss of 6 queries is {value(q, k, queue):.4f}, the mean of the same queries taken one at a time {alone:.4f}. "
        "Do (N,) and (N, 1) meet? They make (N, N), each query with every positive. Or are other keys of the batch "
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
)


def enqueue(queue: Tensor, pointer: int, keys: Tensor) -> int:
    """Write keys (B, D) into the ring (K, D), in place, from the pointer on; return where the next key goes."""
    size = len(queue)
    places = (pointer + torch.arange(len(keys))) % size
    queue[places[-size:]] = keys[-size:]
    return (pointer + len(keys)) % size


def _check_enqueue(answer) -> None:
    queue, keys = torch.zeros(5, 1), torch.arange(1.0, 4.0)[:, None]
    pointer = answer(queue, 0, keys)
    require_written(pointer)
    require(pointer is not None, "your function returns None. Return the pointer, the place of the next key.")
    require(
        bool(queue.any()), "nothing has changed in the queue: write into it, queue[...] = ..., do not make another one."
    )
    require_value(queue[:, 0], [1, 2, 3, 0, 0], "3 keys into an empty ring of 5")
    require_value(pointer, 3, "3 keys into a ring of 5: the pointer")
    pointer = answer(queue, 3, keys + 3)
    found = queue[:, 0].tolist()
    require(
        found != [1, 2, 3, 4, 5], "3 more keys into the ring of 5: the last of them is lost at the end. Go on at 0."
    )
    require(
        found[:3] != [4, 5, 6],
        "3 more keys into the ring of 5: they were written from 0, so keys 2 and 3 are gone and older slots stay.",
    )
    require_value(found, [6, 2, 3, 4, 5], "3 more keys into the ring of 5")
    require(pointer != 6, "the pointer is 6 in a ring of 5: take the remainder.")
    require_value(pointer, 1, "3 more keys into a ring of 5: the pointer")
    try:
        pointer = answer(queue, 1, torch.arange(10.0, 22.0)[:, None])
    except (RuntimeError, IndexError) as error:
        raise ExerciseError(
            f"12 keys into a ring of 5: {type(error).__name__}. A batch may be larger than the queue: the last 5 keys stay."
        ) from error
    require_value(queue[:, 0], [19, 20, 21, 17, 18], "12 keys into a ring of 5, of which the last 5 remain")
    require_value(pointer, 3, "12 keys into a ring of 5: the pointer")


def _truncated(queue, pointer, keys):
    fits = min(len(keys), len(queue) - pointer)
    queue[pointer : pointer + fits] = keys[:fits]
    return (pointer + len(keys)) % len(queue)


def _from_the_start(queue, pointer, keys):
    pointer = 0 if pointer + len(keys) > len(queue) else pointer
    queue[pointer : pointer + len(keys)] = keys
    return (pointer + len(keys)) % len(queue)


def _not_wrapped(queue, pointer, keys):
    return enqueue(queue, pointer, keys) if pointer + len(keys) < len(queue) else _past_the_end(queue, pointer, keys)


def _past_the_end(queue, pointer, keys):
    enqueue(queue, pointer, keys)
    return pointer + len(keys)


def _another_queue(queue, pointer, keys):
    queue = torch.cat([keys, queue])[: len(queue)]
    return (pointer + len(keys)) % len(queue)


def _in_two_pieces(queue, pointer, keys):
    fits = len(queue) - pointer
    queue[pointer : pointer + len(keys)] = keys[:fits]
    if len(keys) > fits:
        queue[: len(keys) - fits] = keys[fits:]
    return (pointer + len(keys)) % len(queue)


ENQUEUE = Exercise(
    "4.2 the ring",
    enqueue,
    _check_enqueue,
    mistakes={
        "cut off at the end": (_truncated, "lost at the end"),
        "from 0 where it does not fit": (_from_the_start, "written from 0"),
        "pointer past the end": (_not_wrapped, "take the remainder"),
        "another queue": (_another_queue, "do not make another one"),
        "two pieces": (_in_two_pieces, "larger than the queue"),
        "the first keys of too many": (
            lambda queue, p, keys: enqueue(queue, p, keys[: len(queue)]),
            "of which the last 5 remain",
        ),
        "no pointer": (lambda queue, p, keys: enqueue(queue, p, keys) and None, "returns None"),
    },
)


@torch.no_grad()
def ema_update(key: nn.Module, query: nn.Module, m: float) -> None:
    """Move each parameter of the key encoder, in place: key = m key + (1 - m) query."""
    for k, q in zip(key.parameters(), query.parameters(), strict=True):
        k.mul_(m).add_((1 - m) * q)


def _check_ema(answer) -> None:
    query = nn.Linear(2, 1)
    nn.init.constant_(query.weight, 3.0)
    nn.init.constant_(query.bias, 5.0)
    key = copy.deepcopy(query).requires_grad_(False)
    nn.init.ones_(key.weight)
    nn.init.ones_(key.bias)
    before = list(key.parameters())
    require_written(answer(key, query, 0.9))
    weight = float(key.weight[0, 0].detach())
    require(
        query.weight.eq(3).all().item() and query.bias.eq(5).all().item(),
        "the query encoder has changed. Only the key encoder moves; the query encoder learns by gradient.",
    )
    require(
        weight != 1,
        "nothing has changed. key = m * key + ... gives the name to a new tensor, and the encoder keeps the old one: "
        "change it in place, with mul_ and add_ or with copy_.",
    )
    require(
        weight != 3, "the key encoder is a copy of the query encoder: it should move a tenth of the way, not all of it."
    )
    refuse(weight, 2.8, "m = 0.9 is the share of the key encoder that stays. You keep 0.1 of it: the two are swapped.")
    require_value(weight, 1.2, "0.9 of a key weight of 1 and 0.1 of a query weight of 3", tolerance=1e-5)
    require_value(float(key.bias.detach()), 1.4, "the bias, 0.9 of 1 and 0.1 of 5", tolerance=1e-5)
    require(
        all(now is old for now, old in zip(key.parameters(), before, strict=True)),
        "the key encoder has new Parameter objects, which nothing else knows of. Change the old ones in place.",
    )
    require(
        key.weight.grad_fn is None,
        "the key encoder now hangs on the graph of this step, and of every later one, until memory is full. "
        "Do it under torch.no_grad().",
    )


def _rebound(key, query, m):
    for k, q in zip(key.parameters(), query.parameters(), strict=True):
        k = m * k + (1 - m) * q


def _new_parameters(key, query, m):
    for name, q in query.named_parameters():
        setattr(key, name, nn.Parameter(m * getattr(key, name) + (1 - m) * q))


def _first_only(key, query, m):
    ema_update(nn.ParameterList([key.weight]), nn.ParameterList([query.weight]), m)


def _with_gradient(key, query, m):
    for k, q in zip(key.parameters(), query.parameters(), strict=True):
        k.mul_(m).add_((1 - m) * q)


EMA_UPDATE = Exercise(
    "4.3 the key encoder's moving average",
    ema_update,
    _check_ema,
    mistakes={
        "swapped": (lambda key, query, m: ema_update(key, query, 1 - m), "swapped"),
        "a copy": (lambda key, query, m: ema_update(key, query, 0.0), "a copy of the query encoder"),
        "rebound": (_rebound, "nothing has changed"),
        "the query moves": (lambda key, query, m: ema_update(query, key, m), "query encoder has changed"),
        "new parameters": (_new_parameters, "new Parameter objects"),
        "the weight without the bias": (_first_only, "the bias"),
        "with gradient": (_with_gradient, "until memory is full"),
    },
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
)
