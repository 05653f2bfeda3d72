"""Exercises of notebook 02: a step by hand is one of torch's on the course's own head, and other right answers pass."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve
from torch.nn.functional import cross_entropy

from facelab import labs
from facelab.backbones.heads import mlp_head
from facelab.exercises import chapter_02 as exercises
from facelab.exercises.chapter_02_gradients import GRADIENT_STEP, gradient_step


def test_a_step_is_one_of_torchs_sgd_on_the_courses_head():
    torch.manual_seed(0)
    head = mlp_head(10, (8, 6, 5)).double()
    x, labels = torch.randn(12, 10, dtype=torch.float64), torch.randint(5, (12,))
    layers = [layer for layer in head if isinstance(layer, torch.nn.Linear)]
    weights = [layer.weight.detach().numpy().copy() for layer in layers]
    biases = [layer.bias.detach().numpy().copy() for layer in layers]
    optimiser = torch.optim.SGD(head.parameters(), lr=0.3)
    for _ in range(3):
        loss, weights, biases = gradient_step(weights, biases, x.numpy(), labels.numpy(), 0.3)
        optimiser.zero_grad()
        expected = cross_entropy(head(x), labels)
        expected.backward()
        optimiser.step()
        assert loss == pytest.approx(expected.item())
    for layer, weight, bias in zip(layers, weights, biases, strict=True):
        np.testing.assert_allclose(layer.weight.detach().numpy(), weight, atol=1e-12)
        np.testing.assert_allclose(layer.bias.detach().numpy(), bias, atol=1e-12)


def layer_by_layer(weights, biases, x, labels, lr):
    """By recursion, from the last layer down, row by row of the softmax."""

    def back(layer, h):
        out = h @ weights[layer].T + biases[layer]
        if layer == len(weights) - 1:
            peak = out.max(axis=1)
            log_sum = peak + np.log(np.exp(out - peak[:, None]).sum(axis=1))
            loss = (log_sum - out[np.arange(len(x)), labels]).mean()
            gradient = (np.exp(out - log_sum[:, None]) - np.eye(out.shape[1])[labels]) / len(x)
            above = ([], [])
        else:
            loss, gradient, above = back(layer + 1, np.where(out > 0, out, 0))
            gradient = np.where(out > 0, gradient, 0)
        steps = weights[layer] - lr * np.einsum("no,ni->oi", gradient, h), biases[layer] - lr * gradient.sum(axis=0)
        return loss, gradient @ weights[layer], tuple([step, *more] for step, more in zip(steps, above, strict=True))

    loss, _, (new_weights, new_biases) = back(0, x)
    return loss, new_weights, new_biases


def eer_of_the_curve(scores, same):
    fmr, tmr, _ = roc_curve(same, scores, drop_intermediate=False)
    nearest = np.abs(fmr - (1 - tmr)).argmin()
    return (fmr[nearest] + 1 - tmr[nearest]) / 2


def by_shuffled_photographs(photo, share, rng):
    names = sorted(set(photo.tolist()))
    rng.shuffle(names)
    test = set(names[: round(share * len(names))])
    return np.array([name in test for name in photo])


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (GRADIENT_STEP, layer_by_layer),
        (exercises.TOP_K_ACCURACY, lambda s, y, k: np.mean((s > s[np.arange(len(y)), y][:, None]).sum(axis=1) < k)),
        (exercises.SPLIT_BY_PHOTO, by_shuffled_photographs),
        (exercises.EQUAL_ERROR_RATE, eer_of_the_curve),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert capsys.readouterr().out.endswith("right.\n")
