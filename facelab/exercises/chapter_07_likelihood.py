"""Exercise of notebook 07: the likelihood ratio of Joint Bayesian, from its two covariances."""

from __future__ import annotations

import numpy as np

from facelab.exercises.exercise import Exercise, refuse_mistakes, require, require_returned, require_value


def log_likelihood_ratio(x1: np.ndarray, x2: np.ndarray, between: np.ndarray, within: np.ndarray) -> float:
    """log P(x1, x2 | one person) - log P(x1, x2 | two people) of embeddings (D,) about 0; covariances (D, D)."""
    total = between + within
    one_person = np.block([[total, between], [between, total]])
    two_people = np.block([[total, 0 * between], [0 * between, total]])
    x = np.concatenate([x1, x2])

    def log_density(covariance):
        return -0.5 * (np.linalg.slogdet(covariance)[1] + x @ np.linalg.solve(covariance, x))

    return float(log_density(one_person) - log_density(two_people))


def _case(seed: int, size: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    between, within = (part @ part.T + np.eye(size) for part in rng.normal(size=(2, size, size)))
    mean = rng.multivariate_normal(np.zeros(size), between)
    x1, x2 = rng.multivariate_normal(mean, within, 2)
    return x1, x2, between, within


def _check_likelihood(answer) -> None:
    case = _case(0)
    got = answer(*(part.copy() for part in case))
    require_returned(got)
    require(np.ndim(got) == 0, f"return one number, yours has the shape {np.shape(got)}.")
    refuse_mistakes(got, _LIKELIHOOD_MISTAKES, *case)
    one = (np.array([2.0]), np.array([1.0]), np.array([[3.0]]), np.array([[1.0]]))
    # by hand: det 16 - 9 = 7; (4 (4 + 1) - 2 3 2) / 7 = 8 / 7 against (4 + 1) / 4
    by_hand = -0.5 * (np.log(7) + 8 / 7) + 0.5 * (np.log(16) + 5 / 4)
    require_value(answer(*one), by_hand, "x1 = 2, x2 = 1, variances 3 and 1", tolerance=1e-6)
    for seed in (0, 1):
        case = _case(seed)
        require_value(
            answer(*case), log_likelihood_ratio(*case), f"embeddings of 3 numbers, case {seed}", tolerance=1e-6
        )
    flipped = (-case[0], case[1], *case[2:])
    require_value(answer(*flipped), log_likelihood_ratio(*flipped), "x1 of the other sign", tolerance=1e-6)
    large = _case(2, 400)
    got = answer(*large)
    require(
        bool(np.isfinite(got)),
        "with embeddings of 400 numbers your result is not finite: a determinant of that size is beyond float64. "
        "Take its logarithm by slogdet.",
    )
    require_value(got, log_likelihood_ratio(*large), "embeddings of 400 numbers", tolerance=1e-3)


def _by_covariances(one, two):
    """The ratio for two covariances that are made of between and within."""

    def ratio(x1, x2, between, within):
        x = np.concatenate([x1, x2])

        def log_density(covariance):
            return -0.5 * (np.linalg.slogdet(covariance)[1] + x @ np.linalg.solve(covariance, x))

        return float(log_density(one(between, within)) - log_density(two(between, within)))

    return ratio


def _one(between, within):
    return np.block([[between + within, between], [between, between + within]])


def _two(between, within):
    return np.block([[between + within, 0 * between], [0 * between, between + within]])


def _quadratic_only(x1, x2, between, within):
    x = np.concatenate([x1, x2])
    return float(0.5 * x @ (np.linalg.inv(_two(between, within)) - np.linalg.inv(_one(between, within))) @ x)


_LIKELIHOOD_MISTAKES = {
    "no determinants": (
        _quadratic_only,
        "you leave out the determinants. The two densities are not equally high: one person's is narrower. Without the "
        "logarithms of the determinants 0 is not where both are equally likely.",
    ),
    "within on the diagonal": (
        _by_covariances(lambda b, w: np.block([[w, b], [b, w]]), lambda b, w: np.block([[w, 0 * b], [0 * b, w]])),
        "on the diagonal you have S_eps alone. A single embedding has both parts: its covariance is S_mu + S_eps.",
    ),
    "within beside the diagonal": (
        _by_covariances(lambda b, w: np.block([[b + w, w], [w, b + w]]), _two),
        "beside the diagonal you have S_eps. Two photographs of one person share the mean: their covariance is S_mu.",
    ),
    "the other way round": (
        _by_covariances(_two, _one),
        "your sign is reversed: one person less two people, so that a greater score speaks for one person.",
    ),
    "twice": (
        lambda *case: 2 * log_likelihood_ratio(*case),
        "you left out the 1/2 in the exponent of the normal density.",
    ),
    "not a logarithm": (
        lambda *case: float(np.exp(log_likelihood_ratio(*case))),
        "this is the ratio itself. Return its logarithm: with many dimensions the ratio is too large for a float.",
    ),
}


def _with_det(x1, x2, between, within):
    x = np.concatenate([x1, x2])

    def log_density(covariance):
        return -0.5 * (np.log(np.linalg.det(covariance)) + x @ np.linalg.solve(covariance, x))

    with np.errstate(all="ignore"):
        return float(log_density(_one(between, within)) - log_density(_two(between, within)))


LOG_LIKELIHOOD_RATIO = Exercise(
    "7.7 one person or two",
    log_likelihood_ratio,
    _check_likelihood,
    mistakes=_LIKELIHOOD_MISTAKES | {"det": (_with_det, "Take its logarithm by slogdet")},
    minutes=15,
    difficulty=2,
    importance=3,
    hints=(
        "Put both embeddings one below the other: 2D numbers, normally distributed about 0. What is their covariance if they "
        "share a mean, and what if they do not? `np.block` builds it.",
        "A normal log-density is -(log det C + x C^-1 x) / 2 and a constant, which is in both. `np.linalg.slogdet(C)[1]` is "
        "the logarithm of the determinant.",
    ),
)
