"""Intervals against formulas, against copied data, and against a simulated truth."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation import (
    Estimate,
    auc,
    bootstrap_pairs_over_people,
    cosine_scores,
    eer,
    mean_over_seeds,
    paired_bootstrap,
    roc,
    tmr_at_fmr,
    verification_estimates,
    wilson,
)
from facelab.evaluation.intervals import wilson_at_ends
from facelab.evaluation.pair_weights import PairWeights
from facelab.evaluation.threshold_rates import rates_over_thresholds


def everybody(person: np.ndarray) -> Pairs:
    first, second = np.triu_indices(len(person), k=1)
    return Pairs(first, second, person[first] == person[second], np.zeros(len(first), np.int64))


def simulated(rng: np.random.Generator, people: int, photographs: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    person = np.repeat(np.arange(people), photographs)
    return person, rng.normal(size=(people, 32))[person] + noise * rng.normal(size=(len(person), 32))


def test_an_estimate_reads_as_a_sentence():
    assert str(wilson(461, 530)) == "87.0 % [83.8, 89.6], n = 530"
    assert str(Estimate(0.2, 0.1, 0.3, 20, "bootstrap over people", "people")) == "20.0 % [10.0, 30.0], n = 20 people"


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_the_formula(counts):
    successes, n = counts
    z, p = 1.959963984540054, successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    rate = wilson(successes, n)
    assert (rate.low, rate.high) == pytest.approx((max(0, centre - half), min(1, centre + half)), abs=1e-9)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1


def test_eighty_per_cent_of_109_is_the_interval_that_the_course_quotes():
    assert (round(100 * wilson(87, 109).low), round(100 * wilson(87, 109).high)) == (71, 86)


@pytest.mark.parametrize("successes, n", [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_what_is_no_rate(successes, n):
    with pytest.raises(BadParameterError, match=f"{successes} successes of {n}"):
        wilson(successes, n)


def test_over_seeds_by_hand():
    mean = mean_over_seeds([0.80, 0.82, 0.87])
    # mean .83, sd sqrt((9 + 1 + 16) / 2) / 100 = .036056, t(2, .975) = 4.302653
    half = 4.302653 * 0.0360555 / math.sqrt(3)
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.83, 0.83 - half, 0.83 + half), abs=1e-6)
    with pytest.raises(BadParameterError, match="2 runs"):
        mean_over_seeds([0.8, 0.9])
    with pytest.raises(BadParameterError, match="not finite"):
        mean_over_seeds([0.8, 0.9, math.nan])
    with pytest.raises(BadParameterError, match="confidence"):
        mean_over_seeds([0.8, 0.9, 0.7], confidence=95)


@pytest.mark.parametrize("photographs", [True, False])
def test_weights_of_a_draw_are_the_pairs_of_the_drawn_copies(photographs):
    """Oracle: build each draw as a list of people, each with a list of photographs, and count every pair in it."""
    person = np.repeat(np.arange(5), [3, 1, 4, 2, 3])[np.random.default_rng(3).permutation(13)]
    pairs = everybody(person)
    sampler = PairWeights(pairs, person, photographs)
    for seed in range(20):
        genuine, impostor = sampler.draw(np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        copies: list[list[int]] = []
        while True:  # the same numbers from the generator, used the slow way
            drawn = rng.integers(5, size=5)
            owned = {p: [i for i in range(13) if person[i] == p] for p in range(5)}
            if photographs:
                numbers = iter(rng.random(13))
                owned = {p: [rows[int(next(numbers) * len(rows))] for _ in rows] for p, rows in owned.items()}
            copies = [owned[p] for p in drawn]
            count = np.zeros((13, 13))
            for a in range(5):
                for b in range(a, 5):
                    if a != b and drawn[a] == drawn[b]:
                        continue  # two copies of one person are never paired
                    for x, i in enumerate(copies[a]):
                        for j in copies[b][x + 1 :] if a == b else copies[b]:
                            if i != j:
                                count[min(i, j), max(i, j)] += 1
            weights = count[pairs.first, pairs.second]
            if weights[pairs.same].any() and weights[~pairs.same].any():
                break
        copies_of = np.bincount(person)[person[pairs.first[pairs.same]]]
        factor = copies_of / (copies_of - 1) if photographs else 1  # makes 1 of the mean over draws
        np.testing.assert_allclose(genuine, weights[pairs.same] * factor)
        np.testing.assert_array_equal(impostor, weights[~pairs.same])


@pytest.mark.parametrize("photographs", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_in_the_mean_over_draws_every_pair_counts_alike(photographs, groups):
    """People with 2 to 5 photographs, and groups of 3 and 7 people: else the draws are of another figure than the data."""
    person = np.repeat(np.arange(10), [2, 5, 3, 2, 2, 4, 5, 2, 3, 2])
    pairs = everybody(person)
    sampler = PairWeights(pairs, person, photographs, stratum=np.minimum(person // 3, 1) if groups == 2 else None)
    rng = np.random.default_rng(0)
    draws = [sampler.draw(rng) for _ in range(4000)]
    owners = person[pairs.first[pairs.same]]
    genuine = np.mean([one for one, _ in draws], axis=0)
    assert [genuine[owners == one].mean() for one in range(10)] == pytest.approx([1] * 10, abs=0.08)
    impostor = np.mean([one for _, one in draws], axis=0)
    group = np.minimum(person // 3, 1)
    kind = (group[pairs.first] + group[pairs.second])[~pairs.same]  # 0, 2: within a group; 1: across
    expected = 1 if groups == 2 else 0.9  # of 10 people, two who are drawn are the same one once in ten times
    assert [impostor[kind == one].mean() for one in range(3)] == pytest.approx([expected] * 3, abs=0.06)


def test_the_interval_holds_the_figure_where_hard_people_have_few_photographs():
    person = np.repeat(np.arange(200), np.where(np.arange(200) < 100, 2, 5))
    pairs = everybody(person)
    hard = person[pairs.first] < 100
    scores = np.where(pairs.same, np.where(hard & (np.arange(len(pairs)) % 2 == 0), 0.2, 0.9), 0.1)
    found = rates_over_thresholds(scores, pairs, person, np.array([0.5]), draws=200)["fnmr"].estimate(0)
    assert found.low < found.value < found.high
    assert (found.low + found.high) / 2 == pytest.approx(found.value, abs=0.01)


def test_the_figure_and_its_draws_are_those_of_the_full_roc():
    """Merging impostor pairs between two genuine scores must change no figure, ties included."""
    person, embeddings = simulated(np.random.default_rng(0), 8, 5, 1.5)
    pairs = everybody(person)
    rounded = np.round(cosine_scores(embeddings, pairs), 1)  # many ties
    found = verification_estimates(rounded, pairs, person, fmrs=(0.05,), draws=100, seed=4)
    sampler, rng, weights = PairWeights(pairs, person, True), np.random.default_rng(4), np.empty(len(pairs))
    draws = []
    for _ in range(100):
        weights[pairs.same], weights[~pairs.same] = sampler.draw(rng)
        curve = roc(rounded, pairs.same, weights)
        draws.append([eer(curve), auc(curve), tmr_at_fmr(curve, 0.05)])
    for column, name in enumerate(["eer", "auc", "tar@0.05"]):
        low, high = np.quantile(np.array(draws)[:, column], [0.025, 0.975])
        assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=1e-12), name
    assert found["eer"].value == pytest.approx(eer(roc(rounded, pairs.same)))
    assert found["auc"].n == 8


def test_where_no_pair_is_wrong_the_intervals_are_wilsons_over_people():
    """20 people whose pairs are told apart without an error: of each figure the bootstrap would have no width."""
    person = np.repeat(np.arange(20), 3)
    pairs = everybody(person)
    scores = np.where(pairs.same, 0.9, 0.1)
    width = 1.959964**2 / (20 + 1.959964**2)
    found = verification_estimates(scores, pairs, person, fmrs=(0.1,), draws=100)
    found["alone"] = bootstrap_pairs_over_people(eer, scores, pairs, person, draws=100)
    for name, expected in {"eer": (0, 0, width), "auc": (1, 1 - width, 1), "tar@0.1": (1, 1 - width, 1)}.items():
        assert (found[name].value, found[name].low, found[name].high) == pytest.approx(expected, abs=1e-6), name
        assert (found[name].n, found[name].unit, found[name].method) == (20, "people", "wilson")
    assert found["alone"] == found["eer"]
    sampled = verification_estimates(scores, replace(pairs, population=(100, 5000)), person, draws=100)
    assert sampled["eer"].method == "wilson; 60 of 100 genuine and 1710 of 5000 impostor pairs"


def test_wilson_never_narrows_what_a_bootstrap_found():
    """TAR of 1 over 1000 people, whose threshold moved from draw to draw."""
    moved = Estimate(1.0, 0.95, 1.0, 1000, "bootstrap over people", "people")
    assert wilson_at_ends(moved) is moved
    inside = Estimate(0.4, 0.4, 0.4, 20, "bootstrap over people", "people")
    assert wilson_at_ends(inside) is inside
    for value, end in ((1.0, 0.999), (0.0, 0.001)):
        rate = Estimate(value, min(value, end), max(value, end), 20, "bootstrap over people", "people")
        assert wilson_at_ends(rate) == wilson(20 * value, 20, unit="people")


@pytest.mark.parametrize(("every", "is_refused"), [(14, False), (30, True)])
def test_a_bootstrap_goes_on_with_a_twentieth_of_its_draws_and_refuses_fewer(every, is_refused):
    person, turn = np.repeat(np.arange(6), 2), itertools.count(1)
    sampler, rng = PairWeights(everybody(person), person, False), np.random.default_rng(0)

    def draw_300() -> None:
        for _ in range(300):
            sampler.draw(rng, lambda *weights: ["pairs of a"] if next(turn) % every else [])

    if is_refused:
        with pytest.raises(BadParameterError, match="Of 200 draws of people 6 have all rates; 194 have no pairs of a"):
            draw_300()
    else:
        draw_300()
        assert next(turn) == 300 * every + 1


def test_the_bootstrap_covers_the_truth():
    """20 people of 10 photographs out of a known population: the interval holds the population's EER about 95 times in 100.

    Resampling pairs as if they were independent covers it 50 times in 100.
    """
    person, embeddings = simulated(np.random.default_rng(1), 300, 10, 0.8)
    pairs = everybody(person)
    truth = eer(roc(cosine_scores(embeddings, pairs), pairs.same))
    rng, hits, trials = np.random.default_rng(2), 0, 60
    for trial in range(trials):
        person, embeddings = simulated(rng, 20, 10, 0.8)
        pairs = everybody(person)
        found = bootstrap_pairs_over_people(eer, cosine_scores(embeddings, pairs), pairs, person, draws=100, seed=trial)
        hits += found.low <= truth <= found.high
    assert hits / trials >= 0.88


def test_a_paired_difference_is_narrower_than_two_intervals_suggest():
    rng = np.random.default_rng(5)
    person, embeddings = simulated(rng, 20, 6, 1.0)
    pairs = everybody(person)
    good = cosine_scores(embeddings, pairs)
    worse = good + 0.15 * rng.normal(size=len(good))
    difference = paired_bootstrap(eer, worse, good, pairs, person, draws=300)
    alone = [bootstrap_pairs_over_people(eer, s, pairs, person, draws=300) for s in (worse, good)]
    assert difference.value == pytest.approx(alone[0].value - alone[1].value)
    assert difference.low > 0 and not alone[0].is_disjoint_from(alone[1])
    same = paired_bootstrap(eer, good, good, pairs, person, draws=100)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_bootstrap_repeats_itself_and_refuses_what_it_cannot_do():
    person = np.repeat(np.arange(8), 3)
    pairs = everybody(person)
    values = np.random.default_rng(0).normal(size=len(pairs))
    assert bootstrap_pairs_over_people(auc, values, pairs, person, draws=100) == bootstrap_pairs_over_people(
        auc, values, pairs, person, draws=100
    )
    assert bootstrap_pairs_over_people(auc, values, pairs, person, draws=100, seed=1) != bootstrap_pairs_over_people(
        auc, values, pairs, person, draws=100
    )
    with pytest.raises(BadParameterError, match="do not agree"):
        bootstrap_pairs_over_people(auc, values, pairs, person[::-1] * 0, draws=100)
    with pytest.raises(BadParameterError, match="2 people"):
        few = everybody(np.array([0, 0, 1, 1]))
        bootstrap_pairs_over_people(auc, values[: len(few)], few, np.array([0, 0, 1, 1]), draws=100)
    with pytest.raises(BadParameterError, match="differ in number"):
        bootstrap_pairs_over_people(auc, values[1:], pairs, person)
    with pytest.raises(BadParameterError, match="not finite"):
        bootstrap_pairs_over_people(auc, np.full(len(pairs), np.nan), pairs, person)
    with pytest.raises(BadParameterError, match="5 draws"):
        bootstrap_pairs_over_people(auc, values, pairs, person, draws=5)
