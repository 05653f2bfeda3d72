"""The linear probe against the optimum of its loss, and what it may not have seen when it chooses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from facelab.errors import BadParameterError
from facelab.evaluation.identification import accuracy_over_people
from facelab.evaluation.probe import fit_probe


def clouds(classes: int = 4, each: int = 30, noise: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clouds around classes, the dimensions on scales from 0.001 to 1000."""
    labels = np.tile(np.arange(classes), each)
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, 6))
    return (centres[labels] + noise * rng.normal(size=(len(labels), 6))) * np.logspace(-3, 3, 6) + 7, labels


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_the_fit_is_the_optimum_of_the_penalised_loss(c):
    """The gradient of |W|^2 / 2 + C * cross-entropy vanishes, for features standardised on the training photographs."""
    z, labels = clouds()
    probe = fit_probe(z, labels, grid=(c,))
    x = (z - z.mean(0)) / z.std(0)
    last = probe.model[-1]
    error = softmax(x @ last.coef_.T + last.intercept_, axis=1) - np.eye(4)[labels]
    np.testing.assert_allclose(last.coef_ + c * error.T @ x, 0, atol=2e-2)
    np.testing.assert_allclose(error.sum(0), 0, atol=2e-2)
    assert (probe.c, probe.validation) == (c, {})


@pytest.mark.parametrize("classes", [2, 4])
def test_the_ranks_are_those_of_the_probabilities(classes):
    probe = fit_probe(*clouds(classes))
    test, labels = clouds(classes, seed=1)
    found, chance = probe.topk(test, labels), probe.model.predict_proba(test)
    expected = [1 + sum(row > row[label]) for row, label in zip(chance, labels, strict=True)]
    np.testing.assert_array_equal(found.rank, expected)
    np.testing.assert_array_equal(found.predicted, probe.model.predict(test))
    assert found.accuracy(1).value > 1.5 / classes and found.accuracy(classes).value == 1


def test_c_is_the_best_on_photographs_that_were_held_out():
    z, labels = clouds(noise=0.01)
    easy = fit_probe(z, labels, grid=(1.0, 0.1))
    assert (easy.c, easy.validation) == (0.1, {0.1: 1.0, 1.0: 1.0})  # of equal ones the smallest
    rng, labels = np.random.default_rng(2), np.arange(600) % 2
    sign = 2 * labels[:, None] - 1
    signal = 0.15 * sign + rng.normal(size=(600, 300))
    wrong = rng.random(600) < 0.2
    partly_wrong = np.where(wrong, 1 - labels, labels)  # 300 dimensions fit 480 labels, wrong ones and all
    background = rng.normal(size=(600, 1))
    small_difference = np.hstack([background, background + 0.05 * sign])  # needs large weights against each other
    for z, known, best, worst in ((signal, partly_wrong, 1e-4, 100.0), (small_difference, labels, 100.0, 1e-4)):
        probe = fit_probe(z, known, grid=(100.0, 1e-4))
        assert (probe.c, probe.model[-1].C) == (best, best)
        assert probe.validation[best] > probe.validation[worst] + 0.1


def test_renderings_of_one_photograph_are_not_held_out_from_each_other():
    """Labels drawn for each photograph: what knows them has seen the photograph."""
    rng = np.random.default_rng(0)
    photo = np.repeat(np.arange(60), 6)[rng.permutation(360)]
    z = rng.normal(size=(60, 80))[photo] + 0.05 * rng.normal(size=(360, 80))
    labels = rng.integers(3, size=60)[photo]
    assert max(fit_probe(z, labels).validation.values()) == 1
    assert max(fit_probe(z, labels, group=photo).validation.values()) < 0.6


def test_a_seed_repeats_itself_and_another_holds_out_others():
    z, labels = clouds(noise=2.0)
    one, again, other = (fit_probe(z, labels, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.model[-1].coef_, again.model[-1].coef_)
    assert one.validation == again.validation != other.validation


def test_the_interval_over_people_is_wider_than_that_over_photographs():
    """An attribute of a person: 30 people with 20 photographs, each person's all right or all wrong."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(30), 20)
    label = person % 2
    z = (label + rng.normal(0, 0.6, 30)[person])[:, None] + 0.01 * rng.normal(size=(600, 3))
    found = fit_probe(z, label, group=person, grid=(0.1, 1.0)).topk(z, label)
    people, photographs = accuracy_over_people(found, person), found.accuracy(1)
    assert people.value == photographs.value < 1 and people.n == 30
    assert people.high - people.low > 3 * (photographs.high - photographs.low)


def test_one_label_a_class_is_enough_where_nothing_is_chosen():
    z, labels = clouds(each=1)
    assert fit_probe(z, labels, grid=(0.1,)).topk(z, labels).accuracy(1).value == 1


Z, LABELS = clouds()
SIX = clouds(classes=6)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: fit_probe(*clouds(each=4)), "too few photographs to hold some out. Give one C"),
        (lambda: fit_probe(Z, LABELS, group=np.arange(120) % 4), "too few photographs"),
        (lambda: fit_probe(*SIX, group=SIX[1]), "Class . has one group alone"),
        (lambda: fit_probe(Z, LABELS[1:]), "120 embeddings, 119 labels"),
        (lambda: fit_probe(Z, LABELS + 1), "counted from 0 without gaps"),
        (lambda: fit_probe(Z, LABELS * 0, (0.1,)), "two classes or more"),
        (lambda: fit_probe(Z[:0], LABELS[:0]), "0 embeddings, 0 labels"),
        (lambda: fit_probe(np.full((120, 6), np.inf), LABELS), "not finite"),
        (lambda: fit_probe(Z, LABELS).topk(Z, LABELS + 1), "Labels 1 to 4, 4 classes"),
    ],
)
def test_refusals_name_the_fault(call, message):
    with pytest.raises(BadParameterError, match=message):
        call()
