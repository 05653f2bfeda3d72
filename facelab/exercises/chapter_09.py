"""Exercises of notebook 09: a KL divergence, a sample that gradients pass, the beta score, and error against rejection.
The whole loss, and a guess about it, are in ``chapter_09_loss``."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    refuse_mistakes,
    require,
    require_loss,
    require_returned,
    require_value,
    require_written,
)


def kl_to_prior(mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    """KL divergence of N(mean, exp(log_var)) to N(0, 1), the mean over rows and dimensions (N, D)."""
    return (mean.square() + log_var.exp() - log_var - 1).mean() / 2


def _check_kl(answer) -> None:
    rng = np.random.default_rng(0)
    mean, log_var = (torch.from_numpy(rng.normal(size=(5, 3))) for _ in range(2))
    got = answer(mean.clone().requires_grad_(), log_var.clone().requires_grad_())
    require_loss(got, "divergence")
    got = got.item()
    refuse_mistakes(got, _KL_MISTAKES, mean, log_var)
    require_value(got, kl_to_prior(mean, log_var).item(), "the divergence of 5 rows with 3 dimensions")


_KL_MISTAKES = {
    "without the half": (lambda m, v: 2 * kl_to_prior(m, v), "the factor 1/2 is missing."),
    "the sign": (
        lambda m, v: -kl_to_prior(m, v),
        "this is negative, but a divergence is 0 or more. Training would drive the distributions away from the prior.",
    ),
    "log_var as deviation": (
        lambda m, v: (m.square() + v.exp().square() - 2 * v - 1).mean() / 2,
        "you take exp(log_var) for the deviation. It is the variance.",
    ),
    "log_var as variance": (
        lambda m, v: (m.square() + v - v.abs().log() - 1).mean() / 2,
        "you take log_var for the variance. The variance is exp(log_var), which is above 0 whatever the network says.",
    ),
    "the mean not squared": (
        lambda m, v: (m + v.exp() - v - 1).mean() / 2,
        "the mean is not squared: a mean of -1 is as far from 0 as one of 1.",
    ),
    "sum over dimensions": (
        lambda m, v: (m.square() + v.exp() - v - 1).sum(dim=1).mean() / 2,
        "you add up the dimensions. Take their mean: otherwise the pull to the prior grows with their number.",
    ),
    "turned round": (
        lambda m, v: ((m.square() + 1) / v.exp() + v - 1).mean() / 2,
        "this is the divergence of N(0, 1) from your distribution. It is not symmetric: the other direction is asked for.",
    ),
}
KL_TO_PRIOR = Exercise(
    "9.1 a KL divergence",
    kl_to_prior,
    _check_kl,
    mistakes=_KL_MISTAKES,
    minutes=8,
    difficulty=2,
    importance=4,
    hints=(
        "Look at the formula of *The pull to the prior*. The function gets $\\log\\sigma^2$, not $\\sigma$: which term of "
        "the formula has to be computed from it?",
        "For every entry add the square of the mean and the variance `log_var.exp()`, and subtract `1 + log_var`. Take half "
        "the mean of all entries, with `.mean()` of the whole matrix.",
    ),
)


def sample(mean: torch.Tensor, log_var: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A draw of N(mean, exp(log_var)) from standard normal ``noise``, all (N, D); gradients pass to both."""
    return mean + (log_var / 2).exp() * noise


def _check_sample(answer) -> None:
    rng = np.random.default_rng(1)
    mean, log_var, noise = (torch.from_numpy(rng.normal(size=(4, 3))) for _ in range(3))
    given = mean.clone().requires_grad_(), log_var.clone().requires_grad_()
    got = answer(*given, noise.clone())
    require_returned(got)
    require(
        isinstance(got, Tensor) and tuple(got.shape) == (4, 3), "return a tensor (N, D), a draw of each distribution."
    )
    refuse_mistakes(got.detach().numpy(), {k: _SAMPLE_MISTAKES[k] for k in _WRONG_VALUES}, mean, log_var, noise)
    require_value(got.detach().numpy(), sample(mean, log_var, noise).numpy(), "a draw of 4 rows with 3 dimensions")
    require(got.requires_grad, _SAMPLE_MISTAKES["nothing learned"][1])
    got.sum().backward()
    for name, value in zip(("mean", "log_var"), given, strict=True):
        require(
            value.grad is not None and bool(value.grad.abs().sum() > 0),
            f"no gradient reaches {name}: leave out detach() and no_grad(). The noise is what needs no gradient.",
        )


