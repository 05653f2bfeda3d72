"""Figures of several attributes, against scikit-learn, and by hand."""

import numpy as np
import pytest
from sklearn import metrics

from facelab.errors import BadParameterError
from facelab.evaluation import ATTRIBUTE_METRICS, attribute_metrics

ORACLES = {
    "balanced accuracy": metrics.balanced_accuracy_score,
    "F1": metrics.f1_score,
    "accuracy": metrics.accuracy_score,
}


def test_figures_are_those_of_scikit_learn_attribute_by_attribute():
    rng = np.random.default_rng(0)
    labels = rng.random((200, 6)) < [0.05, 0.2, 0.5, 0.5, 0.8, 0.97]
    predicted = np.where(rng.random((200, 6)) < 0.7, labels, rng.random((200, 6)) < 0.4)
    found = attribute_metrics(labels, predicted)
    assert tuple(found) == ATTRIBUTE_METRICS == tuple(ORACLES)
    for name, oracle in ORACLES.items():
        expected = [oracle(labels[:, column], predicted[:, column]) for column in range(6)]
        np.testing.assert_allclose(found[name], expected)


def test_by_hand_and_of_constant_answers():
    labels = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=bool)
    found = attribute_metrics(labels, np.array([[1, 1], [1, 1], [0, 1], [1, 1]], dtype=bool))
    assert found["balanced accuracy"].tolist() == [pytest.approx(1 / 3), 0.5]
    assert found["F1"].tolist() == [pytest.approx(4 / 6), pytest.approx(2 / 5)]
    assert found["accuracy"].tolist() == [0.5, 0.25]
    never = attribute_metrics(labels, np.zeros_like(labels))
    assert never["balanced accuracy"].tolist() == [0.5, 0.5] and never["F1"].tolist() == [0, 0]
    share = labels.mean(axis=0)
    always = attribute_metrics(labels, np.ones_like(labels))
    np.testing.assert_allclose(always["F1"], 2 * share / (1 + share))
    np.testing.assert_allclose(always["accuracy"], share)


def test_what_cannot_be_measured_is_refused():
    labels = np.array([[1, 1], [0, 1]], dtype=bool)
    with pytest.raises(BadParameterError, match="Attribute 1 has 2 of 2 photographs"):
        attribute_metrics(labels, labels)
    with pytest.raises(BadParameterError, match=r"\(2, 2\), the predictions \(2, 1\)"):
        attribute_metrics(labels, labels[:, :1])
    with pytest.raises(BadParameterError, match="Give one of each"):
        attribute_metrics(labels[:, 0], labels[:, 0])
