"""Error rates by group and their disparity against loops, fairlearn, closed forms, and simulated people of known rates."""

import itertools
import math

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_negative_rate
from scipy import stats

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation import (
    design_effect,
    fairness_discrepancy_rate,
    fairness_estimates,
    garbe,
    gini,
    group_rates,
    inequity_rate,
    max_over_geometric_mean,
    rates_over_thresholds,
    threshold_at_fmr,
    trials_needed,
    wilson,
)
from facelab.evaluation.pair_weights import PairWeights


def everybody(people: int = 12, photographs: int = 4) -> tuple[Pairs, np.ndarray, np.ndarray]:
    """All pairs of some people in three groups, their people and groups."""
    person = np.repeat(np.arange(people), photographs)
    first, second = np.triu_indices(len(person), k=1)
    pairs = Pairs(first, second, person[first] == person[second], np.zeros(len(first), dtype=np.int64))
    return pairs, person, np.array(["a", "b", "c"], dtype=object)[person % 3]


def drawn(pairs: Pairs, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(0, 1, len(pairs)) + 2.0 * pairs.same, 1)  # rounded: with ties


# The five figures


def slow_gini(x: list[float]) -> float:
    n, mean = len(x), math.fsum(x) / len(x)
    return n / (n - 1) * math.fsum(abs(a - b) for a in x for b in x) / (2 * n * n * mean)


def test_equal_rates_are_fair_by_every_figure():
    same = np.full(4, 0.013)
    assert max_over_geometric_mean(same) == pytest.approx(1)
    assert fairness_discrepancy_rate(same, same) == 1
    assert inequity_rate(same, same) == 1
    assert gini(same) == garbe(same, same) == 0
    nothing = np.zeros(3)
    assert max_over_geometric_mean(nothing) == inequity_rate(nothing, nothing) == 1
    assert garbe(nothing, nothing) == 0


def test_the_figures_by_hand():
    fmr, fnmr = np.array([0.01, 0.04]), np.array([0.3, 0.1])
    assert max_over_geometric_mean(fmr) == pytest.approx(0.04 / 0.02)
    assert fairness_discrepancy_rate(fmr, fnmr, 0.25) == pytest.approx(1 - (0.25 * 0.03 + 0.75 * 0.2))
    assert inequity_rate(fmr, fnmr, 0.25) == pytest.approx(4**0.25 * 3**0.75)
    assert gini(fmr) == pytest.approx(0.03 / 0.05)  # of two: their difference over their sum
    assert garbe(fmr, fnmr, 0.25) == pytest.approx(0.25 * 0.6 + 0.75 * 0.5)
    assert gini(np.array([0, 0, 0, 0.2])) == pytest.approx(1)  # one group has all the errors


def test_gini_is_its_double_sum():
    for seed in range(20):
        x = np.random.default_rng(seed).random(2 + seed % 5)
        assert gini(x) == pytest.approx(slow_gini(x.tolist()))


def test_a_group_without_errors_makes_ratios_infinite_and_nothing_else():
    fmr, fnmr = np.array([0.0, 0.02]), np.array([0.1, 0.1])
    assert max_over_geometric_mean(fmr) == inequity_rate(fmr, fnmr) == math.inf
    assert garbe(fmr, fnmr) == pytest.approx(0.5) and fairness_discrepancy_rate(fmr, fnmr) == pytest.approx(0.99)


@pytest.mark.parametrize("rates", [[0.1], [0.1, 1.2], [-0.1, 0.1], [0.1, math.nan], [[0.1, 0.2]]])
def test_what_are_no_rates_is_refused(rates):
    with pytest.raises(BadParameterError, match="rates of the groups"):
        gini(np.array(rates))
    with pytest.raises(BadParameterError, match="alpha is 2"):
        garbe(np.array([0.1, 0.2]), np.array([0.1, 0.2]), alpha=2)


# Rates by group


def test_rates_are_counted_pair_by_pair():
    pairs, _, group = everybody()
    scores, threshold = drawn(pairs), 1.0
    found = group_rates(scores, pairs, group, threshold)
    assert found.names == ("a", "b", "c")
    for (i, g), (j, h) in itertools.product(enumerate(found.names), repeat=2):
        missed = matched = genuine = impostors = 0
        for row in range(len(pairs)):
            who = (group[pairs.first[row]], group[pairs.second[row]])
            if pairs.same[row] and g == h == who[0]:
                genuine, missed = genuine + 1, missed + (scores[row] < threshold)
            if not pairs.same[row] and who in ((g, h), (h, g)):
                impostors, matched = impostors + 1, matched + (scores[row] >= threshold)
        assert found.fmr[i, j] == pytest.approx(matched / impostors) and found.impostors[i, j] == impostors
        if i == j:
            assert found.fnmr[i] == pytest.approx(missed / genuine) and found.genuine[i] == genuine
    assert found.table().loc["b", "FMR with c"] == found.fmr[1, 2]


