"""FMR and FNMR at many thresholds, of all pairs and of each group, with intervals over people from one set of draws.

    thresholds = np.linspace(-1, 1, 101)
    rates = rates_over_thresholds(scores, pairs, faces.identity, thresholds, group=gender)
    print(rates["fnmr/woman"].estimate(50))

"""  # fmt: skip

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation.fairness import check_one_group_each
from facelab.evaluation.intervals import Estimate, check_draws, wilson_at_ends
from facelab.evaluation.pair_weights import PairWeights
from facelab.evaluation.resampling import METHOD
from facelab.whole_numbers import check_seed


@dataclass(frozen=True)
class RateCurve:
    """One error rate at T thresholds.

    Attributes:
        value, low, high: float64 (T,), 0 to 1, the rate and its interval.
        n: number of people that it rests on: those in the comparisons.
        pairs: number of comparisons.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int
    pairs: int

    def estimate(self, at: int) -> Estimate:
        """The rate at the threshold of this number."""
        return _estimate(self.value[at], self.low[at], self.high[at], self.n)


def rates_over_thresholds(
    scores: np.ndarray,
    pairs: Pairs,
    person: np.ndarray,
    thresholds: np.ndarray,
    group: np.ndarray | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    photographs: bool = True,
) -> dict[str, RateCurve]:
    """FMR and FNMR at each threshold; a pair is accepted where score >= threshold.

    Intervals are 95 % percentiles of a bootstrap over people (``bootstrap_pairs_over_people``), drawn within their group
    where groups are given. Where no pair is wrong, or every pair, all draws agree and the bootstrap has no width. There it is
    Wilson's interval of as many trials as there are people.

    Args:
        scores: float (M,), greater is more alike.
        pairs: the M pairs.
        person: (N,), the person of each photograph that the pairs point into.
        thresholds: float (T,), rising.
        group: (N,), the group of each photograph's person; those of an unknown one (None, NaN, "") count in the rates of all
            pairs only. Groups without genuine or impostor pairs of their own have no rates.
        draws: of the bootstrap, at least 100.
        seed: of the NumPy generator.
        photographs: as in ``bootstrap_pairs_over_people``.

    Returns:
        ``fmr`` and ``fnmr``, and of each group ``fmr/G`` (impostor pairs within it) and ``fnmr/G``.

    Raises:
        BadParameterError: scores that are not finite or not one a pair, thresholds that do not rise, fewer than 3 people, one
            kind of pair is missing, a person is in two groups, or groups so small that a draw of people rarely has all rates.
    """
    same = np.asarray(pairs.same, dtype=bool)
    _check(scores, thresholds, same)
    code, names = _coded(pairs, person, group)
    sampler = PairWeights(pairs, person, photographs, stratum=code)
    own = np.where(code[pairs.first] == code[pairs.second], code[pairs.first], -1)
    both = [g for g in range(len(names)) if all(g in own[kind] for kind in (same, ~same))]
    genuine, impostor = (_Counter(scores[kind], thresholds, own[kind], both) for kind in (same, ~same))
    labels = ["all people", *(repr(names[g]) for g in both)]

    def rates(genuine_weights: np.ndarray, impostor_weights: np.ndarray) -> np.ndarray:
        return np.stack([1 - impostor.below(impostor_weights), genuine.below(genuine_weights)])  # (2, 1 + G, T)

    def missing(genuine_weights: np.ndarray, impostor_weights: np.ndarray) -> list[str]:
        kinds = {"genuine": genuine.total(genuine_weights), "impostor": impostor.total(impostor_weights)}
        return [f"{kind} pairs of {labels[row]}" for kind, total in kinds.items() for row in np.flatnonzero(total == 0)]

    rng = np.random.default_rng(check_seed(seed))
    drawn = [rates(*sampler.draw(rng, missing)) for _ in range(check_draws(draws))]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    value = rates(np.ones(same.sum()), np.ones((~same).sum()))

    shown = np.asarray(person)[np.stack([pairs.first, pairs.second])]  # (2, M), the people of each pair
    curves = {}
    for row, g in enumerate([None, *both]):
        for kind, (rate, counter, rows) in enumerate((("fmr", impostor, ~same), ("fnmr", genuine, same))):
            n = len(np.unique(shown[:, rows if g is None else rows & (own == g)]))
            ends = value[kind, row], low[kind, row], high[kind, row]
            curves[rate if g is None else f"{rate}/{names[g]}"] = _curve(*ends, n, int(counter.counts[row]))
    return curves


def _curve(value: np.ndarray, low: np.ndarray, high: np.ndarray, people: int, pairs: int) -> RateCurve:
    """A rate with its interval at each threshold, (T,) each."""
    found = [_estimate(*three, people) for three in zip(value, low, high, strict=True)]
    ends = (np.array([getattr(one, part) for one in found]) for part in ("value", "low", "high"))
    return RateCurve(*ends, n=people, pairs=pairs)


def _estimate(value: float, low: float, high: float, people: int) -> Estimate:
    return wilson_at_ends(Estimate(float(value), float(low), float(high), people, METHOD, "people"))


class _Counter:
    """Pairs of one kind by their place among the thresholds and by their group; rates of any weights in two sums.

    Args:
        scores: (M,).
        thresholds: (T,), rising.
        own: int (M,), the group that both people of a pair are in, -1 where there is none.
        groups: those that have rates.

    Attributes:
        counts: int (1 + G,), number of pairs: all, then of each group.
    """

    def __init__(self, scores: np.ndarray, thresholds: np.ndarray, own: np.ndarray, groups: list[int]) -> None:
        row = np.zeros(len(own), dtype=np.int64)  # row 0: in no group that has rates
        for number, group in enumerate(groups, start=1):
            row[own == group] = number
        self._row, self._shape = row, (len(groups) + 1, len(thresholds) + 1)
        self._slot = row * self._shape[1] + np.searchsorted(thresholds, scores, side="right")
        self.counts = self.total(np.ones(len(own))).astype(np.int64)

    def total(self, weight: np.ndarray) -> np.ndarray:
        """(1 + G,): sum of the weight of all pairs, then of each group."""
        sums = np.bincount(self._row, weight, minlength=self._shape[0])
        sums[0] = sums.sum()
        return sums

    def below(self, weight: np.ndarray) -> np.ndarray:
        """(1 + G, T): share of the weight below each threshold, of all pairs, then of each group; none has a total of 0."""
        table = np.bincount(self._slot, weight, minlength=self._shape[0] * self._shape[1]).reshape(self._shape)
        table[0] = table.sum(axis=0)
        sums = table.cumsum(axis=1)
        return sums[:, :-1] / sums[:, -1:]


def _coded(pairs: Pairs, person: np.ndarray, group: np.ndarray | None) -> tuple[np.ndarray, list[str]]:
    """The number of the group of each photograph, -1 where it is unknown, and the names of the groups."""
    if group is None:
        return np.full(len(person), -1), []
    known = pd.Series(np.asarray(group, dtype=object)).replace("", None)
    check_one_group_each(np.asarray(person), known.to_numpy(dtype=object))
    code, names = pd.factorize(known, sort=True)
    return code, [str(name) for name in names]


def _check(scores: np.ndarray, thresholds: np.ndarray, same: np.ndarray) -> None:
    if len(scores) != len(same):
        raise BadParameterError("Scores and pairs differ in number.", "Score each pair once.")
    if not np.isfinite(scores).all():
        raise BadParameterError("Some scores are not finite.", "Look for embeddings that are broken.")
    if not same.any() or same.all():
        raise BadParameterError("There are no genuine or no impostor pairs.", "Give pairs of both kinds.")
    if np.ndim(thresholds) != 1 or not len(thresholds) or not (np.diff(thresholds) > 0).all():
        raise BadParameterError("The thresholds do not rise.", "Give one or more, the smallest first, none twice.")
