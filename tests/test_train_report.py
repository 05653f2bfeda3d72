"""What ``facelab train`` says of a test that is too large to be measured whole: every number says what it was measured on."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_faces

from facelab import records
from facelab.commands.train import report
from facelab.commands.train import task as task_module
from facelab.commands.train.run import train_and_measure
from facelab.commands.train.settings import Settings
from facelab.datasets import image_rows
from facelab.evaluation import baselines, clusters
from facelab.protocols import closed_set, nearest_photographs, unseen_people
from facelab.training import Plan

PLAN = Plan(epochs=1, batch_size=8, lr=2e-3, warmup_epochs=0.5)
SETTINGS = Settings(
    method="margin", options={"loss": "softmax"}, dataset="tiny", min_photos=4, size=16, people="known", scene=None,
    augmentation="supcon", backbone="resnet10", width=8, weights=None, freeze=0, head="none",
)  # fmt: skip


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """120 photographs that ``facelab train`` loads, on disk."""
    faces = tiny_faces(people=12, shots=10)
    faces.images.tofile(tmp_path / "pixels")
    faces = replace(faces, images=np.memmap(tmp_path / "pixels", np.uint8, "r", shape=faces.images.shape))
    monkeypatch.setattr(task_module, "load", lambda name, size: faces)
    return faces


def measure(people: str, folder) -> dict[str, records.Metric]:
    train_and_measure(replace(SETTINGS, people=people), PLAN, folder)
    return records.read_record(folder / "record.json").metrics


def test_known_people_are_measured_in_samples_that_are_said(mapped, tmp_path, monkeypatch):
    exact = measure("known", tmp_path / "exact")
    tops = [name for name in exact if name.startswith("top")]
    assert {exact[name].method for name in tops} == {"wilson", "bootstrap over people"}
    assert {exact[name].n for name in tops} == {12}, "people, not photographs"
    monkeypatch.setattr(image_rows, "MAX_COPIED", 0)
    monkeypatch.setattr(nearest_photographs, "MAX_PRODUCT", 0)
    whole = measure("known", tmp_path / "blocks")
    for name, metric in exact.items():
        assert metric.value == pytest.approx(whole[name].value, abs=1e-6), name
    monkeypatch.setattr(nearest_photographs, "MAX_PROBES", 20)
    for module in (report, baselines):
        monkeypatch.setattr(module, "MAX_FIT", 50)
    monkeypatch.setattr(closed_set, "MAX_PRODUCT", 0)
    monkeypatch.setattr(clusters, "MAX_SILHOUETTES", 0)
    monkeypatch.setattr(clusters, "SAMPLED_SILHOUETTES", 30)
    found = measure("known", tmp_path / "sampled")
    assert found.keys() == exact.keys()
    said = {name: metric.method for name, metric in found.items()}
    drawn = [said[name].partition("; ")[2] for name in tops]
    assert all(one.startswith("20 of 36 test photographs") for one in drawn)
    assert drawn[tops.index("top1/margin, class scores")] == "20 of 36 test photographs"
    assert said["top1/whitened PCA"].endswith("photographs; PCA of 50 of 72 photographs")
    assert said["top2/margin, k-means"].endswith("photographs; k-means by search (exact), fitted on 72 of 72")
    assert said["silhouette/margin"] == "bootstrap over people; silhouettes of 30 of 36 embeddings"
    assert {found[name].n for name in tops} == {12}


def test_unseen_people_are_measured_on_pairs_whose_number_is_said(mapped, tmp_path, monkeypatch):
    exact = measure("unseen", tmp_path / "exact")
    assert {metric.method for metric in exact.values()} == {"bootstrap over people"}
    monkeypatch.setattr(image_rows, "MAX_COPIED", 0)
    monkeypatch.setattr(unseen_people, "MAX_PAIRS", 0)
    monkeypatch.setattr(unseen_people, "GENUINE_SAMPLE", 200)
    monkeypatch.setattr(unseen_people, "IMPOSTOR_SAMPLE", 1000)
    found = measure("unseen", tmp_path / "sampled")
    assert {metric.method for metric in found.values()} == {
        "bootstrap over people; 200 of 270 genuine and 1000 of 1500 impostor pairs"
    }
    for name, metric in found.items():
        assert metric.n == exact[name].n == 6
        assert metric.low <= exact[name].value <= metric.high, name