def test_rates_of_the_genuine_are_fairlearns():
    pairs, _, group = everybody()
    scores = drawn(pairs)
    same = pairs.same
    frame = MetricFrame(
        metrics=false_negative_rate,
        y_true=same[same],
        y_pred=(scores >= 1.0)[same],
        sensitive_features=group[pairs.first[same]],
    )
    np.testing.assert_allclose(group_rates(scores, pairs, group, 1.0).fnmr, frame.by_group.to_numpy())


def test_pairs_of_unknown_groups_are_left_out():
    pairs, person, group = everybody()
    scores = drawn(pairs)
    unknown = group.copy()
    unknown[person == 0] = None
    unknown[person == 3] = ""
    keep = ~np.isin(person[pairs.first], (0, 3)) & ~np.isin(person[pairs.second], (0, 3))
    expected = group_rates(scores[keep], pairs.subset(keep), group, 1.0)
    np.testing.assert_array_equal(group_rates(scores, pairs, unknown, 1.0).fmr, expected.fmr)


def test_the_threshold_is_the_lowest_that_keeps_the_rate():
    pairs, _, _ = everybody()
    scores = drawn(pairs)
    impostor = scores[~pairs.same]
    for fmr in (0.02, 0.05, 0.3):
        at = threshold_at_fmr(scores, pairs.same, fmr)
        assert (impostor >= at).mean() <= fmr
        lower = impostor[impostor < at].max()
        assert (impostor >= lower).mean() > fmr
    weight = np.random.default_rng(1).integers(0, 4, len(pairs))
    repeated = np.repeat(np.arange(len(pairs)), weight)
    expected = threshold_at_fmr(scores[repeated], pairs.same[repeated], 0.05)
    assert threshold_at_fmr(scores, pairs.same, 0.05, weight) == expected
    with pytest.raises(BadParameterError, match="FMR 0.001 cannot be set"):
        threshold_at_fmr(scores, pairs.same, 0.001)
    with pytest.raises(BadParameterError, match="not finite"):
        threshold_at_fmr(np.where(np.arange(len(scores)) % 2, scores, np.nan), pairs.same, 0.05)


# Intervals


def test_the_centre_of_each_interval_is_the_rate_itself():
    pairs, person, group = everybody()
    scores = drawn(pairs)
    rates = group_rates(scores, pairs, group, 1.0)
    figures = fairness_estimates(scores, pairs, person, group, 1.0, draws=100)
    assert figures["fnmr/a"].value == rates.fnmr[0] and figures["fmr/b"].value == rates.fmr[1, 1]
    assert figures["fmr/a with c"].value == rates.fmr[0, 2]
    assert figures["fnmr/a - b"].value == pytest.approx(rates.fnmr[0] - rates.fnmr[1])
    assert figures["GARBE"].value == garbe(rates.fmr.diagonal(), rates.fnmr)
    assert figures["FDR"].n == 12
    for figure in figures.values():
        assert figure.low <= figure.value <= figure.high or math.isinf(figure.high)
    again = fairness_estimates(scores, pairs, person, group, 1.0, draws=100)
    assert again == figures
    anew = fairness_estimates(scores, pairs, person, group, fmr=0.1, draws=100)
    assert anew["fmr/a"].value == group_rates(scores, pairs, group, threshold_at_fmr(scores, pairs.same, 0.1)).fmr[0, 0]


def test_each_figure_counts_the_people_of_its_pairs_and_a_rate_of_0_or_1_is_wilsons_over_them():
    """Six people of one group, four of another, two of a third; the first person has no genuine pair."""
    pairs, person, _ = everybody(people=12)
    pairs = pairs.subset(~(pairs.same & (person[pairs.first] == 0)))
    group = np.repeat(["a", "b", "c"], [6 * 4, 4 * 4, 2 * 4]).astype(object)
    found = fairness_estimates(drawn(pairs), pairs, person, group, 1.0, draws=100)
    people = {"fnmr/a": 5, "fmr/a": 6, "fnmr/b": 4, "fmr/b": 4, "fnmr/c": 2, "fmr/b with c": 6, "fmr/a with c": 8}
    people |= {"fnmr/a - b": 9, "fmr/a - c": 8, "FDR": 12, "fmr max/geometric mean": 12}
    assert {name: found[name].n for name in people} == people
    assert found["fnmr/a"].method == "bootstrap over people"
    all_pass = fairness_estimates(drawn(pairs), pairs, person, group, -100.0, draws=100)
    assert all_pass["fnmr/a"] == wilson(0, 5, unit="people") and all_pass["fmr/b"] == wilson(4, 4, unit="people")
    assert all_pass["fmr/a with c"] == wilson(8, 8, unit="people")
    assert all_pass["fnmr/a - b"].method == "bootstrap over people", "a difference is no rate"


