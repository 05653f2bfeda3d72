"""Exercises of notebook 01: alignment by all landmarks agrees with the course's and with a search, other right answers pass."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest

from facelab import labs
from facelab.exercises import chapter_01 as exercises
from facelab.exercises.chapter_01_landmarks import FIT_SIMILARITY, fit_similarity


@pytest.mark.parametrize("seed", range(5))
def test_no_similarity_is_nearer_than_the_one_of_the_formula(seed):
    rng = np.random.default_rng(seed)
    source, target, weights = rng.normal(size=(6, 2)), rng.normal(size=(6, 2)), rng.random(6)

    def distance(matrix):
        return weights @ ((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum(axis=1)

    found = minimize(lambda p: distance(np.array([[p[0], -p[1], p[2]], [p[1], p[0], p[3]]])), np.zeros(4), tol=1e-12)
    assert distance(fit_similarity(source, target, weights)) == pytest.approx(found.fun, rel=1e-6)


def test_with_two_points_it_is_the_alignment_by_the_eyes():
    points = np.random.default_rng(0).normal(size=(4, 2)) * 20
    np.testing.assert_allclose(
        fit_similarity(points[:2], points[2:], np.array([1.0, 3.0])), exercises.align_eyes(*points)
    )


def procrustes(source, target, weights):
    """Umeyama's way: singular values, with the sign of the determinant."""
    share = weights / weights.sum()
    from_mean, to_mean = source - share @ source, target - share @ target
    u, values, v = np.linalg.svd((to_mean * share[:, None]).T @ from_mean)
    sign = np.array([1, np.sign(np.linalg.det(u @ v))])
    spread = share @ (from_mean**2).sum(axis=1)
    if spread == 0:
        raise ValueError("one point")
    matrix = (u * sign) @ v * (values @ sign) / spread
    return np.column_stack([matrix, share @ target - matrix @ (share @ source)])


def overlap_on_a_grid(a, b):
    """Pixels counted, for whole numbers."""
    grid = np.zeros((2, 64, 64), bool)
    for layer, (x, y, w, h) in zip(grid, (a, b), strict=True):
        layer[y : y + h, x : x + w] = True
    return grid.all(axis=0).sum() / grid.any(axis=0).sum()


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (FIT_SIMILARITY, procrustes),
        (exercises.IOU, overlap_on_a_grid),
        (exercises.LARGEST_FACE, lambda boxes: int(np.argmax([b[2] * b[3] for b in boxes])) if boxes else None),
        (
            exercises.ALIGN_EYES,
            lambda r, left, to_r, to_l: procrustes(np.array([r, left]), np.array([to_r, to_l]), np.ones(2)),
        ),
        (exercises.WILSON_INTERVAL, lambda k, n, z=1.96: tuple(binomtest(k, n).proportion_ci(0.95, "wilson"))),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert capsys.readouterr().out.endswith("right.\n")
