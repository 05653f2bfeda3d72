"""Each check catches its fault and the fault's relatives, passes ours and other right code, and keeps to its closed form."""

import re
from collections import deque
from itertools import chain

import numpy as np
import pytest
import torch
from annoy import AnnoyIndex
from sklearn.metrics import cohen_kappa_score, f1_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.nn.functional import normalize

from facelab.augment import Augmentation
from facelab.errors import BadParameterError
from facelab.evaluation import TopK, balanced_accuracy
from facelab.evaluation.clusters import fit_kmeans
from facelab.exercises.faults import (
    all_faults,
    batch_leak,
    check_broadcast,
    check_covariance,
    check_embedding,
    check_encoders,
    check_exp,
    check_ids,
    check_kmeans_topk,
    check_knn,
    check_queue,
    check_similarity,
    check_split,
    check_summary,
    epoch_rows,
    expected_stale_share,
    fault_table,
    stale_share,
)
from facelab.exercises.faults.batch_norm import shuffled_group_encoders
from facelab.exercises.faults.neighbors import clusters_in_array_order
from facelab.exercises.faults.search import ids_as_item_numbers
from facelab.losses import info_nce, nt_xent, sup_con
from facelab.methods import MoCo


@pytest.mark.parametrize("fault", all_faults(), ids=lambda fault: fault.name)
def test_a_check_catches_its_fault_and_passes_ours(fault):
    found, ours = fault.check(fault.faulty_version), fault.check(fault.correct_version)
    assert not found.passed and str(found).startswith("wrong: ")
    assert ours.passed and str(ours).startswith("right: ")


def test_the_table_has_a_row_for_each_fault():
    table = fault_table(all_faults()[:2])
    assert table.index.tolist() == ["(N,) + (N, 1) in InfoNCE", "exp without log-sum-exp"]
    assert table["ours"].str.startswith("right").all() and table["the code as found"].str.startswith("wrong").all()


def test_each_lesson_is_told_once():
    assert (
        len({fault.name for fault in all_faults()}) == len({fault.check for fault in all_faults()}) == len(all_faults())
    )


def batch_is_negative(q, k, queue, t):
    logits = normalize(q) @ normalize(torch.cat([k, queue])).T / t
    return nn.functional.cross_entropy(logits, torch.arange(len(q)))


def info_nce_sum(q, k, queue, t):
    return len(q) * info_nce(q, k, queue, t)


