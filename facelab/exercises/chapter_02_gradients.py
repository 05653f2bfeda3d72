"""Exercise of notebook 02 on training: one step of gradient descent through fully connected layers, without autograd."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from facelab.exercises.exercise import Exercise, refuse, require, require_returned, require_value


def gradient_step(
    weights: list[np.ndarray], biases: list[np.ndarray], x: np.ndarray, labels: np.ndarray, lr: float
) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """One step of gradient descent on the mean cross-entropy of fully connected layers with ReLU between them.

    ``weights[l]`` is (outputs, inputs), ``biases[l]`` (outputs,), ``x`` (N, D), ``labels`` int (N,). Returns the loss before
    the step, and the new weights and biases.
    """
    inputs = [x]  # of each layer
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        inputs.append(np.maximum(inputs[-1] @ weight.T + bias, 0))
    logits = inputs[-1] @ weights[-1].T + biases[-1]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_share = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(x))
    loss = -log_share[rows, labels].mean()
    gradient = np.exp(log_share)  # of the loss by the outputs of a layer, the last one first
    gradient[rows, labels] -= 1
    gradient /= len(x)
    new_weights, new_biases = list(weights), list(biases)
    for layer in reversed(range(len(weights))):
        new_weights[layer] = weights[layer] - lr * gradient.T @ inputs[layer]
        new_biases[layer] = biases[layer] - lr * gradient.sum(axis=0)
        gradient = (gradient @ weights[layer]) * (inputs[layer] > 0)
    return float(loss), new_weights, new_biases


def _by_autograd(weights, biases, x, labels, lr, *, reduction="mean"):
    """The oracle: the same step by torch, double precision."""
    w, b = ([torch.tensor(p, requires_grad=True) for p in group] for group in (weights, biases))
    h = torch.tensor(x)
    for layer, (weight, bias) in enumerate(zip(w, b, strict=True)):
        h = h @ weight.T + bias
        h = h if layer == len(w) - 1 else h.relu()
    loss = cross_entropy(h, torch.tensor(labels), reduction=reduction)
    loss.backward()
    return loss.item(), *([(p - lr * p.grad).detach().numpy() for p in group] for group in (w, b))


def _layers(sizes: tuple[int, ...], seed: int) -> tuple:
    """Weights, biases, x and labels of six rows."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(out, into)) / into**0.5 for into, out in zip(sizes[:-1], sizes[1:], strict=True)]
    biases = [rng.normal(size=out) / 2 for out in sizes[1:]]
    return weights, biases, rng.normal(size=(6, sizes[0])), rng.integers(sizes[-1], size=6)


def _parts(step: object, weights: list, biases: list) -> tuple:
    """Loss, new weights, new biases of an answer, as arrays of the right shapes."""
    require(
        isinstance(step, (tuple, list)) and len(step) == 3,
        "return three things: the loss, a list of the new weights, a list of the new biases.",
    )
    loss, *groups = step
    require(
        np.ndim(loss) == 0, f"the loss is one number, the mean over the rows. Yours has the shape {np.shape(loss)}."
    )
    for name, new, old in zip(("weights", "biases"), groups, (weights, biases), strict=True):
        require(len(new) == len(old), f"{len(old)} layers went in, {len(new)} new {name} came out.")
        for layer, (after, before) in enumerate(zip(new, old, strict=True)):
            require(
                np.shape(after) == before.shape,
                f"{name}[{layer}] had the shape {before.shape}, your new one has {np.shape(after)}.",
            )
    return float(loss), *groups


