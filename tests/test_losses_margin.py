"""Margin losses against loops from the papers' formulas, pytorch-metric-learning, closed forms, and differences."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning import losses as pml

from facelab.losses import a_softmax, arc_face, cos_face, margin_softmax, no_margin, sphere_lambda
from facelab.losses.cosine import cosines, normalize_rows
from facelab.losses.margin import sine

EXACT = {"rtol": 0, "atol": 1e-6}
seeds = st.integers(0, 2**32 - 1)
loops = settings(deadline=None, max_examples=60)


def some(seed: int, n: int = 7, classes: int = 5, dim: int = 4):
    """Embeddings of any norm, class weights of any norm, labels."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dim)) * rng.uniform(0.1, 9, (n, 1))
    weight = rng.standard_normal((classes, dim)) * rng.uniform(0.1, 9, (classes, 1))
    return torch.from_numpy(x), torch.from_numpy(weight), torch.from_numpy(rng.integers(classes, size=n))


# The oracles: plain Python numbers and angles, no line in common with the losses.


def angle(a: list[float], b: list[float]) -> float:
    """By atan2 of half angles (Kahan), exact near 0 and pi too, where acos is not."""
    a, b = ([v / math.sqrt(math.fsum(v * v for v in row)) for v in row] for row in (a, b))
    apart = math.sqrt(math.fsum((p - q) ** 2 for p, q in zip(a, b, strict=True)))
    along = math.sqrt(math.fsum((p + q) ** 2 for p, q in zip(a, b, strict=True)))
    return 2 * math.atan2(apart, along)


def slow_arc(theta: float, m: float) -> float:
    return math.cos(theta + m) if theta + m < math.pi else math.cos(theta) - m * math.sin(m)


def slow_psi(theta: float, m: int) -> float:
    k = next(k for k in range(m) if k * math.pi / m <= theta <= (k + 1) * math.pi / m)
    return (-1) ** k * math.cos(m * theta) - 2 * k


def slow_loss(x, weight, labels, target, scale) -> float:
    """``target`` of the angle in place of the cosine, ``scale`` of the norm of the embedding."""
    total = []
    for row, label in zip(x.tolist(), labels.tolist(), strict=True):
        s = scale(math.sqrt(math.fsum(v * v for v in row)))
        logits = [s * math.cos(angle(row, w)) for w in weight.tolist()]
        logits[label] = s * target(angle(row, weight.tolist()[label]))
        top = max(logits)
        total.append(top + math.log(math.fsum(math.exp(v - top) for v in logits)) - logits[label])
    return math.fsum(total) / len(total)


CASES = {
    "normalised": (no_margin, math.cos, 16.0),
    "cosface": (partial(cos_face, margin=0.35), lambda theta: math.cos(theta) - 0.35, 30.0),
    "arcface": (partial(arc_face, margin=0.5), lambda theta: slow_arc(theta, 0.5), 64.0),
    "arcface, easy": (
        partial(arc_face, margin=0.5, easy_margin=True),
        lambda theta: math.cos(theta + 0.5) if theta < math.pi / 2 else math.cos(theta),
        16.0,
    ),
    "sphereface": (partial(a_softmax, m=4), lambda theta: slow_psi(theta, 4), None),
    "sphereface, annealed": (
        partial(a_softmax, m=3, annealing=5.0),
        lambda theta: (5 * math.cos(theta) + slow_psi(theta, 3)) / 6,
        None,
    ),
}


