"""Intervals for whatever is made of pairs: resample people and their photographs, never the pairs themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation.intervals import Estimate, check_draws, percentile_interval, wilson_at_ends
from facelab.evaluation.pair_weights import PairWeights
from facelab.evaluation.resampling import METHOD
from facelab.evaluation.verification import Roc, auc, eer, tmr_at_fmr
from facelab.progress import progress_bar
from facelab.whole_numbers import check_seed

#: One figure, or several, of a ROC curve: ``eer``, ``auc``, ``lambda curve: tmr_at_fmr(curve, 0.01)``. The curve is exact at
#: every genuine score; stretches that hold impostor pairs alone are one step, which neither of these can see.
Statistic = Callable[[Roc], "float | Sequence[float]"]


def verification_estimates(
    scores: np.ndarray,
    pairs: Pairs,
    person: np.ndarray,
    fmrs: Sequence[float] = (),
    draws: int = 1000,
    seed: int = 0,
    photographs: bool = True,
) -> dict[str, Estimate]:
    """EER, AUC and TMR at each FMR with their intervals, all from the same draws: ``{"eer", "auc", "tar@0.01", ...}``.

    Arguments and errors as in ``verification_estimates_by_model``, for one model.
    """
    return verification_estimates_by_model({"": scores}, pairs, person, fmrs, draws, seed, photographs)[""]


def verification_estimates_by_model(
    scores: Mapping[str, np.ndarray],
    pairs: Pairs,
    person: np.ndarray,
    fmrs: Sequence[float] = (),
    draws: int = 1000,
    seed: int = 0,
    photographs: bool = True,
) -> dict[str, dict[str, Estimate]]:
    """``verification_estimates`` of several models on the same pairs: the people are drawn once for all.

    Arguments as in ``bootstrap_pairs_over_people``, with the scores that each model gives, by its name. All pairs that are
    given count, and no score is binned. Of pairs that were drawn from more, the method of each interval says how many, of
    how many.

    Raises:
        BadParameterError: as ``bootstrap_pairs_over_people`` and ``tmr_at_fmr``.
    """

    def figures(curve: Roc) -> list[float]:
        return [eer(curve), auc(curve), *(tmr_at_fmr(curve, fmr) for fmr in fmrs)]

    values, centre, people = _draws(figures, list(scores.values()), pairs, person, draws, seed, photographs)
    names = ["eer", "auc", *(f"tar@{fmr:g}" for fmr in fmrs)]
    sampled = "" if pairs.population is None else f"; {_drawn(pairs)}"

    def estimate(row: int, column: int) -> Estimate:
        found = percentile_interval(values[:, row, column], centre[row, column], people, METHOD, "people")
        found = wilson_at_ends(found)
        return replace(found, method=found.method + sampled)

    return {model: {name: estimate(row, i) for i, name in enumerate(names)} for row, model in enumerate(scores)}


def bootstrap_pairs_over_people(
    statistic: Statistic,
    scores: np.ndarray,
    pairs: Pairs,
    person: np.ndarray,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    photographs: bool = True,
) -> Estimate:
    """A figure of scored pairs with a percentile interval over resampled people.

    Pairs that share a person are not independent: 20 people are 20 units, not 320 000. One draw takes P of the P people
    with replacement, and then within each person as many photographs as that person has, with replacement. With m_p the
    number of times that person p was drawn and k_i that of photograph i within its person, a pair (i, j) weighs

        genuine (one person p):        m_p k_i k_j  n_p / (n_p - 1)
        impostor (two persons p, q):   m_p m_q k_i k_j

    A person who was drawn twice thus counts as two people who are never paired with each other: such a pair would be a
    fake impostor pair that scores like a genuine one. A photograph drawn twice is not paired with itself. The mean of
    k_i k_j is 1 - 1 / n_p; the factor makes it 1, else people with few photographs would count less in the draws than in the
    figure, and the interval could miss it.

    The interval is on the wide side. Simulated sets of 20 people, 95 % asked for: with 10 photographs each it held the
    truth in 95-98 % of 200 sets, with 4 in 99-100 %; over people alone in 87-95 %, over pairs in 50 %.

    Args:
        statistic: figure of a ROC curve, such as ``eer``.
        scores: float (M,), score of each pair.
        pairs: the M pairs.
        person: int (N,), the person of each photograph that the pairs point into (``FaceSet.identity``).
        draws: number of bootstrap draws.
        seed: of the NumPy generator.
        confidence: nominal coverage, between 0 and 1.
        photographs: resample photographs too. False where a list has few pairs of each person, as LFW View 2 has: there
            a second level would drop half of the genuine pairs in each draw.

    Returns:
        The figure of the data as they are, with the interval of the draws; ``n`` counts people. A figure of 0 or 1 has
        Wilson's interval over people. An AUC of 1 too: it means an EER of 0, and where the EER may be e, the AUC may be
        1 - e.

    Raises:
        BadParameterError: fewer than 3 people, or scores and pairs differ in number.
    """
    values, centre, people = _draws(statistic, [scores], pairs, person, draws, seed, photographs)
    found = percentile_interval(values[:, 0, 0], centre[0, 0], people, METHOD, "people", confidence)
    return wilson_at_ends(found)


def paired_bootstrap(
    statistic: Statistic,
    scores_a: np.ndarray,
    scores_b: np.ndarray,
    pairs: Pairs,
    person: np.ndarray,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    photographs: bool = True,
) -> Estimate:
    """The difference ``statistic(a) - statistic(b)`` of two models on the same pairs, both judged by the same draws.

    People who are hard for one model are hard for the other, so this interval is narrower than the two apart suggest.
    The models differ at this confidence where it does not hold 0. Arguments as in ``bootstrap_pairs_over_people``.
    """
    values, centre, people = _draws(statistic, [scores_a, scores_b], pairs, person, draws, seed, photographs)
    difference = values[:, 0, 0] - values[:, 1, 0]
    return percentile_interval(
        difference, centre[0, 0] - centre[1, 0], people, f"paired {METHOD}", "people", confidence
    )


def _drawn(pairs: Pairs) -> str:
    counts = int(pairs.same.sum()), int((~pairs.same).sum())
    kinds = zip(counts, pairs.population, ("genuine", "impostor"), strict=True)
    return " and ".join(f"{count} of {population} {kind}" for count, population, kind in kinds) + " pairs"


class _Scored:
    """The scores of one model, sorted once. Impostor pairs between two genuine scores are one entry: their weights add."""

    def __init__(self, scores: np.ndarray, same: np.ndarray) -> None:
        genuine, impostor = scores[same], scores[~same]
        levels, self.genuine_slot = np.unique(genuine, return_inverse=True)
        below = np.searchsorted(levels, impostor, side="left")
        tied = levels[np.minimum(below, len(levels) - 1)] == impostor
        self.impostor_slot = 2 * below + tied  # 2 i: below genuine score i; 2 i + 1: tied with it
        self.genuine_slot = 2 * self.genuine_slot + 1
        self.slots = 2 * len(levels) + 1
        self.counts = (len(genuine), len(impostor))

    def curve(self, genuine: np.ndarray, impostor: np.ndarray) -> Roc:
        """``verification.roc`` of pairs with these weights; the slots are in order already, and stand for the scores."""
        both = ((self.impostor_slot, impostor), (self.genuine_slot, genuine))
        counts = (np.bincount(slot, weight, minlength=self.slots)[::-1] for slot, weight in both)
        fmr, tmr = (sums / sums[-1] for sums in (np.append(0.0, np.cumsum(count)) for count in counts))
        return Roc(fmr, tmr, np.append(np.inf, np.arange(self.slots)[::-1]), *self.counts)


def _draws(
    statistic: Statistic,
    models: list[np.ndarray],
    pairs: Pairs,
    person: np.ndarray,
    draws: int,
    seed: int,
    photographs: bool,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Figures in each draw (draws, models, figures), on the data as they are (models, figures), and number of people."""
    same = np.asarray(pairs.same, dtype=bool)
    if any(len(scores) != len(pairs) for scores in models):
        raise BadParameterError("Scores and pairs differ in number.", "Score each pair once.")
    if not all(np.isfinite(scores).all() for scores in models):
        raise BadParameterError("Some scores are not finite.", "Look for embeddings that are broken.")
    if not same.any() or same.all():
        raise BadParameterError("There are no genuine or no impostor pairs.", "Give pairs of both kinds.")
    sampler = PairWeights(pairs, person, photographs)
    scored = [_Scored(scores, same) for scores in models]

    def figures(genuine: np.ndarray, impostor: np.ndarray) -> np.ndarray:
        return np.array([np.atleast_1d(statistic(model.curve(genuine, impostor))) for model in scored])

    rng = np.random.default_rng(check_seed(seed))
    values = []
    with progress_bar("bootstrap over people", check_draws(draws), delay=1.0) as shown:
        while len(values) < draws:
            values.append(figures(*sampler.draw(rng)))
            shown.advance()
    return np.array(values), figures(np.ones(same.sum()), np.ones((~same).sum())), sampler.people
