"""Does an uncertainty know when it is wrong? Error among what is left when the most uncertain are refused."""

from __future__ import annotations

import numpy as np

from facelab.errors import BadParameterError


def risk_coverage(errors: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """Error among the k most certain, for k = 1 ... N: the risk-coverage curve (Geifman and El-Yaniv, NIPS 2017).

    Where some are equally uncertain, the mean over all orders of them is taken: a constant uncertainty gives a level line at
    the error of all, and no luck of the order.

    Args:
        errors: bool or float (N,), the error of each, such as a misclassified photograph.
        uncertainty: float (N,), any scale; larger is refused earlier.

    Returns:
        float64 (N,); the last is the error of all.

    Raises:
        BadParameterError: none of them, different lengths, or an uncertainty that is not finite.
    """
    errors, uncertainty = np.asarray(errors, dtype=np.float64), np.asarray(uncertainty, dtype=np.float64)
    if errors.ndim != 1 or not len(errors) or errors.shape != uncertainty.shape:
        raise BadParameterError(f"{errors.shape} errors, {uncertainty.shape} uncertainties.", "Give one of each, (N,).")
    if not np.isfinite(uncertainty).all():
        raise BadParameterError("Some uncertainties are not finite.", "Look for embeddings that are broken.")
    _, tied, count = np.unique(uncertainty, return_inverse=True, return_counts=True)
    expected = np.bincount(tied, errors) / count
    return np.cumsum(np.repeat(expected, count)) / np.arange(1, len(errors) + 1)


def excess_risk(errors: np.ndarray, uncertainty: np.ndarray) -> float:
    """How much of what could be gained by refusing is *not* gained: 0 for an uncertainty that puts all errors last, 1 for one
    that knows nothing, above 1 for one that refuses the right ones first.

        (A - A_best) / (A_none - A_best),   A the mean of ``risk_coverage`` (AURC; Geifman, Uziel and El-Yaniv, ICLR 2019)

    Args:
        errors, uncertainty: as in ``risk_coverage``.

    Raises:
        BadParameterError: as there, or no error, or nothing but errors: there is nothing to gain.
    """  # fmt: skip
    errors = np.asarray(errors, dtype=np.float64)
    found = risk_coverage(errors, uncertainty).mean()
    best, none = risk_coverage(errors, errors).mean(), errors.mean()
    if best == none:
        raise BadParameterError(f"All {len(errors)} errors are {none:g}.", "Give some that are right and some wrong.")
    return float((found - best) / (none - best))
