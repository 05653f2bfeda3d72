"""The hard exercise of notebook 11: which methods no other certainly beats in error and in cost at once."""

from __future__ import annotations

import numpy as np
from scipy import stats

from facelab import evaluation
from facelab.exercises.exercise import Exercise, require, require_value, require_written


def pareto_front(error: np.ndarray, cost: np.ndarray, level: float) -> np.ndarray:
    """Which of M methods, measured with S seeds each (M, S), are dominated by no other with certainty: bool (M,)."""
    methods, seeds = error.shape
    pairs = [(better, worse) for better in range(methods) for worse in range(methods) if better != worse]
    p_values = []
    for better, worse in pairs:
        one_sided = []
        for figure in (error, cost):
            more = figure[worse] - figure[better]
            t = more.mean() / (more.std(ddof=1) / np.sqrt(seeds))
            one_sided.append(stats.t.sf(t, seeds - 1))
        p_values.append(max(one_sided))  # both must be worse, so the weaker evidence counts
    dominated = np.zeros(methods, dtype=bool)
    for (_, worse), certain in zip(pairs, evaluation.holm(p_values, level), strict=True):
        dominated[worse] |= certain
    return ~dominated


def _paired(less: np.ndarray, more: np.ndarray) -> float:
    """Chance of such a difference, or a larger one, if ``less`` is not less: one-sided paired t test."""
    difference = more - less
    return float(stats.t.sf(difference.mean() / stats.sem(difference), len(difference) - 1))


def _unpaired(less: np.ndarray, more: np.ndarray) -> float:
    n = len(less)
    return float(stats.t.sf((more.mean() - less.mean()) / np.hypot(stats.sem(less), stats.sem(more)), 2 * n - 2))


def _two_sided(less: np.ndarray, more: np.ndarray) -> float:
    return 2 * min(_paired(less, more), _paired(more, less))


def _by_means(less: np.ndarray, more: np.ndarray) -> float:
    return float(less.mean() >= more.mean())


def _front(p_of=_paired, together=max, certain=evaluation.holm):
    """The front by another test of one figure, another way to put two tests together, or another correction."""

    def answer(error, cost, level):
        pairs = _ordered_pairs(len(error))
        p_values = [together([p_of(error[a], error[b]), p_of(cost[a], cost[b])]) for a, b in pairs]
        return _not_beaten(len(error), certain(np.array(p_values), level))

    return answer


def _one_list(error, cost, level):
    pairs = _ordered_pairs(len(error))
    p_values = [_paired(figure[a], figure[b]) for figure in (error, cost) for a, b in pairs]
    return _not_beaten(len(error), evaluation.holm(p_values, level).reshape(2, -1).all(axis=0))


def _ordered_pairs(methods: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(methods) for b in range(methods) if a != b]


def _not_beaten(methods: int, certain: np.ndarray) -> np.ndarray:
    beaten = {b for (_, b), sure in zip(_ordered_pairs(methods), certain, strict=True) if sure}
    return np.array([method not in beaten for method in range(methods)])


