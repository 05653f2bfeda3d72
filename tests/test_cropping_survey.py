import hashlib
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from trainings import compute

from facelab import plots
from facelab.cropping import Box, Face, YuNetDetector
from facelab.cropping.survey import reference_boxes, uncropped_orl, wild_landmarks
from facelab.datasets import FaceSet, orl, orl_wild
from facelab.errors import DataMissingError
from facelab.evaluation.intervals import rate_by_group
from facelab.experiments import cropping_survey
from facelab.experiments.cropping_survey import LFW_FACE, SETTINGS
from facelab.paths import project_data
from facelab.records import read_record

EXPERIMENT = cropping_survey.EXPERIMENTS[0]


def test_landmarks_of_the_renderings_are_where_yunet_sees_them():
    root = orl.locate()
    table = orl_wild.index(root)
    easy = (table["occlusion"] == "none") & (table["blur_sigma"] < 1) & (table["turn_degrees"].abs() > 20)
    table = table[easy].iloc[::4].reset_index(drop=True)
    images = np.stack([image for _, _, image in sorted(orl_wild.render(root, table, 112), key=lambda one: one[0])])
    found = [YuNetDetector().detect(image) for image in images]
    assert sum(map(bool, found)) > 25

    def off(table):
        known = wild_landmarks(FaceSet(images, np.zeros(len(table), int), ("all",), table, "orl-wild@112"))
        away = [np.abs(faces[0].landmarks - points).mean() for faces, points in zip(found, known, strict=True) if faces]
        return np.median(away)

    assert off(table) < 3
    # a turn moves the landmarks by less than YuNet errs; these show
    for wrong in ("roll_degrees", "shift_x", "shift_y"):
        assert off(table.assign(**{wrong: -table[wrong]})) > 1.2 * off(table), wrong


def test_a_photograph_of_its_own_size_as_lfw(tmp_path, monkeypatch):
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path))
    lfw = tmp_path / "lfw"
    photos, _, landmarks = uncropped_orl()
    people = []
    for number in (0, 10):
        # the reference box of the photograph onto LFW's centre square
        box = reference_boxes(landmarks[[number]])[0]
        scale = LFW_FACE.w / box.w
        move = np.array([[scale, 0, LFW_FACE.x - scale * box.x], [0, scale, LFW_FACE.y - scale * box.y]])
        image = cv2.warpAffine(photos[number], move, (250, 250), borderMode=cv2.BORDER_REPLICATE)
        path = lfw / "originals250" / f"P_{number}" / f"P_{number}_0001.jpg"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), image)
        people.append((f"x/{path.name}", f"P_{number}", "male" if number else ""))
    pd.DataFrame(people, columns=["file", "identity", "gender"]).to_csv(lfw / "index.csv", index=False)
    metrics = EXPERIMENT.summarise(compute(EXPERIMENT, 0))
    assert metrics["right/YuNet .6/all"].value == 1 and metrics["right/YuNet .6/all"].n == 2
    assert metrics["right/Haar 1.1/5, padded/all"].value == 1
    assert metrics["right/YuNet .6/male"].n == 1 and "right/YuNet .6/" not in metrics
    content = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*.jpg")))
    assert EXPERIMENT.data()["survey"]["sha256"] == hashlib.sha256(content).hexdigest()
    shutil.rmtree(lfw / "originals250")
    with pytest.raises(DataMissingError, match="originals250"):
        EXPERIMENT.data()


def test_the_metrics_are_counted_from_what_was_found():
    figures = {"faces": [1, 0, 2, 1], "right": [True, False, True, False], "gender": ["male", "male", "female", ""]}
    metrics = EXPERIMENT.summarise({("YuNet .6",): figures})
    shares = {name: (metric.value, metric.n) for name, metric in metrics.items()}
    assert shares == {
        "found/YuNet .6/all": (0.75, 4), "found/YuNet .6/male": (0.5, 2), "found/YuNet .6/female": (1, 1),
        "right/YuNet .6/all": (0.5, 4), "right/YuNet .6/male": (0.5, 2), "right/YuNet .6/female": (1, 1),
        "several/YuNet .6/all": (0.25, 4), "several/YuNet .6/male": (0, 2), "several/YuNet .6/female": (1, 1),
    }  # fmt: skip
    assert all(round(end, 4) == end for metric in metrics.values() for end in (metric.low, metric.high))


def test_the_record_is_of_these_settings():
    stored = read_record(project_data("results", "01_cropping_lfw.json"))
    assert stored.parameters == EXPERIMENT.parameters(0) and stored.command == EXPERIMENT.command(0)
    assert [cell.key for cell in EXPERIMENT.grid(0)] == [(name,) for name in SETTINGS]


def test_the_stored_record_has_every_setting_and_no_picture():
    record = read_record(project_data("results", "01_cropping_lfw.json"))
    for name in SETTINGS:
        for what in ("found", "right", "several"):
            for group in ("all", "female", "male"):
                rate = record.metrics[f"{what}/{name}/{group}"]
                assert 0 <= rate.low <= rate.value <= rate.high <= 1
            assert record.metrics[f"{what}/{name}/all"].n == 220


def test_rate_by_group_counts_and_leaves_the_unknown_out():
    rates = rate_by_group([True, False, True, True], ["a", "a", "b", ""])
    assert {name: (rate.value, rate.n) for name, rate in rates.items()} == {"a": (0.5, 2), "b": (1.0, 1)}


@pytest.mark.parametrize("shape", [(60, 50), (60, 50, 1), (60, 50, 3)])
def test_marks_are_drawn_on_a_copy_where_the_box_is(shape):
    image = np.zeros(shape, np.uint8)
    marked = plots.mark_faces(image, [Face(Box(10, 20, 15, 12), 1.0, np.full((5, 2), 40.0))], [Box(2, 3, 5, 5)])
    assert not image.any() and marked.shape == (60, 50, 3)
    assert marked[3, 4, 2] > marked[3, 4, 0]  # blue: the reference
    assert marked[20, 17, 0] > marked[20, 17, 2] and marked[40, 40, 0] > 0  # orange: what was found
    assert not marked[50:, :30].any()