def rescued_by_a_small_number(z, labels, t):
    itself = torch.eye(len(z), dtype=torch.bool)
    exp = torch.exp((normalize(z) @ normalize(z).T / t).clamp(max=80)).masked_fill(itself, 0)
    log_p = torch.log(exp / exp.sum(dim=1, keepdim=True) + 1e-8)
    positive = (labels[:, None] == labels) & ~itself
    return (-log_p.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()


@pytest.mark.parametrize("loss", [batch_is_negative, info_nce_sum])
def test_other_ways_in_which_queries_meet_are_caught(loss):
    assert not check_broadcast(loss).passed


@pytest.mark.parametrize(
    ("loss", "right"),
    [
        (lambda z, labels, t: nt_xent(*z.chunk(2), t), True),
        (lambda z, labels, t: info_nce(*z.chunk(2), z, t), True),
        (lambda z, labels, t: sup_con(z.double(), labels, t), True),
        (rescued_by_a_small_number, False),
        (lambda z, labels, t: sup_con(z, labels, 1.0), False),
    ],
)
def test_what_is_finite_at_a_low_temperature_must_be_right_there(loss, right):
    assert check_exp(loss).passed is right


def by_scikit_learn(gallery, gallery_labels, probes, labels):
    predicted = KNeighborsClassifier(1).fit(gallery, gallery_labels).predict(probes)
    return TopK(1 + (predicted != labels), predicted)


def in_centroid_order(gallery, gallery_labels, probes, labels, clusters):
    assign = fit_kmeans(gallery, clusters)
    home, probe_home = assign(gallery), assign(probes)
    centroids = np.stack([gallery[home == cluster].mean(axis=0) for cluster in range(clusters)])
    rank, predicted = [], []
    for cluster, label in zip(probe_home, labels, strict=True):
        members = gallery[home == cluster]
        order = np.linalg.norm(members - centroids[cluster], axis=1).argsort()
        people = list(dict.fromkeys(gallery_labels[home == cluster][order].tolist()))
        rank.append(people.index(label) + 1)
        predicted.append(people[0])
    return TopK(np.array(rank), np.array(predicted))


def test_neighbours_and_clusters_of_others():
    assert check_knn(by_scikit_learn).passed
    verdict = check_kmeans_topk(in_centroid_order)
    assert not verdict.passed and verdict.message.startswith("with the gallery in another order, 0 of 12")
    assert "another order, 0 of 12" not in check_kmeans_topk(clusters_in_array_order).message


def unshuffled_groups(network, groups=8):
    """Queries and keys of one group share their statistics: worse than no groups."""
    return tuple(lambda images: torch.cat([network(part) for part in images.chunk(groups)]) for _ in range(2))


def shuffled_batch(network):
    """A permutation on one device: the statistics of a batch do not depend on its order."""
    return shuffled_group_encoders(network, groups=1)


def moco(groups):
    def encoders(network):
        method = MoCo(network, Augmentation(), queue=8, groups=groups)
        return method.queries, method.keys

    return encoders


@pytest.mark.parametrize(
    ("encoders", "right"),
    [
        (unshuffled_groups, False),
        (shuffled_batch, False),
        (moco(1), False),
        (moco(8), True),
        (lambda network: (network.eval(), network.eval()), True),
    ],
    ids=[
        "groups without shuffling",
        "shuffling without groups",
        "MoCo, 1 group",
        "MoCo, 8 groups",
        "no batch statistics",
    ],
)
def test_only_groups_in_another_order_hide_the_batch(encoders, right):
    assert check_encoders(encoders).passed is right


def test_the_leak_is_one_half_without_batch_statistics_and_one_for_an_encoder_that_copies_the_batch():
    photographs, noise = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 64, 1, 4, 4)))
    views = photographs, photographs + 0.1 * noise

    def company(images):  # each row is mostly its batch
        return images.flatten(1) + 10 * images.flatten(1).mean(dim=0)

    flat = nn.Flatten()
    assert batch_leak(flat, flat, *views) == 0.5
    assert batch_leak(company, company, *views) > 0.95
    with pytest.raises(BadParameterError, match="63 and 64 views"):
        batch_leak(flat, flat, views[0][:63], views[1])


def test_the_queue_of_an_epoch_is_a_ring_that_saw_all_epochs():
    keys, photographs, batch = 20, 13, 4
    queues, batches = epoch_rows(keys, photographs, batch, seed=3)
    assert queues.shape == (3, 20) and batches.shape == (3, 4)
    assert len(np.unique(batches)) == 12
    rng = np.random.default_rng(3)
    epochs = [rng.permutation(13)[:12].tolist() for _ in range(3)]
    ring = deque(chain(*epochs[:2]), maxlen=20)
    for step in range(3):
        assert queues[step].tolist() == list(ring)
        ring.extend(epochs[2][4 * step : 4 * step + 4])


@pytest.mark.parametrize(("keys", "photographs", "batch"), [(64, 64, 8), (100, 320, 32), (30, 70, 16), (8, 64, 8)])
def test_the_expected_share_is_that_of_simulated_epochs(keys, photographs, batch):
    found = [stale_share(*epoch_rows(keys, photographs, batch, seed)) for seed in range(400)]
    error = np.std(found) / 20
    assert np.mean(found) == pytest.approx(expected_stale_share(keys, photographs, batch), abs=3 * error)


