"""The hard exercise of notebook 03: the gradient of one large batch in the memory of a small one (GradCache)."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor, nn

from facelab.exercises.exercise import Exercise, require, require_returned, require_value
from facelab.losses import sup_con


def gradient_cache_step(
    encoder: torch.nn.Module, views: torch.Tensor, labels: torch.Tensor, chunk: int, temperature: float
) -> float:
    """Leave in the encoder the gradient of ``sup_con`` over all views, at most ``chunk`` at a time; return the loss."""
    parts = views.split(chunk)
    states, embeddings = [], []
    with torch.no_grad():  # first pass: nothing is kept but the embeddings
        for part in parts:
            states.append(torch.get_rng_state())
            embeddings.append(encoder(part))
    z = torch.cat(embeddings).requires_grad_()
    loss = sup_con(z, labels, temperature)
    loss.backward()  # no further than z
    for part, state, gradient in zip(parts, states, z.grad.split(chunk), strict=True):
        torch.set_rng_state(state)  # the same dropout as in the first pass
        encoder(part).backward(gradient)
    return loss.item()


_ROWS, _CHUNK, _HIDDEN, _TEMPERATURE = 10, 4, 11, 0.5


class _Encoder(nn.Module):
    """Two layers with dropout between them, in float64; it notes each call.

    Attributes:
        calls: the first row of each call, how many rows it had, and the mask that was drawn for them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, _HIDDEN).double(), nn.Linear(_HIDDEN, 5).double()
        self.calls: list[tuple[int, int, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.rand(len(x), _HIDDEN) < 0.7
        self.calls.append((int(x[0, 0]), len(x), mask))
        return self.through(x, mask)

    def through(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)) * mask)


class _KeptRows:
    """While it is open: how many rows of hidden values autograd kept at the most, to go back through them."""

    def __init__(self) -> None:
        self.most, self._alive = 0, WeakSet()
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda box: box.value)

    def _pack(self, value: Tensor) -> _Box:
        box = _Box(value)
        self._alive.add(box)
        self.most = max(self.most, sum(len(kept.value) for kept in self._alive if kept.value.shape[1:] == (_HIDDEN,)))
        return box

    def __enter__(self) -> _KeptRows:
        self._hooks.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._hooks.__exit__(*raised)


class _Box:
    def __init__(self, value: Tensor) -> None:
        self.value = value


def _data() -> tuple[_Encoder, Tensor, Tensor]:
    rng = np.random.default_rng(0)
    views = torch.from_numpy(rng.normal(size=(_ROWS, 3)))
    views[:, 0] = torch.arange(_ROWS)  # by which a row is known again
    return _Encoder(), views, torch.tensor([0, 1, 2, 0, 1] * 2)


def _check_gradient_cache(answer: Callable) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _check_step(answer)


def _check_step(answer: Callable) -> None:
    encoder, views, labels = _data()
    with _KeptRows() as kept:
        got = answer(encoder, views.clone(), labels.clone(), _CHUNK, _TEMPERATURE)
    require_returned(got)
    require(
        bool(encoder.calls) and max(rows for _, rows, _ in encoder.calls) <= _CHUNK,
        f"{max((rows for _, rows, _ in encoder.calls), default=0)} of {_ROWS} views went through the encoder at once, with "
        f"chunk = {_CHUNK}. It is called with at most so many.",
    )
    require(
        all(parameter.grad is not None for parameter in encoder.parameters()),
        "the encoder's parameters have no gradient. Without a graph the loss cannot reach them: after the loss, every chunk "
        "must go through the encoder once more, now with a graph, and take the gradient of its own embeddings back.",
    )
    masks: dict[int, Tensor] = {}
    again = [(start, mask) for start, _, mask in encoder.calls if not torch.equal(masks.setdefault(start, mask), mask)]
    whole = encoder.through(views, torch.cat([masks[start] for start in sorted(masks)]))
    _refuse_other_losses(encoder, whole, labels)
    with _KeptRows() as alone:
        encoder.through(views[:_CHUNK], masks[0])
    require(
        kept.most < 2 * alone.most,
        f"autograd keeps the hidden values of {kept.most} rows at one moment, and one chunk needs {alone.most}: the graphs of "
        "all chunks wait for the loss, which takes the memory of the whole batch. Run the first pass under torch.no_grad().",
    )
    require(
        not again,
        "the second pass draws another dropout mask than the first. The gradient then belongs to embeddings that the loss has "
        "not seen. Keep torch.get_rng_state() of each chunk, and set it again.",
    )
    expected = sup_con(whole, labels, _TEMPERATURE)
    gradients = torch.autograd.grad(expected, list(encoder.parameters()))
    require(
        not isinstance(got, Tensor) or not got.requires_grad,
        "return the loss as a number, loss.item(): a tensor with its graph keeps the memory.",
    )
    require_value(got, expected.item(), "the loss of all views")
    _refuse_a_multiple(encoder, gradients)
    for (name, parameter), gradient in zip(encoder.named_parameters(), gradients, strict=True):
        require_value(parameter.grad, gradient, f"the gradient of {name}")