_WRONG_VALUES = ("variance for deviation", "log_var for deviation", "mean alone", "noise alone")
_SAMPLE_MISTAKES = {
    "variance for deviation": (
        lambda m, v, e: m + v.exp() * e,
        "you scale the noise by the variance. Its root, the deviation, is exp(log_var / 2).",
    ),
    "log_var for deviation": (
        lambda m, v, e: m + v * e,
        "you scale the noise by log_var, which may be below 0. The deviation is exp(log_var / 2).",
    ),
    "mean alone": (lambda m, v, e: m, "this is the mean: nothing is drawn, and log_var is never used."),
    "noise alone": (
        lambda m, v, e: (v / 2).exp() * e,
        "the mean is missing: the draws of every photograph would lie around 0.",
    ),
    "nothing learned": (
        lambda m, v, e: sample(m, v, e).detach(),
        "the draw carries no gradient: compute it from mean and log_var, without detach().",
    ),
    "fixed width": (lambda m, v, e: m + (v / 2).exp().detach() * e, "no gradient reaches log_var"),
    "fixed mean": (lambda m, v, e: m.detach() + (v / 2).exp() * e, "no gradient reaches mean"),
}
SAMPLE = Exercise(
    "9.2 a draw that gradients pass through",
    sample,
    _check_sample,
    mistakes=_SAMPLE_MISTAKES,
    minutes=6,
    difficulty=2,
    importance=5,
    hints=(
        "Look at the first code cell of *A photograph as a distribution*: the noise comes from outside, and the draw is a "
        "formula of the mean, the deviation and the noise.",
        "The deviation is the root of the variance, and the root of $e^{v}$ is $e^{v / 2}$. Multiply it by the noise, add "
        "the mean, and let no `detach()` or `no_grad()` stand in between.",
    ),
)


def beta_score(a: torch.Tensor, b: torch.Tensor, beta: float, sigma: float) -> torch.Tensor:
    """Score under the beta-divergence of each row of a (N, D) with each of b (M, D): (N, M)."""
    squared = (a[:, None] - b[None]).square().sum(dim=2)
    log_likelihood = -a.shape[1] / 2 * math.log(2 * math.pi * sigma**2) - squared / (2 * sigma**2)
    return (1 + beta) / beta * torch.expm1(beta * log_likelihood)


def _check_beta(answer) -> None:
    rng = np.random.default_rng(2)
    a, b = (torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(n, 4)))) for n in (3, 2))
    got = answer(a.clone(), b.clone(), 0.3, 0.5)
    require_returned(got)
    require(isinstance(got, Tensor), f"return a tensor (N, M), you return {type(got).__name__}.")
    for mistake, message in _BETA_MISTAKES.values():
        if message is not _EXPM1:
            refuse(got.detach(), mistake(a, b, 0.3, 0.5), message)
    require_value(got.detach(), beta_score(a, b, 0.3, 0.5), "3 rows with 2 others, beta .3")
    found = answer(a.float(), b.float(), 1e-6, 0.5)
    exact = beta_score(a, b, 1e-6, 0.5)
    require(bool(((found - exact).abs() < 0.01).all()), _EXPM1)


def _with(score):
    """A mistaken score from squared distances (N, M), D, beta and sigma."""

    def answer(a, b, beta, sigma):
        return score((a[:, None] - b[None]).square().sum(dim=2), a.shape[1], beta, sigma)

    return answer


