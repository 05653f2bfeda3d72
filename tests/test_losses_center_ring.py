"""Center loss and ring loss against loops from the papers, closed forms, and differences. No library at hand has either."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facelab.losses import center_loss, ring_loss, updated_centers

seeds = st.integers(0, 2**32 - 1)
loops = settings(deadline=None, max_examples=60)


def some(seed: int, n: int = 9, classes: int = 6, dim: int = 3):
    """Embeddings, labels of which some occur often and some never, centres."""
    rng = np.random.default_rng(seed)
    x, centers = rng.standard_normal((n, dim)), rng.standard_normal((classes, dim))
    return torch.from_numpy(x), torch.from_numpy(rng.integers(classes - 1, size=n)), torch.from_numpy(centers)


@loops
@given(seeds)
def test_center_loss_is_its_formula(seed):
    x, labels, centers = some(seed)
    c = centers.tolist()
    squares = [
        (a - b) ** 2
        for row, label in zip(x.tolist(), labels.tolist(), strict=True)
        for a, b in zip(row, c[label], strict=True)
    ]
    assert center_loss(x, labels, centers).item() == pytest.approx(math.fsum(squares) / 2 / len(x), rel=1e-12)


@loops
@given(seeds, st.floats(0, 1))
def test_centres_move_by_the_papers_rule(seed, rate):
    """Algorithm 1, one class after the other; who is not in the batch stays."""
    x, labels, centers = some(seed)
    before, expected = centers.clone(), centers.tolist()
    for j, center in enumerate(centers.tolist()):
        own = [row for row, label in zip(x.tolist(), labels.tolist(), strict=True) if label == j]
        delta = [math.fsum(center[d] - row[d] for row in own) / (1 + len(own)) for d in range(len(center))]
        expected[j] = [center[d] - rate * delta[d] for d in range(len(center))]
    moved = updated_centers(x, labels, centers, rate)
    np.testing.assert_allclose(moved.numpy(), expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(centers, before) and torch.equal(moved[-1], centers[-1])


def test_centres_come_to_rest_where_their_photographs_are():
    x, labels, centers = some(0)
    for _ in range(500):
        centers = updated_centers(x, labels, centers)
    for j in labels.unique():
        torch.testing.assert_close(centers[j], x[labels == j].mean(dim=0))


@loops
@given(seeds, st.floats(0, 5))
def test_ring_loss_is_its_formula(seed, radius):
    x, _, _ = some(seed)
    norms = [math.sqrt(math.fsum(v * v for v in row)) for row in x.tolist()]
    expected = math.fsum((norm - radius) ** 2 for norm in norms) / 2 / len(norms)
    assert ring_loss(x, torch.tensor(radius, dtype=torch.float64)).item() == pytest.approx(expected, rel=1e-12)


def test_the_ring_comes_to_rest_at_the_mean_norm():
    x, _, _ = some(1)
    radius = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    for _ in range(60):
        (gradient,) = torch.autograd.grad(ring_loss(x, radius), radius)
        radius = (radius - 0.5 * gradient).detach().requires_grad_()
    assert radius.item() == pytest.approx(x.norm(dim=1).mean().item())
    assert ring_loss(x, radius).item() == pytest.approx(x.norm(dim=1).var(correction=0).item() / 2)


def test_gradients_are_those_of_differences_and_centres_get_none():
    x, labels, centers = some(2)
    x.requires_grad_()
    centers.requires_grad_()
    torch.autograd.gradcheck(lambda x: center_loss(x, labels, centers), x)
    center_loss(x, labels, centers).backward()
    assert centers.grad is None
    radius = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(ring_loss, (x, radius))


def test_an_embedding_of_zeros_breaks_nothing():
    x = torch.zeros(2, 3, requires_grad=True)
    ring_loss(x, torch.tensor(2.0)).backward()
    assert torch.equal(x.grad, torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda x, y, c: center_loss(x, y[:2], c), "labels"),
        (lambda x, y, c: center_loss(x, y, c[:, :2]), "centers"),
        (lambda x, y, c: center_loss(x, y - 9, c), "labels go from -9"),
        (lambda x, y, c: updated_centers(x, y - 9, c), "labels go from -9"),
        (lambda x, y, c: updated_centers(x, y, c, 1.5), "rate of the centres is 1.5"),
        (lambda x, y, c: ring_loss(x[0], torch.tensor(1.0)), "x is"),
        (lambda x, y, c: ring_loss(x, torch.ones(2)), "radius"),
    ],
)
def test_what_does_not_fit_is_named(call, told):
    with pytest.raises(ValueError, match=told):
        call(*some(0))
