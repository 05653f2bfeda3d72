"""Exercise of notebook 01 on landmarks: the similarity that brings some points nearest to others, each with its weight."""

from __future__ import annotations

import numpy as np

from facelab.cropping import similarity_transform, template_points
from facelab.exercises.exercise import (
    Exercise,
    ExerciseError,
    refuse_mistakes,
    require,
    require_returned,
    require_value,
)


def fit_similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix of the similarity that brings the points of ``source`` nearest to those of ``target``.

    Both are (N, 2), N >= 2; nearest is the least sum of ``weights`` (N,), none below 0, times squared distance.

    Raises:
        ValueError: all points of the source that have a weight are one point, so that no turn can be told.
    """
    s, t = source[:, 0] + 1j * source[:, 1], target[:, 0] + 1j * target[:, 1]
    share = weights / weights.sum()
    s_mean, t_mean = share @ s, share @ t
    spread = share @ abs(s - s_mean) ** 2
    if spread < 1e-12:
        raise ValueError("The points of the source are one point.")
    a = share @ (np.conj(s - s_mean) * (t - t_mean)) / spread
    b = t_mean - a * s_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _least_squares(source, target, weights):
    """An oracle by other means: the four numbers of the matrix as unknowns of one weighted linear system."""
    rows = [([x, -y, 1, 0], [y, x, 0, 1]) for x, y in source]
    root = np.repeat(np.sqrt(weights), 2)
    (a, b, x, y), *_ = np.linalg.lstsq(np.array(rows).reshape(-1, 4) * root[:, None], target.ravel() * root)
    return np.array([[a, -b, x], [b, a, y]])


def _affine(source, target, weights):
    root = np.sqrt(weights)[:, None]
    solved, *_ = np.linalg.lstsq(np.column_stack([source, np.ones(len(source))]) * root, target * root)
    return solved.T


def _around_means(source, target, matrix, weights):
    """A (2, 2) matrix with the shift that brings the weighted mean of the source to that of the target."""
    share = weights / weights.sum()
    return np.column_stack([matrix, share @ target - matrix @ (share @ source)])


def _ratio_of_spreads(source, target, weights):
    matrix, share = fit_similarity(source, target, weights)[:, :2], weights / weights.sum()
    spreads = [share @ ((points - share @ points) ** 2).sum(axis=1) for points in (source, target)]
    scale = np.sqrt(spreads[1] / spreads[0])
    return _around_means(source, target, scale * matrix / np.hypot(*matrix[:, 0]), weights)


def _turned_back(source, target, weights):
    return _around_means(source, target, fit_similarity(source, target, weights)[:, :2].T, weights)


def _two_eyes(source, target, weights):
    return fit_similarity(source[:2], target[:2], np.ones(2))


def _no_weights(source, target, weights):
    return fit_similarity(source, target, np.ones(len(source)))


def _mean_without_weights(source, target, weights):
    s, t = source @ [1, 1j], target @ [1, 1j]
    from_mean, to_mean = s - s.mean(), t - t.mean()
    a = weights @ (from_mean.conj() * to_mean) / (weights @ abs(from_mean) ** 2)
    b = t.mean() - a * s.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _mirror_allowed(source, target, weights):
    """Procrustes without a look at the determinant."""
    share = weights / weights.sum()
    source_off, target_off = source - share @ source, target - share @ target
    u, values, v = np.linalg.svd((target_off * share[:, None]).T @ source_off)
    matrix = u @ v * values.sum() / (share @ (source_off**2).sum(axis=1))
    return _around_means(source, target, matrix, weights)


_PLAIN_MISTAKES = {
    "turned back": (_turned_back, "the turn goes the wrong way: conjugate the source's points, not the target's."),
    "two eyes": (_two_eyes, "this brings the first two points to their places, and does not ask the other three."),
    "ratio of spreads": (
        _ratio_of_spreads,
        "the scale is the ratio of the two spreads. That is right for points without an error only: the noise of "
        "the target counts as size. Least squares projects the target onto the source.",
    ),
}
_WEIGHT_MISTAKES = {
    "no weights": (_no_weights, "the weights change nothing. A point of weight 0 must count for nothing."),
    "weights squared": (
        lambda s, t, w: fit_similarity(s, t, w**2),
        "each weight counts squared: you multiply both factors of a product by it. Once is enough.",
    ),
    "means without weights": (
        _mean_without_weights,
        "the sums have weights, the two means have none. Both points from which you measure are weighted means.",
    ),
}


def _check_fit(answer) -> None:
    rng = np.random.default_rng(0)
    source, ones = template_points("arcface", 112).astype(float), np.ones(5)
    target = source @ np.array([[1.2, -0.9], [0.9, 1.2]]).T + [7.0, -3.0]
    got = answer(source.copy(), target.copy(), ones.copy())
    require_returned(got)
    require(
        np.shape(got) == (2, 3),
        f"the matrix has the shape {np.shape(got)}, expected (2, 3): the last column is the shift.",
    )
    noisy = target + rng.normal(size=(5, 2)) * 12
    what = "five points with noise"
    result = np.asarray(answer(source.copy(), noisy.copy(), ones.copy()), dtype=float)
    require(
        abs(result[0, 0] - result[1, 1]) < 1e-6 and abs(result[0, 1] + result[1, 0]) < 1e-6,
        f"{what}: the left part is {result[:, :2].round(3).tolist()}, and that stretches or shears the face. A "
        "similarity has the form [[c, -d], [d, c]]: two unknowns, and two of the shift.",
    )
    refuse_mistakes(result, _PLAIN_MISTAKES, source, noisy, ones)
    require_value(got, _least_squares(source, target, ones), "five points without noise", tolerance=1e-4)
    require_value(result, _least_squares(source, noisy, ones), what, tolerance=1e-4)
    require_value(result, similarity_transform(source, noisy), f"{what}, beside the course's own", tolerance=1e-2)
    weights = np.array([1.0, 2.0, 0.5, 0.0, 3.0])
    weighted = answer(source.copy(), noisy.copy(), weights.copy())
    refuse_mistakes(weighted, _WEIGHT_MISTAKES, source, noisy, weights)
    require_value(weighted, _least_squares(source, noisy, weights), "weights 1, 2, 0.5, 0 and 3", tolerance=1e-4)
    mirrored = source * [-1, 1] + [112, 0]
    mirror = np.asarray(answer(source.copy(), mirrored.copy(), ones.copy()), dtype=float)
    require(
        np.linalg.det(mirror[:, :2]) > 0,
        "for a mirrored target your matrix mirrors the face. A similarity turns, scales and shifts: the determinant "
        "of its left part is above 0, even where a mirror would come nearer.",
    )
    require_value(mirror, _least_squares(source, mirrored, ones), "a mirrored target", tolerance=1e-4)
    try:
        one_point = answer(np.full((4, 2), 4.0), target[:4].copy(), np.ones(4))
    except ValueError:
        return
    raise ExerciseError(
        f"all points of the source are one point, and you return {np.round(one_point, 2).tolist()}. No turn and no "
        "scale can be told from one point: raise a ValueError."
    )


def _never_refused(source, target, weights):
    try:
        return fit_similarity(source, target, weights)
    except ValueError:
        return np.column_stack([np.eye(2), target.mean(axis=0) - source.mean(axis=0)])


FIT_SIMILARITY = Exercise(
    "1.5 alignment by all landmarks",
    fit_similarity,
    _check_fit,
    mistakes=_PLAIN_MISTAKES
    | _WEIGHT_MISTAKES
    | {
        "affine": (_affine, "stretches or shears the face"),
        "a mirror": (_mirror_allowed, "your matrix mirrors the face"),
        "one point": (_never_refused, "raise a ValueError"),
        "only the left part": (lambda s, t, w: fit_similarity(s, t, w)[:, :2], "shape (2, 2)"),
        "no shift": (lambda s, t, w: fit_similarity(s, t, w) * [1, 1, 0], "five points without noise"),
    },
    minutes=30,
    difficulty=5,
    importance=4,
    hints=(
        "Write the points as complex numbers, as in 1.3. The sum to make small is $\\sum_i w_i |a s_i + b - "
        "t_i|^2$. Look for $b$ first, with $a$ held fixed: where must the weighted mean of the source land? After "
        "that only $a$ is unknown, and it is one regression without an intercept.",
        "With the weighted means $\\bar s$ and $\\bar t$: $b = \\bar t - a \\bar s$, and $a = \\sum_i w_i\\, "
        "\\overline{(s_i - \\bar s)}\\, (t_i - \\bar t) \\,/\\, \\sum_i w_i |s_i - \\bar s|^2$. The matrix of $z "
        "\\mapsto a z + b$ is that of 1.3. No mirror can come out of it, so no determinant needs a look. The sum "
        "below the line is 0 where all points are one.",
    ),
)
