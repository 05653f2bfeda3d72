"""What many runs of an imbalanced training say together: means, slopes and differences, each with an interval over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facelab.evaluation import mean_over_seeds
from facelab.records import Metric

RunFigures = Mapping[tuple[float, int, str], Mapping[str, float]]  #: (share, seed, mitigation) -> figure -> value


def summarise(found: RunFigures, groups: Sequence[str]) -> dict[str, Metric]:
    """Metrics of a record, from all runs of a design. The first group's share varies, the others divide the rest equally.

    - ``SHARE/FIGURE``: mean over the seeds;
    - ``slope/FIGURE``: change of a figure for ten points more, by least squares within each seed: of the group's own share
      where the figure is a group's (it ends in ``/GROUP``), else of the varied group's;
    - ``end to end/FIGURE``: a figure at that share's largest less at its smallest, within each seed;
    - ``gap/SHARE/FIGURE``, ``slope/gap/FIGURE``, ``end to end/gap/FIGURE``: the varied group less the mean of the others,
      within each seed, over the varied group's share;
    - ``MITIGATION/SHARE/FIGURE``, ``gap/MITIGATION/SHARE/FIGURE``, and less the run without, within each seed:
      ``cost/MITIGATION/SHARE/FIGURE``, ``cost/MITIGATION/SHARE/gap/FIGURE``.

    A figure that some run has not (an empty band of age) is in no metric that would need it.
    """
    shares = np.array(sorted({share for share, _, how in found if how == "none"}))
    seeds = sorted({seed for _, seed, _ in found})
    metrics: dict[str, Metric] = {}
    names = list(dict.fromkeys(name for run in found.values() for name in run))
    pairs = [(figure, f"gap/{figure}") for figure in _figures_of(names, groups)]

    def over(share: float, how: str, name: str) -> np.ndarray:
        return np.array([found[share, seed, how].get(name, np.nan) for seed in seeds])

    def gap(share: float, how: str, figure: str) -> np.ndarray:
        first, *others = (over(share, how, f"{figure}/{group}") for group in groups)
        return first - np.mean(others, axis=0)

    for name, value, figure in [(n, over, n) for n in names] + [(n, gap, figure) for figure, n in pairs]:
        table = np.stack([value(share, "none", figure) for share in shares], axis=1)  # (seeds, shares)
        if value is over:
            for column, share in enumerate(shares):
                _put(metrics, f"{share:g}/{name}", table[:, column])
        own = own_share(shares, name.rpartition("/")[2], groups)
        centred = own - own.mean()
        _put(metrics, f"slope/{name}", 0.1 * table @ centred / (centred @ centred))
        _put(metrics, f"end to end/{name}", table[:, own.argmax()] - table[:, own.argmin()])
    for share, how in sorted({(share, how) for share, _, how in found}):
        label = f"{share:g}" if how == "none" else f"{how}/{share:g}"
        for figure, _ in pairs:
            _put(metrics, f"gap/{label}/{figure}", gap(share, how, figure))
        if how != "none":
            for name in names:
                _put(metrics, f"{label}/{name}", over(share, how, name))
                _put(metrics, f"cost/{label}/{name}", over(share, how, name) - over(share, "none", name))
            for figure, name in pairs:
                _put(metrics, f"cost/{label}/{name}", gap(share, how, figure) - gap(share, "none", figure))
    return metrics


def own_share(shares: np.ndarray, group: str, groups: Sequence[str]) -> np.ndarray:
    """Share of one group where the first of ``groups`` has ``shares``; of the first, where it is none of them: (S,)."""
    return (1 - shares) / (len(groups) - 1) if group in groups[1:] else shares


def _figures_of(names: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Figures that there are for every group, without the group."""
    own = [name.removesuffix(f"/{groups[0]}") for name in names if name.endswith(f"/{groups[0]}")]
    return [figure for figure in own if all(f"{figure}/{group}" in names for group in groups)]


def _put(metrics: dict[str, Metric], name: str, values: np.ndarray) -> None:
    """Mean and interval over the seeds, where every seed has the figure."""
    if np.isfinite(values).all():
        metrics[name] = Metric.from_estimate(mean_over_seeds(values))
