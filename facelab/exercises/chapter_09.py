"""Exercises of notebook 09: a KL divergence, a sample that gradients pass, the beta score, and error against rejection."""

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


def kl_to_standard(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL divergence of N(mean, exp(log_var)) to N(0, 1), the mean over rows and dimensions (N, D)."""
    return (mean.square() + log_var.exp() - log_var - 1).mean() / 2


def _check_kl(answer) -> None:
    rng = np.random.default_rng(0)
    mean, log_var = (torch.from_numpy(rng.normal(size=(5, 3))) for _ in range(2))
    got = answer(mean.clone().requires_grad_(), log_var.clone().requires_grad_())
    require_loss(got, "divergence")
    got = got.item()
    refuse_mistakes(got, _KL_MISTAKES, mean, log_var)
    require_value(got, kl_to_standard(mean, log_var).item(), "the divergence of 5 rows with 3 dimensions")


_KL_MISTAKES = {
    "without the half": (lambda m, v: 2 * kl_to_standard(m, v), "the factor 1/2 is missing."),
    "the sign": (
        lambda m, v: -kl_to_standard(m, v),
        "this is negative: a divergence is 0 or more. Training would drive the distributions away from the prior.",
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
        "you add up the dimensions. Take the mean: else the pull to the prior grows with their number.",
    ),
    "turned round": (
        lambda m, v: ((m.square() + 1) / v.exp() + v - 1).mean() / 2,
        "this is the divergence of N(0, 1) to your distribution: the other way round, another number.",
    ),
}
KL_TO_STANDARD = Exercise("9.1 a KL divergence", kl_to_standard, _check_kl, mistakes=_KL_MISTAKES)


def sample(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """A draw of N(mean, exp(log_var)) from standard normal ``noise``, all (N, D), that passes gradients to both."""
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
        "the mean is missing: every photograph would be drawn around 0.",
    ),
    "nothing learned": (
        lambda m, v, e: sample(m, v, e).detach(),
        "the draw carries no gradient: compute it from mean and log_var, without detach().",
    ),
    "fixed width": (lambda m, v, e: m + (v / 2).exp().detach() * e, "no gradient reaches log_var"),
    "fixed mean": (lambda m, v, e: m.detach() + (v / 2).exp() * e, "no gradient reaches mean"),
}
SAMPLE = Exercise("9.2 a draw that gradients pass", sample, _check_sample, mistakes=_SAMPLE_MISTAKES)


def beta_scores(a: Tensor, b: Tensor, beta: float, sigma: float) -> Tensor:
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
    require_value(got.detach(), beta_scores(a, b, 0.3, 0.5), "3 rows with 2 others, beta .3")
    found = answer(a.float(), b.float(), 1e-6, 0.5)
    exact = beta_scores(a, b, 1e-6, 0.5)
    require(bool(((found - exact).abs() < 0.01).all()), _EXPM1)


def _with(score):
    """A mistaken score from squared distances (N, M), D, beta and sigma."""

    def answer(a, b, beta, sigma):
        return score((a[:, None] - b[None]).square().sum(dim=2), a.shape[1], beta, sigma)

    return answer


_EXPM1 = "with a beta of 1e-6 and float32 your score is off: exp(x) - 1 has lost its digits where x is small. Use torch.expm1."
_BETA_MISTAKES = {
    "unsquared": (
        _with(
            lambda d, n, b, s: (
                (1 + b) / b * ((2 * math.pi * s**2) ** (-b * n / 2) * (-b * d.sqrt() / (2 * s**2)).exp() - 1)
            )
        ),
        "the distance is not squared. (So the authors' public code has it.)",
    ),
    "one dimension": (
        _with(lambda d, n, b, s: (1 + b) / b * ((2 * math.pi * s**2) ** (-b / 2) * (-b * d / (2 * s**2)).exp() - 1)),
        "the first factor is that of one dimension: its exponent is -beta D / 2.",
    ),
    "twice the exponent": (
        _with(lambda d, n, b, s: (1 + b) / b * ((2 * math.pi * s**2) ** (-b * n / 2) * (-b * d / s**2).exp() - 1)),
        "twice the exponent: the squared distance is divided by 2 sigma^2.",
    ),
    "without minus one": (
        _with(lambda d, n, b, s: (1 + b) / b * (2 * math.pi * s**2) ** (-b * n / 2) * (-b * d / (2 * s**2)).exp()),
        "the - 1 is missing: without it the score grows without end as beta goes to 0.",
    ),
    "without the factor": (
        _with(lambda d, n, b, s: (2 * math.pi * s**2) ** (-b * n / 2) * (-b * d / (2 * s**2)).exp() - 1),
        "the factor (1 + beta) / beta is missing: with a small beta all scores would be 0.",
    ),
    "the sign": (
        lambda a, b, beta, sigma: -beta_scores(a, b, beta, sigma),
        "the sign is wrong: nearer ones must have larger scores.",
    ),
    "exp minus one": (
        _with(
            lambda d, n, b, s: (1 + b) / b * ((-b * (n / 2 * math.log(2 * math.pi * s**2) + d / (2 * s**2))).exp() - 1)
        ),
        _EXPM1,
    ),
}
BETA_SCORES = Exercise("9.3 the beta score", beta_scores, _check_beta, mistakes=_BETA_MISTAKES)


def error_after_rejection(errors: np.ndarray, uncertainty: np.ndarray, rejected_share: float) -> float:
    """Error among what is left when ``rejected_share`` of them, the most uncertain, is sent away; ``errors`` bool (N,)."""
    kept = len(errors) - math.floor(rejected_share * len(errors))
    return float(np.mean(errors[np.argsort(uncertainty, kind="stable")[:kept]]))


def _check_rejection(answer) -> None:
    rng = np.random.default_rng(4)
    uncertainty = rng.permutation(40) / 40.0
    wrong = rng.random(40) < 0.2 + 0.5 * uncertainty
    got = answer(wrong.copy(), uncertainty.copy(), 0.3)
    require_written(got)
    refuse_mistakes(got, _REJECTION_MISTAKES, wrong, uncertainty, 0.3)
    require_value(got, error_after_rejection(wrong, uncertainty, 0.3), "12 of 40 refused")
    require_value(answer(wrong.copy(), uncertainty.copy(), 0.0), wrong.mean(), "nobody refused")


_REJECTION_MISTAKES = {
    "the certain refused": (
        lambda w, u, r: error_after_rejection(w, -u, r),
        "you refuse the most certain. The most uncertain are the ones to be sent away.",
    ),
    "of all": (
        lambda w, u, r: error_after_rejection(w, u, r) * (1 - r),
        "you divide by all. Those who were refused are no right answers: divide by those who are left.",
    ),
    "of the refused": (
        lambda w, u, r: float(np.mean(w[np.argsort(u)[len(w) - math.floor(r * len(w)) :]])),
        "this is the error among those who were refused.",
    ),
    "nobody refused": (lambda w, u, r: float(np.mean(w)), "this is the error of all: nobody was refused."),
    "share kept": (
        lambda w, u, r: error_after_rejection(w, u, 1 - r),
        "you keep the share that is to be refused.",
    ),
    "the accuracy": (lambda w, u, r: 1 - error_after_rejection(w, u, r), "this is the share of the right ones."),
}
ERROR_AFTER_REJECTION = Exercise(
    "9.4 error against rejection", error_after_rejection, _check_rejection, mistakes=_REJECTION_MISTAKES
)