def _check_step(answer) -> None:
    sizes, lr = (5, 7, 6, 4), 0.5
    weights, biases, x, labels = _layers(sizes, 0)
    given = [part.copy() for part in (*weights, *biases)]
    step = answer(list(weights), list(biases), x.copy(), labels.copy(), lr)
    require_returned(step)
    loss, new_weights, new_biases = _parts(step, weights, biases)
    require(
        all(np.array_equal(now, then) for now, then in zip((*weights, *biases), given, strict=True)),
        "the weights or biases that went in were changed: subtract into new arrays, w - lr * gradient, without -=.",
    )
    true_loss, true_weights, true_biases = _by_autograd(weights, biases, x, labels, lr)
    refuse(
        loss, len(x) * true_loss, "the loss is the sum over the rows. Take the mean: a larger batch would step further."
    )
    refuse(loss, -true_loss, "the loss is negative: it is minus the logarithm of the right class's share.")
    require_value(loss, true_loss, "the loss of six rows, before the step", tolerance=1e-8)
    last = new_weights[-1]
    refuse(last, weights[-1], "the last layer's weights have not changed: the new ones are weights - lr * gradient.")
    refuse(last, 2 * weights[-1] - true_weights[-1], "the step goes uphill: subtract the gradient.")
    summed = _by_autograd(weights, biases, x, labels, lr, reduction="sum")[1][-1]
    refuse(last, summed, "the loss is a mean, your gradient is that of the sum: divide it by the number of rows.")
    refuse(
        last,
        _gradient_step_with(weights, biases, x, labels, lr, targets=False)[1][-1],
        "the gradient by the logits is the softmax, minus one at the right class, over the number of rows. The "
        "minus one is missing.",
    )
    require_value(last, true_weights[-1], "the new weights of the last layer", tolerance=1e-8)
    first = new_weights[0]
    refuse(
        first,
        _gradient_step_with(weights, biases, x, labels, lr, mask=False)[1][0],
        "the first layer: a unit that ReLU set to 0 passes no gradient back. Set the gradient to 0 there.",
    )
    refuse(
        first,
        _gradient_step_with(weights, biases, x, labels, lr, updated=True)[1][0],
        "the first layer: the gradient was passed back through weights that had been updated already. "
        "All gradients belong to the weights before the step.",
    )
    for layer in reversed(range(3)):
        name = f"of layer {layer} (0 is the first)"
        require_value(new_weights[layer], true_weights[layer], f"the new weights {name}", tolerance=1e-8)
        refuse(new_biases[layer], biases[layer], f"the biases {name} have not changed: they have a gradient too.")
        require_value(new_biases[layer], true_biases[layer], f"the new biases {name}", tolerance=1e-8)
    _check_other_depths(answer, lr)
    _check_large_inputs(answer, weights, biases, 2000 * x, labels, lr)


def _check_other_depths(answer, lr) -> None:
    for depth in ((5, 4), (5, 6, 6, 6, 4)):
        inputs = _layers(depth, 1)
        deeper = _parts(answer(*inputs, lr), *inputs[:2])
        require_value(
            deeper[1][0],
            _by_autograd(*inputs, lr)[1][0],
            f"{len(depth) - 1} layers, the first's weights",
            tolerance=1e-8,
        )


def _check_large_inputs(answer, weights, biases, x, labels, lr) -> None:
    with np.errstate(all="ignore"):
        loss = _parts(answer(weights, biases, x, labels, lr), weights, biases)[0]
    require(
        bool(np.isfinite(loss)),
        f"with inputs 2000 times as large the loss is {loss}: the exponential overflows, or the logarithm meets a 0. "
        "Subtract each row's largest logit first, and take the logarithm of the sum, not of the share.",
    )
    require_value(loss / _by_autograd(weights, biases, x, labels, lr)[0], 1.0, "large inputs, the loss over the true")


