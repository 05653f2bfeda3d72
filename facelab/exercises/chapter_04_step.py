"""The hard exercise of notebook 04: one whole training step of MoCo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from facelab.exercises.exercise import Exercise, refuse, require, require_returned, require_value
from facelab.losses import info_nce


def moco_step(
    query: torch.nn.Module,
    key: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    queue: torch.Tensor,
    pointer: int,
    views: tuple[torch.Tensor, torch.Tensor],
    order: torch.Tensor,
    m: float,
    temperature: float,
) -> tuple[float, int]:
    """One step of MoCo: the loss before it, and the place of the next key."""
    q = torch.cat([query(half) for half in views[0].chunk(2)])
    with torch.no_grad():
        keys = torch.cat([key(half) for half in views[1][order].chunk(2)])
        keys = torch.nn.functional.normalize(keys[order.argsort()])
    loss = info_nce(q, keys, queue, temperature)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for slow, fast in zip(key.parameters(), query.parameters(), strict=True):
            slow.lerp_(fast, 1 - m)
        queue[(pointer + torch.arange(len(keys))) % len(queue)] = keys
    return loss.item(), (pointer + len(keys)) % len(queue)


_M, _TEMPERATURE, _POINTER, _KEYS = 0.9, 0.5, 7, 10
_ORDER = torch.tensor([3, 0, 4, 1, 5, 2])


@dataclass
class _State:
    """What a step starts from, and what it leaves behind."""

    query: nn.Module
    key: nn.Module
    queue: Tensor
    views: tuple[Tensor, Tensor]

    def step(self, answer: Callable) -> object:
        """What an answer returns; the state is then what the answer made of it."""
        optimizer = torch.optim.SGD(self.query.parameters(), lr=0.5)
        return answer(
            self.query, self.key, optimizer, self.queue, _POINTER, self.views, _ORDER.clone(), _M, _TEMPERATURE
        )


def _start() -> _State:
    """Two encoders that differ, with batch norm; a gradient of an earlier step still lies in the query encoder."""
    rng = np.random.default_rng(0)

    def encoder() -> nn.Module:
        layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 4)).double()
        for parameter in layers.parameters():
            parameter.data = torch.from_numpy(rng.normal(size=parameter.shape))
        return layers

    query, key = encoder(), encoder()
    for parameter in query.parameters():
        parameter.grad = torch.from_numpy(rng.normal(size=parameter.shape))
    first = torch.from_numpy(rng.normal(size=(6, 3)))
    views = (first, first + torch.from_numpy(rng.normal(0, 0.3, (6, 3))))
    return _State(query, key, normalize(torch.from_numpy(rng.normal(size=(_KEYS, 4)))), views)


def _weights(encoder: nn.Module) -> np.ndarray:
    return torch.cat([parameter.detach().flatten() for parameter in encoder.parameters()]).numpy()


def _check_moco_step(answer: Callable) -> None:
    before, state, right = _start(), _start(), _start()
    graphs: list[bool] = []
    handle = state.key.register_forward_hook(lambda encoder, inputs, output: graphs.append(output.requires_grad))
    try:
        got = state.step(answer)
    finally:
        handle.remove()
    require_returned(got)
    require(
        isinstance(got, tuple) and len(got) == 2,
        "return two things: the loss, a number, and the pointer, the place of the next key.",
    )
    loss, pointer = got
    require(
        not isinstance(loss, Tensor) or not loss.requires_grad,
        "return the loss as a number, loss.item(): a tensor with its graph keeps the memory of the step.",
    )
    require(
        not any(graphs) and not state.queue.requires_grad,
        "the keys were computed with a graph. No gradient goes through them: compute them under torch.no_grad().",
    )
    right_loss, right_pointer = right.step(moco_step)
    _refuse_other_losses(loss)
    require_value(loss, right_loss, "the loss")
    _check_encoders(before, state, right)
    _check_queue(before, state, right)
    require_value(pointer, right_pointer, f"{len(_ORDER)} keys into a ring of {_KEYS}, from {_POINTER} on: the pointer")


def _refuse_other_losses(loss: object) -> None:
    for mistake, message in _LOSS_MISTAKES.values():
        refuse(loss, _start().step(mistake)[0], message)


def _check_encoders(before: _State, state: _State, right: _State) -> None:
    was, slow = _weights(before.query), _weights(before.key)
    fast, moved = _weights(state.query), _weights(state.key)
    require(not np.array_equal(fast, was), "the query encoder has not learned: loss.backward(), then optimizer.step().")
    refuse(
        fast,
        _weights(right.query) - 0.5 * torch.cat([p.grad.flatten() for p in before.query.parameters()]).numpy(),
        "the gradient of an earlier step was still there, and was added to yours: optimizer.zero_grad() before backward().",
    )
    require_value(fast, _weights(right.query), "the weights of the query encoder after the step")
    require(
        not np.array_equal(moved, slow),
        "the key encoder has not moved. After each step it follows: key = m key + (1 - m) query, in place.",
    )
    refuse(
        moved,
        _M * slow + (1 - _M) * was,
        "the key encoder moved towards the query encoder as it was before this step. It follows after optimizer.step().",
    )
    refuse(moved, (1 - _M) * slow + _M * fast, "m is the share of the key encoder that stays: the two are swapped.")
    require_value(moved, _weights(right.key), "the weights of the key encoder after the step")


def _check_queue(before: _State, state: _State, right: _State) -> None:
    queue = state.queue.detach()
    require(
        not torch.equal(queue, before.queue),
        "no key has entered the queue. Write into it in place, queue[...] = keys, after the loss.",
    )
    with torch.no_grad():
        queries = normalize(torch.cat([before.query(half) for half in before.views[0].chunk(2)]))
    places = (_POINTER + torch.arange(len(_ORDER))) % _KEYS
    refuse(queue[places], queries, "the queries entered the queue. It holds keys, which the slow encoder made.")
    require(
        torch.allclose(queue.norm(dim=1), torch.ones(_KEYS, dtype=queue.dtype)),
        "keys entered the queue with another norm than 1. Normalise them first.",
    )
    refuse(
        queue[places],
        right.queue[places][_ORDER],
        "the keys lie in the queue in the shuffled order. For the loss you put them back: enqueue those.",
    )
    require_value(queue, right.queue, f"the queue after {len(_ORDER)} keys from place {_POINTER} on")


def _step_with(
    *,
    halves: int = 2,
    shuffled: bool = True,
    put_back: bool = True,
    enqueued: str = "keys",
    first: tuple[str, ...] = (),
    cleared: bool = True,
    graph: bool = False,
    m: Callable[[float], float] = lambda m: m,
) -> Callable:
    """A step with a fault: ``first`` names what happens before the loss (``enqueue``, ``follow``) or the step (``early``)."""

    def step(query, key, optimizer, queue, pointer, views, order, momentum, temperature):
        order = order if shuffled else torch.arange(len(order))

        @torch.no_grad()
        def follow():
            for slow, fast in zip(key.parameters(), query.parameters(), strict=True):
                slow.lerp_(fast, 1 - m(momentum))

        @torch.no_grad()
        def enqueue():
            places = (pointer + torch.arange(len(k))) % len(queue)
            queue[places] = {"keys": normalize(k), "raw": k, "queries": normalize(q), "shuffled": normalize(k)[order]}[
                enqueued
            ]

        if "follow" in first:
            follow()
        q = torch.cat([query(part) for part in views[0].chunk(halves)])
        with torch.set_grad_enabled(graph):
            k = torch.cat([key(part) for part in views[1][order].chunk(halves)])
        k = k[order.argsort()] if put_back else k
        if "enqueue" in first:
            enqueue()
        loss = info_nce(q, k, queue, temperature)
        if cleared:
            optimizer.zero_grad()
        loss.backward()
        if "early" in first:
            follow()
        optimizer.step()
        if not {"early", "follow"} & set(first):
            follow()
        if "enqueue" not in first:
            enqueue()
        return loss.item(), (pointer + len(k)) % len(queue)

    return step


_LOSS_MISTAKES = {
    "enqueued first": (
        _step_with(first=("enqueue",)),
        "the keys of this batch were in the queue before the loss: each query's own key is then a negative as well. Enqueue "
        "at the end.",
    ),
    "order not put back": (
        _step_with(put_back=False),
        "the keys are still in the shuffled order, so that row n of them belongs to another query. Put them back: "
        "keys[order.argsort()].",
    ),
    "not shuffled": (
        _step_with(shuffled=False),
        "the keys went through in the order of the queries. A query and its key then share the batch statistics of one half, "
        "by which they can be told. Let the key encoder have views[1][order].",
    ),
    "the whole batch": (
        _step_with(halves=1),
        "each encoder took the whole batch at once: queries and keys have the same statistics. Take two halves: chunk(2).",
    ),
    "follows before the keys": (
        _step_with(first=("follow",)),
        "the key encoder moved before it made the keys. Here, as in the paper's Algorithm 1, it follows after the step.",
    ),
}


def _into_another_queue(query, key, optimizer, queue, *rest):
    return moco_step(query, key, optimizer, queue.clone(), *rest)


def _without_step(query, key, optimizer, *rest):
    return moco_step(query, key, torch.optim.SGD(query.parameters(), lr=0.0), *rest)


MOCO_STEP = Exercise(
    "4.5 one training step of MoCo",
    moco_step,
    _check_moco_step,
    mistakes=_LOSS_MISTAKES
    | {
        "keys with a graph": (_step_with(graph=True), "computed with a graph"),
        "gradients not cleared": (_step_with(cleared=False), "optimizer.zero_grad() before"),
        "follows before the step": (_step_with(first=("early",)), "as it was before this step"),
        "m swapped": (_step_with(m=lambda m: 1 - m), "the two are swapped"),
        "never follows": (_step_with(m=lambda m: 1.0), "has not moved"),
        "no step": (_without_step, "has not learned"),
        "the queries enqueued": (_step_with(enqueued="queries"), "the queries entered the queue"),
        "keys of any norm": (_step_with(enqueued="raw"), "another norm than 1"),
        "enqueued in another order": (_step_with(enqueued="shuffled"), "in the shuffled order"),
        "another queue": (_into_another_queue, "no key has entered the queue"),
        "pointer past the end": (lambda *args: (moco_step(*args)[0], args[4] + 6), "the pointer"),
        "the loss alone": (lambda *args: moco_step(*args)[0], "return two things"),
    },
    minutes=30,
    difficulty=5,
    importance=5,
    hints=(
        "Six things happen in this order: queries, keys, loss, step of the optimiser, moving average, queue. Exercises 4.2 and "
        "4.3 are the last two; `info_nce` is the loss. For each line ask: is a graph needed, and has anything moved already?",
        "`q = torch.cat([query(half) for half in views[0].chunk(2)])`. The keys go the same way under `torch.no_grad()`, from "
        "`views[1][order]`, and `[order.argsort()]` puts them back; normalise them once, since the queue holds unit vectors. "
        "Then `zero_grad`, `backward`, `step`; then move the key encoder; then write the keys into the ring.",
    ),
)
