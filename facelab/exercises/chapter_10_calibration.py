"""The hard exercise of notebook 10: a threshold for a target rate, with the interval over people of the rate that it gives."""

from __future__ import annotations

import numpy as np

from facelab.evaluation import threshold_at_fmr, wilson
from facelab.exercises.exercise import Exercise, refuse_mistakes, require, require_returned, require_value

_PEOPLE, _PHOTOS, _DRAWS, _TARGET = 12, 6, 200, 0.03


def calibrate_threshold(
    scores: np.ndarray, claimed: np.ndarray, shown: np.ndarray, target_fmr: float, drawn: np.ndarray
) -> tuple[float, float, float]:
    """Lowest threshold that keeps ``target_fmr``, and the 95 % interval over people of the false match rate there."""
    impostor = claimed != shown
    falling = np.sort(scores[impostor])[::-1]
    allowed = target_fmr * len(falling)
    if allowed < 10:
        raise ValueError(f"A rate of {target_fmr} cannot be set with {len(falling)} impostor comparisons.")
    threshold = np.nextafter(falling[int(allowed + 1e-9)], np.inf)  # just above the first score that would be too many

    first, second, accepted = claimed[impostor], shown[impostor], scores[impostor] >= threshold
    rates = []
    for people in drawn:
        times = np.bincount(people, minlength=drawn.shape[1])
        weight = times[first] * times[second]
        rates.append((weight * accepted).sum() / weight.sum())
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(threshold), float(low), float(high)


