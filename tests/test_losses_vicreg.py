"""VICReg's three terms against loops written from the paper, lightly, closed forms, and differences."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import VICRegLoss

from facelab.losses import vicreg
from facelab.losses.vicreg import EPSILON, covariance, invariance, variance

EXACT = {"rtol": 1e-6, "atol": 1e-9}
seeds = st.integers(0, 2**32 - 1)
photographs, sizes = st.integers(2, 9), st.integers(1, 6)
weights = st.tuples(*[st.floats(0, 30)] * 3)
loops = settings(deadline=None, max_examples=60)


def two_views(seed: int, n: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of which some dimensions vary by more than 1 and some by less, around any mean."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((2, n, dim)) * 10 ** rng.uniform(-1.5, 0.7, dim) + rng.uniform(-3, 3, dim)
    return tuple(torch.from_numpy(z))


# The oracles: plain Python numbers, one sum at a time, no line in common with the loss.


def mean_product(a: list[float], b: list[float]) -> float:
    """Unbiased covariance of two columns."""
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    return math.fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True)) / (len(a) - 1)


def slow_invariance(z1, z2) -> float:
    """Eq. 5; over D as well, as in the authors' code."""
    pairs = zip(z1.tolist(), z2.tolist(), strict=True)
    return math.fsum((a - b) ** 2 for one, two in pairs for a, b in zip(one, two, strict=True)) / z1.numel()


def slow_variance(z) -> float:
    """Eq. 1 and 2, gamma 1."""
    columns = z.T.tolist()
    return math.fsum(max(0.0, 1 - math.sqrt(mean_product(c, c) + 1e-4)) for c in columns) / len(columns)


def slow_covariance(z) -> float:
    """Eq. 3 and 4."""
    columns = z.T.tolist()
    apart = [(a, b) for i, a in enumerate(columns) for j, b in enumerate(columns) if i != j]
    return math.fsum(mean_product(a, b) ** 2 for a, b in apart) / len(columns)


@loops
@given(seeds, photographs, sizes, weights)
def test_each_term_is_its_formula(seed, n, dim, given):
    z1, z2 = two_views(seed, n, dim)
    s, v, c = slow_invariance(z1, z2), slow_variance(z1) + slow_variance(z2), slow_covariance(z1) + slow_covariance(z2)
    found, close = vicreg(z1, z2, *given), partial(pytest.approx, rel=1e-6, abs=1e-9)
    assert (found.invariance.item(), found.variance.item(), found.covariance.item()) == close((s, v / 2, c))
    assert found.loss.item() == close(given[0] * s + given[1] * v / 2 + given[2] * c)


def test_the_weights_are_the_papers():
    terms = vicreg(*two_views(0, 6, 4))
    torch.testing.assert_close(terms.loss, 25 * terms.invariance + 25 * terms.variance + terms.covariance, **EXACT)


@loops
@given(seeds, photographs, sizes, weights)
def test_agrees_with_lightly(seed, n, dim, given):
    """Theirs too follows the authors' code: variance halved, covariance not; 1e-4 below the root; N - 1."""
    z1, z2 = two_views(seed, n, dim)
    torch.testing.assert_close(vicreg(z1, z2, *given).loss, VICRegLoss(*given)(z1, z2), **EXACT)


# Closed forms


def test_identical_views_are_invariant():
    z, _ = two_views(1, 7, 5)
    assert vicreg(z, z.clone()).invariance.item() == 0
    assert invariance(z, z + 3).item() == pytest.approx(9)


def test_a_collapsed_network_has_the_variance_of_nothing():
    terms = vicreg(*torch.full((2, 5, 4), 7.0, dtype=torch.float64))
    assert (terms.invariance.item(), terms.covariance.item()) == (0, 0)
    assert terms.variance.item() == pytest.approx(1 - math.sqrt(EPSILON)) == 0.99


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_dimensions_that_say_the_same_have_the_covariance_of_each_pair(copies):
    """All D (D - 1) pairs have the covariance var: the sum of squares, divided by D, is (D - 1) var^2."""
    column = torch.tensor([-1.0, 1.0, -1.0, 1.0], dtype=torch.float64)[:, None]  # unbiased variance 4/3
    assert covariance(column.repeat(1, copies)).item() == pytest.approx((copies - 1) * 16 / 9)
    signs = torch.tensor([1.0, -1.0] * copies)[:copies]  # one the opposite of the other is no news either
    assert covariance(column * signs).item() == pytest.approx((copies - 1) * 16 / 9)


