"""Tables for notebook 08 out of the records of ``imbalance.runs``; differences are within a seed, intervals over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facelab.errors import BadParameterError
from facelab.experiments.imbalance.summary import own_share
from facelab.records import Record

ENDS = ["value", "low", "high"]


def record_groups(record: Record) -> tuple[str, ...]:
    """The groups of a record, the one whose share varies first.

    Raises:
        BadParameterError: it is none of ``imbalance.runs``.
    """
    if "varied" not in record.parameters:
        raise BadParameterError(f"{record.name} does not say which groups it has.", "Name them: groups=.")
    return record.parameters["varied"], *record.parameters["others"]


def metric_by_share(record: Record, figure: str) -> pd.DataFrame:
    """One figure over the varied group's share: columns share, value, low, high.

    Args:
        record: one of the imbalances.
        figure: such as ``accuracy/clean/female``.

    Raises:
        BadParameterError: the record has none of that name.
    """
    return _table(record, "", figure)


def gap_by_share(record: Record, figure: str) -> pd.DataFrame:
    """The varied group less the mean of the others, over the varied group's share: columns share, value, low, high.

    Args:
        record: one of the imbalances.
        figure: without a group: ``accuracy/clean``.

    Raises:
        BadParameterError: the record has no such gap.
    """
    return _table(record, "gap/", figure)


def trend(record: Record, group: str, figure: str = "accuracy/clean", groups: Sequence[str] = ()) -> pd.DataFrame:
    """A figure of one group over its *own* share, with its straight line.

    Args:
        record: one of the imbalances.
        group: whose figure.
        figure: without the group; "other photographs" are asked about where classes are people.
        groups: the varied one first; none: those that the record names.

    Returns:
        Columns share (of the group), value, low, high, and line: mean over the seeds of the lines of least squares; its slope
        with interval is ``record.metrics["slope/FIGURE/GROUP"]``. Sorted by share.

    Raises:
        BadParameterError: no such figure, or a record without groups.
    """
    table = metric_by_share(record, f"{figure}/{group}")
    table["share"] = own_share(table["share"].to_numpy(), group, groups or record_groups(record))
    slope = record.metrics[f"slope/{figure}/{group}"].value / 0.1
    table["line"] = table["value"].mean() + slope * (table["share"] - table["share"].mean())
    return table.sort_values("share", ignore_index=True)


def slopes(record: Record, figure: str = "accuracy/clean") -> pd.DataFrame:
    """Change of a figure for ten points more of a group's own share; of the gap, for ten more of the varied group.

    Returns:
        Index: the groups, then ``gap``; columns value, low, high, n.

    Raises:
        BadParameterError: the record has no such slope.
    """
    names = {group: f"slope/{figure}/{group}" for group in record_groups(record)} | {"gap": f"slope/gap/{figure}"}
    found = {label: record.metrics.get(name) for label, name in names.items()}
    if missing := [names[label] for label, metric in found.items() if metric is None]:
        raise BadParameterError(f"{record.name} has no {missing[0]!r}.", "Make the record again.")
    return pd.DataFrame({label: [m.value, m.low, m.high, m.n] for label, m in found.items()}, index=[*ENDS, "n"]).T


def mitigations(record: Record, figure: str = "accuracy/clean") -> pd.DataFrame:
    """What each mitigation gives at the most uneven shares, and what it changes against none with the same seeds.

    Returns:
        One row for each share, mitigation and group (``all`` and ``gap`` among them): columns share, mitigation, group,
        value, low, high, change, change low, change high; no change where there is no mitigation.

    Raises:
        BadParameterError: the record has no mitigation, or no such figure.
    """
    cost = [name.split("/") for name in record.metrics if name.startswith("cost/")]
    hows = ["none", *dict.fromkeys(how for _, how, *_ in cost)]
    ends = sorted({float(share) for _, _, share, *_ in cost})
    rows = []
    for share in ends:
        for how in hows:
            label = f"{share:g}" if how == "none" else f"{how}/{share:g}"
            for group in (*record_groups(record), "all", "gap"):
                own = f"gap/{label}/{figure}" if group == "gap" else f"{label}/{figure}/{group}"
                changed = f"cost/{label}/gap/{figure}" if group == "gap" else f"cost/{label}/{figure}/{group}"
                if own in record.metrics:
                    rows.append([share, how, group, *_ends(record, own), *_ends(record, changed)])
    if not rows:
        raise BadParameterError(f"{record.name} has no mitigation of {figure!r}.", "Make the record again.")
    return pd.DataFrame(rows, columns=["share", "mitigation", "group", *ENDS, "change", "change low", "change high"])


def mitigation_effects(record: Record, figure: str = "accuracy/clean") -> pd.DataFrame:
    """What each mitigation changes, against none with the same seeds, for smaller groups, larger ones, and for all.

    Returns:
        Columns share (of the varied group), mitigation, who ("smaller group", "larger group" or "everybody"), group, value,
        low, high.

    Raises:
        BadParameterError: as ``mitigations``.
    """
    groups = record_groups(record)
    table = mitigations(record, figure).query("mitigation != 'none' and group != 'gap'")
    rows = []
    for row in table.to_dict("records"):
        own = own_share(np.array([row["share"]]), row["group"], groups)[0]
        side = "smaller group" if own < 1 / len(groups) else "larger group"
        who = "everybody" if row["group"] == "all" else side
        rows.append(
            [
                row["share"],
                row["mitigation"],
                who,
                row["group"],
                *(row[f"change{end}"] for end in ("", " low", " high")),
            ]
        )
    return pd.DataFrame(rows, columns=["share", "mitigation", "who", "group", *ENDS])


def _table(record: Record, prefix: str, figure: str) -> pd.DataFrame:
    """The metrics ``PREFIX SHARE/FIGURE``, one row a share."""
    rows = []
    for name in record.metrics:
        share, _, rest = name.removeprefix(prefix).partition("/")
        if name.startswith(prefix) and rest == figure and share.replace(".", "", 1).isdigit():
            rows.append([float(share), *_ends(record, name)])
    if not rows:
        raise BadParameterError(f"{record.name} has no figure {prefix + figure!r}.", "Make the record again.")
    return pd.DataFrame(sorted(rows), columns=["share", *ENDS])


def _ends(record: Record, name: str) -> list[float]:
    metric = record.metrics.get(name)
    return [np.nan] * 3 if metric is None else [metric.value, metric.low, metric.high]