def _gradient_step_with(weights, biases, x, labels, lr, *, mask=True, targets=True, updated=False, stable=True):
    """``gradient_step`` with one part left out or changed: what typical mistakes make."""
    inputs = [x]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        inputs.append(np.maximum(inputs[-1] @ weight.T + bias, 0))
    logits = inputs[-1] @ weights[-1].T + biases[-1]
    logits = logits - logits.max(axis=1, keepdims=True) if stable else logits
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    right = np.eye(logits.shape[1])[labels]
    gradient = (shares - right if targets else shares) / len(x)
    weights, biases = list(weights), list(biases)
    for layer in reversed(range(len(weights))):
        before = weights[layer]
        weights[layer] = before - lr * gradient.T @ inputs[layer]
        biases[layer] = biases[layer] - lr * gradient.sum(axis=0)
        gradient = gradient @ (weights[layer] if updated else before)
        gradient = gradient * (inputs[layer] > 0) if mask else gradient
    return float(-np.log(shares[np.arange(len(x)), labels]).mean()), weights, biases


def _with(**changed):
    return lambda w, b, x, y, lr: _gradient_step_with(w, b, x, y, lr, **changed)


def _summed(weights, biases, x, labels, lr):
    return gradient_step(weights, biases, x, labels, lr)[0], *gradient_step(weights, biases, x, labels, lr * len(x))[1:]


def _transposed(weights, biases, x, labels, lr):
    loss, new_weights, new_biases = gradient_step(weights, biases, x, labels, lr)
    return loss, [w.T for w in new_weights], new_biases


def _in_place(weights, biases, x, labels, lr):
    loss, new_weights, new_biases = gradient_step(weights, biases, x, labels, lr)
    for old, new in zip((*weights, *biases), (*new_weights, *new_biases), strict=True):
        old[...] = new
    return loss, weights, biases


def _relu_at_the_end(weights, biases, x, labels, lr):
    width = len(biases[-1])
    return tuple(
        part if place == 0 else part[:-1]
        for place, part in enumerate(
            gradient_step([*weights, np.eye(width)], [*biases, np.zeros(width)], x, labels, lr)
        )
    )


GRADIENT_STEP = Exercise(
    "2.4 a training step by hand",
    gradient_step,
    _check_step,
    mistakes={
        "no mask of ReLU": (_with(mask=False), "a unit that ReLU set to 0"),
        "updated weights": (_with(updated=True), "updated already"),
        "without the minus one": (_with(targets=False), "The minus one is missing"),
        "overflow": (_with(stable=False), "the exponential overflows"),
        "gradient of the sum": (_summed, "your gradient is that of the sum"),
        "the sum as loss": (
            lambda w, b, x, y, lr: (len(x) * gradient_step(w, b, x, y, lr)[0], *gradient_step(w, b, x, y, lr)[1:]),
            "sum over the rows",
        ),
        "uphill": (
            lambda w, b, x, y, lr: gradient_step(w, b, x, y, -lr),
            "uphill",
        ),
        "biases left": (lambda w, b, x, y, lr: (*gradient_step(w, b, x, y, lr)[:2], b), "they have a gradient too"),
        "transposed": (_transposed, "weights[0] had the shape (7, 5)"),
        "in place": (_in_place, "that went in were changed"),
        "ReLU after the last layer": (_relu_at_the_end, "the loss of six rows"),
        "the loss alone": (lambda w, b, x, y, lr: gradient_step(w, b, x, y, lr)[0], "return three things"),
    },
    minutes=40,
    difficulty=5,
    importance=4,
    hints=(
        "Go forward first and keep the *input* of every layer: it is needed on the way back. The logits need a "
        "softmax that does not overflow: subtract the largest logit of each row first. For the way back, write down "
        "the shape of every gradient: by the outputs of a layer it is (N, outputs), as the outputs themselves.",
        "By the logits the gradient is $(p - y) / N$, with the softmax $p$ and $y$ one-hot. At each layer, from the "
        "last to the first, with that gradient $g$ (N, outputs) and the layer's input $h$ (N, inputs): the gradient "
        "of the weights is $g^\\top h$, that of the biases the sum of $g$ over the rows, and the gradient for the "
        "layer below is $g W$, set to 0 where $h$ is 0. Use the $W$ from before the step.",
    ),
)