def _comparisons() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores of all photographs with all templates, whose template, who came, and people drawn; some people are alike."""
    rng = np.random.default_rng(5)
    claimed, shown = (part.ravel() for part in np.indices((_PEOPLE, _PEOPLE)).repeat(_PHOTOS, axis=2))
    likeness = rng.normal(0, 0.12, (_PEOPLE, _PEOPLE))
    likeness = (likeness + likeness.T) / 2 + rng.gamma(1.0, 0.05, _PEOPLE)[:, None]
    scores = likeness[claimed, shown] + 0.6 * (claimed == shown) + rng.normal(0, 0.08, len(claimed))
    return scores.round(2), claimed, shown, rng.integers(_PEOPLE, size=(_DRAWS, _PEOPLE))


def _check(answer) -> None:
    scores, claimed, shown, drawn = _comparisons()
    impostor = claimed != shown
    got = answer(scores.copy(), claimed.copy(), shown.copy(), _TARGET, drawn.copy())
    require_returned(got)
    require(
        np.shape(got) == (3,), f"return three numbers, (threshold, low, high); yours have the shape {np.shape(got)}."
    )
    expected = calibrate_threshold(scores, claimed, shown, _TARGET, drawn)
    mistaken = {k: v for k, v in _MISTAKES.items() if k in _WRONG_THRESHOLDS}
    refuse_mistakes(got[0], {k: (_threshold_of(f), m) for k, (f, m) in mistaken.items()}, scores, claimed, shown, drawn)
    accepted = np.mean(scores[impostor] >= got[0])
    require(
        accepted <= _TARGET,
        f"at your threshold {accepted:.2%} of the impostor comparisons are accepted, and {_TARGET:.0%} is the target. {_TIES}",
    )
    require_value(got[0], threshold_at_fmr(scores, claimed == shown, _TARGET), "the threshold")
    wrong_ends = {k: v for k, v in _MISTAKES.items() if k not in (*_WRONG_THRESHOLDS, *_OTHERS)}
    refuse_mistakes(got, wrong_ends, scores, claimed, shown, _TARGET, drawn)
    require_value(got, expected, f"threshold and interval, {_PEOPLE} people, {_DRAWS} draws", tolerance=1e-4)
    _require_refusal(answer, scores, claimed, shown, drawn)


def _require_refusal(answer, scores, claimed, shown, drawn) -> None:
    """A rate that so few comparisons cannot show must end in a ValueError."""
    try:
        answer(scores.copy(), claimed.copy(), shown.copy(), 0.005, drawn.copy())
    except ValueError:
        return
    require(False, _MISTAKES["never refuses"][1])


def _threshold_of(answer):
    return lambda scores, claimed, shown, drawn: answer(scores, claimed, shown, _TARGET, drawn)[0]


def _with(threshold=None, ends=None):
    """The reference with another threshold, or with other ends of the interval at the same threshold."""

    def answer(scores, claimed, shown, target, drawn):
        impostor = claimed != shown
        if target * impostor.sum() < 10:
            raise ValueError("too few")
        right = calibrate_threshold(scores, claimed, shown, target, drawn)
        if threshold is not None:
            return threshold(scores, impostor, target), *right[1:]
        accepted = scores[impostor] >= right[0]
        return right[0], *ends(accepted, claimed[impostor], shown[impostor], drawn)

    return answer


def _over_draws(weight, ends=(2.5, 97.5), divide=True):
    """Ends of the interval from draws in which a comparison counts as ``weight`` says."""

    def found(accepted, claimed, shown, drawn):
        rates = []
        for people in drawn:
            times = np.bincount(people, minlength=drawn.shape[1])
            counts = weight(times, claimed, shown)
            rates.append((counts * accepted).sum() / (counts.sum() if divide else len(accepted)))
        return np.percentile(rates, ends)

    return found


def _both(times, claimed, shown):
    return times[claimed] * times[shown]


def _threshold_anew(scores, claimed, shown, target, drawn):
    """The interval of rates at thresholds that each draw sets for itself."""
    impostor, rates = claimed != shown, []
    for people in drawn:
        times = np.bincount(people, minlength=drawn.shape[1])
        weight = _both(times, claimed, shown)
        own = threshold_at_fmr(scores, ~impostor, target, weight.astype(float))
        rates.append((weight * (scores >= own))[impostor].sum() / weight[impostor].sum())
    return calibrate_threshold(scores, claimed, shown, target, drawn)[0], *np.percentile(rates, [2.5, 97.5])


def _next_score(scores, impostor, target):
    falling = np.sort(scores[impostor])[::-1]
    return falling[falling > falling[int(target * len(falling))]].min()


def _never_refuses(scores, claimed, shown, target, drawn):
    return calibrate_threshold(scores, claimed, shown, max(target, _TARGET), drawn)


def _wilson_ends(accepted, claimed, shown, drawn):
    found = wilson(accepted.sum(), len(accepted))
    return found.low, found.high


_TIES = "Equal scores are accepted together, and a score that equals the threshold is accepted: go just above it, np.nextafter."
_WRONG_THRESHOLDS = ("genuine counted too", "interpolated", "the other end", "the next score")
_OTHERS = ("not above the ties", "never refuses")
_MISTAKES = {
    "genuine counted too": (
        _with(threshold=lambda s, impostor, target: np.nextafter(np.sort(s)[::-1][int(target * len(s))], np.inf)),
        "the threshold is set on all comparisons. A false match rate is a share of the impostor comparisons alone.",
    ),
    "interpolated": (
        _with(threshold=lambda s, impostor, target: np.quantile(s[impostor], 1 - target)),
        "np.quantile puts the threshold between two scores, or on one of many equal ones. Sort the scores and count.",
    ),
    "the other end": (
        _with(
            threshold=lambda s, impostor, target: np.nextafter(np.sort(s[impostor])[int(target * impostor.sum())], 1)
        ),
        "your threshold keeps out the lowest scores. Those who are accepted have the highest: sort them in falling order.",
    ),
    "the next score": (
        _with(threshold=_next_score),
        "a lower threshold keeps the target as well: with yours owners are refused for nothing. The lowest one lies just above "
        "the first score that is too many.",
    ),
    "not above the ties": (
        _with(threshold=lambda s, impostor, target: np.sort(s[impostor])[::-1][int(target * impostor.sum())]),
        "at your threshold",
    ),
    "comparisons as units": (
        _with(ends=_wilson_ends),
        "this interval takes the comparisons for independent. Two people who look alike make many of them: draw people.",
    ),
    "the claimed alone": (
        _with(ends=_over_draws(lambda times, claimed, shown: times[claimed])),
        "a comparison counts as often as the claimed person was drawn. Whoever came was drawn too: multiply both numbers.",
    ),
    "the visitor alone": (
        _with(ends=_over_draws(lambda times, claimed, shown: times[shown])),
        "a comparison counts as often as its visitor was drawn. The claimed person was drawn too: multiply both numbers.",
    ),
    "added": (
        _with(ends=_over_draws(lambda times, claimed, shown: times[claimed] + times[shown])),
        "the two numbers are added: a comparison with somebody who was not drawn would count. Multiply them.",
    ),
    "drawn or not": (
        _with(ends=_over_draws(lambda times, claimed, shown: _both(times, claimed, shown) > 0)),
        "a person who was drawn twice counts once here. Without the repetitions the draws vary too little.",
    ),
    "not divided by the weights": (
        _with(ends=_over_draws(_both, divide=False)),
        "the weighted number of false matches is divided by the number of comparisons. Divide it by the sum of the weights.",
    ),
    "90 %": (
        _with(ends=_over_draws(_both, ends=(5, 95))),
        "5 and 95 are the ends of a 90 % interval. Of a 95 % interval they are 2.5 and 97.5.",
    ),
    "threshold anew": (
        _threshold_anew,
        "each draw sets a threshold of its own, so that all rates are near the target. The service keeps one: hold it fixed.",
    ),
    "never refuses": (
        _never_refuses,
        "a target of 0.5 % would rest on fewer than ten false matches here: raise a ValueError.",
    ),
}

CALIBRATE_THRESHOLD = Exercise(
    "10.5 a calibration",
    calibrate_threshold,
    _check,
    mistakes=_MISTAKES,
    minutes=35,
    difficulty=5,
    importance=5,
    hints=(
        "Two steps that do not depend on each other. The threshold: look at *A threshold, measured as it will be used*; sort "
        "the impostor scores in falling order and count how many may be accepted. The interval: as in notebook 08, a draw of "
        "people decides how often each comparison counts, and there are two people in each.",
        "If `k = int(target_fmr * n)` of the `n` impostor comparisons may be accepted, the score at place `k` (from 0) is the "
        "first that is too many: the threshold lies just above it. For the interval let `times = np.bincount(people, "
        "minlength=P)`, weigh each impostor comparison by `times[claimed] * times[shown]`, and take the weighted share of "
        "those at or above the threshold; then the 2.5th and 97.5th percentile over the draws.",
    ),
)
