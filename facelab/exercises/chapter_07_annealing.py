"""Exercise of notebook 07: the loss of A-Softmax at one step of a training, with its margin let in step by step."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from facelab.exercises.exercise import Exercise, refuse, require, require_loss, require_value


def annealed_a_softmax(
    x: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, step: int, steps: int, m: int = 4
) -> torch.Tensor:
    """Loss of embeddings x (N, D), class weights (C, D) and labels (N,) at one of the steps of a training: a scalar."""
    annealing = max(5.0, 1000 / (1 + 199 / (2 / 3 * steps) * step))
    length = x.norm(dim=1, keepdim=True)
    cos = (x / length) @ (weight / weight.norm(dim=1, keepdim=True)).T
    theta = torch.acos(cos.clamp(-1 + 1e-7, 1 - 1e-7))
    k = torch.floor(m * theta / torch.pi)
    psi = (-1) ** k * torch.cos(m * theta) - 2 * k
    own = torch.nn.functional.one_hot(labels, len(weight)).bool()
    changed = torch.where(own, (annealing * cos + psi) / (1 + annealing), cos)
    return torch.nn.functional.cross_entropy(length * changed, labels)


def _inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Four embeddings, three classes, float64; no angle is near a step of k."""
    rng = np.random.default_rng(3)
    x, weight = rng.normal(size=(4, 5)) * [[0.5], [1], [2], [4]], rng.normal(size=(3, 5)) * [[0.3], [1], [3]]
    return torch.from_numpy(x), torch.from_numpy(weight), torch.tensor([0, 2, 1, 0])


def _by_loops(x: np.ndarray, weight: np.ndarray, labels: np.ndarray, step: float, steps: float, m: int = 4) -> float:
    """The same from the formulas, one embedding after the other, in NumPy."""
    annealing = max(5.0, 1000 / (1 + 199 * step / (steps * 2 / 3)))
    losses = []
    for row, label in zip(x, labels, strict=True):
        length = math.sqrt(sum(row**2))
        logits = []
        for j, direction in enumerate(weight):
            cos = float(row @ direction) / length / math.sqrt(sum(direction**2))
            if j == label:
                theta = math.acos(cos)
                k = math.floor(m * theta / math.pi)
                cos = (annealing * cos + (-1) ** k * math.cos(m * theta) - 2 * k) / (1 + annealing)
            logits.append(length * cos)
        losses.append(math.log(sum(math.exp(logit) for logit in logits)) - logits[label])
    return sum(losses) / len(losses)


def _slopes(x: np.ndarray, weight: np.ndarray, labels: np.ndarray, step: int, steps: int) -> np.ndarray:
    """Of ``_by_loops`` by each number of x, by central differences: the shape of x."""
    found = np.empty_like(x)
    for place in np.ndindex(x.shape):
        change = np.zeros_like(x)
        change[place] = 1e-5
        up, down = (_by_loops(moved, weight, labels, step, steps) for moved in (x + change, x - change))
        found[place] = (up - down) / 2e-5
    return found


def _check_annealed(answer) -> None:
    x, weight, labels = _inputs()
    leaf, leaf_weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    got = answer(leaf, leaf_weight, labels.clone(), 100, 300)
    require_loss(got)
    arrays = (x.numpy(), weight.numpy(), labels.numpy())
    times = (0, 100, 260)  # of 300: at the start, on the way, after the end of the annealing
    found = [answer(x.clone(), weight.clone(), labels.clone(), step, 300).item() for step in times]
    for mistake, message in _ANNEALED_MISTAKES.values():
        refuse(found, [mistake(x, weight, labels, step, 300) for step in times], message)
    expected = [_by_loops(*arrays, step, 300) for step in times]
    require_value(found, expected, "the losses at steps 0, 100 and 260 of 300, m = 4", tolerance=2e-3)
    found = answer(x.clone(), weight.clone(), labels.clone(), 50, 60, 2).item()
    require_value(found, _by_loops(*arrays, 50, 60, 2), "the loss at step 50 of 60, m = 2", tolerance=2e-3)
    got.backward()
    for name, value in {"x": leaf, "the class weights": leaf_weight}.items():
        require(
            value.grad is not None, f"no gradient goes to {name}. Both are trained: stay in torch, without detach()."
        )
    require(
        not np.allclose((leaf.grad * x).sum(dim=1), 0, atol=1e-9),
        "the values are right, but no gradient goes through the length of x, the scale of A-Softmax. Do not detach it.",
    )
    require_value(leaf.grad, _slopes(*arrays, 100, 300), "the gradient by x at step 100 of 300", tolerance=2e-3)
    own = torch.arange(3).repeat(20)  # by rounding, some of their cosines are 1 and some are above
    on_class = (torch.linspace(0.3, 3, 60)[:, None] * weight[own].float()).requires_grad_()
    answer(on_class, weight.float(), own, 100, 300).backward()
    require(
        bool(on_class.grad.isfinite().all()),
        "the gradient of an embedding on its class direction is not finite: clamp the cosine between -1 and 1 before acos.",
    )


