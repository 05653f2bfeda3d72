"""Exercises of notebook 09: the solutions agree with the package, and other right answers pass."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from facelab import evaluation, labs, losses
from facelab.exercises import chapter_09 as exercises


def test_solutions_are_the_losses_of_the_package():
    generator = torch.Generator().manual_seed(0)
    mean, log_var = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(exercises.kl_to_standard(mean, log_var), losses.kl_to_standard(mean, log_var))
    a, b = (torch.nn.functional.normalize(value) for value in (mean, log_var))
    torch.testing.assert_close(exercises.beta_scores(a, b, 0.2, 0.4), losses.beta_scores(a, b, 0.2, 0.4))


def test_error_left_is_a_point_of_the_curve():
    rng = np.random.default_rng(0)
    wrong, uncertainty = rng.random(30) < 0.4, rng.random(30)
    curve = evaluation.risk_coverage(wrong, uncertainty)
    assert exercises.error_after_rejection(wrong, uncertainty, 0.5) == pytest.approx(curve[14])


def kl_of_torch(mean, log_var):
    own = Normal(mean, (log_var / 2).exp())
    return kl_divergence(own, Normal(torch.zeros_like(mean), torch.ones_like(mean))).mean()


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.KL_TO_STANDARD, kl_of_torch),
        (exercises.SAMPLE, lambda mean, log_var, noise: mean + torch.sqrt(torch.exp(log_var)) * noise),
        (exercises.BETA_SCORES, losses.beta_scores),
        (exercises.ERROR_AFTER_REJECTION, lambda w, u, r: evaluation.risk_coverage(w, u)[len(w) - int(r * len(w)) - 1]),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert "right" in capsys.readouterr().out
