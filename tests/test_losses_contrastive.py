"""Contrastive losses against loops written from the papers, closed forms, two libraries, and the faults of earlier code."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import NTXentLoss as LightlyNTXent
from pytorch_metric_learning.losses import NTXentLoss as MetricNTXent
from pytorch_metric_learning.losses import SupConLoss as MetricSupCon
from pytorch_metric_learning.reducers import MeanReducer
from torch.nn.functional import normalize

from facelab.losses import info_nce, nt_xent, sup_con

EXACT = {"rtol": 1e-6, "atol": 1e-9}
seeds = st.integers(0, 2**32 - 1)
temperatures = st.floats(0.02, 2.0)
sizes = st.integers(1, 6)
loops = settings(deadline=None, max_examples=60)


def rows(seed: int, n: int, dim: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Random embeddings of norms from 0.1 to 10: the losses are to take any."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((n, dim)) * 10 ** rng.uniform(-1, 1, (n, 1))).to(dtype)


def unit_rows(seed: int, n: int, dim: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return normalize(rows(seed, n, dim)).to(dtype)


def classes(seed: int, n: int, of: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, of, n))


# The oracles: plain Python numbers, one sum at a time, no line in common with the losses.


def cosine(a, b) -> float:
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(float(x) ** 2 for x in a)) / math.sqrt(sum(float(y) ** 2 for y in b))


def slow_sup_con(z, labels, t: float) -> float:
    anchors = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        if not positives:
            continue
        below = math.fsum(math.exp(cosine(z[i], z[a]) / t) for a in others)
        above = [math.exp(cosine(z[i], z[p]) / t) for p in positives]
        anchors.append(-math.fsum(math.log(e / below) for e in above) / len(positives))
    return math.fsum(anchors) / len(anchors) if anchors else 0.0


def slow_nt_xent(z1, z2, t: float) -> float:
    views = [row for pair in zip(z1, z2, strict=True) for row in pair]  # 2k and 2k+1 are partners, as the paper has it

    def one(i: int, j: int) -> float:
        below = math.fsum(math.exp(cosine(views[i], views[k]) / t) for k in range(len(views)) if k != i)
        return -math.log(math.exp(cosine(views[i], views[j]) / t) / below)

    return sum(one(2 * k, 2 * k + 1) + one(2 * k + 1, 2 * k) for k in range(len(z1))) / len(views)


def slow_info_nce(q, k, queue, t: float) -> float:
    total = 0.0
    for query, key in zip(q, k, strict=True):
        above = math.exp(cosine(query, key) / t)
        below = above + math.fsum(math.exp(cosine(query, old) / t) for old in queue)
        total -= math.log(above / below)
    return total / len(q)


@loops
@given(seeds, st.integers(2, 10), sizes, st.integers(1, 5), temperatures)
def test_sup_con_is_its_formula(seed, n, dim, of, t):
    z, labels = rows(seed, n, dim), classes(seed, n, of)
    assert sup_con(z, labels, t).item() == pytest.approx(slow_sup_con(z, labels, t), rel=1e-6, abs=1e-9)


@loops
@given(seeds, sizes, sizes, temperatures)
def test_nt_xent_is_its_formula(seed, n, dim, t):
    z1, z2 = rows(seed, 2 * n, dim).chunk(2)
    assert nt_xent(z1, z2, t).item() == pytest.approx(slow_nt_xent(z1, z2, t), rel=1e-6, abs=1e-9)


@loops
@given(seeds, sizes, sizes, st.integers(1, 12), temperatures)
def test_info_nce_is_its_formula(seed, n, dim, keys, t):
    q, k, queue = rows(seed, 2 * n + keys, dim).split([n, n, keys])
    assert info_nce(q, k, queue, t).item() == pytest.approx(slow_info_nce(q, k, queue, t), rel=1e-6, abs=1e-9)


@loops
@given(seeds, st.integers(1, 12), sizes, temperatures)
def test_nt_xent_is_sup_con_of_a_class_for_each_photograph(seed, n, dim, t):
    z1, z2 = rows(seed, 2 * n, dim).chunk(2)
    torch.testing.assert_close(nt_xent(z1, z2, t), sup_con(torch.cat([z1, z2]), torch.arange(n).repeat(2), t), **EXACT)


@loops
@given(seeds, st.integers(2, 30), sizes, st.integers(2, 6), temperatures)
def test_sup_con_agrees_with_pytorch_metric_learning(seed, n, dim, of, t):
    """Theirs is 0 in a batch of one class: two are made sure of. Its own mean leaves out anchors whose loss is 0."""
    z, labels = rows(seed, 2 * n, dim), classes(seed, n, of).repeat(2)
    labels[:2], labels[n : n + 2] = torch.arange(2), torch.arange(2)
    theirs = MetricSupCon(temperature=t, reducer=MeanReducer())
    torch.testing.assert_close(sup_con(z, labels, t), theirs(z, labels), **EXACT)


def test_sup_con_agrees_with_pytorch_metric_learning_where_some_have_no_positive():
    z, labels = rows(3, 7, 5), torch.tensor([0, 0, 1, 2, 2, 2, 3])
    torch.testing.assert_close(sup_con(z, labels, 0.3), MetricSupCon(temperature=0.3)(z, labels), **EXACT)


@loops
@given(seeds, st.integers(2, 20), sizes, temperatures)
def test_nt_xent_agrees_with_lightly_and_pytorch_metric_learning(seed, n, dim, t):
    """Both take the paper's mean over 2N. One pair alone is left out: without a negative, metric-learning gives 0."""
    z1, z2 = rows(seed, 2 * n, dim).chunk(2)
    ours = nt_xent(z1, z2, t)
    torch.testing.assert_close(ours, LightlyNTXent(temperature=t)(z1, z2), **EXACT)
    torch.testing.assert_close(
        ours, MetricNTXent(temperature=t)(torch.cat([z1, z2]), torch.arange(n).repeat(2)), **EXACT
    )


