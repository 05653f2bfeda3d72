"""Threshold explorer: move the threshold on the scores of pairs, and see the error rates and the pairs that change sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, Image

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation import RateCurve, eer, rates_over_thresholds, roc
from facelab.labs.explorers.page import figure_image, frame, render, sheet
from facelab.plots import COLORS
from facelab.plots.text import literal_label, literal_title
from facelab.progress import is_interactive
from facelab.terminal import printable

STEPS = 120  #: thresholds between the least and the greatest score
BINS = 60  #: bars of a histogram
PAIRS_EACH = 2  #: pairs of each kind that are shown between two thresholds; each brings photographs into the page
_SIDE = 56  # of a face in the page
_HEIGHT = 640  # of the page in the notebook


@dataclass(frozen=True)
class _Measured:
    """Thresholds, where the marked one and the equal error rate stand among them, and the rates at each."""

    thresholds: np.ndarray
    marked: int | None
    equal: int
    eer: float
    rates: dict[str, RateCurve]

    @property
    def start(self) -> int:
        return self.equal if self.marked is None else self.marked

    @property
    def groups(self) -> list[str]:
        return [name.removeprefix("fmr/") for name in self.rates if name.startswith("fmr/")]


def explore_threshold(
    scores: np.ndarray,
    pairs: Pairs,
    person: np.ndarray,
    *,
    threshold: float | None = None,
    group: np.ndarray | None = None,
    images: np.ndarray | None = None,
    title: str = "Scores of pairs",
    draws: int = 500,
    seed: int = 0,
    photographs: bool = True,
) -> HTML | Image:
    """A threshold to move where somebody watches (``facelab.progress.is_interactive``), elsewhere a picture of the same.

    Shown are the histograms of genuine and impostor scores, FMR and FNMR of all people and of each group, their intervals
    (``evaluation.rates_over_thresholds``), the equal error rate, and pairs that change sides as the threshold moves.

    Args:
        scores: float (M,), greater is more alike; a pair is accepted where score >= threshold.
        pairs: the M pairs.
        person: (N,), the person of each photograph that the pairs point into.
        threshold: a marked one, at which the explorer starts; None: it starts where both rates are most alike.
        group: (N,), the group of each photograph's person; None: no rates by group.
        images: uint8 (N, S, S, C), the photographs; None: pairs are counted, and none is shown.
        title: above the histograms.
        draws, seed, photographs: of the intervals, as in ``rates_over_thresholds``.

    Raises:
        BadParameterError: as ``rates_over_thresholds``; not one image and group a photograph; a threshold that is not finite.
    """
    if images is not None and len(images) != len(person):
        raise BadParameterError(
            f"{len(images)} images, {len(person)} photographs in pairs.",
            "Give the image of each, in the order of person.",
        )
    options = {"draws": draws, "seed": seed, "photographs": photographs}
    measured = _measure(scores, pairs, threshold, lambda at: rates_over_thresholds(
        scores, pairs, person, at, group, **options
    ))  # fmt: skip
    if not is_interactive():
        return _picture(scores, pairs, measured, title)
    data = _page_data(scores, pairs, measured, title)
    if images is not None:
        data |= _shown_pairs(scores, pairs, measured.thresholds, images, seed)
    return frame(render("threshold.html", data), "Threshold explorer", _HEIGHT)


def _measure(
    scores: np.ndarray, pairs: Pairs, threshold: float | None, rates: Callable[[np.ndarray], dict[str, RateCurve]]
) -> _Measured:
    curve = roc(scores, pairs.same)
    equal = curve.thresholds[1 + np.argmin(np.abs(curve.fmr + curve.tmr - 1)[1:])]  # the first is infinite
    marks = [equal] if threshold is None else [equal, threshold]
    if not np.isfinite(marks).all():
        raise BadParameterError(f"The threshold is {threshold}.", "Give a finite number, or None.")
    least, greatest = min(*marks, scores.min()), max(*marks, np.nextafter(scores.max(), np.inf))
    thresholds = np.unique([*np.linspace(least, greatest, STEPS + 1), *marks])
    places = [int(np.searchsorted(thresholds, mark)) for mark in marks]
    return _Measured(thresholds, None if threshold is None else places[1], places[0], eer(curve), rates(thresholds))


def _page_data(scores: np.ndarray, pairs: Pairs, measured: _Measured, title: str) -> dict[str, object]:
    """What the page needs, but for pictures; a pair is refused at threshold number k where its place is k or less."""
    thresholds, kinds = measured.thresholds, {"genuine": pairs.same, "impostor": ~pairs.same}
    edges = np.linspace(thresholds[0], thresholds[-1], BINS + 1)
    rounded = {
        name: {part: np.round(getattr(curve, part), 6).tolist() for part in ("value", "low", "high")}
        for name, curve in measured.rates.items()
    }
    groups = {"": "all", **{f"/{name}": name for name in measured.groups}}
    fmr, fnmr = measured.rates["fmr"], measured.rates["fnmr"]
    return {
        "title": printable(title),
        "note": f"{fnmr.pairs:,} genuine and {fmr.pairs:,} impostor pairs of {fmr.n} people. The equal error rate (EER) is "
        f"{100 * measured.eer:.1f} %. {'The FMR of a group is that of impostor pairs within it. ' if measured.groups else ''}"
        "Where a rate is 0 or 1, its interval is Wilson's, of as many trials as there are people in such pairs.",
        "thresholds": thresholds.tolist(),
        "start": measured.start,
        "marked": measured.marked,
        "equal": measured.equal,
        "bins": {"edges": edges.tolist()}
        | {kind: (np.histogram(scores[rows], edges)[0] / rows.sum()).round(6).tolist() for kind, rows in kinds.items()},
        "below": {kind: np.searchsorted(np.sort(scores[rows]), thresholds).tolist() for kind, rows in kinds.items()},
        "rates": [
            {
                "name": printable(name),
                "people": {kind: measured.rates[f"{kind}{suffix}"].n for kind in ("fmr", "fnmr")},
                "fmr": rounded[f"fmr{suffix}"],
                "fnmr": rounded[f"fnmr{suffix}"],
            }
            for suffix, name in groups.items()
        ],
        "pairs": [],
        "faces": None,
    }


def _shown_pairs(
    scores: np.ndarray, pairs: Pairs, thresholds: np.ndarray, images: np.ndarray, seed: int
) -> dict[str, object]:
    """Of each kind a few pairs between any two thresholds, drawn by the seed, and the photographs that they need."""
    same = np.asarray(pairs.same, dtype=bool)
    order = np.random.default_rng(seed).permutation(len(pairs))
    table = pd.DataFrame({"place": np.searchsorted(thresholds, scores, side="right"), "same": same}).iloc[order]
    rows = np.sort(table.groupby(["place", "same"]).head(PAIRS_EACH).index)
    used, renumbered = np.unique([pairs.first[rows], pairs.second[rows]], return_inverse=True)
    first, second = renumbered.reshape(2, -1)
    return {
        "faces": sheet(images[used], _SIDE),
        "pairs": [
            {"place": int(table["place"][row]), "score": float(scores[row]), "same": bool(same[row]), "first": int(a),
             "second": int(b)}
            for row, a, b in zip(rows, first, second, strict=True)
        ],
    }  # fmt: skip


def _picture(scores: np.ndarray, pairs: Pairs, measured: _Measured, title: str) -> Image:
    """Histograms, the threshold at which the explorer starts, and the rates there."""
    at, rates = measured.thresholds[measured.start], measured.rates
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 2.6), width_ratios=(3, 2), layout="constrained")
    bins = np.linspace(scores.min(), scores.max(), BINS + 1)
    for name, rows, colour in (("impostor", ~pairs.same, COLORS[1]), ("genuine", pairs.same, COLORS[0])):
        left.hist(
            scores[rows], bins=bins, weights=np.full(rows.sum(), 1 / rows.sum()), alpha=0.6, label=name, color=colour
        )
    left.axvline(at, color="black", linestyle="--", label=f"threshold {at:.3f}")
    left.set(xlabel="score: cosine similarity", ylabel="share of the pairs", title=literal_title(title))
    left.legend(fontsize=8)
    names = list(rates)[::-1]
    for row, name in enumerate(names):
        found, colour = rates[name].estimate(measured.start), COLORS[name.startswith("fmr")]
        right.plot([100 * found.low, 100 * found.high], [row, row], color=colour, linewidth=3)
        right.plot(100 * found.value, row, "o", color=colour)
    right.set_yticks(range(len(names)), [literal_label(_spoken(name)) for name in names], fontsize=8)
    right.set(xlabel="per cent, with 95 % intervals", xlim=(0, None), ylim=(-0.6, len(names) - 0.4))
    said = "; ".join(f"{_spoken(name)} {rates[name].estimate(measured.start)}" for name in rates)
    return figure_image(
        figure, f"Histograms of the scores of genuine and impostor pairs, threshold {at:.3f}. At it: {said}."
    )


def _spoken(rate: str) -> str:
    """``fmr/women`` as ``FMR, women``."""
    kind, _, group = rate.partition("/")
    return f"{kind.upper()}, {group or 'all'}"