@pytest.mark.parametrize("part", [1, 2, 8])
def test_the_expected_share_of_small_batches_is_half_the_square(part):
    assert expected_stale_share(4096 // part, 4096, 1) == pytest.approx(1 / (2 * part**2), rel=0.005)


def test_shares_by_hand():
    assert stale_share(np.array([5, 2, -2, -2]), np.array([1, 2, 3, 5])) == 0.5
    assert stale_share(np.array([[0, 1], [4, 4]]), np.array([[0, 1], [2, 3]])) == 0.5
    assert check_queue(np.full(4, -2), np.arange(4)).passed
    with pytest.raises(BadParameterError, match="queue of 65 for 64"):
        expected_stale_share(65, 64, 8)


@pytest.mark.parametrize(
    ("summary", "right"),
    [
        (lambda labels, predicted: balanced_accuracy(labels, predicted).value, True),
        (cohen_kappa_score, True),
        (lambda labels, predicted: recall_score(labels, predicted, average=None).min(), True),  # of the worst class
        (lambda labels, predicted: f1_score(labels, predicted, average="macro"), False),
        (lambda labels, predicted: recall_score(labels, predicted, average=None).max(), False),
        (lambda labels, predicted: 0.5, False),
    ],
    ids=["a plain number", "kappa", "worst class", "macro F1", "best class", "always a half"],
)
def test_only_figures_that_give_every_constant_prediction_chance_pass(summary, right):
    assert check_summary(summary).passed is right


def cut(rows, share=0.8):
    return np.split(rows, [int(share * len(rows))])


@pytest.mark.parametrize(
    ("split", "says"),
    [
        (lambda labels: train_test_split(np.arange(len(labels)), stratify=labels, test_size=0.2), "in 0 of 20"),
        (lambda labels: (np.arange(len(labels)), np.arange(len(labels))), "in 20 they share a photograph"),
        (lambda labels: (np.arange(len(labels)), np.arange(0)), "in 20 of 20"),
        (lambda labels: cut(np.argsort(labels)), "in 20 of 20"),
        (lambda labels: cut(np.argsort(-labels)), "in 20 of 20"),
        (lambda labels: cut(np.random.default_rng(int(labels @ np.arange(100))).permutation(100)), r"in 1?\d of 20"),
    ],
    ids=["scikit-learn", "validation is training", "no validation", "sorted", "sorted backwards", "shuffled"],
)
def test_splits_of_others(split, says):
    verdict = check_split(split)
    assert re.search(says, verdict.message) and verdict.passed is (says == "in 0 of 20")


def covariances(z, rows):
    centred = z - z.mean(dim=0)
    return (centred.T @ centred / rows).fill_diagonal_(0)


@pytest.mark.parametrize(
    ("term", "right"),
    [
        (lambda z: torch.cov(z.T).fill_diagonal_(0).square().mean(), True),  # another scale, the same rows
        (lambda z: covariances(z, len(z)).square().sum(), False),
        (lambda z: covariances(z, 7).square().sum(), False),  # right for the batch, wrong for twice the batch
        (lambda z: covariances(z, len(z) - 1).abs().sum(), False),
        (lambda z: 0 * z.sum(), False),
    ],
    ids=["torch.cov", "N", "constant 7", "not squared", "zero"],
)
def test_covariances_of_others(term, right):
    assert check_covariance(term).passed is right


@pytest.mark.parametrize(
    ("embed", "right"),
    [
        (lambda method, images: normalize(method.backbone(images)), True),
        (lambda method, images: method.head[0](method.backbone(images)), False),
        (lambda method, images: method.backbone(images) + 0.01 * method.project(images).sum(), False),
        (lambda method, images: method.backbone(images)[:, :32], False),
    ],
    ids=["normalised", "first layer of the head", "head mixed in", "half of it"],
)
def test_embeddings_of_others(embed, right):
    assert check_embedding(embed).passed is right


@pytest.mark.parametrize(
    ("similarity", "right"),
    [
        (lambda d: np.cos(2 * np.arcsin(d / 2)), True),
        (lambda d: 1 - d, False),
        (lambda d: 1 - d / 2, False),
        (lambda d: 1 - d**2 / 4, False),
        (lambda d: 1 - 2 * np.arccos(1 - d**2 / 2) / np.pi, False),  # right at 0, sqrt(2) and 2
    ],
    ids=["by the angle", "1 - d", "1 - d / 2", "0 to 1", "linear in the angle"],
)
def test_similarities_of_others(similarity, right):
    assert check_similarity(similarity).passed is right


def test_the_angular_distance_of_annoy_is_the_one_of_the_check():
    forest = AnnoyIndex(2, "angular")
    for row, degrees in enumerate((0, 60, 90, 180)):
        forest.add_item(row, [5 * np.cos(np.radians(degrees)), 5 * np.sin(np.radians(degrees))])
    assert [forest.get_distance(0, row) for row in range(4)] == pytest.approx([0, 1, 2**0.5, 2], abs=1e-6)


def test_an_index_that_forgets_the_ids_is_caught_too():
    def rows_for_ids(ids, vectors):
        return ids_as_item_numbers(np.arange(len(ids)), vectors)

    assert "take 20 places; 0 of them" in check_ids(rows_for_ids).message and not check_ids(rows_for_ids).passed
    assert check_ids(lambda ids, vectors: (len(ids), ids)).passed
