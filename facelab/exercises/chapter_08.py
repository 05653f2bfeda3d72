"""Exercises of notebook 08: error rates of groups, a threshold for strangers, weights for groups, and Gini's coefficient."""

from __future__ import annotations

import numpy as np

from facelab.exercises.exercise import (
    Exercise,
    refuse,
    refuse_mistakes,
    require,
    require_returned,
    require_share,
    require_value,
    require_written,
)


def group_rates(
    scores: np.ndarray, same: np.ndarray, first_group: np.ndarray, second_group: np.ndarray, threshold: float
) -> dict[str, tuple[float, float]]:
    """Group -> (FNMR, FMR among its own); ``first_group`` and ``second_group`` (M,) are those of both people of each pair."""
    found = {}
    for group in np.unique(first_group):
        own = (first_group == group) & (second_group == group)
        found[group] = (np.mean(scores[own & same] < threshold), np.mean(scores[own & ~same] >= threshold))
    return found


def _some_pairs() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    same = rng.random(400) < 0.4
    first = np.where(rng.random(400) < 0.3, "f", "m")
    second = np.where(same, first, np.where(rng.random(400) < 0.3, "f", "m"))
    scores = np.round(
        rng.normal(0.2, 0.2, 400) + 0.3 * same + 0.1 * (first == "f"), 1
    )  # tenths: some are the threshold
    return scores, same, first, second, 0.4


def _check_rates(answer) -> None:
    inputs = _some_pairs()
    got = answer(*[value.copy() if isinstance(value, np.ndarray) else value for value in inputs])
    require_returned(got)
    require(
        isinstance(got, dict) and set(got) == {"f", "m"} and all(np.shape(pair) == (2,) for pair in got.values()),
        f"return a dictionary with a pair for each of the groups f and m. Yours is {got!r}.",
    )
    rows = np.array([got["f"], got["m"]], dtype=float)
    for mistake, message in _RATE_MISTAKES.values():
        wrong = mistake(*inputs)
        refuse(rows, [wrong["f"], wrong["m"]], message)
    right = group_rates(*inputs)
    require_value(rows, [right["f"], right["m"]], "rows f and m, columns FNMR and FMR")


def _each(judge):
    """An answer from a judgement of one group (scores, same, first == group, second == group, threshold)."""

    def answer(scores, same, first, second, threshold):
        return {g: judge(scores, same, first == g, second == g, threshold) for g in np.unique(first)}

    return answer


_RATE_MISTAKES = {
    "a threshold a group": (
        _each(
            lambda s, same, a, b, t: (
                np.mean(s[a & b & same] < np.median(s[a & b])),
                np.mean(s[a & b & ~same] >= np.median(s[a & b])),
            )
        ),
        "you use a threshold of its own for each group. A system has one threshold: use the one that is given, for all groups.",
    ),
    "all impostors": (
        _each(lambda s, same, a, b, t: (np.mean(s[a & same] < t), np.mean(s[(a | b) & ~same] >= t))),
        "your FMR includes impostor pairs between the groups. Take pairs of which both people are of the group.",
    ),
    "first alone": (
        _each(lambda s, same, a, b, t: (np.mean(s[a & same] < t), np.mean(s[a & ~same] >= t))),
        "you look at the group of the first person alone; the second may be of another group. Both must be of the group.",
    ),
    "shares of all pairs": (
        _each(
            lambda s, same, a, b, t: (
                np.sum(a & b & same & (s < t)) / len(s),
                np.sum(a & b & ~same & (s >= t)) / len(s),
            )
        ),
        "you divide by all pairs. FNMR is a share of the group's genuine pairs, FMR of its impostor pairs.",
    ),
    "of the own pairs": (
        _each(
            lambda s, same, a, b, t: (np.mean((s < t)[a & b] & same[a & b]), np.mean((s >= t)[a & b] & ~same[a & b]))
        ),
        "you divide by all pairs of the group. FNMR is a share of its genuine pairs, FMR of its impostor pairs.",
    ),
    "turned round": (
        _each(lambda s, same, a, b, t: (np.mean(s[a & b & ~same] >= t), np.mean(s[a & b & same] < t))),
        "FMR and FNMR are the wrong way round: FNMR comes first, the share of genuine pairs that are refused.",
    ),
    "> for >=": (
        _each(lambda s, same, a, b, t: (np.mean(s[a & b & same] <= t), np.mean(s[a & b & ~same] > t))),
        "a pair whose score equals the threshold is accepted: < for a false non-match, >= for a false match.",
    ),
}
GROUP_RATES = Exercise(
    "8.1 error rates of groups",
    group_rates,
    _check_rates,
    mistakes=_RATE_MISTAKES,
    minutes=12,
    difficulty=2,
    importance=5,
    hints=(
        "Three masks over the pairs decide everything: is it genuine, is it of this group, is it accepted? "
        "Of which pairs is FNMR a share, and of which FMR?",
        "For each group of `np.unique(first_group)` take the pairs whose two people are both of it. FNMR is the mean of "
        "`scores < threshold` over the genuine ones, FMR the mean of `scores >= threshold` over the others.",
    ),
)


