"""k-means, silhouettes and agreement of clusters against loops, brute force and formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.cluster import expected_mutual_information

from facelab.errors import BadParameterError
from facelab.evaluation.agreement import agreement, agreement_by_label, bin_by_quantile, cluster_agreement
from facelab.evaluation.clusters import fit_kmeans, silhouette_estimate, silhouette_sweep, topk_by_clusters
from facelab.evaluation.topk import topk_by_neighbors


def blobs(seed: int = 0, groups: int = 5, each: int = 8, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Directions of groups; lengths differ and mean nothing."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), each)[rng.permutation(groups * each)]
    rows = rng.normal(size=(groups, 6))[group] + noise * rng.normal(size=(groups * each, 6))
    return rows * rng.uniform(0.2, 5, size=(len(rows), 1)), group


def slow_silhouettes(rows: np.ndarray, labels: np.ndarray) -> list[float]:
    """(b - a) / max(a, b): mean distance to the own group, and to the nearest other one."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = []
    for i in range(len(rows)):
        means = {}
        for label in set(labels):
            others = [j for j in range(len(rows)) if labels[j] == label and j != i]
            means[label] = np.mean([math.dist(unit[i], unit[j]) for j in others]) if others else None
        a = means.pop(labels[i])
        b = min(means.values())
        found.append(0.0 if a is None else (b - a) / max(a, b))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_silhouette_of_the_people_is_that_of_the_loop(seed):
    rows, group = blobs(seed, noise=1.0)
    group[0] = 9  # alone in its group
    values = np.array(slow_silhouettes(rows, group))
    found = silhouette_estimate(rows, group, draws=500)
    assert found.value == pytest.approx(values.mean())
    sums, sizes = (np.array([part(values[group == g]) for g in np.unique(group)]) for part in (np.sum, len))
    drawn = np.random.default_rng(5).integers(len(sums), size=(20000, len(sums)))
    expected = np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(expected, abs=0.03)
    assert (found.n, found.unit) == (6, "people")
    assert silhouette_estimate(rows, group, np.arange(40), draws=100).n == 40


def test_the_sweep_chooses_the_true_number_and_scores_as_the_loop():
    rows, group = blobs(noise=0.15)
    table = silhouette_sweep(rows, [2, 4, 5, 6, 9])
    assert table["silhouette"].idxmax() == 5 and list(table.index) == [2, 4, 5, 6, 9]
    assert table.loc[5, "silhouette"] == pytest.approx(np.mean(slow_silhouettes(rows, group)))
    assert agreement(fit_kmeans(rows, 5)(rows), group)["ari"] == 1


def test_the_order_of_the_embeddings_does_not_change_the_clusters():
    rows, _ = blobs(noise=2.0)  # no clear groups: k-means ends where it started from
    order = np.random.default_rng(1).permutation(len(rows))
    np.testing.assert_array_equal(fit_kmeans(rows, 7)(rows), fit_kmeans(rows[order], 7)(rows))
    assert (fit_kmeans(rows, 7, seed=1)(rows) != fit_kmeans(rows, 7)(rows)).any()


def angles(*degrees: float) -> np.ndarray:
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def test_topk_within_hand_made_clusters():
    """Clusters at 0-20 and at 90-110 degrees; persons 7 and 9 are in both, 8 in the first, 4 in the second alone."""
    gallery, people = angles(0, 8, 20, 95, 110, 90), np.array([7, 8, 9, 4, 9, 7])
    probes = 3 * angles(19, 19, 19, 1, 94, 12, 104, 93)
    labels = np.array([9, 8, 7, 4, 8, 8, 9, 7])
    found = topk_by_clusters(gallery, people, probes, labels, clusters=2)
    np.testing.assert_array_equal(found.rank, [1, 2, 3, 5, 5, 1, 1, 2])
    np.testing.assert_array_equal(found.predicted, [9, 9, 9, 7, 4, 8, 9, 4])
    assert found.accuracy(4).value == 6 / 8


def test_who_comes_to_a_cluster_without_photographs_is_not_found():
    """Centroids at 4, 92 and 75 degrees; nobody of the gallery is nearest to the third, and one probe is."""
    gallery, people = angles(0, 8, 90), np.array([7, 8, 4])

    def fit(rows, clusters, seed):
        return lambda others: (others @ angles(4, 92, 75).T).argmax(axis=1)

    assert fit(gallery, 3, 0)(gallery).tolist() == [0, 0, 1]
    found = topk_by_clusters(gallery, people, angles(7, 80, 1), np.array([8, 4, 7]), clusters=3, fit=fit)
    np.testing.assert_array_equal(found.rank, [1, 4, 1])
    np.testing.assert_array_equal(found.predicted, [8, 4, 7])  # by the nearest photograph of all