def loss_of(case: str, x, weight, labels):
    change, _, scale = CASES[case]
    return margin_softmax(cosines(x, weight), labels, change, scale or x.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("case", CASES)
@loops
@given(seed=seeds)
def test_each_loss_is_its_formula(case, seed):
    x, weight, labels = some(seed)
    _, target, scale = CASES[case]
    expected = slow_loss(x, weight, labels, target, (lambda norm: norm) if scale is None else lambda norm: scale)
    assert loss_of(case, x, weight, labels).item() == pytest.approx(expected, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("theirs", "change"),
    [
        (partial(pml.ArcFaceLoss, margin=math.degrees(0.5), scale=64), partial(arc_face, margin=0.5)),
        (partial(pml.CosFaceLoss, margin=0.35, scale=64), partial(cos_face, margin=0.35)),
        (partial(pml.NormalizedSoftmaxLoss, temperature=1 / 64), no_margin),
    ],
    ids=["arcface", "cosface", "normalised"],
)
@loops
@given(seed=seeds)
def test_each_loss_is_that_of_pytorch_metric_learning(theirs, change, seed):
    """Theirs takes the class weights as columns, and the margin of ArcFace in degrees."""
    x, weight, labels = some(seed)
    other = theirs(num_classes=5, embedding_size=4).double()
    other.W.data = weight.T.clone()
    torch.testing.assert_close(margin_softmax(cosines(x, weight), labels, change, 64.0), other(x, labels), **EXACT)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_a_softmax_is_that_of_pytorch_metric_learning_up_to_its_scale(m):
    """Theirs has psi without annealing and multiplies by the norm and by its scale."""
    x, weight, labels = some(3, n=20)
    other = pml.SphereFaceLoss(num_classes=5, embedding_size=4, margin=m, scale=1).double()
    other.W.data = weight.T.clone()
    ours = margin_softmax(cosines(x, weight), labels, partial(a_softmax, m=m), x.norm(dim=1, keepdim=True))
    torch.testing.assert_close(ours, other(x, labels), **EXACT)


def test_without_margin_all_are_one():
    cos = torch.linspace(-1, 1, 41, dtype=torch.float64)[:, None]
    for change in (partial(cos_face, margin=0.0), partial(arc_face, margin=0.0), partial(a_softmax, m=1)):
        torch.testing.assert_close(change(cos), cos, rtol=0, atol=1e-15)


def test_a_loss_by_hand():
    """Two classes at right angles, the embedding on its own: log(1 + exp(-s (1 - m)))."""
    loss = margin_softmax(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), partial(cos_face, margin=0.25), 4.0)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-3)), rel=1e-6)


@pytest.mark.parametrize("m", [0.1, 0.5, 1.0, 2.0])
def test_arcface_falls_over_the_whole_half_circle(m):
    values = arc_face(torch.linspace(0, math.pi, 2001, dtype=torch.float64).cos()[:, None], m)
    assert (values.diff(dim=0) < 0).all()
    assert values[0].item() == pytest.approx(math.cos(m))


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_psi_falls_without_a_step(m):
    """From 1 at 0 to 1 - 2m at pi; equal to the loop; no jump where k changes, wherever rounding puts it."""
    theta = torch.linspace(0, math.pi, 4001, dtype=torch.float64)
    values = a_softmax(theta.cos()[:, None], m).squeeze(1)
    torch.testing.assert_close(
        values, torch.tensor([slow_psi(t, m) for t in theta.tolist()], dtype=torch.float64), rtol=0, atol=1e-9
    )
    steps = values.diff()
    assert (steps <= 1e-12).all() and steps.abs().max() < 2 * m * math.pi / 4000
    assert values[[0, -1]].tolist() == pytest.approx([1, 1 - 2 * m])
    ends = torch.tensor([[-1.0], [1.0]], dtype=torch.float64, requires_grad=True)
    a_softmax(ends, m).sum().backward()
    assert ends.grad.flatten().tolist() == pytest.approx([m * m, m * m])  # by cos theta, at both ends of the circle


def test_annealing_reaches_its_floor_on_the_scale_of_the_run():
    assert sphere_lambda(0) == 1000
    assert sphere_lambda(1659) == pytest.approx(5, abs=2e-3)
    assert sphere_lambda(1662) == 5
    assert sphere_lambda(50, decay_steps=100) == pytest.approx(1000 / (1 + 0.06 * 1659))
    assert sphere_lambda(torch.tensor(101.0), decay_steps=100).item() == 5
    assert sphere_lambda(10**9, floor=0.0) == pytest.approx(0, abs=1e-4)


# Gradients, and the ends of the circle


@pytest.mark.parametrize("case", CASES)
@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_gradients_are_those_of_differences(case, seed):
    x, weight, labels = some(seed, n=3, classes=3)
    cos = cosines(x, weight)
    edges = [math.cos(k * math.pi / m) for m in (3, 4) for k in range(m + 1)] + [-math.cos(0.5), 0.0]
    if min((cos.gather(1, labels[:, None]) - edge).abs().min() for edge in edges) < 1e-3:
        return  # on a kink of the formula differences mean nothing
    torch.autograd.gradcheck(
        lambda x, weight: loss_of(case, x, weight, labels), (x.requires_grad_(), weight.requires_grad_())
    )


def self_cosines(n: int = 2000, dim: int = 128) -> torch.Tensor:
    """Float32 cosines of vectors to themselves: (n, 1)."""
    z = torch.randn(n, dim, generator=torch.Generator().manual_seed(0))
    return (normalize_rows(z) * normalize_rows(3 * z)).sum(dim=1, keepdim=True)


