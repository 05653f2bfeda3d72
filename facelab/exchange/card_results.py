"""What a model card says of figures: entries of the Hub's model index, a table for people, and error rates by group."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from facelab.exchange.exported_model import ExportedModel
from facelab.exchange.publishable import without_path
from facelab.records import Metric, Record
from facelab.terminal import printable

TASK = {"type": "image-feature-extraction", "name": "Image feature extraction"}  #: the Hub's word for an embedding
OF_A_GROUP = re.compile(r"(^|/)(fmr|fnmr)[ /]")  #: names of ``evaluation.fairness``
_FIGURES = {
    "eer": "equal error rate",
    "auc": "area under the ROC curve",
    "silhouette": "silhouette of the people",
    "accuracy": "accuracy",
}
_SIZE = re.compile(r"@\d+.*")  # of FaceSet.source, behind the name of the data set


def index_entry(model: ExportedModel, record: Record) -> dict[str, object]:
    """A result of a model-index: what was measured of the model itself, and on what."""
    source = _measured_on(record)
    metrics = [
        {
            "type": printable(metric_name.partition("/")[0].partition("@")[0]),
            "value": metric.value,
            "name": printable(metric_name),
            "args": {"n": metric.n, "low": metric.low, "high": metric.high, "interval": printable(str(metric.method))},
        }
        for metric_name, metric in _own_metrics(model, record).items()
    ]
    return {"task": dict(TASK), "dataset": {"type": _SIZE.sub("", source), "name": source}, "metrics": metrics}


def results_section(model: ExportedModel, records: Sequence[Record]) -> str:
    """Everything that the records hold but the rates by group; in bold what is of the model itself."""
    tables = []
    for record in records:
        own = _own_metrics(model, record)
        named = [(name, m) for name, m in record.metrics.items() if not OF_A_GROUP.search(name)]
        rows = [(name, m) for name, m in named if name in own] + [(name, m) for name, m in named if name not in own]
        if rows:
            about = {"known": " Other photographs of the people it was trained on.",
                     "unseen": " People who were in no training."}.get(str(record.parameters.get("people")), "")  # fmt: skip
            tables += [f"On `{_measured_on(record)}`.{about}", _table(rows, own)]
    if not tables:
        return "## Results\n\nNone: nothing was measured. `facelab train ... --do test` measures a run; export it again then."
    tables.append("Bold: this model. The others, where there are any, are what it is held against on the same photographs. "
                  "The interval is one of 95 %; n is what it rests on.")  # fmt: skip
    return "## Results\n\n" + "\n\n".join(tables)


def groups_section(records: Sequence[Record]) -> str:
    """False matches and false non-matches of each group, or that nobody has measured them."""
    rows = [(name, m) for record in records for name, m in record.metrics.items() if OF_A_GROUP.search(name)]
    if not rows:
        return "## Error rates by group\n\nNot measured. Measure them on the people whom you mean before any use beyond a lab."
    return (
        "## Error rates by group\n\n`fmr`: rate of false matches, `fnmr`: of false non-matches; all groups at one threshold.\n"
        "\n" + _table(rows, {})
    )


def _measured_on(record: Record) -> str:
    """The data of a record in few words, as ``orl-wild@48``."""
    sources = [str(data.get("source", "")) for data in record.data.values() if isinstance(data, dict)]
    return printable(" and ".join(dict.fromkeys(map(without_path, filter(None, sources)))) or record.name)


def _own_metrics(model: ExportedModel, record: Record) -> dict[str, Metric]:
    """Without those of the baselines, and of what else a training leaves in its folder."""
    trained = record.parameters.get("method")
    if not isinstance(trained, str):
        return record.metrics
    head = model.config["architecture"]["method"] != trained
    own = re.compile(re.escape(trained) + (r" \+ MLP.*" if head else r"(, .*)?"))
    return {name: metric for name, metric in record.metrics.items() if own.fullmatch(name.partition("/")[2])}


def _table(rows: Sequence[tuple[str, Metric]], bold: Mapping[str, Metric]) -> str:
    lines = ["| figure | value | interval | n | how |", "|---|---|---|---|---|"]
    for name, metric in rows:
        figure, slash, way = name.partition("/")
        shown = printable(f"{_figure(figure)}{': ' if slash else ''}{way}").replace("|", "\\|")
        interval = "" if metric.low is None else f"{metric.low:.3f} to {metric.high:.3f}"
        shown, value = (f"**{text}**" if name in bold else text for text in (shown, f"{metric.value:.3f}"))
        how = printable(str(metric.method)).replace("|", "\\|")
        lines.append(f"| {shown} | {value} | {interval} | {'' if metric.n is None else metric.n} | {how} |")
    return "\n".join(lines)


def _figure(name: str) -> str:
    rate = re.fullmatch(r"(tar|tmr)@(?:far=|fmr=)?(.+)", name)
    if rate:
        return f"true match rate at a false match rate of {rate[2]}"
    top = re.fullmatch(r"top(\d+)", name)
    return f"right person among the first {top[1]}" if top else _FIGURES.get(name, name)