def _variant(
    annealing_of=lambda step, steps: max(5.0, 1000 / (1 + 199 / (2 / 3 * steps) * step)),
    mix=lambda cos, psi, annealing: (annealing * cos + psi) / (1 + annealing),
    all_classes=False,
    lengths=lambda x: x.norm(dim=1, keepdim=True),
    directions=normalize,
    reduction="mean",
    edge=1e-7,
):
    """The loss with one of its parts exchanged: what the mistakes are made of."""

    def answer(x, weight, labels, step, steps, m=4):
        cos = normalize(x) @ directions(weight).T
        theta = torch.acos((normalize(x) @ normalize(weight).T).clamp(edge - 1, 1 - edge))
        k = torch.floor(m * theta / math.pi)
        changed = mix(cos, (-1) ** k * torch.cos(m * theta) - 2 * k, annealing_of(step, steps))
        own = torch.arange(len(weight)) == labels[:, None]
        changed = changed if all_classes else torch.where(own, changed, cos)
        return cross_entropy(lengths(x) * changed, labels, reduction=reduction)

    return answer


_ANNEALED_MISTAKES = {
    "authors' pace": (
        _variant(lambda step, steps: max(5.0, 1000 / (1 + 0.12 * step))),
        "lambda falls at the authors' pace, made for 28,000 steps: this run would end as softmax. It must reach 5 after two "
        "thirds of the steps of this run.",
    ),
    "at the end": (
        _variant(lambda step, steps: max(5.0, 1000 / (1 + 199 / steps * step))),
        "lambda reaches 5 at the last step. It must do so after two thirds of the steps.",
    ),
    "no floor": (
        _variant(lambda step, steps: 1000 / (1 + 199 / (2 / 3 * steps) * step)),
        "lambda falls below 5 after two thirds of the steps. It stays at 5 from there on.",
    ),
    "a straight line": (
        _variant(lambda step, steps: max(5.0, 1000 - 995 * step / (2 / 3 * steps))),
        "lambda falls in a straight line. It is 1000 / (1 + gamma t), and 5 after two thirds of the steps gives gamma.",
    ),
    "no annealing": (
        _variant(lambda step, steps: 0.0),
        "the margin is there in full from the first step on: lambda is missing.",
    ),
    "mixed the wrong way round": (
        _variant(mix=lambda cos, psi, annealing: (cos + annealing * psi) / (1 + annealing)),
        "you multiply psi by lambda. Multiply the plain cosine by it, so that a training starts as softmax.",
    ),
    "not divided": (
        _variant(mix=lambda cos, psi, annealing: annealing * cos + psi),
        "the sum of lambda cos and psi is not divided by 1 + lambda: the target's score is up to 1000 times too large.",
    ),
    "every class": (
        _variant(all_classes=True),
        "you change the cosines to all classes. The margin belongs to the right class alone.",
    ),
    "length dropped": (
        _variant(lengths=lambda x: 1.0),
        "the length of x is missing. A-Softmax normalises the class weights alone; the scale is the length of the embedding.",
    ),
    "weights as they are": (
        _variant(directions=lambda weight: weight),
        "you let the length of the class weights count. Divide each weight by its length: only its direction is used.",
    ),
    "a sum": (_variant(reduction="sum"), "this is the sum over the batch. Take the mean."),
}
ANNEALED_A_SOFTMAX = Exercise(
    "7.5 A-Softmax with its annealing",
    annealed_a_softmax,
    _check_annealed,
    mistakes=_ANNEALED_MISTAKES
    | {
        "length without gradient": (
            _variant(lengths=lambda x: x.norm(dim=1, keepdim=True).detach()),
            "no gradient goes through the length of x",
        ),
        "fixed weights": (lambda x, w, *others: annealed_a_softmax(x, w.detach(), *others), "to the class weights"),
        "no clamp": (_variant(edge=-1.0), "on its class direction is not finite"),
        "m fixed": (lambda x, w, y, step, steps, m=4: annealed_a_softmax(x, w, y, step, steps), "m = 2: got"),
        "one for each embedding": (_variant(reduction="none"), "is one number"),
        "a float": (lambda *inputs: annealed_a_softmax(*inputs).item(), "must be a tensor"),
    },
    minutes=30,
    difficulty=4,
    importance=3,
    hints=(
        "Write three parts and test each alone: lambda at this step, all cosines (N, C), and the one cosine in each row that "
        "is changed. For lambda, solve $1000 / (1 + \\gamma T) = 5$ with $T$ two thirds of `steps`.",
        "The solution gives $\\gamma = 199 / T$, and `max` keeps lambda at 5. Compute psi of all cosines as in 7.2, choose the "
        "changed one with `torch.where` and a mask (N, C) of the right classes, multiply each row by the length of its x, and "
        "hand it to `torch.nn.functional.cross_entropy`.",
    ),
)
