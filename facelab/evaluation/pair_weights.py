"""How often each pair counts where people and their photographs are drawn again: what every bootstrap of pairs rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError

#: Of the first so many draws this share at least must have all rates, else there is no interval: it would be one over draws of
#: lucky people alone, and take long.
JUDGED_DRAWS, LEAST_SHARE = 200, 0.05


class PairWeights:
    """Draws weights of pairs by the rule of ``bootstrap_pairs_over_people``; holds what does not change from draw to draw.

    Args:
        pairs: the M pairs.
        person: (N,), the person of each photograph that the pairs point into.
        photographs: draw photographs within people too.
        stratum: (N,), the group of each photograph's person: as many people of each group are drawn as there are, so that
            no draw is without a group. None: of all people alike.

    Attributes:
        people: number of people in the pairs.

    Raises:
        BadParameterError: fewer than 3 people, or ``person`` does not agree with the pairs.
    """

    def __init__(self, pairs: Pairs, person: np.ndarray, photographs: bool, stratum: np.ndarray | None = None) -> None:
        used = np.unique(np.concatenate([pairs.first, pairs.second]))
        _, first_row, self._owner = np.unique(np.asarray(person)[used], return_index=True, return_inverse=True)
        self.people = len(first_row)
        self._photographs = photographs
        self._by_owner = np.argsort(self._owner, kind="stable")
        size = np.bincount(self._owner)
        self._size, self._start = np.repeat(size, size), np.repeat(np.cumsum(size) - size, size)  # in that order
        same = np.asarray(pairs.same, dtype=bool)
        first, second = np.searchsorted(used, pairs.first), np.searchsorted(used, pairs.second)
        if not np.array_equal(self._owner[first] == self._owner[second], same):
            raise BadParameterError("The people given do not agree with the pairs.", "Give identity of the paired set.")
        if self.people < 3:
            raise BadParameterError(f"The pairs show {self.people} people.", "A bootstrap over people needs 3 or more.")
        self._genuine, self._impostor = (first[same], second[same]), (first[~same], second[~same])
        group = np.zeros(self.people) if stratum is None else np.asarray(stratum)[used][first_row]
        _, group, members = np.unique(group, return_inverse=True, return_counts=True)
        self._strata = [np.flatnonzero(group == value) for value in range(len(members))]
        # two draws out of n are the same one once in n times, so both of a pair are there n - 1 times in n: without these
        # factors the pairs of people with few photographs, and of small groups, would count less than in the figure itself
        self._genuine_factor = _whole_mean(size)[self._owner[first[same]]] if photographs else 1.0
        self._impostor_factor = 1.0
        if len(members) > 1:
            one, other = (group[self._owner[side]] for side in self._impostor)
            self._impostor_factor = np.where(one == other, _whole_mean(members)[one], 1.0)
        self._drawn, self._complete, self._lacked = 0, 0, Counter()  # draws so far; how many lacked which pairs

    def draw(
        self,
        rng: np.random.Generator,
        missing: Callable[[np.ndarray, np.ndarray], list[str]] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the genuine and of the impostor pairs, each in the order of ``pairs``.

        Args:
            rng: draws people and photographs.
            missing: both weights -> which pairs, in words, have no weight. Such a draw lacks a rate, and another takes its
                place. None: all genuine pairs, or all impostor pairs.

        Raises:
            BadParameterError: fewer than ``LEAST_SHARE`` of the first ``JUDGED_DRAWS`` lack none.
        """
        missing = missing or _missing_kinds
        while True:
            weights = self._weights(rng)
            names = missing(*weights)
            self._drawn, self._complete = self._drawn + 1, self._complete + (not names)
            self._lacked.update(names)
            if self._drawn == JUDGED_DRAWS and self._complete < LEAST_SHARE * JUDGED_DRAWS:
                ((most, times),) = self._lacked.most_common(1)
                raise BadParameterError(
                    f"Of {JUDGED_DRAWS} draws of people {self._complete} have all rates; {times} have no {most}.",
                    "Give more people, or leave out groups of few people.",
                )
            if not names:
                return weights

    def _weights(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.concatenate([own[rng.integers(len(own), size=len(own))] for own in self._strata])
        drawn = np.bincount(chosen, minlength=self.people).astype(np.float64)
        within = np.ones(len(self._owner))
        if self._photographs:  # one uniform number a photograph picks a photograph of the same person
            picked = self._start + (rng.random(len(self._owner)) * self._size).astype(np.int64)
            within = np.bincount(self._by_owner[picked], minlength=len(self._owner)).astype(np.float64)
        first, second = self._genuine
        genuine = drawn[self._owner[first]] * within[first] * within[second] * self._genuine_factor
        weight = drawn[self._owner] * within
        first, second = self._impostor
        return genuine, weight[first] * weight[second] * self._impostor_factor


def _whole_mean(count: np.ndarray) -> np.ndarray:
    """n / (n - 1) of each n, and 1 of 1: two of n, drawn n times with replacement, are then there once in the mean."""
    return count / np.maximum(count - 1, 1)


def _missing_kinds(genuine: np.ndarray, impostor: np.ndarray) -> list[str]:
    return [name for name, weight in (("genuine pairs", genuine), ("impostor pairs", impostor)) if not weight.any()]
