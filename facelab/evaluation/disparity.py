"""How far apart error rates of groups are, in one number: five of them, since none says it all.

Each is a function of the rates of G groups at one threshold. Equal rates give 1, 1, 1, 0 and 0 in the order below.
"""

from __future__ import annotations

import numpy as np

from facelab.errors import BadParameterError


def max_over_geometric_mean(rates: np.ndarray) -> float:
    """The worst rate over the geometric mean of all, 1 or more: the figure of NIST (Grother, NISTIR 8429, 2022).

    Args:
        rates: (G,), 0 to 1.

    Returns:
        inf where a rate is 0 and another is not; 1 where all are 0.
    """
    rates = _checked(rates)
    if not rates.any():
        return 1.0
    with np.errstate(divide="ignore"):
        mean = np.exp(np.log(rates).mean())
    return float(rates.max() / mean) if mean > 0 else np.inf


def fairness_discrepancy_rate(fmr: np.ndarray, fnmr: np.ndarray, alpha: float = 0.5) -> float:
    """FDR = 1 - (alpha max|FMR_i - FMR_j| + (1 - alpha) max|FNMR_i - FNMR_j|), 0 to 1.

    de Freitas Pereira and Marcel, arXiv 2011.02395. Rates of a strict threshold are small, and so are their differences: with
    an FMR of .001 and one of .0001 it is still .9995.

    Args:
        fmr, fnmr: (G,), 0 to 1.
        alpha: weight of the false matches, 0 to 1.
    """
    fmr, fnmr = _checked(fmr), _checked(fnmr)
    return float(1 - (_weight(alpha) * np.ptp(fmr) + (1 - alpha) * np.ptp(fnmr)))


def inequity_rate(fmr: np.ndarray, fnmr: np.ndarray, alpha: float = 0.5) -> float:
    """IR = (max FMR / min FMR)^alpha (max FNMR / min FNMR)^(1 - alpha), 1 or more (Grother; in Howard et al. 2022, Eq. 5).

    Args:
        fmr, fnmr: (G,), 0 to 1.
        alpha: weight of the false matches, 0 to 1.

    Returns:
        inf where a rate is 0 and another is not.
    """
    parts = []
    for rates, weight in ((_checked(fmr), _weight(alpha)), (_checked(fnmr), 1 - alpha)):
        ratio = 1.0 if not rates.any() else rates.max() / rates.min() if rates.min() > 0 else np.inf
        parts.append(ratio**weight)
    return float(parts[0] * parts[1])


def gini(rates: np.ndarray) -> float:
    """Gini coefficient of G rates, scaled to 0 ... 1 by G / (G - 1): 0 where all are equal, 1 where one has all errors.

        G/(G-1)  sum_ij |x_i - x_j| / (2 G^2 mean x);   0 where all are 0

    Args:
        rates: (G,), 0 to 1.
    """  # fmt: skip
    rates = _checked(rates)
    if not rates.any():
        return 0.0
    groups = len(rates)
    apart = np.abs(rates[:, None] - rates[None, :]).sum()
    return float(groups / (groups - 1) * apart / (2 * groups**2 * rates.mean()))


def garbe(fmr: np.ndarray, fnmr: np.ndarray, alpha: float = 0.5) -> float:
    """GARBE = alpha Gini(FMR) + (1 - alpha) Gini(FNMR), 0 to 1 (Howard et al., arXiv 2203.05051, Eq. 7).

    Args:
        fmr, fnmr: (G,), 0 to 1.
        alpha: weight of the false matches, 0 to 1.
    """
    return _weight(alpha) * gini(fmr) + (1 - alpha) * gini(fnmr)


def _checked(rates: np.ndarray) -> np.ndarray:
    rates = np.asarray(rates, dtype=np.float64)
    if rates.ndim != 1 or len(rates) < 2 or not np.isfinite(rates).all() or rates.min() < 0 or rates.max() > 1:
        raise BadParameterError(f"The rates of the groups are {rates.tolist()}.", "Give two or more, from 0 to 1.")
    return rates


def _weight(alpha: float) -> float:
    if not 0 <= alpha <= 1:
        raise BadParameterError(f"alpha is {alpha}.", "Give a weight from 0 to 1.")
    return alpha
