"""Exercises of notebook 09 about all terms of the loss together: the whole loss of VCL, and a guess about what it teaches."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from facelab.exercises.exercise import Exercise, refuse_mistakes, require, require_loss, require_value
from facelab.exercises.prediction import Prediction
from facelab.losses import beta_nt_xent, distribution_similarity, kl_to_standard

_SETTINGS = (0.4, 0.35, 0.2, 0.7)  # beta, sigma, temperature, weight of the prior


def vcl_loss(
    mean: torch.Tensor,
    log_var: torch.Tensor,
    noise: torch.Tensor,
    beta: float,
    sigma: float,
    temperature: float,
    prior: float,
) -> torch.Tensor:
    """Loss of VCL for N photographs in two views: contrast + similarity + ``prior`` times KL, of (2, N, D) each."""
    variance = log_var.exp()
    drawn = (mean + variance.sqrt() * noise).flatten(0, 1)  # (2N, D): all first views, then all second ones
    z = torch.nn.functional.normalize(drawn)
    log_likelihood = -z.shape[1] / 2 * math.log(2 * math.pi * sigma**2) - (1 - z @ z.T) / sigma**2
    scores = (1 + beta) / beta * torch.expm1(beta * log_likelihood) / temperature
    itself = torch.eye(len(z), dtype=torch.bool)
    partner = torch.arange(len(z)).roll(mean.shape[1])
    contrast = torch.nn.functional.cross_entropy(scores.masked_fill(itself, -torch.inf), partner)

    middle, middle_variance = mean.mean(dim=0), variance.mean(dim=0)
    ratio = (variance + (mean - middle).square()) / middle_variance
    similarity = (ratio - 1 + middle_variance.log() - log_var).mean() / 2  # over both views: the factor 1/2 of the sum
    kl = (mean.square() + variance - log_var - 1).mean() / 2
    return contrast + similarity + prior * kl


def _draw(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return mean + (log_var / 2).exp() * noise


def _contrast(z: Tensor, beta: float, sigma: float, temperature: float) -> Tensor:
    return beta_nt_xent(z[0], z[1], temperature, beta, sigma)


def _similar(mean: Tensor, log_var: Tensor) -> Tensor:
    return distribution_similarity(mean[0], log_var[0], mean[1], log_var[1])


def _kl(mean: Tensor, log_var: Tensor) -> Tensor:
    return kl_to_standard(mean.flatten(0, 1), log_var.flatten(0, 1))


def _loss_of(draw=_draw, contrast=_contrast, similar=_similar, kl=_kl):
    """The loss of the package's terms, or of others in their place."""

    def answer(mean, log_var, noise, beta, sigma, temperature, prior):
        z = draw(mean, log_var, noise)
        return contrast(z, beta, sigma, temperature) + similar(mean, log_var) + prior * kl(mean, log_var)

    return answer


def _scores(z: Tensor, beta: float, sigma: float, temperature: float) -> Tensor:
    """Of all 2N draws with each other, over the temperature; of vectors of any norm."""
    squared = (z[:, None] - z[None]).square().sum(dim=2)
    log_likelihood = -z.shape[1] / 2 * math.log(2 * math.pi * sigma**2) - squared / (2 * sigma**2)
    return (1 + beta) / beta * torch.expm1(beta * log_likelihood) / temperature