def test_independent_dimensions_have_none():
    z = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3) * 3
    assert covariance(z).item() == pytest.approx(0, abs=1e-15)
    assert variance(z).item() == 0  # and vary by more than 1, beyond which nothing is gained
    assert covariance(z[:, :1]).item() == 0


@loops
@given(seeds, photographs, sizes, st.sampled_from([0.5, 2.0]))
def test_nothing_is_normalised(seed, n, dim, scale):
    z1, z2 = two_views(seed, n, dim)
    before, after = vicreg(z1, z2), vicreg(z1 * scale, z2 * scale)
    torch.testing.assert_close(after.invariance, scale**2 * before.invariance, **EXACT)
    torch.testing.assert_close(after.covariance, scale**4 * before.covariance, **EXACT)
    deviations = [(scale**2 * z.var(dim=0) + 1e-4).sqrt() for z in (z1, z2)]
    expected = sum((1 - deviation).clamp(min=0).mean() for deviation in deviations) / 2
    torch.testing.assert_close(after.variance, expected, **EXACT)


@loops
@given(seeds, photographs, sizes, st.floats(-5, 5))
def test_order_mean_and_which_view_is_first_do_not_matter(seed, n, dim, shift):
    z1, z2 = two_views(seed, n, dim)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    for same in (vicreg(z2, z1), vicreg(z1[order], z2[order]), vicreg(z1 + shift, z2 + shift)):
        torch.testing.assert_close(same, vicreg(z1, z2), **EXACT)


# Gradients

EDGES = {
    "random": two_views(1, 6, 4),
    "two photographs": two_views(2, 2, 4),
    "one dimension": two_views(3, 5, 1),
    "two photographs of one dimension": two_views(4, 2, 1),
    "one point": tuple(torch.full((2, 4, 3), 2.0, dtype=torch.float64)),
    "a dimension that does not vary": tuple(
        z * torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64) for z in two_views(5, 5, 3)
    ),
}


@pytest.mark.parametrize("views", EDGES.values(), ids=EDGES.keys())
def test_gradients_are_those_of_differences(views):
    views = [z.clone().requires_grad_() for z in views]
    assert torch.autograd.gradcheck(vicreg, views, eps=1e-6, atol=1e-6)
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(vicreg(*views).loss, views))


# The precision of a training


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_low_precision_is_left_before_the_first_sum(dtype):
    """Squares of 300 are beyond float16, and 1 + 1e-4 is 1 in bfloat16. The same numbers in float64 are what is right."""
    z1, z2 = (300 * z.to(dtype) for z in two_views(6, 64, 8))
    found, right = vicreg(z1, z2), vicreg(z1.double(), z2.double())
    assert {term.dtype for term in found} == {torch.float32}
    torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5, check_dtype=False)


def test_mixed_precision_stops_here():
    z1, z2 = (z.float() for z in two_views(7, 64, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = vicreg(z1, z2)
    torch.testing.assert_close(found, vicreg(z1, z2), rtol=0, atol=0)


# The fault of an earlier project, beside what is right


def test_the_covariance_is_divided_by_the_rows_really_there():
    """They divided by the batch size that they had asked for: the last, smaller batch counted less."""
    z, _ = two_views(8, 5, 3)
    centred = z - z.mean(dim=0)
    of_a_constant = ((centred.T @ centred / (32 - 1)).fill_diagonal_(0) ** 2).sum() / 3
    assert of_a_constant.item() == pytest.approx(slow_covariance(z) * (4 / 31) ** 2)
    assert covariance(z).item() == pytest.approx(slow_covariance(z))


@pytest.mark.parametrize(
    "shapes", [((4, 3), (4, 2)), ((4, 3), (3, 3)), ((1, 3), (1, 3)), ((4,), (4,)), ((4, 0), (4, 0)), ((2, 4, 3),) * 2]
)
def test_what_does_not_fit_is_refused_in_one_line(shapes):
    with pytest.raises(ValueError, match="both views of the same photographs, two or more") as caught:
        vicreg(*map(torch.ones, shapes))
    assert str(shapes[0]) in str(caught.value) and "\n" not in str(caught.value)


def test_a_nan_is_not_hidden():
    z1, z2 = two_views(0, 6, 4)
    z1[3, 1] = math.nan
    assert all(term.isnan() for term in vicreg(z1, z2))