@pytest.mark.parametrize("photographs", [True, False])
def test_groups_too_small_for_a_bootstrap_are_named_and_not_drawn_for_ever(photographs):
    """Ten groups of two: in a draw of people half of them lose their only pair of people, and one draw of 1024 keeps all."""
    pairs, person, _ = everybody(people=20)
    group, scores = np.array([f"g{one // 2}" for one in person], dtype=object), drawn(pairs)
    with pytest.raises(BadParameterError, match="Of 200 draws .* have no impostor pairs of 'g[0-9]'.*leave out groups"):
        fairness_estimates(scores, pairs, person, group, 1.0, draws=100, photographs=photographs)
    with pytest.raises(BadParameterError, match="Of 200 draws .* have no impostor pairs of 'g[0-9]'.*leave out groups"):
        rates_over_thresholds(scores, pairs, person, np.array([1.0]), group, draws=100, photographs=photographs)


def test_an_interval_over_people_holds_the_true_difference_as_often_as_it_says():
    """People of two groups, some easy and some hard: 60 simulated studies, the true FNMRs .2 and .35."""
    held, false_alarm = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        person = np.repeat(np.arange(40), 4)
        group = np.where(person % 2, "m", "f").astype(object)
        first, second = np.triu_indices(len(person), k=1)
        same = person[first] == person[second]
        keep = same | (rng.random(len(first)) < 0.05)
        pairs = Pairs(first[keep], second[keep], same[keep], np.zeros(keep.sum(), dtype=np.int64))
        mean = np.where(np.arange(40) % 2, 0.35, 0.2)
        chance = rng.beta(4 * mean, 4 * (1 - mean))[person[pairs.first]]  # of being missed
        scores = np.where(rng.random(len(pairs)) < chance, 0.0, 1.0) * pairs.same + 0.6 * ~pairs.same * rng.random()
        found = fairness_estimates(scores, pairs, person, group, 0.5, draws=200, seed=seed, photographs=False)
        difference = found["fnmr/f - m"]
        held += difference.low <= -0.15 <= difference.high
        false_alarm += difference.low > 0
    assert held >= 50 and false_alarm == 0  # of 60: 57 expected; 50 is 3 sd below


def test_every_draw_has_as_many_people_of_each_group_as_there_are():
    """Two people of a small group among many: drawn from all alike, most draws would have one of them or none."""
    pairs, person, _ = everybody(people=12)
    group = np.where(person < 2, "small", "large").astype(object)
    sampler = PairWeights(pairs, person, False, stratum=group)
    for seed in range(20):
        genuine, _ = sampler.draw(np.random.default_rng(seed))
        own = person[pairs.first[pairs.same]]
        drawn_of = [genuine[own == one].max() for one in range(12)]
        assert sum(drawn_of[:2]) == 2 and sum(drawn_of) == 12


def test_what_makes_no_sense_is_refused():
    pairs, person, group = everybody()
    scores = drawn(pairs)
    with pytest.raises(BadParameterError, match="one of the two"):
        fairness_estimates(scores, pairs, person, group)
    with pytest.raises(BadParameterError, match="groups a,"):
        group_rates(scores, pairs, np.full(len(group), "a", dtype=object), 1.0)
    mixed = group.copy()
    mixed[0] = "b"
    with pytest.raises(BadParameterError, match="Person 0 is in 2 groups"):
        fairness_estimates(scores, pairs, person, mixed, 1.0)
    with pytest.raises(BadParameterError, match="differ in number"):
        group_rates(scores[1:], pairs, group, 1.0)


# Sample size


def test_the_sample_size_gives_the_power_that_was_asked_for():
    """4000 simulated studies of the size that the formula asks for, judged by the test of two proportions."""
    n = trials_needed(0.9, -0.05)
    rng = np.random.default_rng(0)
    a, b = (rng.binomial(n, p, 4000) / n for p in (0.9, 0.85))
    mean = (a + b) / 2
    z = np.abs(a - b) / np.sqrt(2 * mean * (1 - mean) / n)
    assert (z > stats.norm.ppf(0.975)).mean() == pytest.approx(0.8, abs=0.02)


def test_sample_sizes_of_the_textbook():
    """The usual example: 30 against 40 %, power 80 %: 356 in each group."""
    assert trials_needed(0.3, 0.1) == 356
    assert trials_needed(0.3, 0.1) == trials_needed(0.4, -0.1)
    assert trials_needed(0.9, 0.01) > 10_000
    for wrong in ((0.9, 0.0), (0.9, 0.2), (0.9, 0.05, 1.0)):
        with pytest.raises(BadParameterError):
            trials_needed(*wrong)


def test_a_design_effect_of_alike_photographs_is_their_number():
    person = np.repeat(np.arange(50), 8)
    alike = np.random.default_rng(0).random(50) < 0.5
    assert design_effect(alike[person], person) == pytest.approx(8 * 50 / 49)
    apart = [design_effect(np.random.default_rng(seed).random(400) < 0.3, person) for seed in range(200)]
    assert np.mean(apart) == pytest.approx(1, abs=0.05)
    with pytest.raises(BadParameterError, match="a rate of 1"):
        design_effect(np.ones(400), person)
