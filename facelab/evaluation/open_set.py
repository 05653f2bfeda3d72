"""Open-set identification: a threshold lets strangers pass or misses people who are enrolled. Both rates, against each other.

    searches = search_gallery(embeddings, faces.identity, open_set_split(faces))
    fnir_estimate(searches, fpir=0.1)  # share of the mates missed where one stranger of ten raises an alarm

Terms and rates are those of ISO/IEC 19795-1 and of NIST's FRVT 1:N (Grother, Ngan and Hanaoka, NISTIR 8271, 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facelab.errors import BadParameterError
from facelab.evaluation.identification import Searches
from facelab.evaluation.intervals import Estimate, check_draws, percentile_interval, wilson_at_ends
from facelab.evaluation.resampling import METHOD, draw_people, rows_of_people
from facelab.evaluation.verification import MIN_EXPECTED, remedy_for_few
from facelab.whole_numbers import check_seed


def false_positives(searches: Searches, threshold: float) -> np.ndarray:
    """bool (N,): non-mated searches with at least one candidate at score >= T. FPIR(T) is their share."""
    return searches.top_score >= threshold


def false_negatives(searches: Searches, threshold: float, rank: int = 1) -> np.ndarray:
    """bool (M,): mated searches whose mate is not among the best R candidates, or below T. FNIR(T, R) is their share."""
    return ~searches.mated.correct(rank) | (searches.mate_score < threshold)


@dataclass(frozen=True)
class OpenSetCurve:
    """Both error rates at every threshold. A search gives its candidates with score >= threshold.

    Attributes:
        thresholds: float64 (T,), falling; the first is +inf (nobody is found).
        fpir: float64 (T,), false positive identification rate, rising from 0: see ``false_positives``.
        fnir: float64 (T,), false negative identification rate, falling from 1: see ``false_negatives``.
        rank: R of FNIR(T, R).
        non_mated: number of non-mated searches.
    """

    thresholds: np.ndarray
    fpir: np.ndarray
    fnir: np.ndarray
    rank: int
    non_mated: int


def open_set_curve(searches: Searches, rank: int = 1) -> OpenSetCurve:
    """The curve with one point for each distinct score. It ends at FNIR = 1 - CMC(R), where no threshold is left."""
    return _curve(_scores_of_found(searches, rank), searches.top_score, rank)


def fnir_at_fpir(curve: OpenSetCurve, fpir: float) -> float:
    """The lowest FNIR that a threshold reaches with a FPIR of at most ``fpir``.

    Raises:
        BadParameterError: ``fpir`` is below 10 / non-mated searches: it would rest on fewer than ten false alarms.
    """
    if not MIN_EXPECTED / curve.non_mated <= fpir <= 1:
        raise BadParameterError(
            f"FPIR {fpir:g} cannot be measured with {curve.non_mated} non-mated searches.",
            remedy_for_few(curve.non_mated, "search more people who are not enrolled"),
        )
    return _read(curve, fpir)


def fnir_estimate(searches: Searches, fpir: float, rank: int = 1, draws: int = 1000, seed: int = 0) -> Estimate:
    """``fnir_at_fpir`` with a percentile interval over resampled people.

    One draw takes the enrolled people who are searched and, apart from them, the non-mated people with replacement, each
    with all probes, and sets the threshold anew. The gallery stays as it is: the interval speaks of who is searched, not of
    who is enrolled. At a threshold that was fixed on other people take ``rate_over_people`` of ``false_positives`` and of
    ``false_negatives``.

    Args:
        searches: from ``search_gallery``.
        fpir: from 10 / non-mated searches to 1.
        rank: R of FNIR(T, R).
        draws: number of bootstrap draws, at least 100.
        seed: of the NumPy generator.

    Returns:
        The FNIR of all searches, with the interval of the draws; ``n`` counts the people searched, of both kinds. A FNIR of
        0 or 1 has Wilson's interval over the enrolled people alone: theirs are the searches that it counts.

    Raises:
        BadParameterError: as ``fnir_at_fpir``, fewer than 3 enrolled or non-mated people, or too few draws.
    """
    centre = fnir_at_fpir(open_set_curve(searches, rank), fpir)
    searched = [len(np.unique(person)) for person in (searches.mated_person, searches.non_mated_person)]
    if min(searched) < 3:
        raise BadParameterError(
            f"Searched were {searched[0]} enrolled and {searched[1]} other people.", "Search 3 or more of each."
        )
    mated, non_mated = rows_of_people(searches.mated_person), rows_of_people(searches.non_mated_person)
    found, rng = _scores_of_found(searches, rank), np.random.default_rng(check_seed(seed))
    values = [
        _read(_curve(found[draw_people(mated, rng)], searches.top_score[draw_people(non_mated, rng)], rank), fpir)
        for _ in range(check_draws(draws))
    ]
    people = searched[0] if centre in (0, 1) else sum(searched)
    return wilson_at_ends(percentile_interval(np.array(values), centre, people, METHOD, "people"))


def _scores_of_found(searches: Searches, rank: int) -> np.ndarray:
    """Score of each mate (M,); -inf, which no threshold reaches, where it is not among the best ``rank``."""
    return np.where(searches.mated.correct(rank), searches.mate_score, -np.inf)


def _curve(found: np.ndarray, top: np.ndarray, rank: int) -> OpenSetCurve:
    levels = np.unique(np.concatenate([found[np.isfinite(found)], top]))[::-1]
    thresholds = np.concatenate([[np.inf], levels])
    fpir = (len(top) - np.searchsorted(np.sort(top), thresholds)) / len(top)
    fnir = np.searchsorted(np.sort(found), thresholds) / len(found)
    return OpenSetCurve(thresholds, fpir, fnir, rank, len(top))


def _read(curve: OpenSetCurve, fpir: float) -> float:
    return float(curve.fnir[np.searchsorted(curve.fpir, fpir * (1 + 1e-12), side="right") - 1])