def threshold_for_strangers(confidence: np.ndarray, share: float) -> float:
    """The lowest of the values such that at most ``share`` of the strangers are *above* it; ``confidence`` (N,)."""
    return float(np.quantile(confidence, 1 - share, method="inverted_cdf"))


def _check_strangers(answer) -> None:
    rng = np.random.default_rng(1)
    sure, share = rng.permutation(np.linspace(0.105, 0.995, 90)), 0.05
    got = answer(sure.copy(), share)
    require_share(got)
    refuse_mistakes(got, _STRANGER_MISTAKES, sure, share)
    passed = np.mean(sure > got)
    require(passed <= share, f"{passed:.1%} of the strangers are above your threshold, at most {share:.0%} may be.")
    require_value(got, threshold_for_strangers(sure, share), "the 5 % of 90 strangers")
    hundred = np.linspace(0.01, 1, 100)  # five of them may pass, and four are too few
    require_value(answer(hundred.copy(), share), threshold_for_strangers(hundred, share), "the 5 % of 100 strangers")


_STRANGER_MISTAKES = {
    "softmax .9": (
        lambda sure, share: 0.9,
        "this is .9, whoever the strangers are. How many pass at .9 has to be measured on strangers.",
    ),
    "the other end": (
        lambda sure, share: float(np.quantile(sure, share, method="higher")),
        "this lets nearly everybody pass: the share must lie above the threshold, not below it.",
    ),
    "the surest": (
        lambda sure, share: float(sure.max()),
        "no stranger passes, not even the share that may. The price is paid by enrolled people, who are found less often.",
    ),
    "one minus the share": (
        lambda sure, share: 1 - share,
        "this is 1 - share, which does not depend on the strangers at all.",
    ),
    "unsorted": (
        lambda sure, share: float(sure[int((1 - share) * len(sure))]),
        "you take a value by its place in an unsorted array. Sort the values first, or use a quantile.",
    ),
}
THRESHOLD_FOR_STRANGERS = Exercise(
    "8.2 a threshold for strangers",
    threshold_for_strangers,
    _check_strangers,
    mistakes=_STRANGER_MISTAKES
    | {
        "too low": (lambda sure, share: 0.5, "of the strangers are above your threshold"),
        "one too few": (
            lambda sure, share: float(np.quantile(sure, 1 - share, method="higher")),
            "the 5 % of 100 strangers",
        ),
    },
    minutes=8,
    difficulty=2,
    importance=4,
    hints=(
        "Sort the values. How many of the largest may lie above the threshold, and which value is then the lowest threshold?",
        "`np.quantile` at `1 - share` gives the place; its default interpolates between two values, and may let one too many "
        'pass. `method="inverted_cdf"` takes the lowest value that at least `1 - share` of all do not exceed.',
    ),
)


def class_weights(group: np.ndarray) -> np.ndarray:
    """A weight for each class by its group (C,): every group counts as much as another, and the mean weight is 1."""
    _, which, size = np.unique(group, return_inverse=True, return_counts=True)
    return len(group) / (len(size) * size[which])


