"""The detector that comes with the project: what of the record goes into its file. Notebook 10 writes it."""

from __future__ import annotations

from facelab.evaluation import Estimate
from facelab.records import Record
from facelab.webapp.liveness import Liveness
from facelab.webapp.liveness_features import FEATURES


def liveness_from_record(record: Record) -> Liveness:
    """The detector whose weights and rates a record of ``10_attacks`` holds."""

    def estimate(name: str) -> Estimate:
        metric = record.metrics[name]
        return Estimate(metric.value, metric.low, metric.high, metric.n, metric.method, "people")

    prefix = "apcer/"
    return Liveness(
        weights={name: record.metrics[f"model/{name}"].value for name in FEATURES},
        intercept=record.metrics["model/intercept"].value,
        sign_up_threshold=record.metrics["model/sign-up threshold"].value,
        target_bpcer=record.parameters["target_bpcer"],
        bpcer=estimate("bpcer"),
        apcer={name.removeprefix(prefix): estimate(name) for name in record.metrics if name.startswith(prefix)},
        dataset=record.data["photographs"],
        command=record.command,
    )