@loops
@given(seeds, st.integers(1, 20), sizes, st.integers(1, 40), temperatures)
def test_info_nce_agrees_with_lightly_and_its_memory_bank(seed, n, dim, keys, t):
    """Theirs normalises q and k, and takes the bank as it is."""
    q, k, queue = rows(seed, 2 * n + keys, dim).split([n, n, keys])
    theirs = LightlyNTXent(temperature=t, memory_bank_size=(keys, dim))
    theirs.memory_bank.bank = normalize(queue)
    torch.testing.assert_close(info_nce(q, k, queue, t), theirs(q, k), **EXACT)


def test_positives_stay_in_the_denominator():
    """metric-learning's NT-Xent leaves an anchor's other positives out of it: lower wherever a class has three rows."""
    z, labels = rows(5, 9, 8), torch.arange(3).repeat(3)
    ours = sup_con(z, labels, 0.5)
    assert ours > MetricNTXent(temperature=0.5)(z, labels) + 0.05
    assert ours.item() == pytest.approx(slow_sup_con(z, labels, 0.5), rel=1e-9)


def test_twice_nt_xent_is_what_the_authors_code_adds_up():
    z1, z2 = unit_rows(0, 12, 4).chunk(2)
    away = torch.eye(6) * 1e9  # tf2/objective.py: the view itself is pushed down, then one cross-entropy for each half
    first = torch.cat([z1 @ z2.T, z1 @ z1.T - away], dim=1) / 0.5
    second = torch.cat([z2 @ z1.T, z2 @ z2.T - away], dim=1) / 0.5
    halves = sum(torch.nn.functional.cross_entropy(half, torch.arange(6)) for half in (first, second))
    torch.testing.assert_close(2 * nt_xent(z1, z2, 0.5), halves, **EXACT)


# Closed forms


@pytest.mark.parametrize("n", [32, 128, 512])
@pytest.mark.parametrize("dim", [512, 2048])
def test_random_directions_give_the_logarithm_of_the_other_views(n, dim):
    z1, z2 = unit_rows(n, 2 * n, dim, torch.float32).chunk(2)
    assert nt_xent(z1, z2, 0.5).item() == pytest.approx(math.log(2 * n - 1), rel=0.05)
    assert info_nce(z1, z2, unit_rows(n + 1, 4 * n, dim, torch.float32), 0.5).item() == pytest.approx(
        math.log(1 + 4 * n), rel=0.05
    )