def _check_weights(answer) -> None:
    group = np.array(["m", "f", "m", "m", "o", "m", "f", "m"])
    got = answer(group.copy())
    require_written(got)
    require(np.shape(got) == (8,), f"one weight for each of the 8 classes. Yours has the shape {np.shape(got)}.")
    refuse_mistakes(got, _WEIGHT_MISTAKES, group)
    require_value(got, class_weights(group), "five classes of m, two of f, one of o")


def _sizes(group: np.ndarray) -> np.ndarray:
    _, which, size = np.unique(group, return_inverse=True, return_counts=True)
    return size[which]


_WEIGHT_MISTAKES = {
    "none": (
        lambda group: np.ones(len(group)),
        "all weights are 1: a group then counts as much as it has classes.",
    ),
    "proportional": (
        lambda group: _sizes(group) / _sizes(group).mean(),
        "larger groups get larger weights, which is the wrong way round.",
    ),
    "not scaled": (
        lambda group: 1 / _sizes(group),
        "the groups are even, but the mean weight is not 1: loss and step size would change with the number of classes.",
    ),
    "sums to one": (
        lambda group: 1 / _sizes(group) / (1 / _sizes(group)).sum(),
        "the weights add up to 1. Their mean must be 1.",
    ),
    "root": (
        lambda group: 1 / np.sqrt(_sizes(group)) / (1 / np.sqrt(_sizes(group))).mean(),
        "you take the inverse root of the size, which goes half of the way. Here every group must count as much as another.",
    ),
}
CLASS_WEIGHTS = Exercise(
    "8.3 weights for groups",
    class_weights,
    _check_weights,
    mistakes=_WEIGHT_MISTAKES,
    minutes=8,
    difficulty=2,
    importance=2,
    hints=(
        "The weight of a class depends on the size of its group alone. What must the weights within one group add up to?",
        "`np.unique(group, return_inverse=True, return_counts=True)` gives the size of each class's group. With C classes in G "
        "groups, a class in a group of n classes gets C / (G n).",
    ),
)


def gini(rates: np.ndarray) -> float:
    """G/(G-1) times the sum of |x_i - x_j| over all i and j, divided by 2 G^2 times the mean; 0 where all are 0."""
    if not rates.any():
        return 0.0
    groups = len(rates)
    apart = np.abs(rates[:, None] - rates[None, :]).sum()
    return float(groups / (groups - 1) * apart / (2 * groups**2 * rates.mean()))


def _check_gini(answer) -> None:
    rates = np.array([0.01, 0.02, 0.02, 0.07])
    got = answer(rates.copy())
    require_share(got)
    refuse_mistakes(got, _GINI_MISTAKES, rates)
    require_value(got, gini(rates), "the rates .01, .02, .02 and .07")
    require_value(answer(np.array([0.0, 0.0, 0.3])), 1.0, "one group has all the errors")
    got = answer(np.zeros(3))
    require(
        np.ndim(got) == 0 and not np.isnan(got), "no errors at all give 0 / 0. All groups are treated alike: return 0."
    )
    require_value(got, 0.0, "no errors at all")


_GINI_MISTAKES = {
    "without G / (G - 1)": (
        lambda x: gini(x) * (len(x) - 1) / len(x),
        "the factor G / (G - 1) is missing: without it the largest value is 1 - 1/G, not 1.",
    ),
    "each pair once": (
        lambda x: gini(x) / 2,
        "you count each pair once. The sum runs over all i and all j.",
    ),
    "not divided by the mean": (
        lambda x: gini(x) * x.mean(),
        "you do not divide by the mean: small rates would then always look even.",
    ),
    "the range": (
        lambda x: np.ptp(x),
        "this is the largest difference, which FDR uses. Here all pairs of groups count.",
    ),
    "variation": (
        lambda x: min(x.std() / x.mean(), 1.0),
        "this is the coefficient of variation, made of squares. Gini takes absolute differences.",
    ),
}
GINI = Exercise(
    "8.4 Gini's coefficient",
    gini,
    _check_gini,
    mistakes=_GINI_MISTAKES,
    minutes=8,
    difficulty=2,
    importance=3,
    hints=(
        "The double sum runs over a table of differences (G, G). What does the formula give when all rates are 0?",
        "`np.abs(rates[:, None] - rates[None, :]).sum()` is the double sum. If no rate is above 0, return 0 before it divides.",
    ),
)