CHANGES = {name: case[0] for name, case in CASES.items()}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("sign", [1, -1])
def test_cosines_at_and_beyond_one_give_a_right_value_and_a_finite_gradient(name, sign):
    cos = sign * self_cosines()
    assert (cos.abs() > 1).float().mean() > 0.05 and (cos.abs() < 1).any()
    cos = torch.cat([cos, torch.tensor([[float(sign)]])]).requires_grad_()
    values = CHANGES[name](cos)
    expected = CHANGES[name](torch.tensor([[float(sign)]], dtype=torch.float64))
    # sin theta of a cosine that is off by 2e-7 is off by its root
    torch.testing.assert_close(values.double(), expected.expand(len(cos), 1), rtol=0, atol=6e-4)
    values.sum().backward()
    assert cos.grad.isfinite().all() and cos.grad.abs().max() < 5000


def test_the_sine_is_exact_and_its_gradient_ends_at_the_ends():
    cos = torch.tensor([-1.0000001, -1.0, -0.6, 0.0, 0.8, 1.0, 1.0000001], requires_grad=True)
    values = sine(cos)
    torch.testing.assert_close(values, torch.tensor([0, 0, 0.8, 1, 0.6, 0, 0]))
    values.sum().backward()
    torch.testing.assert_close(cos.grad, torch.tensor([0, 0, 0.75, 0, -4 / 3, 0, 0]))


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("theta", [0.0, 1e-2, 0.1, 1.0, math.pi - 0.1, math.pi - 1e-2, math.pi])
def test_float32_gives_the_embedding_the_gradient_of_the_exact_angle(name, theta):
    """In the plane the gradient by the embedding is f'(theta) along the circle. At 0 and pi there is no direction to go: 0.

    Float32 knows the angle from its cosine to 6e-8 / theta, the gradient to no better.
    """
    w = torch.tensor([[1.0, 0.0]])
    x = torch.tensor([[math.cos(theta), math.sin(theta)]]).requires_grad_()
    CHANGES[name](cosines(x, w)).sum().backward()
    assert x.grad.isfinite().all()
    if theta in (0.0, math.pi):
        torch.testing.assert_close(x.grad, torch.zeros(1, 2), rtol=0, atol=1e-3)
        return
    target, h = CASES[name][1], 1e-6
    slope = (target(theta + h) - target(theta - h)) / (2 * h)
    along = torch.tensor([[-math.sin(theta), math.cos(theta)]])
    torch.testing.assert_close(x.grad, slope * along, rtol=5e-3, atol=2e-4)


@pytest.mark.parametrize("name", CASES)
def test_a_thousand_steps_onto_the_classes_have_no_nan(name):
    """Embeddings are pulled onto their own directions until float32 puts cosines above 1."""
    torch.manual_seed(0)
    weight = torch.randn(10, 64)
    labels = torch.arange(10).repeat(4)
    x = (normalize_rows(weight)[labels] + 0.02 * torch.randn(40, 64)).requires_grad_()
    optimizer, beyond = torch.optim.SGD([x], lr=1e-4), 0
    for _ in range(1000):
        optimizer.zero_grad()
        loss = (
            loss_of(name, x, weight, labels) + 5e3 * (normalize_rows(x) - normalize_rows(weight)[labels]).square().sum()
        )
        loss.backward()
        assert loss.isfinite() and x.grad.isfinite().all()
        optimizer.step()
        with torch.no_grad():
            beyond += int((cosines(x, weight).gather(1, labels[:, None]) > 1).any())
    assert x.isfinite().all() and beyond > 100


def test_half_precision_stops_before_the_cosines():
    x, weight, _ = some(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert cosines(x.float(), weight.float()).dtype == torch.float32


def test_classes_count_as_much_as_they_are_told():
    x, weight, labels = some(5)
    cos, importance = cosines(x, weight), torch.tensor([1.0, 0.5, 2.0, 0.0, 3.0], dtype=torch.float64)
    single = [margin_softmax(cos[i : i + 1], labels[i : i + 1], no_margin, 8.0) for i in range(len(x))]
    w = importance[labels]
    expected = sum(a * b for a, b in zip(w, single, strict=True)) / w.sum()
    torch.testing.assert_close(margin_softmax(cos, labels, no_margin, 8.0, importance), expected)


@pytest.mark.parametrize(
    ("cos", "labels", "scale", "told"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), 1.0, "Cosines"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), 1.0, "labels"),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), 1.0, "Cosines"),
        (torch.zeros(1, 2), torch.tensor([2]), 1.0, "from 2 to 2, the classes to 1"),
        (torch.zeros(1, 2), torch.tensor([-1]), 1.0, "from -1"),
        (torch.zeros(1, 2), torch.tensor([0]), 0.0, "scale is 0.0"),
    ],
)
def test_what_does_not_fit_is_named(cos, labels, scale, told):
    with pytest.raises(ValueError, match=told):
        margin_softmax(cos, labels, no_margin, scale)