def _measured(seed: int, methods: int, seeds: int, shared: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors and costs (M, S) of methods that a seed moves together by ``shared`` and each alone by less."""
    rng = np.random.default_rng(seed)
    figures = rng.normal(0, 0.02, (2, methods, 1)) + rng.normal(0, shared, (2, 1, seeds))
    error, cost = figures + rng.normal(0, 0.006, (2, methods, seeds)) + np.array([0.3, 1.0])[:, None, None]
    return error, cost


_CASES = [(_measured(seed, methods, seeds, shared), level, what) for seed, methods, seeds, shared, level, what in (
    (0, 8, 5, 0.03, 0.05, "eight methods, five seeds"),
    (7, 6, 5, 0.02, 0.05, "six methods, five seeds"),
    (5, 6, 8, 0.02, 0.2, "six methods, eight seeds, another level"),
    (3, 2, 6, 0.0, 0.05, "two methods"),
)]  # fmt: skip


def _answers_alike(answer, given: list[list[bool]]) -> bool:
    """Whether an answer gives the same in all cases; it is called no longer than that is so."""
    return all(
        answer(error, cost, level).tolist() == found
        for ((error, cost), level, _), found in zip(_CASES, given, strict=True)
    )


def _check(answer) -> None:
    (error, cost), level, _ = _CASES[0]
    got = answer(error.copy(), cost.copy(), level)
    require_written(got)
    require(
        np.shape(got) == (len(error),),
        f"return one answer for each method, ({len(error)},); yours has the shape {np.shape(got)}.",
    )
    require(np.asarray(got).dtype == bool, f"return booleans, not {np.asarray(got).dtype}.")
    given = [np.asarray(answer(error.copy(), cost.copy(), level)).tolist() for (error, cost), level, _ in _CASES]
    if not _answers_alike(pareto_front, given):
        for mistake, message in _MISTAKES.values():
            require(not _answers_alike(mistake, given), message)
    for found, ((error, cost), level, what) in zip(given, _CASES, strict=True):
        expected = pareto_front(error, cost, level).tolist()
        require(found == expected, f"{what}: expected {expected}, got {found}.")
    errors = np.array([[0.2, 0.21, 0.19], [0.3, 0.33, 0.31]])
    require_value(
        answer(errors.copy(), -errors, 0.05),
        [True, True],
        "two methods, one better and one cheaper: both are on the front",
    )


_MISTAKES = {
    "turned round": (
        _front(p_of=lambda less, more: _paired(more, less)),
        "your test has the wrong direction: a method would be dominated by one that is certainly worse.",
    ),
    "the dominated ones": (
        lambda error, cost, level: ~_front()(error, cost, level),
        "these are the dominated methods. The front is all others.",
    ),
    "by the means": (
        _front(p_of=_by_means, certain=lambda p, level: p < level),
        "you compare the means alone. A difference that another choice of seeds could turn round dominates nobody: test it.",
    ),
    "not paired": (
        _front(p_of=_unpaired),
        "your test takes the methods for independent. Both were run with the same seeds: test the differences within a seed.",
    ),
    "one figure is enough": (
        _front(together=min),
        "you call a method dominated that is certainly worse in one figure. It must be worse in error and in cost: take the "
        "larger of both p values.",
    ),
    "p values multiplied": (
        _front(together=np.prod),
        "you multiply the two p values. Two weak results do not make a strong one: take the larger of both.",
    ),
    "each pair for itself": (
        _front(certain=lambda p, level: p <= level),
        "each pair is tested at the full level. There are M (M - 1) of them: put all p values through Holm's procedure.",
    ),
    "error and cost in one list": (
        _one_list,
        "you correct for error and cost in one list. First join the two p values of a pair, then correct over the pairs.",
    ),
    "Bonferroni": (
        _front(certain=lambda p, level: p <= level / len(p)),
        "this is Bonferroni's correction. Holm's procedure is valid too, and finds more.",
    ),
    "two-sided": (
        _front(p_of=_two_sided),
        "your test has two sides: a method would be dominated by one that is certainly worse. Ask for less error and less "
        "cost.",
    ),
}


PARETO_FRONT = Exercise(
    "11.4 the front of error and cost",
    pareto_front,
    _check,
    mistakes=_MISTAKES,
    minutes=30,
    difficulty=5,
    importance=4,
    hints=(
        'Three steps: a p value for "less error" and one for "less cost" of each ordered pair; one p value of the pair; '
        "a decision over all pairs. The first is the paired test of exercise 11.2 with one side only, the last is exercise "
        "11.3.",
        '`stats.ttest_rel(first, second, alternative="less").pvalue` is small where `first` is certainly less. A pair\'s p '
        "value is the larger of its two, since both must hold. Put all $M (M - 1)$ of them through `evaluation.holm`, and "
        "take out every method that is the worse one of a pair that is found.",
    ),
)