def test_topk_within_clusters_agrees_with_a_loop_and_not_with_the_order_of_the_gallery():
    rows, person = blobs(seed=3, groups=9, each=10, noise=1.0)
    gallery, probes = rows[:60], rows[60:]
    found = topk_by_clusters(gallery, person[:60], probes, person[60:], clusters=4)
    assign = fit_kmeans(gallery, 4)
    for i, probe in enumerate(probes):
        members = np.flatnonzero(assign(gallery) == assign(probe[None]))
        cosine = [gallery[j] @ probe / np.linalg.norm(gallery[j]) for j in members]
        seen = list(dict.fromkeys(person[members[np.argsort(cosine)[::-1]]]))
        assert found.predicted[i] == seen[0]
        assert found.rank[i] == (seen.index(person[60 + i]) + 1 if person[60 + i] in seen else 10)
    assert (found.rank == 10).any()
    order = np.random.default_rng(0).permutation(60)
    again = topk_by_clusters(gallery[order], person[:60][order], probes, person[60:], clusters=4)
    np.testing.assert_array_equal(again.rank, found.rank)
    np.testing.assert_array_equal(again.predicted, found.predicted)
    everywhere = topk_by_neighbors(gallery, person[:60], probes, person[60:])
    assert (found.rank != everywhere.rank).any()


def slow_agreement(clusters: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    names, others = sorted(set(clusters)), sorted(set(labels))
    table = np.array([[((clusters == a) & (labels == b)).sum() for b in others] for a in names])
    n, rows, columns = table.sum(), table.sum(1), table.sum(0)
    mutual = sum(c / n * math.log(n * c / (rows[i] * columns[j])) for (i, j), c in np.ndenumerate(table) if c)
    mean = sum(-c / n * math.log(c / n) for side in (rows, columns) for c in side) / 2
    chance = expected_mutual_information(table, n)
    pairs = list(itertools.combinations(range(n), 2))
    same_a, same_b = (np.array([x[i] == x[j] for i, j in pairs]) for x in (clusters, labels))
    expected = same_a.sum() * same_b.sum() / len(pairs)
    table = table if len(names) <= len(others) else table.T
    best = max(
        sum(table[i, j] for i, j in enumerate(choice))
        for choice in itertools.permutations(range(table.shape[1]), len(table))
    )
    return {
        "nmi": mutual / mean,
        "ami": (mutual - chance) / (mean - chance),
        "ari": ((same_a & same_b).sum() - expected) / ((same_a.sum() + same_b.sum()) / 2 - expected),
        "accuracy": best / n,
    }


@pytest.mark.parametrize("clusters, labels", [(3, 3), (5, 3), (3, 6)])
def test_agreement_is_the_formulas(clusters, labels):
    rng = np.random.default_rng(clusters)
    found = rng.integers(clusters, size=60)
    true = np.where(rng.random(60) < 0.5, found, rng.integers(labels, size=60)) % labels
    assert agreement(found, true) == pytest.approx(slow_agreement(found, true))
    assert agreement(found, np.array(["c", "a", "b", "d", "e"])[found]) == pytest.approx(
        dict.fromkeys(agreement(found, true), 1)
    )


def test_the_interval_leaves_out_one_person_at_a_time():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(6), 10)
    clusters = np.where(rng.random(60) < 0.6, person, rng.integers(6, size=60))
    for name, found in cluster_agreement(clusters, person, person).items():
        without = [slow_agreement(clusters[person != p], person[person != p])[name] for p in range(6)]
        error = math.sqrt(5 / 6 * sum((f - np.mean(without)) ** 2 for f in without))
        assert found.value == pytest.approx(slow_agreement(clusters, person)[name])
        assert (found.low, found.high) == pytest.approx(
            (found.value - 2.570582 * error, found.value + 2.570582 * error)  # t(5, .975)
        )
        assert (found.n, found.method) == (6, "jackknife over people")


