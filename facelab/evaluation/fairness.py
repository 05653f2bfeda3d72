"""Error rates of groups of people at one global threshold, as ISO/IEC 19795-10 and NISTIR 8280 report them.

    threshold = threshold_at_fmr(scores, pairs.same, 0.01)          # of all impostor pairs, best on other people
    figures = fairness_estimates(scores, pairs, faces.identity, gender, threshold)

"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation.disparity import fairness_discrepancy_rate, garbe, inequity_rate, max_over_geometric_mean
from facelab.evaluation.intervals import Estimate, check_draws, wilson_at_ends
from facelab.evaluation.pair_weights import PairWeights
from facelab.evaluation.resampling import METHOD
from facelab.evaluation.verification import MIN_EXPECTED, remedy_for_few
from facelab.whole_numbers import check_seed


@dataclass(frozen=True)
class GroupRates:
    """Rates of G groups at one threshold.

    Attributes:
        names: of the groups, sorted.
        fnmr: float64 (G,), share of the genuine pairs of each group below the threshold.
        fmr: float64 (G, G), share of the impostor pairs between two groups at or above it; symmetric. The diagonal is what
            is called the FMR of a group: impostors from one's own.
        genuine: (G,), number of genuine pairs (or their weight).
        impostors: (G, G), number of impostor pairs.
    """

    names: tuple[str, ...]
    fnmr: np.ndarray
    fmr: np.ndarray
    genuine: np.ndarray
    impostors: np.ndarray

    def table(self) -> pd.DataFrame:
        """One row a group: FNMR, FMR among its own, and FMR with each group."""
        columns = {"FNMR": self.fnmr, "genuine pairs": self.genuine, "FMR, own group": self.fmr.diagonal()}
        columns |= {f"FMR with {name}": self.fmr[:, number] for number, name in enumerate(self.names)}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="group"))


def threshold_at_fmr(scores: np.ndarray, same: np.ndarray, fmr: float, weight: np.ndarray | None = None) -> float:
    """The lowest threshold at which at most a share ``fmr`` of all impostor pairs is accepted (score >= threshold).

    Args:
        scores: float (M,).
        same: bool (M,), True for genuine pairs, which play no part.
        fmr: false match rate, from 10 / impostor pairs to below 1.
        weight: float (M,) >= 0, how often each pair counts; None: once.

    Raises:
        BadParameterError: ``fmr`` would rest on fewer than ten false matches, or a score is not finite.
    """
    same = np.asarray(same, dtype=bool)
    impostor = np.asarray(scores, dtype=np.float64)[~same]
    if not MIN_EXPECTED / max(len(impostor), 1) <= fmr < 1:
        raise BadParameterError(
            f"FMR {fmr:g} cannot be set with {len(impostor)} impostor pairs.",
            remedy_for_few(len(impostor), "give more pairs"),
        )
    if not np.isfinite(impostor).all():
        raise BadParameterError("Some scores are not finite.", "Look for embeddings that are broken.")
    order = np.argsort(-impostor, kind="stable")
    count = np.ones(len(order)) if weight is None else np.asarray(weight, dtype=np.float64)[~same][order]
    return _threshold(impostor[order], count, fmr)


def _threshold(falling: np.ndarray, count: np.ndarray, fmr: float) -> float:
    """Of impostor scores in falling order with their weights: just above the first score that would be too many."""
    accepted = np.cumsum(count)
    too_many = np.searchsorted(accepted, fmr * accepted[-1] * (1 + 1e-12), side="right")
    return float(np.nextafter(falling[too_many], np.inf))


def group_rates(scores: np.ndarray, pairs: Pairs, group: np.ndarray, threshold: float) -> GroupRates:
    """FNMR and FMR of each group; a pair is accepted where score >= threshold.

    Args:
        scores: float (M,).
        pairs: the M pairs.
        group: (N,), the group of each photograph's person; pairs with a person of unknown group (None, NaN, "") are left out.
        threshold: one for all.

    Raises:
        BadParameterError: fewer than two groups, or a group without genuine or impostor pairs.
    """
    return _Coded(scores, pairs, np.asarray(group, dtype=object)).rates(threshold)


def fairness_estimates(
    scores: np.ndarray,
    pairs: Pairs,
    person: np.ndarray,
    group: np.ndarray,
    threshold: float | None = None,
    *,
    fmr: float | None = None,
    draws: int = 1000,
    seed: int = 0,
    photographs: bool = True,
) -> dict[str, Estimate]:
    """Rates of groups and their disparity, with percentile intervals over people, all from the same draws.

    People are drawn within their group: as many of each as there are, as a study would recruit them, and no draw lacks one.
    A rate of 0 or 1 has Wilson's interval of as many trials as there are people in its pairs, if that is the wider.
    A ratio whose smaller rate is 0 is infinite, in a draw as well; the interval then ends at inf and says so.

    Args:
        scores: float (M,).
        pairs: the M pairs.
        person: (N,), the person of each photograph.
        group: (N,), the group of each photograph's person; unknown ones as in ``group_rates``.
        threshold: fixed, from other people.
        fmr: instead, set the threshold anew in each draw, at this rate over all its impostor pairs.
        draws: number of draws, at least 100.
        seed: of the NumPy generator.
        photographs: as in ``bootstrap_pairs_over_people``.

    Returns:
        ``fnmr/G``, ``fmr/G`` (own group), ``fmr/G with H``, the differences ``fnmr/G - H`` and ``fmr/G - H``, ``fnmr
        max/geometric mean``, ``fmr max/geometric mean``, ``FDR``, ``IR``, ``GARBE``; ``n`` counts the people in the pairs of
        the figure: of one group, of both of a difference, or of all.

    Raises:
        BadParameterError: as ``group_rates`` and ``threshold_at_fmr``; a person in two groups; not one of threshold and fmr;
            groups so small that a draw of people rarely has all rates.
    """
    if (threshold is None) == (fmr is None):
        raise BadParameterError(f"threshold is {threshold}, fmr {fmr}.", "Give one of the two.")
    coded = _Coded(scores, pairs, np.asarray(group, dtype=object))
    check_one_group_each(np.asarray(person), coded.group)
    sampler = PairWeights(coded.pairs, person, photographs, stratum=coded.code)
    if fmr is not None:
        threshold = threshold_at_fmr(coded.scores, coded.pairs.same, fmr)
    centre = _figures(coded.rates(threshold))
    rng, found = np.random.default_rng(check_seed(seed)), []
    for _ in range(check_draws(draws)):
        weights = sampler.draw(rng, coded.missing)
        at = threshold if fmr is None else coded.threshold(weights[1], fmr)
        found.append(list(_figures(coded.rates(at, *weights)).values()))
    counts = coded.people(np.asarray(person))
    in_rates = _rates(coded.names, *counts)
    people = dict.fromkeys(centre, sampler.people) | in_rates | _gaps(coded.names, *counts, np.add)
    estimates = {
        name: _interval(values, centre[name], int(people[name]))
        for name, values in zip(centre, np.transpose(found), strict=True)
    }
    return {name: wilson_at_ends(one) if name in in_rates else one for name, one in estimates.items()}


def _figures(rates: GroupRates) -> dict[str, float]:
    of_groups, own = (rates.names, rates.fnmr, rates.fmr), rates.fmr.diagonal()
    figures = _rates(*of_groups) | _gaps(*of_groups, np.subtract)
    figures["fnmr max/geometric mean"] = max_over_geometric_mean(rates.fnmr)
    figures["fmr max/geometric mean"] = max_over_geometric_mean(own)
    figures["FDR"] = fairness_discrepancy_rate(own, rates.fnmr)
    figures["IR"] = inequity_rate(own, rates.fnmr)
    figures["GARBE"] = garbe(own, rates.fnmr)
    return figures


def _rates(names: Sequence[str], fnmr: np.ndarray, fmr: np.ndarray) -> dict[str, float]:
    """What there is of each group, and of two together: the rates, or on how many people they rest."""
    figures = {f"fnmr/{name}": fnmr[a] for a, name in enumerate(names)}
    figures |= {f"fmr/{name}": fmr[a, a] for a, name in enumerate(names)}
    return figures | {f"fmr/{names[a]} with {names[b]}": fmr[a, b] for a, b in combinations(range(len(names)), 2)}


def _gaps(names: Sequence[str], fnmr: np.ndarray, fmr: np.ndarray, of: Callable) -> dict[str, float]:
    """What there is between two groups: ``of`` theirs."""
    of_two, own = list(combinations(range(len(names)), 2)), fmr.diagonal()
    figures = {f"fnmr/{names[a]} - {names[b]}": of(fnmr[a], fnmr[b]) for a, b in of_two}
    return figures | {f"fmr/{names[a]} - {names[b]}": of(own[a], own[b]) for a, b in of_two}


def _interval(values: np.ndarray, centre: float, people: int) -> Estimate:
    """Percentiles that are draws themselves, since between two infinite ones nothing can be interpolated."""
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return Estimate(float(centre), float(low), float(high), people, METHOD, "people")


def check_one_group_each(person: np.ndarray, group: np.ndarray) -> None:
    """Raise BadParameterError where one of the people, (N,), is in two known groups, (N,)."""
    known = pd.DataFrame({"person": person, "group": group}).dropna()
    values = known.groupby("person")["group"].nunique()
    if (values > 1).any():
        raise BadParameterError(f"Person {values.idxmax()} is in {values.max()} groups.", "Give each person one.")


class _Coded:
    """Scored pairs of people of known groups, with the groups as numbers."""

    def __init__(self, scores: np.ndarray, pairs: Pairs, group: np.ndarray) -> None:
        if len(scores) != len(pairs):
            raise BadParameterError("Scores and pairs differ in number.", "Score each pair once.")
        if not np.isfinite(scores).all():
            raise BadParameterError("Some scores are not finite.", "Look for embeddings that are broken.")
        self.group = pd.Series(group).replace("", None).to_numpy(dtype=object)
        self.code, names = pd.factorize(self.group, sort=True)
        known = (self.code[pairs.first] >= 0) & (self.code[pairs.second] >= 0)
        self.pairs, self.scores = pairs.subset(known), np.asarray(scores, dtype=np.float64)[known]
        self.names: Sequence[str] = tuple(str(name) for name in names)
        same, groups = np.asarray(self.pairs.same, dtype=bool), len(names)
        a, b = self.code[self.pairs.first], self.code[self.pairs.second]
        self._own, self._both = a[same], (np.minimum(a, b) * groups + np.maximum(a, b))[~same]
        self._genuine, self._impostor = self.scores[same], self.scores[~same]
        self._falling = np.argsort(-self._impostor, kind="stable")
        if groups < 2 or self.missing(np.ones(len(self._own)), np.ones(len(self._both))):
            raise BadParameterError(
                f"The pairs show the groups {', '.join(self.names) or 'none'}, and not all of them in both kinds of pairs.",
                "Give two groups or more, each with genuine pairs, and impostor pairs within and between all of them.",
            )

    def missing(self, genuine: np.ndarray, impostor: np.ndarray) -> list[str]:
        """The pairs that a group, or two groups, have none of that count."""
        own, both = self._totals(genuine, impostor)
        found = [f"genuine pairs of {self.names[a]!r}" for a in np.flatnonzero(own == 0)]
        for a, b in np.transpose(np.triu_indices(len(self.names)))[both == 0]:
            found.append(f"impostor pairs of {self.names[a]!r}" + (f" with {self.names[b]!r}" if b != a else ""))
        return found

    def people(self, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many people (``person``, (N,)) are in the genuine pairs of each group (G,), and in the impostor pairs between
        two groups (G, G), the upper triangle."""
        groups, same = len(self.names), np.asarray(self.pairs.same, dtype=bool)
        shown = person[np.stack([self.pairs.first, self.pairs.second])]  # (2, M)
        genuine = [len(np.unique(shown[:, same][:, self._own == a])) for a in range(groups)]
        impostor = np.zeros((groups, groups), dtype=np.int64)
        for a, b in zip(*np.triu_indices(groups), strict=True):
            impostor[a, b] = len(np.unique(shown[:, ~same][:, self._both == a * groups + b]))
        return np.array(genuine), impostor

    def threshold(self, impostor: np.ndarray, fmr: float) -> float:
        """The threshold at an FMR over the impostor pairs as they count."""
        return _threshold(self._impostor[self._falling], impostor[self._falling], fmr)

    def rates(
        self, threshold: float, genuine: np.ndarray | None = None, impostor: np.ndarray | None = None
    ) -> GroupRates:
        """Rates of the pairs with these weights; once each where none are given."""
        genuine = np.ones(len(self._own)) if genuine is None else genuine
        impostor = np.ones(len(self._both)) if impostor is None else impostor
        totals = self._totals(genuine, impostor)
        missed, matched = self._totals(genuine * (self._genuine < threshold), impostor * (self._impostor >= threshold))
        groups = len(self.names)
        upper = np.triu_indices(groups)
        fmr, count = np.zeros((2, groups, groups))
        fmr[upper], count[upper] = matched / totals[1], totals[1]
        fmr, count = np.triu(fmr) + np.triu(fmr, 1).T, np.triu(count) + np.triu(count, 1).T
        return GroupRates(tuple(self.names), missed / totals[0], fmr, totals[0], count)

    def _totals(self, genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weight of the genuine pairs (G,), and of the impostor pairs by two groups, the upper triangle in rows."""
        groups = len(self.names)
        square = np.bincount(self._both, impostor, minlength=groups**2).reshape(groups, groups)
        return np.bincount(self._own, genuine, minlength=groups), square[np.triu_indices(groups)]
