"""Verification figures against brute force over every threshold, scikit-learn, closed forms, and a fold left unseen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation import auc, best_threshold, cosine_scores, eer, lfw_view2, pair_accuracy, roc, tmr_at_fmr

CASES = st.integers(0, 2**32 - 1).map(lambda seed: _case(np.random.default_rng(seed)))


def _case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    count = int(rng.integers(2, 60))
    same = rng.random(count) < 0.4
    same[:2] = [True, False]
    values = rng.normal(size=count) + same
    return (np.round(values, 1) if rng.random() < 0.5 else values), same


def test_scores_are_cosines_pair_by_pair():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, 7)).astype(np.float32)
    embeddings[3] = 0
    first, second = rng.integers(30, size=20000), rng.integers(30, size=20000)
    found = cosine_scores(embeddings, Pairs(first, second, first == second, np.zeros(20000, np.int64)))
    for row in [*range(50), 16383, 16384, 19999]:
        a, b = embeddings[first[row]].astype(float), embeddings[second[row]].astype(float)
        length = np.linalg.norm(a) * np.linalg.norm(b)
        assert found[row] == pytest.approx(a @ b / length if length else 0.0, abs=1e-12)
    with pytest.raises(BadParameterError, match="beyond 2 embeddings"):
        cosine_scores(embeddings[:2], Pairs(first, second, first == second, first * 0))
    embeddings[0, 0] = np.nan
    with pytest.raises(BadParameterError, match="not finite"):
        cosine_scores(embeddings, Pairs(first, second, first == second, first * 0))


@given(CASES)
def test_roc_is_that_of_scikit_learn(case):
    values, same = case
    curve = roc(values, same)
    far, tar, thresholds = roc_curve(same, values, drop_intermediate=False)
    np.testing.assert_allclose(curve.fmr, far, atol=1e-12)
    np.testing.assert_allclose(curve.tmr, tar, atol=1e-12)
    np.testing.assert_allclose(curve.thresholds[1:], thresholds[1:])
    assert auc(curve) == pytest.approx(roc_auc_score(same, values))


@given(CASES, st.integers(0, 2**32 - 1))
def test_weights_are_repetitions(case, seed):
    values, same = case
    times = np.random.default_rng(seed).integers(0, 4, size=len(values))
    times[:2] += 1
    weighted, repeated = roc(values, same, times), roc(np.repeat(values, times), np.repeat(same, times))
    assert eer(weighted) == pytest.approx(eer(repeated), abs=1e-12)
    assert auc(weighted) == pytest.approx(auc(repeated), abs=1e-12)
    assert best_threshold(values, same, times)[1] == pytest.approx(
        best_threshold(np.repeat(values, times), np.repeat(same, times))[1]
    )


@given(CASES)
def test_eer_is_where_the_joined_roc_crosses(case):
    """Oracle: walk the ROC made threshold by threshold, and solve each segment's crossing with FAR = 1 - TAR."""
    values, same = case
    points = [(0.0, 0.0)]
    for threshold in sorted(set(values), reverse=True):
        accepted = values >= threshold
        points.append((accepted[~same].mean(), accepted[same].mean()))
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x1 + y1 >= 1:
            expected = x0 + (1 - x0 - y0) / (x1 - x0 + y1 - y0) * (x1 - x0)
            break
    assert eer(roc(values, same)) == pytest.approx(expected, abs=1e-12)


def test_closed_forms():
    same = np.repeat([True, False], 100)
    separable = roc(np.where(same, 1.0, 0.0) + np.linspace(0, 0.5, 200), same)
    assert (eer(separable), auc(separable), tmr_at_fmr(separable, 0.1)) == (0, 1, 1)
    constant = roc(np.zeros(200), same)
    assert (eer(constant), auc(constant)) == (0.5, 0.5)
    reversed_ = roc(np.where(same, 0.0, 1.0), same)
    assert (eer(reversed_), auc(reversed_)) == (1, 0)
    rng = np.random.default_rng(0)
    same = np.repeat([True, False], 200_000)
    normal = roc(rng.normal(size=len(same)) + 2.0 * same, same)
    assert eer(normal) == pytest.approx(0.158655, abs=2e-3)  # Phi(-d'/2), d' = 2
    assert auc(normal) == pytest.approx(0.921350, abs=2e-3)  # Phi(d'/sqrt 2)


@given(CASES)
def test_tar_at_far_is_the_best_that_a_threshold_allows(case):
    values, same = case
    values, same = np.concatenate([values, -np.arange(40.0)]), np.concatenate([same, np.zeros(40, bool)])
    far = 12 / (~same).sum()
    reached = [(values[same] >= t).mean() for t in [np.inf, *values] if (values[~same] >= t).sum() <= 12]
    assert tmr_at_fmr(roc(values, same), far) == pytest.approx(max(reached))


def test_a_far_that_the_pairs_cannot_show_is_refused():
    same = np.repeat([True, False], [50, 1000])
    curve = roc(np.random.default_rng(0).normal(size=1050), same)
    tmr_at_fmr(curve, 0.01)
    with pytest.raises(BadParameterError, match="FMR 0.009 cannot be measured with 1000 impostor pairs. Ask for 0.01"):
        tmr_at_fmr(curve, 0.009)


