"""VCL's terms against torch.distributions, loops written from the formulas, limits, and differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from facelab.losses import beta_nt_xent, beta_scores, distribution_similarity, kl_to_standard, nt_xent
from facelab.losses.cosine import normalize_rows

EXACT = {"rtol": 1e-6, "atol": 1e-9}
seeds = st.integers(0, 2**32 - 1)
rows, sizes = st.integers(1, 7), st.integers(1, 6)
betas, sigmas = st.floats(1e-4, 2), st.floats(0.2, 2)
loops = settings(deadline=None, max_examples=60)


def some(seed: int, n: int, dim: int, parts: int) -> list[torch.Tensor]:
    """Means or log-variances, float64 (N, D), of very different sizes."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.standard_normal((n, dim)) * 10 ** rng.uniform(-1, 0.5)) for _ in range(parts)]


def normal(mean: torch.Tensor, log_var: torch.Tensor) -> Normal:
    return Normal(mean, (log_var / 2).exp())


@loops
@given(seeds, rows, sizes)
def test_kl_is_that_of_torch_distributions(seed, n, dim):
    mean, log_var = some(seed, n, dim, 2)
    standard = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = kl_divergence(normal(mean, log_var), standard).mean()
    torch.testing.assert_close(kl_to_standard(mean, log_var), expected, **EXACT)


@loops
@given(seeds, rows, sizes)
def test_similarity_is_the_mean_of_two_divergences_to_the_normal_between(seed, n, dim):
    mean1, log_var1, mean2, log_var2 = some(seed, n, dim, 4)
    between = Normal((mean1 + mean2) / 2, ((log_var1.exp() + log_var2.exp()) / 2).sqrt())
    expected = sum(kl_divergence(normal(m, v), between).mean() for m, v in ((mean1, log_var1), (mean2, log_var2))) / 2
    torch.testing.assert_close(distribution_similarity(mean1, log_var1, mean2, log_var2), expected, **EXACT)


def test_similarity_sees_variances_that_differ():
    """The geometric mean of the variances, of one variant of the public code, gives 0 here."""
    zero, wide = torch.zeros(2, 3, dtype=torch.float64), torch.full((2, 3), math.log(4.0), dtype=torch.float64)
    expected = (math.log(2.5) - math.log(4) / 2) / 2  # 1/4 [2 log 2.5 - log 1 - log 4]
    assert distribution_similarity(zero, zero, zero, wide).item() == pytest.approx(expected)


def test_both_are_zero_where_nothing_differs_and_never_below():
    mean, log_var = some(0, 5, 4, 2)
    assert distribution_similarity(mean, log_var, mean, log_var).item() == pytest.approx(0, abs=1e-12)
    assert kl_to_standard(torch.zeros(3, 2), torch.zeros(3, 2)) == 0
    tiny = torch.full((3, 2), 1e-4)  # 1 + x - exp(x) of float32 would be 0, or below
    assert kl_to_standard(torch.zeros(3, 2), tiny).item() == pytest.approx(1e-8 / 4, rel=1e-2)


def test_no_exponential_overflows():
    wide = torch.full((2, 3), 200.0)
    found = distribution_similarity(torch.zeros(2, 3), wide, torch.ones(2, 3), wide - 1)
    assert torch.isfinite(found) and found > 0


def slow_score(a: list[float], b: list[float], beta: float, sigma: float) -> float:
    """The formula with squared distances, one number at a time."""
    squared = math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    density = (2 * math.pi * sigma**2) ** (-beta * len(a) / 2) * math.exp(-beta * squared / (2 * sigma**2))
    return (1 + beta) / beta * (density - 1)


@loops
@given(seeds, st.integers(1, 6), sizes, betas, sigmas, st.floats(0.05, 1))
def test_the_contrast_is_its_formula(seed, n, dim, beta, sigma, temperature):
    z1, z2 = some(seed, n, dim, 2)
    z = normalize_rows(torch.cat([z1, z2])).tolist()
    total = []
    for i in range(2 * n):
        scores = {k: slow_score(z[i], z[k], beta, sigma) / temperature for k in range(2 * n) if k != i}
        top = max(scores.values())
        log_sum = top + math.log(math.fsum(math.exp(value - top) for value in scores.values()))
        total.append(log_sum - scores[(i + n) % (2 * n)])
    expected = math.fsum(total) / len(total)
    found = beta_nt_xent(z1, z2, temperature, beta, sigma).item()
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_without_beta_it_is_nt_xent(sigma):
    z1, z2 = some(3, 6, 8, 2)
    plain = nt_xent(z1, z2, 0.2 * sigma**2)
    torch.testing.assert_close(beta_nt_xent(z1, z2, 0.2, 0.0, sigma), plain, **EXACT)
    torch.testing.assert_close(beta_nt_xent(z1, z2, 0.2, 1e-7, sigma), plain, rtol=1e-4, atol=0)
    z = normalize_rows(torch.cat([z1, z2]))
    torch.testing.assert_close(beta_scores(z, z, 1e-8, sigma), beta_scores(z, z, 0.0, sigma), rtol=1e-5, atol=1e-6)


def test_float32_knows_a_small_beta():
    """(exp(x) - 1) / beta would have lost four digits."""
    z1, z2 = (z.float() for z in some(4, 6, 16, 2))
    exact = beta_nt_xent(z1.double(), z2.double(), 0.07, 1e-4)
    torch.testing.assert_close(beta_nt_xent(z1, z2, 0.07, 1e-4).double(), exact, rtol=1e-4, atol=0)


def test_a_far_photograph_costs_no_more_than_its_bound():
    near, far = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64).split(1)
    for beta in (0.1, 1.0, 5.0):
        assert beta_scores(near, far, beta, 0.1).item() >= -(1 + beta) / beta
    assert beta_scores(near, far, 0.0, 0.1).item() < -190  # the log-likelihood has no bound


def test_gradients_are_those_of_differences():
    values = [value.requires_grad_() for value in some(5, 3, 4, 4)]
    assert torch.autograd.gradcheck(kl_to_standard, values[:2])
    assert torch.autograd.gradcheck(distribution_similarity, values)
    for beta in (0.0, 0.005, 0.5):
        assert torch.autograd.gradcheck(lambda a, b, beta=beta: beta_nt_xent(a, b, 0.2, beta), values[:2])


ROWS = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: kl_to_standard(ROWS, ROWS[:1]), "shapes"),
        (lambda: kl_to_standard(ROWS[0], ROWS[0]), "shapes"),
        (lambda: distribution_similarity(ROWS, ROWS, ROWS, ROWS[:, :2]), "log_var2"),
        (lambda: beta_nt_xent(ROWS, ROWS[:1], 0.1), "z2 1"),
        (lambda: beta_nt_xent(ROWS, ROWS, 0.0), "temperature is 0"),
        (lambda: beta_nt_xent(ROWS, ROWS, 0.1, -0.1), "beta is -0.1"),
        (lambda: beta_nt_xent(ROWS, ROWS, 0.1, 0.1, 0.0), "sigma 0.0"),
        (lambda: beta_nt_xent(ROWS, ROWS, 0.1, 0.0, 0.0), "sigma 0.0"),
        (lambda: beta_nt_xent(ROWS, ROWS, 0.1, math.nan), "beta is nan"),
    ],
)
def test_what_does_not_fit_is_named(call, told):
    with pytest.raises(ValueError, match=told):
        call()
