"""Exercises of notebook 09: the solutions agree with the package, and other right answers pass."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from facelab import evaluation, labs, losses
from facelab.exercises import chapter_09 as exercises
from facelab.exercises import chapter_09_loss as loss_exercises
from facelab.methods import VCL


def test_solutions_are_the_losses_of_the_package():
    generator = torch.Generator().manual_seed(0)
    mean, log_var = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(exercises.kl_to_prior(mean, log_var), losses.kl_to_standard(mean, log_var))
    a, b = (torch.nn.functional.normalize(value) for value in (mean, log_var))
    torch.testing.assert_close(exercises.beta_score(a, b, 0.2, 0.4), losses.beta_scores(a, b, 0.2, 0.4))


def test_error_left_is_a_point_of_the_curve():
    rng = np.random.default_rng(0)
    wrong, uncertainty = rng.random(30) < 0.4, rng.random(30)
    curve = evaluation.risk_coverage(wrong, uncertainty)
    assert exercises.error_after_rejection(wrong, uncertainty, 0.5) == pytest.approx(curve[14])


def test_the_whole_loss_is_that_of_the_method(monkeypatch):
    """The method's own step, with its noise taken from a list."""
    generator = torch.Generator().manual_seed(1)
    mean, log_var, noise = (torch.randn(2, 6, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    method = VCL.__new__(VCL)
    torch.nn.Module.__init__(method)
    method.temperature, method.beta, method.sigma, method.similarity, method.prior = 0.3, 0.2, 0.5, 1.0, 0.4
    drawn = iter(noise)
    monkeypatch.setattr("facelab.methods.vcl.shared_normal", lambda like: next(drawn))
    expected = method.compare([torch.cat(view, dim=1) for view in zip(mean, log_var, strict=True)], None, None)["loss"]
    torch.testing.assert_close(loss_exercises.vcl_loss(mean, log_var, noise, 0.2, 0.5, 0.3, 0.4), expected)


def loss_row_by_row(mean, log_var, noise, beta, sigma, temperature, prior):
    """By loops, and by the divergences of torch.distributions."""
    one, two = (Normal(m, (v / 2).exp()) for m, v in zip(mean, log_var, strict=True))
    z = torch.cat([p.mean + p.stddev * e for p, e in zip((one, two), noise, strict=True)])
    z, n = z / z.norm(dim=1, keepdim=True), len(z) // 2

    def score(a, b):
        density = Normal(a, sigma).log_prob(b).sum().exp()
        return (1 + beta) / beta * (density**beta - 1) / temperature

    rows = []
    for i in range(2 * n):
        others = torch.stack([score(z[i], z[k]) for k in range(2 * n) if k != i])
        rows.append(others.logsumexp(dim=0) - score(z[i], z[(i + n) % (2 * n)]))
    middle = Normal((one.mean + two.mean) / 2, ((one.variance + two.variance) / 2).sqrt())
    similarity = (kl_divergence(one, middle).mean() + kl_divergence(two, middle).mean()) / 2
    kl = torch.stack([kl_divergence(p, Normal(0.0, 1.0)).mean() for p in (one, two)]).mean()
    return torch.stack(rows).mean() + similarity + prior * kl


def kl_of_torch(mean, log_var):
    own = Normal(mean, (log_var / 2).exp())
    return kl_divergence(own, Normal(torch.zeros_like(mean), torch.ones_like(mean))).mean()


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.KL_TO_PRIOR, kl_of_torch),
        (exercises.SAMPLE, lambda mean, log_var, noise: mean + torch.sqrt(torch.exp(log_var)) * noise),
        (exercises.BETA_SCORE, losses.beta_scores),
        (loss_exercises.VCL_LOSS, loss_row_by_row),
        (exercises.ERROR_AFTER_REJECTION, lambda w, u, r: evaluation.risk_coverage(w, u)[len(w) - int(r * len(w)) - 1]),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert "right" in capsys.readouterr().out