@pytest.mark.parametrize("impostors", [12, 30, 99, 101, 1056, 3000, 7001])
def test_the_rate_that_is_proposed_is_not_refused(impostors):
    curve = roc(np.random.default_rng(0).normal(size=50 + impostors), np.repeat([True, False], [50, impostors]))
    with pytest.raises(BadParameterError) as refused:
        tmr_at_fmr(curve, 1e-9)
    proposed = float(refused.value.remedy.split()[2])
    assert tmr_at_fmr(curve, proposed) >= 0 and proposed < 20 / impostors
    for few in (1, 9, 10, 11):
        with pytest.raises(BadParameterError, match="Give more pairs"):
            tmr_at_fmr(roc(np.arange(few + 1.0), np.arange(few + 1) == 0), 0.5)


def test_a_roc_of_one_kind_of_pair_is_refused():
    for same in ([True, True], [False, False], []):
        with pytest.raises(BadParameterError):
            roc(np.zeros(len(same)), np.array(same, bool))
    with pytest.raises(BadParameterError, match="not finite"):
        roc(np.array([np.nan, 0.0]), np.array([True, False]))


@given(CASES)
def test_best_threshold_has_the_accuracy_that_it_claims_and_none_is_better(case):
    values, same = case
    threshold, claimed = best_threshold(values, same)
    assert pair_accuracy(values, same, threshold) == pytest.approx(claimed)
    grid = np.concatenate([values, values + 1e-6, [values.min() - 1]])
    assert claimed >= max(pair_accuracy(values, same, t) for t in grid) - 1e-12


def test_the_threshold_lies_half_way():
    threshold, best = best_threshold(np.array([0.2, 0.4, 0.8, 0.9]), np.array([False, False, True, True]))
    assert (threshold, best) == (pytest.approx(0.6), 1.0)


def view2(rng: np.random.Generator, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    fold = np.repeat(np.arange(1, 11), 600)
    same = np.tile(np.repeat([True, False], 300), 10)
    return rng.normal(size=6000) + shift * same, same, fold


def test_view2_by_hand():
    values, same, fold = view2(np.random.default_rng(0))
    found = lfw_view2(values, same, fold)
    by_hand = []
    for k in range(1, 11):
        train, test = fold != k, fold == k
        levels = np.unique(values[train])[::-1]
        candidates = (levels[:-1] + levels[1:]) / 2  # from the highest: of equal ones the first is taken
        right = [((values[train] >= t) == same[train]).sum() for t in candidates]
        by_hand.append(((values[test] >= candidates[int(np.argmax(right))]) == same[test]).mean())
    np.testing.assert_array_equal(found.folds, by_hand)
    deviation = np.sqrt(sum((f - found.mean) ** 2 for f in found.folds) / 9)
    assert found.standard_error == pytest.approx(deviation / np.sqrt(10))
    assert found.mean == pytest.approx(0.6915, abs=0.02)  # Phi(1/2)
    assert str(found).endswith("(10 folds)")


def test_a_fold_never_chooses_its_own_threshold():
    """Fold 10 lives on another scale: fitted on itself it would be perfect, judged by the nine others it is a coin."""
    values, same, fold = view2(np.random.default_rng(0), shift=20.0)
    values[fold == 10] += 100
    found = lfw_view2(values, same, fold)
    assert best_threshold(values[fold == 10], same[fold == 10])[1] == 1.0
    np.testing.assert_allclose(found.folds, [1.0] * 9 + [0.5])
    own = values[fold == 10].copy()
    values[fold == 10] = np.random.default_rng(1).permutation(own)
    assert lfw_view2(values, same, fold).thresholds[9] == found.thresholds[9]


def test_two_models_share_the_folds_but_not_a_scale():
    values, same, fold = view2(np.random.default_rng(0), shift=20.0)
    model = (fold > 5).astype(int)
    values[model == 1] = values[model == 1] / 1000 + 100
    np.testing.assert_allclose(lfw_view2(values, same, fold, model).folds, 1.0)
    assert lfw_view2(values, same, fold).mean < 0.8
    with pytest.raises(BadParameterError, match="Fold 1 has no other fold"):
        lfw_view2(values, same, fold, fold)


@settings(max_examples=20)
@given(CASES)
def test_only_the_order_of_the_scores_matters(case):
    values, same = case
    a, b = roc(values, same), roc(np.exp(values), same)
    assert (eer(a), auc(a)) == pytest.approx((eer(b), auc(b)))


def test_an_interval_of_accuracy_stays_a_share():
    """Two folds of 1 and 3/4: Student's t with one degree of freedom reaches far over 1."""
    scores, same = np.array([0.9, 0.8, 0.2, 0.1, 0.9, 0.1, 0.8, 0.9]), np.array([1, 1, 0, 0, 1, 0, 1, 0], bool)
    found = lfw_view2(scores, same, np.repeat([1, 2], 4))
    assert found.mean == 0.875 and (found.estimate.low, found.estimate.high) == (0.0, 1.0)
