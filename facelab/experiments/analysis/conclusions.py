"""Notebook 11: who is ahead for certain, what the earlier projects reported, and where a student's own run stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from facelab.commands.train.settings import recipe
from facelab.datasets import FaceSet
from facelab.datasets.text_files import read_table
from facelab.errors import BadParameterError
from facelab.evaluation import significant_means
from facelab.experiments.cifar import self_supervised as cifar
from facelab.experiments.comparison import FIGURES
from facelab.experiments.lfw import self_supervised
from facelab.paths import project_data
from facelab.records import Metric, Record, read_record

#: name here -> in data/founding.csv
GTAV_NAMES = {"CNN + MLP": "CNN + MLP", "SupCon": "SupCon kNN", "MoCo v2": "MoCo kNN"}
#: record ``lfw_view2_NAME.json`` -> name here
LFW_NAMES = {
    "supcon": "SupCon",
    "softmax": "softmax",
    "normalised": "normalised softmax",
    "center": "center",
    "ring": "Ring",
    "sphereface": "A-Softmax",
    "arcface": "ArcFace",
    "cosface": "CosFace",
}
#: training of ``07_cifar`` -> name here; four epochs each
CIFAR_NAMES = {name: LFW_NAMES[name] for name in ("softmax", "ring", "sphereface", "arcface", "cosface")}


def significance_table(record: Record, reference: str, names: Sequence[str], level: float = 0.05) -> pd.DataFrame:
    """Each method against a reference at each question: ``ahead``, ``behind``, or empty where that is not certain.

    All comparisons of the table are tested together (Holm, on Student's t over the seeds), so that all verdicts are right with
    a chance of 1 - ``level``, as far as the choice of seeds goes.

    Args:
        record: of ``experiments.comparison``.
        reference: one of ``comparison.REFERENCES``.
        names: of the methods that are asked about.
        level: chance of one wrong verdict or more.

    Returns:
        One row a method, one column a figure of ``FIGURES``, each ``ahead``, ``behind`` or ``""``.

    Raises:
        BadParameterError: the record has not compared these.
    """
    asked = [(figure, name) for figure in FIGURES for name in names]
    missing = [name for figure, name in asked if f"{figure}/{name} less {reference}" not in record.metrics]
    if missing:
        raise BadParameterError(
            f"{record.name} does not compare {missing[0]} with {reference}.",
            "Run: facelab experiment run 11_comparison",
        )
    found = [record.metrics[f"{figure}/{name} less {reference}"] for figure, name in asked]
    table: dict[str, dict[str, str]] = {figure: {} for figure in FIGURES}
    for (figure, name), metric, sure in zip(asked, found, significant_means(found, level), strict=True):
        better = (metric.value > 0) == (figure == FIGURES[0])  # the other two are errors
        table[figure][name] = ("ahead" if better else "behind") if sure else ""
    return pd.DataFrame(table)


def lfw_accuracies() -> dict[str, Metric]:
    """Accuracy on View 2 of LFW by the records of notebooks 03, 04 and 07: name -> mean over seeds with its interval.

    Nobody of a tested fold is in the training of its network. Of methods without names the features of a photograph and its
    mirror image are added, and whitened; the baselines have the mirror image too, and are over folds.
    """
    unnamed = self_supervised.rows_to_show(read_record(project_data("results", f"{self_supervised.NAME}.json")))
    found = {name: unnamed["untrained"][name] for name in self_supervised.BESIDE}
    found |= {f"{name}, no names": metric for name, metric in unnamed["without names, whitened"].items()}
    losses = {name: read_record(project_data("results", f"lfw_view2_{name}.json")) for name in LFW_NAMES}
    return found | {shown: losses[name].metrics[f"accuracy/{name}"] for name, shown in LFW_NAMES.items()}


def cifar_accuracies() -> dict[str, dict[str, Metric]]:
    """Accuracy on CIFAR-10's test of one network, by the records of notebooks 05 and 07: chapter -> name -> mean over seeds.

    What learned without labels is asked by a linear probe that sees all of them; what learned with them, about each photograph
    and its mirror image.
    """
    record, margins = (read_record(project_data("results", f"{name}.json")) for name in (cifar.NAME, "07_cifar"))
    return {
        "nothing learned": cifar.rows_to_show(record, cifar.UNLEARNED)["linear"],
        "without labels": cifar.rows_to_show(record, cifar.LEARNED)["linear"],
        "with labels": {shown: margins.metrics[f"accuracy/{name}"] for name, shown in CIFAR_NAMES.items()},
    }


def founding_accuracies() -> dict[str, Metric]:
    """Top-1 on all of GTAV as the founding project reported it: name of the method here -> metric without an interval."""
    table = read_table(project_data("founding.csv"), ["data", "metric", "method", "value"])
    table = table.query("data == 'GTAV all' and metric == 'top1'")
    values = table.set_index("method")["value"]
    return {name: Metric(float(values[theirs])) for name, theirs in GTAV_NAMES.items()}


def student_results(runs: Iterable[Record], faces: FaceSet, dataset: str, seed: int) -> dict[str, Metric]:
    """EER of what a student trained, on the same strangers: ``yours: METHOD OPTIONS, N epochs`` -> metric.

    Runs that would share that label get what else they differ in behind it, such as ``, backbone=vgg11, lr=0.01``.

    Args:
        runs: records, such as all below ``runs/train``; only those count of ``facelab train --people unseen`` on the same data
            set with the same seed and the same number of people, whose strangers are therefore the same.
        faces: all photographs that are compared here.
        dataset, seed: of this comparison.
    """
    same = [run for run in runs if _has_same_strangers(run, faces, dataset, seed)]
    labels = [_label(run) for run in same]
    for tell_apart in (_differences, _created):  # the date only where all that was typed is the same
        labels = [
            label + tell_apart(run, [other for other, its in zip(same, labels, strict=True) if its == label])
            for run, label in zip(same, labels, strict=True)
        ]
    return {label: run.metrics[f"eer/{run.parameters['method']}"] for run, label in zip(same, labels, strict=True)}


def _has_same_strangers(run: Record, faces: FaceSet, dataset: str, seed: int) -> bool:
    told = run.parameters
    same = (told.get("people"), told.get("dataset"), told.get("seed")) == ("unseen", dataset, seed)
    return same and run.data["faces"]["people"] == len(faces.people)


def _label(run: Record) -> str:
    method, options = run.parameters["method"], run.parameters["options"].items()
    usual = recipe(method).options.items()
    changed = "".join(f" {key}={value}" for key, value in options if (key, value) not in usual)
    return f"yours: {method}{changed}, {run.parameters['epochs']} epochs"


def _differences(run: Record, alike: Sequence[Record]) -> str:
    """The parameters of a run in which any two of those that share its label differ, but for those that it has not set."""
    return "".join(
        f", {name.replace('_', '-')}={value}"
        for name, value in run.parameters.items()
        if value is not None and any(other.parameters.get(name) != value for other in alike)
    )


def _created(run: Record, alike: Sequence[Record]) -> str:
    return f", {run.created}" if len(alike) > 1 else ""
