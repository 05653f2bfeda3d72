"""What is measured in samples, batches and blocks, beside the exact way: they agree within their intervals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_samples
from tiny import tiny_faces, tiny_method

from facelab.datasets import FaceSet, image_rows, load
from facelab.datasets.pairs import all_pairs
from facelab.errors import BadParameterError
from facelab.evaluation import (
    Estimate,
    clusters,
    cosine_scores,
    fit_kmeans,
    raw_pixels,
    silhouette_estimate,
    silhouette_sweep,
    topk,
    topk_by_clusters,
    topk_by_neighbors,
    topk_by_scores,
    verification_estimates,
    verification_estimates_by_model,
    whitened_pca,
)
from facelab.evaluation.silhouette import silhouettes_of
from facelab.methods import embed_faces
from facelab.protocols import closed_set, nearest_photographs, unseen_people
from facelab.protocols.nearest_photographs import draw_probes, rank_by_class_scores, rank_by_nearest
from facelab.search import kmeans


def made_faces(people: int, photos: int) -> FaceSet:
    """People with a picture of their own, under as much that is not theirs; 12 pixels."""
    rng = np.random.default_rng(0)
    own = np.repeat(rng.normal(0, 20, (people, 6, 6, 1)), photos, axis=0) + rng.normal(
        0, 26, (people * photos, 6, 6, 1)
    )
    images = np.clip(128 + np.kron(own, np.ones((1, 2, 2, 1))) + rng.normal(0, 8, (len(own), 12, 12, 1)), 0, 255)
    names = tuple(f"p{number:03}" for number in range(people))
    identity = np.repeat(np.arange(people), photos)
    table = pd.DataFrame({"file": [f"{names[p]}/{row}.png" for row, p in enumerate(identity)]})
    return FaceSet(images.astype(np.uint8), identity, names, table, "made")


@pytest.fixture(params=["made", "lfw"])
def faces(request) -> FaceSet:
    """A set that the exact ways are quick for: a made one, and the people of LFW with eight photographs or more."""
    if request.param == "made":
        return made_faces(120, 14)
    request.getfixturevalue("real_lfw")
    return closed_set.people_with_photos(load("lfw", 32), 8)


def within(value: float, estimate: Estimate) -> bool:
    return estimate.low <= value <= estimate.high


def test_the_sampled_ways_of_known_people_agree_with_the_exact_ones(faces, monkeypatch):
    split = closed_set.split_closed_set(faces, 0)
    train, test = faces.subset(split.train), faces.subset(split.test)
    embed = whitened_pca(train.images)
    gallery, found = embed(train.images), embed(test.images)

    def measure() -> dict[str, Estimate]:
        probes = draw_probes(test)
        z = embed(probes.images)
        raw, people = raw_pixels(train.images), len(train.people)
        _, fit = closed_set.choose_kmeans(len(train), people)
        ranks = {
            "raw": rank_by_nearest(lambda part: raw(part.images), train, probes),
            "pca": rank_by_nearest(lambda part: embed(part.images), train, probes),
            "k-means": topk_by_clusters(gallery, train.identity, z, probes.identity, people, fit=fit),
        }
        rates = {f"{name}@{k}": rank.accuracy(k) for name, rank in ranks.items() for k in (1, 3)}
        return rates | {"silhouette": silhouette_estimate(found, test.identity, draws=200)}

    exact = measure()
    monkeypatch.setattr(closed_set, "MAX_PRODUCT", 0)
    searched = measure()
    for name, estimate in searched.items():  # another k-means ends in other clusters: both are estimates
        same = not estimate.is_disjoint_from(exact[name]) if "k-means" in name else estimate == exact[name]
        assert same, f"{name}: {exact[name]}, by search {estimate}"
    monkeypatch.setattr(nearest_photographs, "MAX_PROBES", 400)
    monkeypatch.setattr(nearest_photographs, "MAX_PRODUCT", 0)
    monkeypatch.setattr(topk, "MAX_COSINES", 50_000)
    monkeypatch.setattr(clusters, "MAX_SILHOUETTES", 0)
    monkeypatch.setattr(clusters, "SAMPLED_SILHOUETTES", 400)
    sampled = measure()
    for name, estimate in sampled.items():
        assert estimate.value != searched[name].value, f"{name} is no sample"
        assert within(searched[name].value, estimate), f"{name}: {searched[name]}, sampled {estimate}"
    assert sampled["raw@1"].n == 400
    assert sampled["silhouette"].method == f"bootstrap over people; silhouettes of 400 of {len(test)} embeddings"


def test_the_sampled_pairs_of_unseen_people_agree_with_all_pairs(faces, monkeypatch):
    train, test = unseen_people.split_unseen_people(faces, 0)
    if len(test) > 2000:
        test = test.select_people(test.people[::3])  # 100 people: all their pairs are quick
    embed = whitened_pca(train.images)(test.images)
    whole = unseen_people.verification_pairs(test)
    assert len(whole) == len(test) * (len(test) - 1) // 2 and whole.population is None
    exact = verification_estimates(cosine_scores(embed, whole), whole, test.identity, (0.1, 0.01), draws=100)
    monkeypatch.setattr(unseen_people, "MAX_PAIRS", 1000)
    monkeypatch.setattr(unseen_people, "GENUINE_SAMPLE", 1500)
    monkeypatch.setattr(unseen_people, "IMPOSTOR_SAMPLE", 4000)
    drawn = unseen_people.verification_pairs(test, seed=3)
    sampled = verification_estimates(cosine_scores(embed, drawn), drawn, test.identity, (0.1, 0.01), draws=200)
    for name, estimate in sampled.items():
        assert estimate.value != exact[name].value
        assert within(exact[name].value, estimate), f"{name}: {exact[name]}, sampled {estimate}"
    genuine, impostor = whole.same.sum(), (~whole.same).sum()
    said = f"bootstrap over people; 1500 of {genuine} genuine and 4000 of {impostor} impostor pairs"
    assert {estimate.method for estimate in sampled.values()} == {said}
    assert exact["eer"].method == "bootstrap over people"


def test_models_that_are_drawn_together_have_the_intervals_of_each_alone():
    pairs, rng = all_pairs(made_faces(6, 5)), np.random.default_rng(0)
    scores = {name: rng.normal(size=len(pairs)) + name * pairs.same for name in (0.5, 2.0)}
    person = made_faces(6, 5).identity
    together = verification_estimates_by_model(scores, pairs, person, (0.1,), draws=100, seed=5)
    for name, values in scores.items():
        assert together[name] == verification_estimates(values, pairs, person, (0.1,), draws=100, seed=5)


def test_pairs_scored_in_pieces_score_as_pairs_of_kept_embeddings(monkeypatch):
    faces = made_faces(10, 6)
    train, test = unseen_people.split_unseen_people(faces, 0)
    method, pairs = tiny_method(5), all_pairs(test)
    exact, kept = unseen_people.score_baselines(method, train, test, pairs)
    monkeypatch.setattr(unseen_people, "PAIRS_AT_A_TIME", 7)
    pieces, embeddings = unseen_people.score_baselines(method, train, test, replace(pairs, population=(75, 360)))
    assert list(exact) == list(pieces) and list(kept) == ["raw pixels", "whitened PCA", "random network"]
    assert list(embeddings) == ["whitened PCA", "random network"]
    for name, scores in exact.items():
        np.testing.assert_allclose(pieces[name], scores, atol=1e-6)


@pytest.mark.parametrize("shuffled", [False, True])
def test_blocks_rank_as_the_whole_gallery_does(shuffled):
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(40) * 3, 5)
    gallery = rng.normal(size=(40, 1, 16)).repeat(5, axis=1).reshape(-1, 16) + 2 * rng.normal(size=(200, 16))
    if shuffled:
        order = rng.permutation(200)
        people, gallery = people[order], gallery[order]
    labels = rng.choice(np.unique(people), 90)
    probes = 2 * rng.normal(size=(90, 16)) + gallery[[np.flatnonzero(people == one)[0] for one in labels]]
    exact = topk_by_neighbors(gallery, people, probes, labels)
    blocks = (gallery[at : at + 33] for at in range(0, 200, 33))
    found = topk.topk_by_neighbors_in_blocks(blocks, people, probes, labels)
    np.testing.assert_array_equal(found.rank, exact.rank)
    np.testing.assert_array_equal(found.predicted, exact.predicted)
    assert len(np.unique(exact.rank)) > 5


def test_a_large_gallery_goes_in_blocks_by_itself_and_a_network_that_says_one_thing_is_last(monkeypatch):
    gallery, people = np.random.default_rng(0).normal(size=(30, 4)), np.repeat(np.arange(10), 3)
    exact = topk_by_neighbors(gallery[1::3], people[1::3], gallery[::3], people[::3])
    monkeypatch.setattr(topk, "MAX_PRODUCT", 0)
    monkeypatch.setattr(topk, "MAX_COSINES", 30)
    found = topk_by_neighbors(gallery[1::3], people[1::3], gallery[::3], people[::3])
    np.testing.assert_array_equal(found.rank, exact.rank)
    same = np.tile(np.random.default_rng(1).normal(size=64), (30, 1)) * np.linspace(0.1, 9, 30)[:, None]
    assert (topk_by_neighbors(same, people, same[:10], people[:10]).rank == 10).all()
    for broken in (gallery * np.nan, gallery):
        with pytest.raises(BadParameterError):
            topk_by_neighbors(broken, people, gallery[:2], np.array([0, 77]) if broken is gallery else people[:2])


def test_class_scores_in_pieces_rank_as_all_at_once(monkeypatch):
    faces, method = tiny_faces(people=4, shots=20), tiny_method(4)
    labels = np.random.default_rng(0).integers(4, size=len(faces))
    exact = topk_by_scores(method.eval().predict(faces), labels)
    monkeypatch.setattr(nearest_photographs, "PIECE", 32)
    found = rank_by_class_scores(method, faces, labels)
    np.testing.assert_array_equal(found.rank, exact.rank)
    np.testing.assert_array_equal(found.predicted, exact.predicted)


def test_classes_are_those_of_the_training_also_where_a_sample_lacks_people():
    train = made_faces(6, 3)
    assert closed_set.class_numbers(train, train.subset([4, 17, 9])).tolist() == [1, 5, 3]


def test_silhouettes_of_some_are_those_that_scikit_learn_gives_to_all(monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.append(rng.integers(0, 7, 150), 99)  # 99 is alone
    z = rng.normal(size=(151, 5)) + 0.5 * labels[:, None]
    rows = np.array([150, 3, 77, 12, 149])
    monkeypatch.setattr("facelab.evaluation.silhouette.MAX_DISTANCES", 302)
    np.testing.assert_allclose(silhouettes_of(rows, z, labels), silhouette_samples(z, labels)[rows], atol=1e-12)
    assert (silhouettes_of(rows, np.ones((151, 5)), labels) == 0).all()


def test_a_sweep_of_many_embeddings_chooses_the_same_k(monkeypatch):
    rng = np.random.default_rng(0)
    z = np.repeat(rng.normal(size=(5, 8)), 60, axis=0) + rng.normal(0, 0.2, (300, 8))
    exact = silhouette_sweep(z, (3, 5, 8))
    monkeypatch.setattr(clusters, "MAX_SILHOUETTES", 100)
    monkeypatch.setattr(clusters, "SAMPLED_SILHOUETTES", 100)
    sampled = silhouette_sweep(z, (3, 5, 8))
    assert exact["silhouette"].idxmax() == sampled["silhouette"].idxmax() == 5
    np.testing.assert_allclose(sampled["silhouette"], exact["silhouette"], atol=0.1)
    assert not np.array_equal(sampled["silhouette"], exact["silhouette"])


@pytest.mark.parametrize("kind", ["faiss", "exact"])
def test_kmeans_by_search_finds_clusters_that_stand_apart(kind, monkeypatch):
    monkeypatch.setattr(kmeans, "MAX_EXACT", 2 if kind == "faiss" else 3)
    assert kmeans.engine_kind(3) == kind
    monkeypatch.setattr(kmeans, "PER_CLUSTER", 400)
    rng = np.random.default_rng(0)
    true = np.repeat(np.arange(3), 400)
    z = np.eye(8)[true] + rng.normal(0, 0.1, (1200, 8))
    assign = kmeans.fit_kmeans_by_search(z, 3, seed=4)  # which starts in each of the three
    assert adjusted_rand_score(assign(z), true) == 1
    np.testing.assert_array_equal(kmeans.fit_kmeans_by_search(z, 3, seed=4)(z), assign(z))
    homes = assign(z[::100] * 7)  # new ones, of another norm: to the nearest of the means
    means = np.stack([(z / np.linalg.norm(z, axis=1, keepdims=True))[assign(z) == one].mean(0) for one in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_array_equal(homes, (z[::100] @ means.T).argmax(1))
    for wrong in (1, 1201, 2.5):
        with pytest.raises(BadParameterError, match="clusters of 1200"):
            kmeans.fit_kmeans_by_search(z, wrong)


def test_which_kmeans_is_taken_is_said():
    assert closed_set.choose_kmeans(4000, 600) == ("k-means", fit_kmeans)
    said = "k-means by search (exact), fitted on 20000 of 60000"
    assert closed_set.choose_kmeans(60_000, 2_000) == (said, kmeans.fit_kmeans_by_search)
    assert kmeans.describe_kmeans(300_000, 10_000) == "k-means by search (faiss), fitted on 100000 of 300000"
    assert kmeans.describe_kmeans(500, 100) == "k-means by search (exact), fitted on 500 of 500"


def test_pixels_on_disk_give_the_embeddings_and_ranks_of_pixels_in_memory(tmp_path, monkeypatch):
    faces = tiny_faces(people=6, shots=12)
    faces.images.tofile(tmp_path / "pixels")
    mapped = replace(faces, images=np.memmap(tmp_path / "pixels", np.uint8, "r", shape=faces.images.shape))
    monkeypatch.setattr(image_rows, "MAX_COPIED", 0)
    split = closed_set.split_closed_set(faces, 0)
    method = tiny_method(6).eval()
    found = [
        closed_set.rank_by_baselines(method, each.subset(split.train), each.subset(split.test))
        for each in (faces, mapped)
    ]
    for name, ranks in found[0].items():
        np.testing.assert_array_equal(ranks.rank, found[1][name].rank)
    np.testing.assert_array_equal(
        embed_faces(method, faces.subset(split.test)), embed_faces(method, mapped.subset(split.test))
    )