@pytest.mark.parametrize("t", [0.01, 0.1, 1.0])
def test_perfect_embeddings_have_the_loss_of_orthogonal_classes(t):
    axes = torch.eye(8, dtype=torch.float64)
    z1, labels = axes[:4], torch.arange(4)
    expected = math.log1p(6 * math.exp(-1 / t))
    assert nt_xent(z1, 3 * z1, t).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    # a class of three views: the other positive of each anchor costs log 2, which no training takes away
    expected = math.log(2) + math.log1p(9 / 2 * math.exp(-1 / t))
    assert sup_con(z1.repeat(3, 1), labels.repeat(3), t).item() == pytest.approx(expected, rel=1e-9)
    expected = math.log1p(4 * math.exp(-1 / t))
    assert info_nce(z1, z1, axes[4:], t).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("t", [0.01, 0.5])
def test_a_collapsed_network_is_at_the_logarithm_of_the_choices(t):
    same = rows(0, 1, 5).repeat(8, 1)
    assert nt_xent(same[:4], same[4:], t).item() == pytest.approx(math.log(7))
    assert sup_con(same, torch.arange(2).repeat(4), t).item() == pytest.approx(math.log(7))
    assert info_nce(same[:1], same[1:2], same[2:], t).item() == pytest.approx(math.log(7))


# Gradients

EDGES = {
    "random": rows(1, 6, 4),
    "all equal": torch.ones(6, 3, dtype=torch.float64),
    "cosine -1": torch.tensor([[1.0, 2.0], [-1.0, -2.0]], dtype=torch.float64).repeat(3, 1),
    "cosine +1 between the views": rows(2, 3, 4).repeat(2, 1),
    "one dimension": rows(3, 6, 1),
    "one pair": rows(4, 2, 4),
}


@pytest.mark.parametrize("z", EDGES.values(), ids=EDGES.keys())
def test_gradients_are_those_of_differences(z):
    z = z.clone().requires_grad_()
    half = len(z) // 2
    keys = rows(9, half, z.shape[1])
    queue = torch.cat([z[:1].detach(), rows(10, 5, z.shape[1])])  # one negative at cosine 1
    check = partial(torch.autograd.gradcheck, eps=1e-6, atol=1e-6)
    assert check(lambda z: nt_xent(z[:half], z[half:], 0.3), z)
    assert check(lambda z: sup_con(z, torch.arange(half).repeat(2), 0.3), z)
    assert check(lambda z: sup_con(z, torch.tensor([0, 0, 1, 2, 2, 2])[: len(z)], 0.3), z)  # a class with no positive
    assert check(lambda z: info_nce(z[:half], keys, queue, 0.3), z)


def gradients(loss: torch.Tensor, *of: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, of))


def test_info_nce_gives_no_gradient_to_keys_and_queue():
    q, k, queue = (rows(seed, 4, 3).requires_grad_() for seed in range(3))
    info_nce(q, k, queue, 0.2).backward()
    assert q.grad.norm() > 0.01
    assert k.grad is None and queue.grad is None


def test_one_pair_alone_has_nothing_to_learn():
    z1, z2 = rows(0, 1, 4).requires_grad_(), rows(1, 1, 4).requires_grad_()
    for loss in (nt_xent(z1, z2, 0.1), sup_con(torch.cat([z1, z2]), torch.tensor([7, 7]), 0.1)):
        assert loss.item() == 0
        assert all(torch.equal(grad, torch.zeros_like(grad)) for grad in gradients(loss, z1, z2))


def test_an_anchor_without_positive_leaves_the_mean_but_not_the_denominators():
    z, labels = rows(0, 5, 4), torch.tensor([0, 0, 1, 1, 2])
    expected = slow_sup_con(z, labels, 0.5)
    loss = sup_con(z.requires_grad_(), labels, 0.5)
    assert loss.item() == pytest.approx(expected)
    assert loss > sup_con(z[:4], labels[:4], 0.5)
    assert gradients(loss, z)[0][4].norm() > 0.001


