"""What many runs of an imbalanced training say together: means, slopes and differences, each with an interval over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from facelab.errors import BadParameterError
from facelab.evaluation import over_seeds
from facelab.records import Metric, Record

Found = Mapping[tuple[float, int, str], Mapping[str, float]]  #: (share, seed, mitigation) -> figure -> value


def summary(found: Found, groups: Sequence[str]) -> dict[str, Metric]:
    """Metrics of a record, from all runs of a design. The first group is the one whose share varies.

    - ``SHARE/FIGURE``: mean over the seeds;
    - ``slope/FIGURE``: change of a figure for ten points more of the varied group, by least squares within each seed;
    - ``end to end/FIGURE``: a figure at the largest share less that at the smallest, within each seed;
    - ``gap/SHARE/FIGURE``: the varied group less the mean of the others, within each seed;
    - ``MITIGATION/SHARE/FIGURE``, ``gap/MITIGATION/SHARE/FIGURE``, and ``cost/MITIGATION/SHARE/FIGURE``: less the run without.
    """
    shares = sorted({share for share, _, how in found if how == "none"})
    seeds = sorted({seed for _, seed, _ in found})
    metrics: dict[str, Metric] = {}
    names = list(found[shares[0], seeds[0], "none"])
    for name in names:
        table = np.array([[found[share, seed, "none"].get(name, np.nan) for share in shares] for seed in seeds])
        for column, share in enumerate(shares):
            _put(metrics, f"{share:g}/{name}", table[:, column])
        centred = np.array(shares) - np.mean(shares)
        _put(metrics, f"slope/{name}", 0.1 * table @ centred / (centred @ centred))
        _put(metrics, f"end to end/{name}", table[:, -1] - table[:, 0])
    for share, how in sorted({(share, how) for share, _, how in found}):
        runs = [found[share, seed, how] for seed in seeds]
        label = f"{share:g}" if how == "none" else f"{how}/{share:g}"
        for figure in _figures_of(names, groups):
            of_groups = np.array([[one.get(f"{figure}/{group}", np.nan) for group in groups] for one in runs])
            _put(metrics, f"gap/{label}/{figure}", of_groups[:, 0] - of_groups[:, 1:].mean(axis=1))
        if how != "none":
            for name in names:
                values = np.array([one.get(name, np.nan) for one in runs])
                before = np.array([found[share, seed, "none"].get(name, np.nan) for seed in seeds])
                _put(metrics, f"{label}/{name}", values)
                _put(metrics, f"cost/{label}/{name}", values - before)
    return metrics


def series(record: Record, figure: str) -> pd.DataFrame:
    """One figure over the shares: columns share, value, low, high.

    Raises:
        BadParameterError: the record has none of that name.
    """
    rows = []
    for name, metric in record.metrics.items():
        share, _, rest = name.partition("/")
        if rest == figure and share.replace(".", "", 1).isdigit():
            rows.append((float(share), metric.value, metric.low, metric.high))
    if not rows:
        raise BadParameterError(f"{record.name} has no figure {figure!r}.", "Make the record again.")
    return pd.DataFrame(sorted(rows), columns=["share", "value", "low", "high"])


def _figures_of(names: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Figures that there are for every group, without the group."""
    own = [name.removesuffix(f"/{groups[0]}") for name in names if name.endswith(f"/{groups[0]}")]
    return [figure for figure in own if all(f"{figure}/{group}" in names for group in groups)]


def _put(metrics: dict[str, Metric], name: str, values: np.ndarray) -> None:
    """Mean and interval over the seeds; a figure that some run has not (an empty band of age) is left out, whole."""
    if np.isfinite(values).all():
        metrics[name] = Metric.of(over_seeds(values))
