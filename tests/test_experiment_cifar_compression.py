"""What JPEG costs: the same training on the same photographs, encoded once more, and a test that was in no training."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from trainings import Spy, cifar_of_noise, compute, equal, short

from facelab.datasets import FaceSet
from facelab.evaluation import mean_over_seeds
from facelab.experiments.cifar import compression, splits
from facelab.experiments.cifar.compression import EXPERIMENTS, encode_again, load_apart, summarise

(EXPERIMENT,) = EXPERIMENTS


@pytest.fixture
def cifar(monkeypatch) -> FaceSet:
    """20 training and 3 test pictures of each of ten classes; one of the test is a copy of one of the training."""
    faces = cifar_of_noise("cifar100")
    faces.images[211] = faces.images[31]
    monkeypatch.setattr(splits, "load", lambda name, *_: faces)
    monkeypatch.setattr(compression, "BF16", "32-true")
    monkeypatch.setattr(
        compression, "TRAINING", replace(compression.TRAINING, width=8, plan=short(compression.TRAINING.plan, 50))
    )
    return faces


def test_a_picture_encoded_again_is_what_pillow_makes_of_it(cifar):
    encoded = encode_again(cifar)
    for image, found in zip(cifar.images[:5], encoded.images, strict=False):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=75, subsampling="4:2:0")
        expected = np.asarray(Image.open(file))
        assert np.abs(found.astype(int) - expected).max() <= 2, "decoders round"
        assert np.abs(found.astype(int) - image).mean() > 5
    assert encoded.attributes["file"].tolist() == cifar.attributes["file"].tolist()


def test_what_is_in_the_training_is_not_in_the_test(cifar):
    train, test = load_apart()
    assert len(train) == 200 and len(test) == 29 and "test/211.png" not in set(test.attributes["file"])


def test_both_versions_are_trained_alike_from_one_start_and_tested_by_their_own(cifar, monkeypatch):
    spy, tested = Spy(monkeypatch, compression), []
    predict = compression.predict_mirrored
    monkeypatch.setattr(
        compression, "predict_mirrored", lambda method, faces: tested.append(faces) or predict(method, faces)
    )
    results = compute(EXPERIMENT, 3)
    assert list(results) == [(version, seed) for seed in range(3) for version in ("as read", "encoded again")]
    train, test = load_apart()
    for call, faces, (version, seed) in zip(spy.calls, tested, results, strict=True):
        own = (train, test) if version == "as read" else (encode_again(train), encode_again(test))
        np.testing.assert_array_equal(call["faces"].images, own[0].images)
        np.testing.assert_array_equal(faces.images, own[1].images)
        assert call["plan"] == replace(compression.TRAINING.plan, seed=seed)
        assert results[version, seed]["n"] == 29
    starts = [{name: w for name, w in call["before"].items() if "whitening" not in name} for call in spy.calls]
    assert all(equal(starts[0], starts[1])) and not all(equal(starts[0], starts[2]))
    assert len({call["folder"] for call in spy.calls}) == len(results)


def test_the_summary_against_figures_made_by_hand():
    values = {"as read": (0.5, 0.6, 0.7), "encoded again": (0.4, 0.55, 0.6)}
    results = {(v, seed): {"accuracy": own[seed], "n": 20} for seed in range(3) for v, own in values.items()}
    metrics = summarise(results)
    expected = mean_over_seeds([0.1, 0.05, 0.1])
    cost = metrics["cost"]
    assert (cost.value, cost.low, cost.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert metrics["accuracy/as read"].value == pytest.approx(0.6)
    assert metrics["accuracy/encoded again/seed 1"].value == 0.55 and metrics["accuracy/encoded again/seed 1"].n == 20
