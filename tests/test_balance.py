"""Figures of unequal classes against scikit-learn, a slow bootstrap and closed forms; guards against what they must stop."""

from __future__ import annotations

import math
import time
import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from facelab.errors import BadParameterError
from facelab.evaluation import (
    assert_all_classes,
    assert_not_one_class,
    balanced_accuracy,
    bootstrap_over_people,
    class_counts,
    recall_by_class,
    wilson,
)

NAMES = ("asian", "black", "indian", "white")


def answers(people: int, photographs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (of the person), predictions and people; some people are found easily and others never."""
    rng = np.random.default_rng(seed)
    label, skill = rng.choice(4, size=people, p=(0.05, 0.15, 0.2, 0.6)), rng.uniform(size=people)
    person = rng.permutation(np.repeat(np.arange(people), photographs))
    guess = rng.integers(4, size=len(person))
    return label[person], np.where(rng.random(len(person)) < skill[person], label[person], guess), person


def by_scikit_learn(labels, predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a draw may lack a class that is predicted
        return balanced_accuracy_score(labels, predicted)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_value_is_that_of_scikit_learn(classes):
    rng = np.random.default_rng(classes)
    labels, predicted = rng.integers(classes, size=(2, 60)) ** 2  # there is no class 2, 3, 5 ...
    found = balanced_accuracy(labels, predicted)
    assert found.value == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert (found.n, found.unit, found.method) == (60, "photographs", "bootstrap over photographs")


@pytest.mark.parametrize("people, seed", [(12, 0), (40, 1)])
def test_the_interval_is_that_of_a_slow_bootstrap_also_where_draws_lose_a_class(people, seed):
    labels, predicted, person = answers(people, 6, seed)
    assert 1 <= len(np.unique(person[labels == labels.min()])) <= 3  # lost in one draw of three, or of twenty
    found = balanced_accuracy(labels, predicted, person, draws=20_000)
    slow = bootstrap_over_people(lambda rows: by_scikit_learn(labels[rows], predicted[rows]), person, draws=1000)
    width = slow.high - slow.low
    assert (found.value, found.n, found.unit, found.method) == (slow.value, people, "people", slow.method)
    assert (found.low, found.high) == pytest.approx((slow.low, slow.high), abs=0.06 * width)


def test_the_interval_of_photographs_is_the_normal_one_and_copies_do_not_narrow_it():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [300, 2700])
    predicted = np.where(rng.random(3000) < 0.7, labels, 1 - labels)
    found = balanced_accuracy(labels, predicted, draws=4000)
    shares = [wilson(int((predicted[labels == one] == one).sum()), int((labels == one).sum())) for one in (0, 1)]
    half = 1.959964 * math.sqrt(sum(share.value * (1 - share.value) / share.n for share in shares)) / 2
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.08 * half)
    copied = balanced_accuracy(*np.tile([labels, predicted], 4), np.tile(np.arange(3000), 4), 4000, 0, "photographs")
    assert copied == found


def test_a_constant_prediction_is_chance_with_certainty():
    labels = np.repeat([0, 1], [90, 10])
    found = balanced_accuracy(labels, np.zeros(100, dtype=int))
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_all_right_is_no_certainty():
    labels, person = np.tile([0, 1], 30), np.repeat(np.arange(20), 3)
    assert balanced_accuracy(labels, labels, person) == wilson(20, 20, unit="people")
    assert balanced_accuracy(labels, 1 - labels) == wilson(0, 60, unit="photographs")


def test_a_seed_repeats_itself_and_seven_thousand_photographs_take_no_time():
    labels, predicted, person = answers(3500, 2)
    start = time.perf_counter()
    first, again, other = (balanced_accuracy(labels, predicted, seed=seed) for seed in (0, 0, 1))
    assert first == again and first != other
    balanced_accuracy(labels, predicted, person)
    assert time.perf_counter() - start < 2  # the four of them


def test_recall_by_class_by_hand():
    found = recall_by_class(np.array([3, 3, 3, 0, 0]), np.array([3, 0, 3, 0, 3]), NAMES)
    assert found == {"asian": wilson(1, 2, unit="photographs"), "white": wilson(2, 3, unit="photographs")}


PARTS = {"train": np.array([0, 1, 2, 3, 3]), "validation": np.array([3, 1, 2]), "test": np.array([3, 3, 2, 0])}


def test_the_table_counts_and_the_guard_names_part_and_class():
    table = class_counts(PARTS, NAMES)
    assert table.to_dict("list") == {"train": [1, 1, 1, 2], "validation": [0, 1, 1, 1], "test": [1, 0, 1, 2]}
    assert tuple(table.index) == NAMES
    with pytest.raises(BadParameterError, match="validation has no asian; test has no black. Stratify"):
        assert_all_classes(PARTS, NAMES)
    assert_all_classes({"train": PARTS["train"], "test": np.arange(4)}, NAMES)
    with pytest.raises(BadParameterError, match="empty has no white"):
        assert_all_classes({"empty": np.array([], dtype=int)}, NAMES)


def test_a_collapsed_classifier_is_stopped_with_its_histogram():
    predicted = np.repeat([2, 0], [96, 4])
    with pytest.raises(BadParameterError, match=r"class 2.*2: 96.0%, 0: 4.0%, 1: 0.0%. Report balanced_accuracy"):
        assert_not_one_class(predicted, 3)
    with pytest.raises(BadParameterError, match=r"4: 0.0%, \.\.\.\."):
        assert_not_one_class(predicted, 7)
    assert_not_one_class(predicted, 3, limit=0.96)
    assert_not_one_class(np.repeat([2, 0], [95, 5]), 3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: balanced_accuracy(np.arange(4), np.arange(3)), "4 labels from 0, 3 predictions"),
        (lambda: balanced_accuracy(np.arange(0), np.arange(0)), "0 labels"),
        (lambda: balanced_accuracy(np.arange(4) - 1, np.arange(4)), "4 labels from -1"),
        (lambda: balanced_accuracy(np.arange(4), np.arange(4), np.array([0, 0, 1, 1])), "4 units, 2 of them"),
        (lambda: balanced_accuracy(np.arange(4), np.arange(4), np.arange(5)), "4 photographs, 5 units"),
        (lambda: balanced_accuracy(np.arange(4), np.arange(4), draws=99), "99 draws"),
        (lambda: recall_by_class(np.arange(5), np.arange(5), NAMES), "Classes 0 to 4 of 'labels' for 4 names"),
        (lambda: class_counts({"test": np.array([-1, 2])}, NAMES), "Classes -1 to 2 of 'test'"),
        (lambda: assert_not_one_class(np.array([3]), 2), "1 predictions, 2 classes"),
    ],
)
def test_refusals_name_the_fault(call, message):
    with pytest.raises(BadParameterError, match=message):
        call()
