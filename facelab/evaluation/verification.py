"""Verification: are these two photographs of one person? ROC and its figures, and the protocol of LFW View 2."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import integrate
from sklearn.metrics import roc_curve
from sklearn.preprocessing import normalize

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation.intervals import Estimate, mean_interval

MIN_EXPECTED = 10  #: impostor pairs that a false match rate must be able to show, or it is refused


def cosine_scores(embeddings: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Cosine similarity of each pair.

    Args:
        embeddings: float (N, D), one row a photograph; need not be of unit norm.
        pairs: M pairs of rows.

    Returns:
        float64 (M,), -1 to 1. A zero vector has similarity 0 with all.

    Raises:
        BadParameterError: a pair points outside the embeddings, or an embedding is not finite.
    """
    if not np.isfinite(embeddings).all():
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
    if len(pairs) and max(pairs.first.max(), pairs.second.max()) >= len(embeddings):
        raise BadParameterError(f"A pair points beyond {len(embeddings)} embeddings.", "Embed the set that was paired.")
    unit = normalize(np.asarray(embeddings, dtype=np.float64))
    result = np.empty(len(pairs))
    step = min(16384, max(1, 2**23 // unit.shape[1]))  # in pieces, so that the gathered rows stay small: 64 MB a side
    for start in range(0, len(pairs), step):
        part = slice(start, start + step)
        result[part] = np.einsum("md,md->m", unit[pairs.first[part]], unit[pairs.second[part]])
    return result


@dataclass(frozen=True)
class Roc:
    """A ROC curve: a pair is accepted where its score >= threshold.

    Attributes:
        fmr: float64 (T,), false match rate, from 0 to 1: accepted share of the impostor pairs.
        tmr: float64 (T,), true match rate, 1 - FNMR, from 0 to 1: accepted share of the genuine pairs.
        thresholds: float64 (T,), falling; the first is +inf (nothing is accepted).
        genuine: number of genuine pairs.
        impostors: number of impostor pairs.
    """

    fmr: np.ndarray
    tmr: np.ndarray
    thresholds: np.ndarray
    genuine: int
    impostors: int


def roc(scores: np.ndarray, same: np.ndarray, weight: np.ndarray | None = None) -> Roc:
    """The ROC curve with one point for each distinct score, so that tied pairs are accepted together.

    Args:
        scores: float (M,), greater is more alike.
        same: bool (M,), True for genuine pairs.
        weight: float (M,) >= 0, how often each pair counts; those of weight 0 give no point; None: once.

    Raises:
        BadParameterError: a score is not finite, or one kind of pair is missing or has no weight.
    """
    if not np.isfinite(scores).all():
        raise BadParameterError("Some scores are not finite.", "Look for embeddings that are zero or broken.")
    same = np.asarray(same, dtype=bool)
    count = np.ones(len(same)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not (count[same] > 0).any() or not (count[~same] > 0).any():
        raise BadParameterError("A ROC needs genuine and impostor pairs.", "Give pairs of both kinds.")
    fmr, tmr, thresholds = roc_curve(same, scores, sample_weight=weight, drop_intermediate=False)
    genuine = int(same.sum())
    return Roc(fmr, tmr, thresholds, genuine, len(same) - genuine)


def auc(curve: Roc) -> float:
    """Area under the ROC, 0 to 1: the chance that a genuine pair scores above an impostor pair, a tie being a half."""
    return float(integrate.trapezoid(curve.tmr, curve.fmr))


def eer(curve: Roc) -> float:
    """Equal error rate, 0 to 1: where the ROC, joined by straight lines, has FMR = FNMR."""
    gap = curve.fmr + curve.tmr - 1.0  # rises from -1 to 1
    after = int(np.searchsorted(gap, 0.0))
    rise = gap[after] - gap[after - 1]
    share = -gap[after - 1] / rise
    return float(curve.fmr[after - 1] + share * (curve.fmr[after] - curve.fmr[after - 1]))


def tmr_at_fmr(curve: Roc, fmr: float) -> float:
    """The greatest true match rate that a threshold reaches with a false match rate of at most ``fmr`` (TAR at FAR).

    Raises:
        BadParameterError: ``fmr`` is below 10 / impostor pairs: it would rest on fewer than ten false matches.
    """
    if not MIN_EXPECTED / curve.impostors <= fmr <= 1:
        raise BadParameterError(
            f"FMR {fmr:g} cannot be measured with {curve.impostors} impostor pairs.",
            remedy_for_few(curve.impostors, "give more pairs"),
        )
    return float(curve.tmr[np.searchsorted(curve.fmr, fmr * (1 + 1e-12), side="right") - 1])


def remedy_for_few(trials: int, more: str) -> str:
    """What to do where so many trials cannot show a rate, in a sentence: the least one, rounded up, or what ``more`` says."""
    least = MIN_EXPECTED / max(trials, 1)
    unit = 10.0 ** math.floor(math.log10(least))
    rounded = math.ceil(least / unit - 1e-9) * unit
    return (
        f"Ask for {rounded:.1g} or more and less than 1, or {more}." if rounded < 1 else f"{more[0].upper()}{more[1:]}."
    )


def measurable_fmrs(impostors: int) -> tuple[float, ...]:
    """The powers of ten from 0.1 down that so many impostor pairs can show: ``tmr_at_fmr`` takes each of them."""
    exponents = range(1, 16)
    return tuple(fmr for fmr in (float(f"1e-{n}") for n in exponents) if fmr >= MIN_EXPECTED / max(impostors, 1))


def best_threshold(scores: np.ndarray, same: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    """The threshold with the greatest accuracy on these pairs, and that accuracy, biased upwards: see ``lfw_view2``.

    The threshold lies half-way between two scores, so that it does not favour either kind; of equal ones the highest.

    Args:
        scores: float (M,).
        same: bool (M,).
        weight: float (M,), None for ones.

    Returns:
        (threshold, accuracy 0 to 1).
    """
    curve = roc(scores, same, weight)
    if weight is None:
        positive, negative = float(curve.genuine), float(curve.impostors)
    else:
        positive, negative = float(weight[same].sum()), float(weight[~same].sum())
    right = curve.tmr * positive + (1 - curve.fmr) * negative
    # Rates are quotients: without the tolerance, rounding and not the rule would choose among equal ones.
    best = int(np.flatnonzero(right >= right.max() - 1e-9 * (positive + negative))[0])
    edges = np.append(curve.thresholds[1:], curve.thresholds[-1] - 1.0)
    threshold = edges[0] + 1.0 if best == 0 else (curve.thresholds[best] + edges[best]) / 2
    return float(threshold), float(right[best] / (positive + negative))


def pair_accuracy(scores: np.ndarray, same: np.ndarray, threshold: float) -> float:
    """Share of the pairs that ``score >= threshold`` decides rightly: 0 to 1."""
    return float(np.mean((scores >= threshold) == same))


@dataclass(frozen=True)
class View2Result:
    """Result of LFW View 2.

    Attributes:
        mean: mean accuracy of the folds.
        standard_error: sd / sqrt(folds), the figure that LFW papers print behind the sign +-.
        folds: float64 (F,), accuracy of each fold.
        thresholds: float64 (F,), threshold that each fold was judged by.
        estimate: the mean with Student's t interval over the folds.
    """

    mean: float
    standard_error: float
    folds: np.ndarray
    thresholds: np.ndarray
    estimate: Estimate

    def __str__(self) -> str:
        return f"{100 * self.mean:.2f} % +- {100 * self.standard_error:.2f} % ({len(self.folds)} folds)"


def lfw_view2(scores: np.ndarray, same: np.ndarray, fold: np.ndarray, model: np.ndarray | None = None) -> View2Result:
    """Accuracy by the protocol of LFW View 2 (Huang et al., UMass TR 07-49, section IV).

    For each fold the threshold is fitted by accuracy on the other folds and used on this one, which it has never seen.
    The standard error is sd / sqrt(10), sd being the sample standard deviation of the ten accuracies (divided by 9,
    not 10: the ten are a sample and the mean is estimated from them).

    Args:
        scores: float (M,), the pairs in the order of the file.
        same: bool (M,).
        fold: int (M,), ten folds in View 2.
        model: int (M,), which model scored the pair, where several share the work (halves: two trainings). Scores of
            two models have no common scale, so a threshold is fitted on other folds of the same model only. None: one.

    Raises:
        BadParameterError: a model has fewer than two folds.
    """
    model = np.zeros(len(scores), dtype=np.int64) if model is None else np.asarray(model)
    same = np.asarray(same, dtype=bool)
    numbers = np.unique(fold)
    accuracies, thresholds = np.empty(len(numbers)), np.empty(len(numbers))
    for row, number in enumerate(numbers):
        tested = fold == number
        fitting = ~tested & np.isin(model, model[tested])
        if len(np.unique(model[tested])) != 1 or not fitting.any():
            raise BadParameterError(
                f"Fold {number} has no other fold of its own model to fit a threshold on.", "Score two folds or more."
            )
        thresholds[row], _ = best_threshold(scores[fitting], same[fitting])
        accuracies[row] = pair_accuracy(scores[tested], same[tested], thresholds[row])
    estimate = mean_interval(
        accuracies, "t over folds", "folds"
    )  # Student's t knows no bounds; a mean of shares has two
    return View2Result(
        mean=float(accuracies.mean()),
        standard_error=float(accuracies.std(ddof=1) / np.sqrt(len(numbers))),
        folds=accuracies,
        thresholds=thresholds,
        estimate=replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high)),
    )
