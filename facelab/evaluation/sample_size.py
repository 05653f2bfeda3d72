"""How many people a study must have before a difference between two groups can be seen."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from facelab.errors import BadParameterError


def trials_needed(rate: float, difference: float, power: float = 0.8, confidence: float = 0.95) -> int:
    """Independent trials in *each* of two groups to see a difference between their rates.

    The two-sided test of two proportions of equal size (Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions,
    2003, Eq. 4.14):

        n = ( z_a sqrt(2 p q)  +  z_b sqrt(p1 q1 + p2 q2) )^2 / (p1 - p2)^2,   p the mean of p1 and p2, q = 1 - p

    Args:
        rate: p1, between 0 and 1.
        difference: p2 - p1, not 0; p2 must lie between 0 and 1 too.
        power: chance to see the difference where it is there.
        confidence: one minus the chance to see one where none is.

    Raises:
        BadParameterError: a rate outside 0 ... 1, no difference, or a power or confidence outside 0 ... 1.
    """  # fmt: skip
    other = rate + difference
    if not (0 <= rate <= 1 and 0 <= other <= 1) or difference == 0:
        raise BadParameterError(f"The rates are {rate} and {other}.", "Give two different ones from 0 to 1.")
    if not (0 < power < 1 and 0 < confidence < 1):
        raise BadParameterError(f"power {power}, confidence {confidence}.", "Give both between 0 and 1.")
    alpha, beta = stats.norm.ppf((1 + confidence) / 2), stats.norm.ppf(power)
    mean = (rate + other) / 2
    pooled = alpha * math.sqrt(2 * mean * (1 - mean))
    apart = beta * math.sqrt(rate * (1 - rate) + other * (1 - other))
    return math.ceil(((pooled + apart) / difference) ** 2)


def design_effect(events: np.ndarray, person: np.ndarray) -> float:
    """How many trials of these people are worth one independent trial (Kish, Survey Sampling, 1965).

    The variance of a rate over clusters, against that of as many independent trials:

        P/(P-1) sum_p ( sum_{i of p} (y_i - y) )^2 / N^2   /   ( y (1 - y) / N ),   N trials of P people

    1 where photographs of one person are no more alike than others; n_p where all n_p of a person go the same way.

    Args:
        events: bool (N,), whether it happened.
        person: (N,).

    Raises:
        BadParameterError: fewer than 3 people, or it happened always or never.
    """
    events = np.asarray(events, dtype=np.float64)
    _, owner = np.unique(person, return_inverse=True)
    people, n, rate = owner.max(initial=-1) + 1, len(events), events.mean() if len(events) else 0.0
    if people < 3 or not 0 < rate < 1:
        raise BadParameterError(
            f"{people} people, a rate of {rate}.", "Give 3 people or more, and a rate within 0 ... 1."
        )
    clustered = people / (people - 1) * (np.bincount(owner, events - rate) ** 2).sum() / n**2
    return float(clustered / (rate * (1 - rate) / n))
