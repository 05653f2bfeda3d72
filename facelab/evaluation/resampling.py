"""The bootstrap over people for any figure of a set of photographs. For scored pairs there is ``bootstrap``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facelab.errors import BadParameterError
from facelab.evaluation.intervals import Estimate, check_draws, percentile_interval

METHOD = "bootstrap over people"  #: percentile interval


def over_people(
    statistic: Callable[[np.ndarray], float],
    person: np.ndarray,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """A figure of photographs with a percentile interval over resampled people.

    Photographs of one person are alike, so 20 people are 20 units, however many photographs there are. One draw takes P of
    the P people with replacement, each with all photographs (the cluster bootstrap; Davison and Hinkley 1997, section 3.8).

        over_people(lambda rows: correct[rows].mean(), test.identity)

    Args:
        statistic: gets int64 row numbers within 0 ... N-1 and gives the figure of those rows. The rows of a person who was
            drawn twice are there twice, so it must not compare rows with each other: copies would look like hits. For
            pairs take ``bootstrap_over_people``.
        person: (N,), the person of each photograph.
        draws: number of bootstrap draws, at least 100.
        seed: of the NumPy generator.
        confidence: nominal coverage, between 0 and 1.

    Returns:
        The figure of all rows, with the interval of the draws; ``n`` counts people.

    Raises:
        BadParameterError: fewer than 3 people, too few draws, or a figure that is not finite.
    """
    _, owner = np.unique(person, return_inverse=True)
    people = int(owner.max(initial=-1)) + 1
    if people < 3:
        raise BadParameterError(f"The photographs show {people} people.", "A bootstrap over people needs 3 or more.")
    rows_of = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    rng = np.random.default_rng(seed)
    drawn = rng.integers(people, size=(check_draws(draws), people))
    values = np.array([statistic(np.concatenate([rows_of[one] for one in draw])) for draw in drawn], dtype=np.float64)
    centre = float(statistic(np.arange(len(owner))))
    if not (np.isfinite(values).all() and np.isfinite(centre)):
        raise BadParameterError(
            "The figure is not finite for some draws of people.", "Ask for a figure that any people have."
        )
    return percentile_interval(values, centre, people, METHOD, "people", confidence)