_EXPM1 = (
    "with a beta of 1e-6 in float32 your score is wrong: exp(x) - 1 loses its digits where x is small. Use torch.expm1."
)
_BETA_MISTAKES = {
    "unsquared": (
        _with(
            lambda d, n, b, s: (
                (1 + b) / b * ((2 * math.pi * s**2) ** (-b * n / 2) * (-b * d.sqrt() / (2 * s**2)).exp() - 1)
            )
        ),
        "the distance is not squared. (The authors' public code makes the same mistake.)",
    ),
    "one dimension": (
        _with(lambda d, n, b, s: (1 + b) / b * ((2 * math.pi * s**2) ** (-b / 2) * (-b * d / (2 * s**2)).exp() - 1)),
        "the first factor is that of one dimension. Its exponent is -beta D / 2.",
    ),
    "twice the exponent": (
        _with(lambda d, n, b, s: (1 + b) / b * ((2 * math.pi * s**2) ** (-b * n / 2) * (-b * d / s**2).exp() - 1)),
        "the exponent is twice as large as it should be: the squared distance is divided by 2 sigma^2.",
    ),
    "without minus one": (
        _with(lambda d, n, b, s: (1 + b) / b * (2 * math.pi * s**2) ** (-b * n / 2) * (-b * d / (2 * s**2)).exp()),
        "the - 1 is missing: without it the score grows without end as beta goes to 0.",
    ),
    "without the factor": (
        _with(lambda d, n, b, s: (2 * math.pi * s**2) ** (-b * n / 2) * (-b * d / (2 * s**2)).exp() - 1),
        "the factor (1 + beta) / beta is missing: with a small beta all scores would be nearly 0.",
    ),
    "the sign": (
        lambda a, b, beta, sigma: -beta_score(a, b, beta, sigma),
        "the sign is wrong: vectors that are nearer to each other must have larger scores.",
    ),
    "exp minus one": (
        _with(
            lambda d, n, b, s: (1 + b) / b * ((-b * (n / 2 * math.log(2 * math.pi * s**2) + d / (2 * s**2))).exp() - 1)
        ),
        _EXPM1,
    ),
}
BETA_SCORE = Exercise(
    "9.3 the beta score",
    beta_score,
    _check_beta,
    mistakes=_BETA_MISTAKES,
    minutes=15,
    difficulty=3,
    importance=4,
    hints=(
        "Look at the formula of *A score that gives less weight to distant pairs*. Both factors of the product are "
        "exponentials: together they are $e^{\\beta \\log N}$, with $\\log N$ the log-likelihood that stands above it.",
        "The squared distances of all pairs are `(a[:, None] - b[None]).square().sum(dim=2)`. Compute the log-likelihood of "
        "each pair, multiply it by beta, and let `torch.expm1` take $e^x - 1$: it keeps the digits of a small $x$.",
    ),
)


def error_after_rejection(errors: np.ndarray, uncertainty: np.ndarray, rejected_share: float) -> float:
    """Error among those left when ``rejected_share`` of all, the most uncertain, is refused; ``errors`` is bool (N,)."""
    kept = len(errors) - math.floor(rejected_share * len(errors))
    return float(np.mean(errors[np.argsort(uncertainty, kind="stable")[:kept]]))


def _check_rejection(answer) -> None:
    rng = np.random.default_rng(4)
    uncertainty = rng.permutation(40) / 40.0
    wrong = rng.random(40) < 0.2 + 0.5 * uncertainty
    got = answer(wrong.copy(), uncertainty.copy(), 0.3)
    require_written(got)
    refuse_mistakes(got, _REJECTION_MISTAKES, wrong, uncertainty, 0.3)
    require_value(got, error_after_rejection(wrong, uncertainty, 0.3), "12 of 40 photographs refused")
    require_value(answer(wrong.copy(), uncertainty.copy(), 0.0), wrong.mean(), "nothing refused")


_REJECTION_MISTAKES = {
    "the certain refused": (
        lambda w, u, r: error_after_rejection(w, -u, r),
        "you refuse the most certain photographs. Refuse the most uncertain ones.",
    ),
    "of all": (
        lambda w, u, r: error_after_rejection(w, u, r) * (1 - r),
        "you divide by the number of all photographs. Those refused are no right answers: divide by the number of those left.",
    ),
    "of the refused": (
        lambda w, u, r: float(np.mean(w[np.argsort(u)[len(w) - math.floor(r * len(w)) :]])),
        "this is the error among the photographs that were refused.",
    ),
    "nobody refused": (lambda w, u, r: float(np.mean(w)), "this is the error of all photographs: nothing was refused."),
    "share kept": (
        lambda w, u, r: error_after_rejection(w, u, 1 - r),
        "you keep the share of photographs that should be refused.",
    ),
    "the accuracy": (lambda w, u, r: 1 - error_after_rejection(w, u, r), "this is the share of right answers."),
}
ERROR_AFTER_REJECTION = Exercise(
    "9.4 error against rejection",
    error_after_rejection,
    _check_rejection,
    mistakes=_REJECTION_MISTAKES,
    minutes=8,
    difficulty=2,
    importance=4,
    hints=(
        "Look at *Refuse what is uncertain*. First count how many photographs are refused, as a whole number; then ask which "
        "ones are left, and divide by their number.",
        "`np.argsort(uncertainty)` puts the most certain first. Keep the first `n - floor(rejected_share * n)` of that "
        "order, and take the mean of `errors` there.",
    ),
)
