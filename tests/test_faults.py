"""Each check catches its fault and the fault's relatives, passes ours and other right code, and keeps to its closed form."""

from collections import deque
from itertools import chain

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.nn.functional import normalize

from facelab.augment import Augmentation
from facelab.errors import BadParameterError
from facelab.evaluation import TopK
from facelab.evaluation.clusters import fit_kmeans
from facelab.labs.faults import (
    as_table,
    batch_leak,
    check_broadcast,
    check_encoders,
    check_exp,
    check_kmeans_topk,
    check_knn,
    check_queue,
    expected_stale_share,
    lessons,
    rows_of_an_epoch,
    stale_share,
)
from facelab.labs.faults.batch_norm import shuffled_groups
from facelab.labs.faults.neighbours import clusters_in_array_order
from facelab.losses import info_nce, nt_xent, sup_con
from facelab.methods import MoCo


@pytest.mark.parametrize("fault", lessons(), ids=lambda fault: fault.name)
def test_a_check_catches_its_fault_and_passes_ours(fault):
    found, ours = fault.check(fault.faulty), fault.check(fault.right)
    assert not found.right and str(found).startswith("wrong: ")
    assert ours.right and str(ours).startswith("right: ")


def test_the_table_has_a_row_for_each_fault():
    table = as_table(lessons()[:2])
    assert table.index.tolist() == ["(N,) + (N, 1) in InfoNCE", "exp without log-sum-exp"]
    assert table["ours"].str.startswith("right").all() and table["the code as found"].str.startswith("wrong").all()


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
    assert not check_broadcast(loss).right


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
    assert check_exp(loss).right is right


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
    assert check_knn(by_scikit_learn).right
    verdict = check_kmeans_topk(in_centroid_order)
    assert not verdict.right and verdict.says.startswith("with the gallery in another order, 0 of 12")
    assert "another order, 0 of 12" not in check_kmeans_topk(clusters_in_array_order).says


def unshuffled_groups(network, groups=8):
    """Queries and keys of one group share their statistics: worse than no groups."""
    return tuple(lambda images: torch.cat([network(part) for part in images.chunk(groups)]) for _ in range(2))


def shuffled_batch(network):
    """A permutation on one device: the statistics of a batch do not depend on its order."""
    return shuffled_groups(network, groups=1)


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
    assert check_encoders(encoders).right is right


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
    queues, batches = rows_of_an_epoch(keys, photographs, batch, seed=3)
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
    found = [stale_share(*rows_of_an_epoch(keys, photographs, batch, seed)) for seed in range(400)]
    error = np.std(found) / 20
    assert np.mean(found) == pytest.approx(expected_stale_share(keys, photographs, batch), abs=3 * error)


@pytest.mark.parametrize("part", [1, 2, 8])
def test_the_expected_share_of_small_batches_is_half_the_square(part):
    assert expected_stale_share(4096 // part, 4096, 1) == pytest.approx(1 / (2 * part**2), rel=0.005)


def test_shares_by_hand():
    assert stale_share(np.array([5, 2, -2, -2]), np.array([1, 2, 3, 5])) == 0.5
    assert stale_share(np.array([[0, 1], [4, 4]]), np.array([[0, 1], [2, 3]])) == 0.5
    assert check_queue(np.full(4, -2), np.arange(4)).right
    with pytest.raises(BadParameterError, match="queue of 65 for 64"):
        expected_stale_share(65, 64, 8)
