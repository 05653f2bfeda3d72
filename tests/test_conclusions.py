"""Notebook 11's verdicts, and a student's own run beside them."""

from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_faces

from facelab import records
from facelab.cli import app
from facelab.errors import BadParameterError
from facelab.evaluation import mean_over_seeds
from facelab.experiments.analysis import conclusions as lab
from facelab.experiments.comparison import FIGURES
from facelab.records import Metric, Record

CLOSED, EER, OPEN = FIGURES
LESS = " less whitened PCA"


def record_of(**differences: dict[str, list[float]]) -> Record:
    """A record whose differences to whitened PCA have these values over the seeds: name -> figure -> values."""
    metrics = {
        f"{figure}/{name} less whitened PCA": Metric.from_estimate(mean_over_seeds(values))
        for name, figures in differences.items()
        for figure, values in figures.items()
    }
    return Record("11_comparison", "", {}, metrics=metrics | {f"{EER}/whitened PCA": Metric(0.3)})


def table(record: Record):
    names = list(dict.fromkeys(key.split("/")[1].removesuffix(LESS) for key in record.metrics if key.endswith(LESS)))
    return lab.significance_table(record, "whitened PCA", names)


def test_more_is_better_of_right_answers_and_less_of_errors():
    up, down, unsure = [0.1, 0.11, 0.105], [-0.1, -0.11, -0.105], [-0.3, 0.4, 0.2]
    found = table(record_of(good={CLOSED: up, EER: down, OPEN: unsure}, bad={CLOSED: down, EER: up, OPEN: up}))
    assert found.loc["good"].to_dict() == {CLOSED: "ahead", EER: "ahead", OPEN: ""}
    assert found.loc["bad"].to_dict() == {CLOSED: "behind", EER: "behind", OPEN: "behind"}


def test_what_is_certain_alone_may_not_be_among_many():
    near = [0.02, 0.05, 0.08, 0.03, 0.06]
    unsure = {CLOSED: near, EER: [0.1, -0.1, 0.05, 0.2, -0.2], OPEN: [0.3, -0.1, -0.1, 0.2, -0.3]}
    assert mean_over_seeds(near).low > 0
    assert table(record_of(near=unsure)).loc["near", CLOSED] == "ahead"
    rng = np.random.default_rng(0)
    crowd = {f"n{row}": {figure: rng.normal(0, 1, 5).tolist() for figure in FIGURES} for row in range(20)}
    assert table(record_of(near=unsure, **crowd)).loc["near", CLOSED] == ""


def test_what_was_not_compared_is_refused():
    for record in (Record("02", "", {}, metrics={"eer/x": Metric(0.1)}), record_of(x={CLOSED: [0.1, 0.2, 0.3]})):
        with pytest.raises(BadParameterError, match="does not compare x with"):
            lab.significance_table(record, "whitened PCA", ["x"])


def test_lfw_is_read_from_the_records():
    found = lab.lfw_accuracies()
    unnamed = {f"{name}, no names" for name in ("SimCLR", "MoCo v2", "VICReg", "VCL")}
    assert {"raw pixels", "whitened PCA", "CosFace"} | unnamed <= set(found) and len(found) == 14
    assert all(0.5 < one.low < one.value < one.high < 0.9 for one in found.values())
    assert found["SupCon"].n == 3 and found["whitened PCA"].n == 10


def test_accuracies_on_cifar_come_from_both_chapters():
    unlearned, without, labelled = lab.cifar_accuracies().values()
    assert set(unlearned) == {"pixels", "random start"}
    assert set(without) == {"SimCLR", "SimCLR, 24 epochs", "MoCo v2", "VICReg", "VCL"}
    assert set(labelled) == {"softmax", "Ring", "A-Softmax", "ArcFace", "CosFace"}
    random, least = unlearned["random start"].value, min(one.value for one in labelled.values())
    assert all(random < one.value < least and one.n == 3 for one in without.values())


def test_the_founding_projects_figures():
    assert {name: one.value for name, one in lab.founding_accuracies().items()} == {
        "CNN + MLP": 0.89, "SupCon": 0.8415, "MoCo v2": 0.5094,
    }  # fmt: skip


def own(people="unseen", dataset="orl", seed=0, options=None, epochs=60, count=40) -> Record:
    parameters = {"people": people, "dataset": dataset, "seed": seed, "method": "moco", "epochs": epochs}
    parameters["options"] = {"queue": "64", "temperature": "0.1"} | (options or {})
    return Record(
        "train moco", "", parameters, {"faces": {"people": count}}, {"eer/moco": Metric(0.28, 20, 0.25, 0.31)}
    )


def test_only_runs_on_the_same_strangers_stand_beside():
    faces = tiny_faces(40, 2)
    found = [own(), own(options={"momentum": "0.9"}), own("known"), own(dataset="lfw"), own(seed=1), own(count=39)]
    found.append(Record("02_cnn_mlp", "", {"dataset": "orl", "seed": 0}))
    shown = lab.student_results(found, faces, "orl", 0)
    assert list(shown) == ["yours: moco, 60 epochs", "yours: moco momentum=0.9, 60 epochs"]
    assert shown["yours: moco, 60 epochs"] == Metric(0.28, 20, 0.25, 0.31)


def test_runs_of_one_label_are_told_apart_by_what_else_differs():
    def trained(created="2026-11-30T09:00:00+00:00", error=0.28, **parameters) -> Record:
        record = own()
        record.parameters |= {"lr": 0.002, "batch_size": 32, "backbone": "resnet10", "width": None} | parameters
        record.metrics, record.created = {"eer/moco": Metric(error)}, created
        return record

    def shown(*runs: Record) -> dict[str, float]:
        found = lab.student_results(runs, tiny_faces(40, 2), "orl", 0)
        return {name.removeprefix("yours: moco, "): one.value for name, one in found.items()}

    assert shown(trained()) == {"60 epochs": 0.28}
    assert shown(trained(), trained(backbone="vgg11_bn", error=0.2), trained(epochs=9, backbone="vgg11_bn")) == {
        "60 epochs, backbone=resnet10": 0.28,
        "60 epochs, backbone=vgg11_bn": 0.2,
        "9 epochs": 0.28,
    }
    assert shown(trained(), trained(width=32, error=0.2), trained(lr=0.1, batch_size=64, error=0.3)) == {
        "60 epochs, lr=0.002, batch-size=32": 0.28,
        "60 epochs, lr=0.002, batch-size=32, width=32": 0.2,
        "60 epochs, lr=0.1, batch-size=64": 0.3,
    }
    again = trained("2026-11-30T10:00:00+00:00", error=0.27)
    assert shown(trained(), again, trained(width=32)) == {
        "60 epochs, 2026-11-30T09:00:00+00:00": 0.28,
        "60 epochs, 2026-11-30T10:00:00+00:00": 0.27,
        "60 epochs, width=32": 0.28,
    }


def test_a_run_of_facelab_train_is_found(tmp_path: Path):
    from typer.testing import CliRunner

    from facelab.datasets import load

    asked = ["train", "classifier", "--dataset", "orl", "--people", "unseen", "--epochs", "1", "--size", "32"]
    done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    shown = lab.student_results(records.find_records(tmp_path), load("orl", 48), "orl", 0)
    assert list(shown) == ["yours: classifier, 1 epochs"] and shown["yours: classifier, 1 epochs"].low is not None