def test_a_batch_without_any_positive_teaches_nothing():
    z = rows(0, 5, 4).requires_grad_()
    loss = sup_con(z, torch.arange(5), 0.1)
    assert loss.item() == 0
    assert torch.equal(gradients(loss, z)[0], torch.zeros(5, 4, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_a_zero_vector_is_at_cosine_0_and_gets_no_gradient(dtype):
    z = torch.tensor([[0, 0], [0, 2], [3, 0], [0, 1]], dtype=dtype, requires_grad=True)  # row 0 is to find row 2
    odd = math.log(3), math.log(math.e + 2) - 1, math.log(3), math.log(math.e + 2) - 1
    loss = nt_xent(z[:2], z[2:], 1.0)
    assert loss.item() == pytest.approx(sum(odd) / 4)
    assert sup_con(z, torch.tensor([0, 1, 0, 1]), 1.0).item() == pytest.approx(sum(odd) / 4)
    (grad,) = gradients(loss, z)
    assert torch.equal(grad[0], torch.zeros(2, dtype=dtype))
    assert grad.isfinite().all()
    # against a queue of itself: its positive and all negatives are alike, the gradient of each query is finite
    loss = info_nce(z, z, z, 1.0)
    (grad,) = gradients(loss, z)
    assert torch.equal(grad[0], torch.zeros(2, dtype=dtype))
    assert grad.isfinite().all() and loss.isfinite()


# What must not matter


@loops
@given(seeds, st.integers(2, 8), sizes, st.floats(0.1, 1))
def test_order_names_and_norms_do_not_matter(seed, n, dim, t):
    rng = np.random.default_rng(seed)
    z, labels, queue = rows(seed, 2 * n, dim), classes(seed, 2 * n, 3), rows(seed + 1, 9, dim)
    z1, z2 = z.chunk(2)
    same = partial(torch.testing.assert_close, **EXACT)
    order, pairs = torch.from_numpy(rng.permutation(2 * n)), torch.from_numpy(rng.permutation(n))
    scale = torch.from_numpy(rng.uniform(0.1, 10, (2 * n, 1)))
    same(sup_con(z[order], labels[order], t), sup_con(z, labels, t))
    same(sup_con(z * scale, 10 - labels, t), sup_con(z, labels, t))
    same(nt_xent(z2[pairs], z1[pairs], t), nt_xent(z1, z2, t))
    same(nt_xent(*(z * scale).chunk(2), t), nt_xent(z1, z2, t))
    same(info_nce(z1[pairs], z2[pairs], queue.flip(0), t), info_nce(z1, z2, queue, t))
    same(info_nce(*(z * scale).chunk(2), 3 * queue, t), info_nce(z1, z2, queue, t))


# The precision of a training


def three_losses(z: torch.Tensor, t: float) -> list[torch.Tensor]:
    z1, z2, queue = z.chunk(3)
    return [nt_xent(z1, z2, t), sup_con(z, torch.arange(len(z)) % 5, t), info_nce(z1, z2, queue, t)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_logits_of_a_hundred_in_low_precision(dtype):
    """At t = 0.01 logits span -100 ... 100. The same numbers, calculated in float64, are what is right."""
    z = torch.cat([rows(0, 24, 16), torch.ones(12, 16), -torch.ones(12, 16)])[torch.arange(48).roll(7)].to(dtype)
    low = z.clone().requires_grad_()
    high = z.double().requires_grad_()
    for ours, right in zip(three_losses(low, 0.01), three_losses(high, 0.01), strict=True):
        assert ours.dtype == torch.float32
        assert right > 5
        torch.testing.assert_close(ours.double(), right, rtol=1e-5, atol=1e-5)
        (grad,), (right_grad,) = gradients(ours, low), gradients(right, high)
        assert grad.isfinite().all()
        error = 1e-4 if dtype == torch.float32 else torch.finfo(dtype).eps
        torch.testing.assert_close(grad.double(), right_grad, rtol=error, atol=error * right_grad.abs().max().item())


def test_mixed_precision_stops_at_the_cosines():
    z = rows(0, 48, 16, torch.float32)
    expected = three_losses(z, 0.01)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for ours, right in zip(three_losses(z, 0.01), expected, strict=True):
            torch.testing.assert_close(ours, right)


# The faults of earlier projects, as they were, beside what is right


def info_nce_broadcast(q, k, queue, t):
    positive = torch.exp((q * k).sum(dim=1) / t)  # (N,)
    negatives = torch.exp(q @ queue.T / t).sum(dim=1, keepdim=True)  # (N, 1)
    return -torch.log(positive / (positive + negatives)).mean()  # of an (N, N) matrix, and no error


def test_the_broadcast_of_each_query_over_all_positives_is_not_ours():
    q, queue = unit_rows(0, 8, 4), unit_rows(2, 16, 4)
    k = torch.cat([q[:4], unit_rows(1, 4, 4)])  # half of the queries have found their key
    right = slow_info_nce(q, k, queue, 0.2)
    assert abs(info_nce_broadcast(q, k, queue, 0.2).item() - right) > 0.02 * right
    assert info_nce(q, k, queue, 0.2).item() == pytest.approx(right, rel=1e-9)
    # with one query there is nothing to spread over: a test of one would never have seen it
    one = (q[:1], k[:1], queue, 0.2)
    assert info_nce_broadcast(*one).item() == pytest.approx(info_nce(*one).item(), rel=1e-9)


def sup_con_raw_exp(z, labels, t):
    itself = torch.eye(len(z), dtype=torch.bool)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    exp = torch.exp(z @ z.T / t).masked_fill(itself, 0)
    log_p = torch.log(exp / exp.sum(dim=1, keepdim=True))
    return (-log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


def test_exp_of_a_hundred_overflows_elsewhere_and_not_here():
    z = unit_rows(0, 8, 4, torch.float32)
    z[1], z[6] = z[0], -z[2]
    labels = torch.arange(4).repeat_interleave(2)
    right = slow_sup_con(z, labels, 0.01)
    assert not sup_con_raw_exp(z, labels, 0.01).isfinite()
    assert sup_con(z, labels, 0.01).item() == pytest.approx(right, rel=1e-4)
    assert sup_con_raw_exp(z, labels, 0.5).item() == pytest.approx(sup_con(z, labels, 0.5).item(), rel=1e-5)
    assert nt_xent(z[::2], z[1::2], 0.01).item() == pytest.approx(right, rel=1e-4)
    # the positive is the best of all, yet its exp is infinite: the loss is nearly 0 and not nan
    assert not info_nce_broadcast(z[:1], z[1:2], z[2:], 0.01).isfinite()
    assert info_nce(z[:1], z[1:2], z[2:], 0.01).item() == pytest.approx(
        slow_info_nce(z[:1], z[1:2], z[2:], 0.01), abs=1e-6
    )


# What is refused

z4 = torch.ones(4, 3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sup_con(z4, torch.zeros(4), 0.0), "temperature is 0.0"),
        (lambda: nt_xent(z4, z4, -1.0), "temperature is -1.0"),
        (lambda: info_nce(z4, z4, z4, float("nan")), "temperature is nan"),
        (lambda: sup_con(z4[None], torch.zeros(1)), r"\(1, 4, 3\)"),
        (lambda: sup_con(z4, torch.zeros(2)), r"4 rows, labels \(2,\)"),
        (lambda: sup_con(z4, torch.zeros(4, 1)), r"labels \(4, 1\)"),
        (lambda: sup_con(z4[:1], torch.zeros(1)), "2 rows or more"),
        (lambda: nt_xent(z4, z4[:1], 0.5), "z1 has 4 rows and z2 1"),
        (lambda: nt_xent(z4[:0], z4[:0], 0.5), r"\(0, 3\)"),
        (lambda: nt_xent(z4, z4[:, :1], 0.5), r"\(4, 1\)"),
        (lambda: info_nce(z4, z4[:1], z4, 0.5), "q has 4 rows and k 1"),
        (lambda: info_nce(z4, z4, z4[:0], 0.5), r"\(0, 3\)"),
        (lambda: info_nce(z4, z4, z4.T, 0.5), r"\(3, 4\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, says):
    with pytest.raises(ValueError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_nan_is_not_hidden():
    z = rows(0, 6, 4)
    z[3, 1] = math.nan
    assert all(loss.isnan() for loss in three_losses(z, 0.1))


def test_embeddings_beyond_the_numbers_are_not_hidden():
    """Else a training that diverged would go on at the logarithm of the choices, and learn nothing."""
    for size in (1e20, math.inf):
        assert all(loss.isnan() for loss in three_losses(size * rows(0, 6, 4).float(), 0.1))
    assert all(loss.isfinite() for loss in three_losses(1e17 * rows(0, 6, 4).float(), 0.1))