def _cross_entropy(scores: Tensor, masked: bool = True) -> Tensor:
    if masked:
        scores = scores.masked_fill(torch.eye(len(scores), dtype=torch.bool), -torch.inf)
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(scores)).roll(len(scores) // 2))


def _unit(z: Tensor) -> Tensor:
    return torch.nn.functional.normalize(z.flatten(0, 1))


def _one_view_asks(z: Tensor, *settings: float) -> Tensor:
    scores, n = _scores(_unit(z), *settings), z.shape[1]
    scores = scores.masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    return torch.nn.functional.cross_entropy(scores[:n], torch.arange(n) + n)


def _other_view_only(z: Tensor, *settings: float) -> Tensor:
    scores, n = _scores(_unit(z), *settings), z.shape[1]
    across, own = scores[:n, n:], torch.arange(n)
    return (torch.nn.functional.cross_entropy(across, own) + torch.nn.functional.cross_entropy(across.T, own)) / 2


def _middle_of_logs(mean: Tensor, log_var: Tensor) -> Tensor:
    middle = log_var.mean(dim=0)
    ratio = (log_var.exp() + (mean - mean.mean(dim=0)).square()) / middle.exp()
    return (ratio - 1 + middle - log_var).mean() / 2


def _check(answer) -> None:
    rng = np.random.default_rng(3)
    inputs = [torch.from_numpy(rng.normal(size=(2, 5, 4))) for _ in range(3)]
    given = [value.clone().requires_grad_() for value in inputs]
    got = answer(*given, *_SETTINGS)
    require_loss(got)
    refuse_mistakes(got.item(), {k: v for k, v in _MISTAKES.items() if k not in _WRONG_SLOPES}, *inputs, *_SETTINGS)
    true = [value.clone().requires_grad_() for value in inputs]
    expected = _loss_of()(*true, *_SETTINGS)
    require_value(got.item(), expected.item(), "the loss of 5 photographs with 4 dimensions")
    got.backward(), expected.backward()
    for name, ours, exact in zip(("mean", "log_var"), given, true, strict=False):
        require(ours.grad is not None, f"no gradient reaches {name}.")
        require(
            torch.allclose(ours.grad, exact.grad, atol=1e-6),
            f"the value is right, but not its gradient by {name}: some part of the loss was cut off from it. {_CUT}",
        )


_CUT = "Leave out detach(), no_grad() and item(): all three terms must reach mean and log_var."
_WRONG_SLOPES = ("middle detached", "draws detached")
_MISTAKES = {
    "draws not brought to norm 1": (
        _loss_of(contrast=lambda z, *settings: _cross_entropy(_scores(z.flatten(0, 1), *settings))),
        "the draws have norms of their own. The contrast compares directions: bring each draw to norm 1 first.",
    ),
    "itself among the others": (
        _loss_of(contrast=lambda z, *settings: _cross_entropy(_scores(_unit(z), *settings), masked=False)),
        "each draw is compared with itself too, which is always the nearest. Leave the diagonal out of the sum.",
    ),
    "only the first view asks": (
        _loss_of(contrast=_one_view_asks),
        "only the draws of the first view look for their partners. Take the mean over all 2N draws.",
    ),
    "only the other view answers": (
        _loss_of(contrast=_other_view_only),
        "each draw is compared with those of the other view alone. All 2N - 1 other draws belong into the sum.",
    ),
    "no temperature": (
        _loss_of(contrast=lambda z, beta, sigma, temperature: _contrast(z, beta, sigma, 1.0)),
        "the scores are not divided by the temperature.",
    ),
    "variance for deviation": (
        _loss_of(draw=lambda mean, log_var, noise: mean + log_var.exp() * noise),
        "the noise is scaled by the variance. Scale it by the deviation, exp(log_var / 2).",
    ),
    "one noise for both views": (
        _loss_of(draw=lambda mean, log_var, noise: _draw(mean, log_var, noise[:1])),
        "both views are drawn with the noise of the first. Two views need two independent draws.",
    ),
    "nothing drawn": (
        _loss_of(draw=lambda mean, log_var, noise: mean),
        "the contrast compares the means. Compare the draws: otherwise it says nothing about the variances.",
    ),
    "middle of the log-variances": (
        _loss_of(similar=_middle_of_logs),
        "the normal in the middle has the mean of the log-variances. Give it the mean of the variances (the published fault).",
    ),
    "similarity without the half": (
        _loss_of(similar=lambda mean, log_var: 2 * _similar(mean, log_var)),
        "the similarity term is twice as large as it should be: it is half the sum of two divergences.",
    ),
    "no similarity": (
        _loss_of(similar=lambda mean, log_var: 0.0),
        "the similarity term is missing: nothing asks both views for one distribution.",
    ),
    "prior of one view": (
        _loss_of(kl=lambda mean, log_var: kl_to_standard(mean[0], log_var[0])),
        "only the first view is pulled to the prior. Take the mean over both.",
    ),
    "prior without its weight": (
        lambda mean, log_var, noise, beta, sigma, temperature, prior: _loss_of()(
            mean, log_var, noise, beta, sigma, temperature, 1.0
        ),
        "the divergence from the prior is not multiplied by its weight.",
    ),
    "middle detached": (
        _loss_of(similar=lambda mean, log_var: _similar_to_detached_middle(mean, log_var)),
        "the value is right, but not its gradient",
    ),
    "draws detached": (
        _loss_of(draw=lambda mean, log_var, noise: _draw(mean, log_var, noise).detach()),
        "the value is right, but not its gradient",
    ),
}


def _similar_to_detached_middle(mean: Tensor, log_var: Tensor) -> Tensor:
    middle, variance = mean.mean(dim=0).detach(), log_var.exp().mean(dim=0).detach()
    return ((log_var.exp() + (mean - middle).square()) / variance - 1 + variance.log() - log_var).mean() / 2


VCL_LOSS = Exercise(
    "9.5 the whole loss",
    vcl_loss,
    _check,
    mistakes=_MISTAKES,
    minutes=30,
    difficulty=5,
    importance=5,
    hints=(
        "Write the three terms one after the other, and look at your answers to 9.1, 9.2 and 9.3: the draw, the score and the "
        "divergence from the prior are there already. New are the sum over the batch and the normal in the middle. For "
        "the first, look at NT-Xent in notebook 05: $2N$ rows, and the partner of row $i$ is row $i + N$ or $i - N$.",
        "`drawn.flatten(0, 1)` puts the second views below the first. Bring the rows to norm 1, make the $(2N, 2N)$ matrix of "
        "scores over the temperature, put `-inf` on its diagonal, and let `cross_entropy` find the partner, "
        "`torch.arange(2 * N).roll(N)`. The middle has the mean of both means and of both variances, `mean(dim=0)`. The KL "
        "divergence of $N(\\mu, \\sigma^2)$ from $N(m, s^2)$ is half of $(\\sigma^2 + (\\mu - m)^2) / s^2 - 1 + "
        "\\log s^2 - \\log \\sigma^2$.",
    ),
)

GUESS_BLUR_RANK = Prediction(
    "9.6 guess: does the variance rank blur?",
    "guess_blur_rank",
    "ranks/blurred/predicted variance",
    lowest=-1.0,
    highest=1.0,
    minutes=4,
    difficulty=2,
    importance=4,
    hints=(
        "Write down the three terms of the loss. Which of them becomes smaller where a blurred rendering gets a wider "
        "distribution than a sharp one?",
        "Both views of a photograph are renderings of it, one sharp perhaps and one blurred. *Two views, one distribution* "
        "says what the similarity term asks of their variances.",
    ),
)