def _refuse_other_losses(encoder: _Encoder, whole: Tensor, labels: Tensor) -> None:
    """Refuse the gradient of a loss that saw less than all views."""
    parts = list(zip(whole.split(_CHUNK), labels.split(_CHUNK), strict=True))
    local = sum(sup_con(z, own, _TEMPERATURE) for z, own in parts)
    last_rows = torch.cat([whole[:-2].detach(), whole[-2:]])
    for loss, message in (
        (
            local,
            "this is the gradient of each chunk's own loss: a photograph was compared with those of its chunk only. The loss "
            "must see the embeddings of all chunks at once.",
        ),
        (
            sup_con(last_rows, labels, _TEMPERATURE),
            "only the gradient of the last chunk is there. The chunks' gradients add up in .grad: set nothing to zero between "
            "them.",
        ),
    ):
        ratio = _multiple(encoder, torch.autograd.grad(loss, list(encoder.parameters()), retain_graph=True))
        require(ratio is None, message)


def _refuse_a_multiple(encoder: _Encoder, gradients: tuple[Tensor, ...]) -> None:
    ratio = _multiple(encoder, gradients)
    require(
        ratio is None or np.isclose(ratio, 1),
        f"your gradient is {ratio or 0:.3f} times the right one. The loss is already the mean over all views: each chunk takes "
        "its gradient back as it is, nothing is divided.",
    )


def _multiple(encoder: _Encoder, gradients: tuple[Tensor, ...]) -> float | None:
    """The factor between the encoder's gradients and others; None where they point elsewhere."""
    own, other = (
        torch.cat([g.flatten() for g in found]) for found in ([p.grad for p in encoder.parameters()], gradients)
    )
    ratio = float(own @ other / (other @ other))
    return ratio if ratio != 0 and torch.allclose(own, ratio * other, atol=1e-8) else None


def _whole_batch(encoder, views, labels, chunk, temperature):
    loss = sup_con(encoder(views), labels, temperature)
    loss.backward()
    return loss.item()


def _graphs_kept(encoder, views, labels, chunk, temperature):
    loss = sup_con(torch.cat([encoder(part) for part in views.split(chunk)]), labels, temperature)
    loss.backward()
    return loss.item()


def _losses_of_chunks(encoder, views, labels, chunk, temperature):
    parts = list(zip(views.split(chunk), labels.split(chunk), strict=True))
    losses = [sup_con(encoder(part), own, temperature) / len(parts) for part, own in parts]
    for loss in losses:
        loss.backward()
    return sum(loss.item() for loss in losses)


@torch.no_grad()
def _one_pass(encoder, views, labels, chunk, temperature):
    return sup_con(torch.cat([encoder(part) for part in views.split(chunk)]), labels, temperature).item()


def _two_passes(encoder, views, labels, chunk, temperature, *, same_draws=True, divisor=1, clear=False):
    with torch.no_grad():
        states, embeddings = zip(*[(torch.get_rng_state(), encoder(part)) for part in views.split(chunk)], strict=True)
    z = torch.cat(embeddings).requires_grad_()
    loss = sup_con(z, labels, temperature)
    loss.backward()
    for part, state, gradient in zip(views.split(chunk), states, z.grad.split(chunk), strict=True):
        if same_draws:
            torch.set_rng_state(state)
        if clear:
            encoder.zero_grad()
        encoder(part).backward(gradient / divisor)
    return loss.item()


def _two_passes_with(**flaw: object) -> Callable:
    return lambda *args: _two_passes(*args, **flaw)


def _wrong_gradients(encoder, views, labels, chunk, temperature):
    loss = gradient_cache_step(encoder, views, labels, chunk, temperature)
    encoder.first.bias.grad.zero_()
    return loss


GRADIENT_CACHE_STEP = Exercise(
    "3.5 one large batch in the memory of a small one",
    gradient_cache_step,
    _check_gradient_cache,
    mistakes={
        "the whole batch at once": (_whole_batch, "10 of 10 views went through the encoder at once"),
        "the loss of each chunk": (_losses_of_chunks, "each chunk's own loss"),
        "graphs kept": (_graphs_kept, "the graphs of all chunks wait"),
        "one pass without gradient": (_one_pass, "no gradient"),
        "another dropout": (_two_passes_with(same_draws=False), "another dropout mask"),
        "the mean over chunks": (_two_passes_with(divisor=3), "your gradient is 0.333 times"),
        "cleared between chunks": (_two_passes_with(clear=True), "only the gradient of the last chunk"),
        "one gradient wrong": (_wrong_gradients, "the gradient of first.bias"),
        "a sum": (lambda *args: _ROWS * gradient_cache_step(*args), "the loss of all views"),
        "nothing returned": (lambda *args: gradient_cache_step(*args) and None, "returns None"),
    },
    minutes=30,
    difficulty=5,
    importance=3,
    hints=(
        "The chain rule splits the gradient in two: from the loss to the embeddings, and from the embeddings to the weights. "
        "Only the first part must see all views at once, and embeddings are small.",
        "First pass under `torch.no_grad()`: encode the chunks, join the embeddings, call `requires_grad_()` on them, compute "
        "the loss and its `backward()`. Their `.grad` is the kept gradient. Second pass: encode each chunk again, from the "
        "random state that it had in the first pass, and call `.backward(its part of the kept gradient)` on the embeddings.",
    ),
)
