"""Scores on the scale of a cohort: people who are neither of the pair, so that every score with them is an impostor's.

Auckenthaler, Carey and Lloyd-Thomas, Score Normalization for Text-Independent Speaker Verification Systems, 2000 (z and t);
Kenny, Bayesian Speaker Verification with Heavy-Tailed Priors, 2010 (s). Speaker verification has used them long before faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facelab.errors import BadParameterError


@dataclass(frozen=True)
class Cohort:
    """Mean and standard deviation of impostor scores, over the whole cohort, or for each photograph with the cohort.

    Attributes:
        mean: float64 () or (N,).
        std: float64 () or (N,), above 0.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def from_scores(cls, scores: np.ndarray, axis: int | None = None) -> Cohort:
        """Of impostor scores: all of them together, or those along one axis (1: of each row's photograph with the cohort).

        Raises:
            BadParameterError: fewer than two scores, or scores that are all equal or not finite.
        """
        scores = np.asarray(scores, dtype=np.float64)
        if (scores.size if axis is None else scores.shape[axis]) < 2:
            raise BadParameterError("A cohort of fewer than two scores.", "Give more photographs of other people.")
        mean, std = scores.mean(axis=axis), scores.std(axis=axis, ddof=1)
        if not np.isfinite(std).all() or (std <= 1e-12 * np.abs(scores).max(axis=axis)).any():  # a mean is rounded
            raise BadParameterError(
                "The scores with a cohort are all equal, or not finite.", "Give photographs of different people."
            )
        return cls(mean, std)

    def normalize(self, scores: np.ndarray) -> np.ndarray:
        """In standard deviations above the mean impostor."""
        return (scores - self.mean) / self.std


def z_norm(scores: np.ndarray, first: Cohort) -> np.ndarray:
    """By the impostor scores of the first photograph of each pair (the enrolled one): float64 (M,).

    Args:
        scores: float (M,).
        first: of each pair's first photograph with the cohort, (M,).
    """
    return first.normalize(scores)


def t_norm(scores: np.ndarray, second: Cohort) -> np.ndarray:
    """As ``z_norm``, by those of the second (the tested one)."""
    return second.normalize(scores)


def s_norm(scores: np.ndarray, first: Cohort, second: Cohort) -> np.ndarray:
    """The mean of both: the order of a pair does not matter."""
    return (z_norm(scores, first) + t_norm(scores, second)) / 2
