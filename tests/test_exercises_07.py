"""Exercises of notebook 07: the solutions agree with the package, and other right answers pass."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from scipy.stats import multivariate_normal

from facelab.evaluation import lfw_view2
from facelab.exercises import chapter_07 as exercises
from facelab.exercises import chapter_07_annealing as annealing_exercises
from facelab.exercises import chapter_07_centers as center_exercises
from facelab.exercises import chapter_07_folds as fold_exercises
from facelab.exercises import chapter_07_likelihood as likelihood_exercises
from facelab.losses import a_softmax, arc_face, margin_softmax, sphere_lambda, updated_centers
from facelab.losses.cosine import cosines
from facelab.scoring import JointBayesian


@pytest.mark.parametrize("m", [0.0, 0.3, 0.5, 1.2])
def test_the_margin_is_that_of_the_packages_loss(m):
    cos = torch.linspace(-0.999, 0.999, 501, dtype=torch.float64)[:, None]
    torch.testing.assert_close(exercises.arc_face_target(cos, m), arc_face(cos, m))


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_psi_is_that_of_the_packages_loss(m):
    cos = torch.linspace(-0.999, 0.999, 500, dtype=torch.float64)[:, None]
    torch.testing.assert_close(exercises.psi(cos, m), a_softmax(cos, m), atol=1e-6, rtol=0)


def test_each_fold_has_one_best_threshold_on_the_others():
    """Else a right answer that chooses another of them would be called wrong."""
    scores, same, fold = fold_exercises._threshold_pairs()
    for number in np.unique(fold):
        rest, truth = scores[fold != number], same[fold != number]
        assert set(np.unique(scores)) == set(np.unique(rest))
        right = sorted(np.mean((rest >= cut) == truth) for cut in np.unique(rest))
        assert right[-1] > right[-2]


def test_the_centres_are_those_of_the_package():
    centers, x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.arange(24.0).reshape(8, 3)
    labels = torch.tensor([0, 0, 4, 4, 4, 4, 2, 0])
    torch.testing.assert_close(
        center_exercises.update_centers(centers, x, labels, 0.3), updated_centers(x, labels, centers, 0.3)
    )


def _arc_face_by_sine(cos, m):
    """As the authors write it, with the root of a clamped square."""
    cos = cos.clamp(-1 + 1e-7, 1 - 1e-7)
    shifted = cos * np.cos(m) - torch.sqrt(1 - cos**2) * np.sin(m)
    return torch.where(cos > np.cos(np.pi - m), shifted, cos - np.sin(np.pi - m) * m)


def _psi_by_cases(cos, m):
    theta = torch.acos(cos.clamp(-0.9999999, 0.9999999))
    value = torch.zeros_like(cos)
    for k in range(m):
        inside = (theta >= k * np.pi / m) & (theta < (k + 1) * np.pi / m)
        value = torch.where(inside, (-1) ** k * torch.cos(m * theta) - 2 * k, value)
    return value


def _threshold_between(scores, same, fold):
    """Thresholds between two scores, the highest of the best."""
    found = []
    for number in np.unique(fold):
        rest, truth = scores[fold != number], same[fold != number]
        values = np.unique(rest)
        cuts = (values[1:] + values[:-1]) / 2
        best = max(cuts[::-1], key=lambda cut, rest=rest, truth=truth: np.sum((rest >= cut) == truth))
        found.append(np.mean((scores[fold == number] > best) == same[fold == number]))
    return found


def _centres_by_loop(centers, x, labels, alpha):
    moved = centers.tolist()
    for j, center in enumerate(centers.tolist()):
        own = [row for row, label in zip(x.tolist(), labels.tolist(), strict=True) if label == j]
        for d, value in enumerate(center):
            moved[j][d] -= alpha * sum(value - row[d] for row in own) / (1 + len(own))
    return torch.tensor(moved)


def _annealed_by_the_package(x, weight, labels, step, steps, m=4):
    def change(cos):
        return a_softmax(cos, m, sphere_lambda(step, 2 * steps / 3))

    return margin_softmax(cosines(x, weight), labels, change, x.norm(dim=1, keepdim=True))


def test_the_annealed_loss_has_the_packages_value_and_gradient():
    generator = torch.Generator().manual_seed(1)
    x, weight = (torch.randn(rows, 6, generator=generator, dtype=torch.float64) for rows in (7, 4))
    labels = torch.tensor([0, 1, 2, 3, 3, 0, 1])
    for step in (0, 40, 90):
        found = []
        for loss in (annealing_exercises.annealed_a_softmax, _annealed_by_the_package):
            inputs = x.clone().requires_grad_(), weight.clone().requires_grad_()
            value = loss(*inputs, labels, step, 90)
            found.append((value, *torch.autograd.grad(value, inputs)))
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-4)


def test_some_embeddings_of_the_check_have_a_cosine_above_1_to_their_class():
    """Else the check of the edge would pass whatever it is given."""
    _, weight, _ = annealing_exercises._inputs()
    own = torch.arange(3).repeat(20)
    cos = cosines(torch.linspace(0.3, 3, 60)[:, None] * weight[own].float(), weight.float())
    assert (cos.gather(1, own[:, None]) > 1).any()


def test_the_ratio_is_that_of_scipys_densities():
    for seed in (0, 1):
        x1, x2, between, within = likelihood_exercises._case(seed)
        total, zero = between + within, np.zeros_like(between)
        one, two = np.block([[total, between], [between, total]]), np.block([[total, zero], [zero, total]])
        x = np.r_[x1, x2]
        expected = multivariate_normal.logpdf(x, cov=one) - multivariate_normal.logpdf(x, cov=two)
        assert likelihood_exercises.log_likelihood_ratio(x1, x2, between, within) == pytest.approx(expected)


def _ratio_by_the_package(x1, x2, between, within):
    """In the axes of ``JointBayesian``."""
    ratio, axes = eigh(between, within)
    model = JointBayesian(np.zeros(len(x1)), axes, ratio)
    return model.score_matrix(x1[None], x2[None])[0, 0]


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.ARC_FACE_TARGET, _arc_face_by_sine),
        (exercises.ARC_FACE_TARGET, arc_face),
        (exercises.PSI, _psi_by_cases),
        (exercises.PSI, a_softmax),
        (fold_exercises.FOLD_ACCURACIES, _threshold_between),
        (fold_exercises.FOLD_ACCURACIES, lambda scores, same, fold: lfw_view2(scores, same, fold).folds),
        (center_exercises.UPDATE_CENTERS, _centres_by_loop),
        (annealing_exercises.ANNEALED_A_SOFTMAX, _annealed_by_the_package),
        (likelihood_exercises.LOG_LIKELIHOOD_RATIO, _ratio_by_the_package),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_another_right_answer_passes(task, answer):
    task.check(answer)
