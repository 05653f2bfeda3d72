"""Joint Bayesian against densities of scipy and its own likelihood; cohorts and fusion against their formulas."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation import auc, cosine_scores, roc
from facelab.scoring import Cohort, JointBayesian, fit_joint_bayesian, fuse, s_norm, t_norm, z_norm


def people(
    between: np.ndarray, within: np.ndarray, photographs: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings drawn from the model: so many photographs of each person."""
    rng = np.random.default_rng(seed)
    size = len(between)
    identity = np.repeat(np.arange(len(photographs)), photographs)
    means = rng.multivariate_normal(np.full(size, 2.0), between, len(photographs))
    return means[identity] + rng.multivariate_normal(np.zeros(size), within, len(identity)), identity


def covariances(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    between, within = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    return between @ between.T + np.eye(3), within @ within.T + 0.5 * np.eye(3)


def pairs_of(first: list[int], second: list[int]) -> Pairs:
    count = len(first)
    return Pairs(np.array(first), np.array(second), np.zeros(count, bool), np.zeros(count, np.int64))


def parts_of(model: JointBayesian) -> tuple[np.ndarray, np.ndarray]:
    """Both covariances, back from the model's axes."""
    back = np.linalg.inv(model.axes)
    return back.T @ np.diag(model.between) @ back, back.T @ back


def log_likelihood(model: JointBayesian, x: np.ndarray, identity: np.ndarray) -> float:
    """Of all photographs, person by person, by the covariance of everything that a person has."""
    between, within = parts_of(model)
    total = 0.0
    for person in np.unique(identity):
        own = x[identity == person]
        count = len(own)
        covariance = np.kron(np.ones((count, count)), between) + np.kron(np.eye(count), within)
        total += multivariate_normal.logpdf(own.ravel(), np.tile(model.center, count), covariance)
    return total


def test_scores_are_the_ratio_of_two_densities():
    between, within = covariances()
    x, identity = people(between, within, np.full(40, 3))
    model = fit_joint_bayesian(x, identity)
    between, within = parts_of(model)
    both = np.block([[between + within, between], [between, between + within]])
    pairs = pairs_of([0, 0, 5, 7], [1, 30, 6, 100])
    expected = [
        multivariate_normal.logpdf(np.r_[x[a], x[b]], np.tile(model.center, 2), both)
        - multivariate_normal.logpdf(x[a], model.center, between + within)
        - multivariate_normal.logpdf(x[b], model.center, between + within)
        for a, b in zip(pairs.first, pairs.second, strict=True)
    ]
    np.testing.assert_allclose(model.scores(x, pairs), expected, rtol=1e-8)
    matrix = model.score_matrix(x[:10], x)
    np.testing.assert_allclose(matrix[pairs.first, pairs.second], expected, rtol=1e-8)


def test_the_likelihood_never_falls_and_the_covariances_are_found():
    between, within = covariances(1)
    x, identity = people(between, within, np.random.default_rng(2).integers(1, 6, 600))
    models = [fit_joint_bayesian(x, identity, iterations=steps) for steps in (1, 2, 4, 8, 30)]
    rises = np.diff([log_likelihood(model, x, identity) for model in models])
    assert (rises > -1e-6).all() and rises[0] > 0.01
    found_between, found_within = parts_of(models[-1])
    np.testing.assert_allclose(found_within, within, atol=0.12 * np.abs(within).max())
    np.testing.assert_allclose(found_between, between, atol=0.15 * np.abs(between).max())


def test_iterations_come_to_rest_where_one_axis_has_a_closed_form():
    """As many photographs of everybody, one axis: the estimates of the analysis of variance."""
    x, identity = people(np.eye(1) * 4, np.eye(1), np.full(300, 4))
    model = fit_joint_bayesian(x, identity, iterations=200)
    means = x.reshape(300, 4).mean(1)
    within = ((x.reshape(300, 4) - means[:, None]) ** 2).sum() / (300 * 3)
    between = means.var() - within / 4
    found_between, found_within = parts_of(model)
    np.testing.assert_allclose([found_between[0, 0], found_within[0, 0]], [between, within], rtol=1e-4)


def test_it_tells_people_apart_where_the_cosine_is_led_astray():
    """One axis is loud and says nothing of the person."""
    between, within = np.diag([1.0, 1.0, 0.01]), np.diag([0.1, 0.1, 50.0])
    x, identity = people(between, within, np.full(200, 2))
    model = fit_joint_bayesian(x, identity)
    fresh, who = people(between, within, np.full(100, 2), seed=9)
    first, second = np.triu_indices(len(fresh), 1)
    pairs = Pairs(first, second, who[first] == who[second], np.zeros(len(first), np.int64))
    by_model = auc(roc(model.scores(fresh, pairs), pairs.same))
    by_cosine = auc(roc(cosine_scores(fresh - model.center, pairs), pairs.same))
    assert by_model > 0.9 > 0.7 > by_cosine


def test_shrinkage_replaces_the_covariance_within_people():
    x, identity = people(*covariances(3), np.full(50, 3))
    _, whole = parts_of(fit_joint_bayesian(x, identity, shrinkage=1.0))
    np.testing.assert_allclose(whole, np.eye(3) * whole[0, 0], atol=1e-6 * whole[0, 0])
    _, half = parts_of(fit_joint_bayesian(x, identity, shrinkage=0.5, iterations=1))
    _, none = parts_of(fit_joint_bayesian(x, identity, iterations=1))
    spread = [np.ptp(np.linalg.eigvalsh(part)) for part in (whole, half, none)]
    assert spread[0] < spread[1] < spread[2]


def test_more_dimensions_than_photographs_are_no_obstacle():
    rng = np.random.default_rng(0)
    x, identity = rng.normal(size=(12, 30)), np.repeat(np.arange(6), 2)
    scores = fit_joint_bayesian(x, identity).scores(x, pairs_of([0, 0], [1, 2]))
    assert np.isfinite(scores).all()


def test_bad_input_of_joint_bayesian_is_named():
    x = np.random.default_rng(0).normal(size=(6, 2))
    with pytest.raises(BadParameterError, match="2 people with 1 photographs"):
        fit_joint_bayesian(x[:2], np.array([0, 1]))
    with pytest.raises(BadParameterError, match="two people"):
        fit_joint_bayesian(x, np.zeros(6, int))
    with pytest.raises(BadParameterError, match="not finite"):
        fit_joint_bayesian(np.where(x == x[0, 0], np.nan, x), np.repeat([0, 1, 2], 2))
    with pytest.raises(BadParameterError, match=r"shrinkage of 1\.5"):
        fit_joint_bayesian(x, np.repeat([0, 1, 2], 2), shrinkage=1.5)
    with pytest.raises(BadParameterError, match="2 photographs are of unknown people"):
        fit_joint_bayesian(x, np.repeat([0, 1, -1], 2))
    model = fit_joint_bayesian(x, np.repeat([0, 1, 2], 2))
    with pytest.raises(BadParameterError, match="fitted on 2"):
        model.scores(np.zeros((2, 3)), pairs_of([0], [1]))


def test_norms_give_impostors_mean_0_and_deviation_1():
    rng = np.random.default_rng(0)
    cohort = rng.normal(3, 2, size=(5, 400))
    whole = Cohort.from_scores(cohort)
    normalised = whole.normalize(cohort)
    np.testing.assert_allclose([normalised.mean(), normalised.std(ddof=1)], [0, 1], atol=1e-12)
    each = Cohort.from_scores(cohort, axis=1)
    rows = each.normalize(cohort.T).T
    np.testing.assert_allclose(rows.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(rows.std(1, ddof=1), 1)


def test_z_t_and_s_norm_follow_their_formulas():
    rng = np.random.default_rng(1)
    scores, with_first, with_second = rng.normal(size=3), rng.normal(size=(3, 50)), 2 + 3 * rng.normal(size=(3, 50))
    first, second = Cohort.from_scores(with_first, axis=1), Cohort.from_scores(with_second, axis=1)
    for row in range(3):
        z = (scores[row] - with_first[row].mean()) / with_first[row].std(ddof=1)
        t = (scores[row] - with_second[row].mean()) / with_second[row].std(ddof=1)
        assert z_norm(scores, first)[row] == pytest.approx(z)
        assert t_norm(scores, second)[row] == pytest.approx(t)
        assert s_norm(scores, first, second)[row] == pytest.approx((z + t) / 2)
    np.testing.assert_allclose(s_norm(scores, first, second), s_norm(scores, second, first))


def test_a_cohort_that_says_nothing_is_refused():
    with pytest.raises(BadParameterError, match="fewer than two"):
        Cohort.from_scores(np.zeros(1))
    with pytest.raises(BadParameterError, match="all equal"):
        Cohort.from_scores(np.zeros((2, 3)), axis=1)
    assert np.full(3, 0.1).std(ddof=1) > 0  # their mean is rounded
    for equal in (0.1, -0.7, 1e-9):
        with pytest.raises(BadParameterError, match="all equal"):
            Cohort.from_scores(np.full(3, equal))
    assert Cohort.from_scores(1 + 1e-9 * np.arange(3)).std == pytest.approx(1e-9, rel=1e-6)


def test_fusion_is_the_weighted_mean():
    scores = [np.array([0.0, 1.0, 2.0]), np.array([3.0, 3.0, 0.0])]
    np.testing.assert_allclose(fuse(scores), [1.5, 2.0, 1.0])
    np.testing.assert_allclose(fuse(scores, [3, 1]), [0.75, 1.5, 1.5])
    for bad, weights in (([], None), (scores, [1.0]), (scores, [1.0, -1.0]), (scores, [0, 0])):
        with pytest.raises(BadParameterError):
            fuse(bad, weights)
    with pytest.raises(BadParameterError, match="different pairs"):
        fuse([np.zeros(2), np.zeros(3)])


def test_independent_errors_cancel():
    rng = np.random.default_rng(0)
    same = np.arange(4000) % 2 == 0
    systems = [same + rng.normal(size=4000) for _ in range(4)]
    alone, together = auc(roc(systems[0], same)), auc(roc(fuse(systems), same))
    # normal scores 1 apart: the area is Phi(1 / sqrt 2), of the mean of four Phi(2 / sqrt 2)
    assert alone == pytest.approx(0.760, abs=0.02) and together == pytest.approx(0.921, abs=0.02)
