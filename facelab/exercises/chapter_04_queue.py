"""Exercises of notebook 04 on what MoCo remembers: the ring of keys, the key encoder's moving average."""

from __future__ import annotations

import copy

import torch
from torch import nn

from facelab.exercises.exercise import Exercise, ExerciseError, refuse, require, require_value, require_written


def enqueue(queue: torch.Tensor, pointer: int, keys: torch.Tensor) -> int:
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
    minutes=12,
    difficulty=3,
    importance=4,
    hints=(
        "Compute the place of each key first. After the last place of the ring comes place 0: a remainder does that.",
        "`(pointer + torch.arange(B)) % K` are the places, and `queue[places] = keys` writes in place. If B is larger than K, "
        "places occur twice: write the last K keys only, at the last K places.",
    ),
)


@torch.no_grad()
def ema_update(key: torch.nn.Module, query: torch.nn.Module, m: float) -> None:
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
        "the key encoder has new Parameter objects, which the rest of the program does not use. Change the old ones in place.",
    )
    require(
        key.weight.grad_fn is None,
        "the key encoder is now part of the graph of this step, and of every later one, until memory is full. "
        "Move it under torch.no_grad().",
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
    minutes=8,
    difficulty=2,
    importance=5,
    hints=(
        "Go through the parameters of both encoders in pairs: `zip(key.parameters(), query.parameters())`. Change each "
        "in place, unseen by autograd.",
        "Under `torch.no_grad()`, multiply each key parameter by m in place (`mul_`) and add (1 - m) times the query's "
        "(`add_`). `k.lerp_(q, 1 - m)` does both.",
    ),
)