def test_chance_is_zero_for_the_ami_and_not_for_the_nmi():
    rng = np.random.default_rng(0)
    person, clusters = np.repeat(np.arange(20), 40), rng.integers(20, size=800)
    table = pd.DataFrame({str(i): rng.integers(4, size=800) for i in range(20)})
    found = agreement_by_label(clusters, table, list(table), person)
    assert np.mean([f.value for f in found.values()]) == pytest.approx(0, abs=0.003)
    assert sum(f.low <= 0 <= f.high for f in found.values()) >= 17  # 95 % of 20 are 19
    assert np.mean([agreement(clusters, table[c])["nmi"] for c in table]) == pytest.approx(0.02, abs=0.004)


def test_attributes_are_cut_and_their_gaps_left_out():
    rng = np.random.default_rng(0)
    person, clusters = np.repeat(np.arange(4), 30), rng.integers(3, size=120)
    few = (clusters != 1) | (rng.random(120) < 0.5)  # mostly True: quantiles would not part it
    table = pd.DataFrame(
        {
            "word": np.array(["none", "scarf", "hand"])[clusters],
            "number": clusters * 10 + rng.random(120),
            "few": few,
            "gaps": np.where(person == 3, "", np.array(["a", "b", "c"])[clusters]),
            "missing": np.where(np.arange(120) < 20, np.nan, clusters),
            "constant": 1,
        }
    )
    found = agreement_by_label(clusters, table, ["word", "number", "few", "gaps", "missing"], person, bins=4)
    assert [found[c].value for c in ("word", "gaps", "missing")] == pytest.approx([1, 1, 1])
    assert found["gaps"].n == 3 and found["missing"].n == 4
    assert found["number"].value == pytest.approx(slow_agreement(clusters, bin_by_quantile(table["number"]))["ami"])
    assert found["few"].value == pytest.approx(slow_agreement(clusters, few)["ami"])
    with pytest.raises(BadParameterError, match="'constant' has one value"):
        agreement_by_label(clusters, table, ["constant"], person)
    with pytest.raises(BadParameterError, match="no attribute 'hat'. There are: word, number"):
        agreement_by_label(clusters, table, ["hat"], person)


def test_bins_hold_equal_shares_and_never_part_equal_values():
    values = np.random.default_rng(0).normal(size=400)
    np.testing.assert_array_equal(bin_by_quantile(values), pd.qcut(values, 4, labels=False))
    np.testing.assert_array_equal(
        bin_by_quantile([0, 0, 0, 0, 0, 0, 0, 0.3, np.nan, 0.9]), [0, 0, 0, 0, 0, 0, 0, 1, -1, 1]
    )
    np.testing.assert_array_equal(bin_by_quantile([np.nan, np.nan], 2), [-1, -1])
    with pytest.raises(BadParameterError, match="1 bins"):
        bin_by_quantile(values, 1)


EYE = np.eye(4)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: fit_kmeans(EYE, 1), "1 clusters of 4"),
        (lambda: fit_kmeans(EYE, 5), "5 clusters of 4"),
        (lambda: fit_kmeans(EYE / 0, 2), "finite"),
        (lambda: silhouette_sweep(EYE, [2, 4]), r"k = \[2, 4\] for 4"),
        (lambda: silhouette_sweep(EYE, []), r"k = \[\]"),
        (lambda: silhouette_sweep(np.ones((4, 3)), [2]), "All embeddings are the same"),
        (lambda: silhouette_estimate(EYE, np.arange(4)), "4 groups of 4 labels"),
        (lambda: silhouette_estimate(EYE, np.zeros(4)), "1 groups"),
        (lambda: silhouette_estimate(EYE, np.arange(3)), "for 4 embeddings"),
        (lambda: silhouette_estimate(EYE, np.array([0, 0, 1, 1])), "show 2 people"),
        (lambda: topk_by_clusters(EYE, np.arange(4), EYE, np.arange(1, 5), 2), "not in the gallery"),
        (lambda: topk_by_clusters(EYE, np.arange(4), EYE, np.arange(3), 2), "differ in number"),
        (lambda: agreement(np.arange(3), np.arange(4)), "differ in number"),
        (lambda: cluster_agreement(np.arange(4), np.arange(4), np.arange(3)), "differ in number"),
        (lambda: cluster_agreement([], [], []), "there are none"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_refusals_name_the_fault(call, message):
    with pytest.raises(BadParameterError, match=message):
        call()
