"""LFW without names: who is seen, how features are compared, and what the record holds."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from tiny import TinyBackbone
from trainings import Spy, compute, equal, lfw_of_noise

from facelab.datasets import FaceSet
from facelab.datasets.pairs import Pairs, restrict_to_pairs
from facelab.evaluation import cosine_scores, lfw_view2, whitened_pca
from facelab.experiments.lfw import self_supervised
from facelab.experiments.lfw.self_supervised import EXPERIMENTS, FUSED, HALVES, RECIPES, WAYS, fit_embedder, score_ways
from facelab.methods import embed_faces


@pytest.fixture
def small_lfw(monkeypatch) -> tuple[FaceSet, Pairs]:
    faces, pairs = lfw_of_noise()
    monkeypatch.setattr(self_supervised, "load_cropped_lfw", lambda: faces)
    monkeypatch.setattr(self_supervised, "lfw_pairs", lambda faces, name="view2": pairs)
    monkeypatch.setattr(self_supervised, "backbone", lambda *_, **__: TinyBackbone(3))
    return faces, pairs


@pytest.fixture
def untrained(monkeypatch) -> Spy:
    return Spy(monkeypatch, self_supervised, trains=False)


def fold_accuracies(results, name: str, seed: int) -> np.ndarray:
    halves = [results[name, seed, half] for half in ("folds 1-5", "folds 6-10")]
    same, fold = (np.concatenate([half[part] for half in halves]) for part in ("same", "fold"))
    scores = np.concatenate([half["scores"]["features"] for half in halves])
    return lfw_view2(scores, same, fold, fold > 5).folds


def test_every_method_sees_all_but_the_people_of_its_half(small_lfw, untrained):
    faces, pairs = small_lfw
    (experiment,) = EXPERIMENTS
    metrics = experiment.summarise(compute(experiment, 3))
    assert len(untrained.calls) == 3 * len(RECIPES) * 2
    for number, call in enumerate(untrained.calls):
        folds = (6, 7, 8, 9, 10) if number % 2 else (1, 2, 3, 4, 5)
        tested = set(faces.identity[pairs.first[np.isin(pairs.fold, folds)]])
        assert set(call["faces"].people) == set(range(50)) - tested
    for name in RECIPES:
        for way in (*WAYS, FUSED):
            by_seed = [metrics[f"accuracy/{name}, {way}/seed {seed}"].value for seed in range(3)]
            assert metrics[f"accuracy/{name}, {way}"].value == pytest.approx(np.mean(by_seed))
            above = metrics[f"above PCA/{name}, {way}"]
            pca = metrics["accuracy/whitened PCA, mirror image"]
            assert above.n == 10 and above.value == pytest.approx(np.mean(by_seed) - pca.value)
    beside = ["raw pixels", "whitened PCA"]
    names = [
        *beside,
        *(f"{name}, mirror image" for name in beside),
        *(f"random network, {way}" for way in (*WAYS, FUSED)),
    ]
    assert all(metrics[f"accuracy/{name}"].n == 10 for name in names)
    assert experiment.parameters(3)["recipes"]["moco"]["optimizer"] == "muon"


def test_what_a_method_is_above_pca_is_paired_by_folds(small_lfw, untrained):
    """A method that is one point above PCA in each fold is so without doubt, however much the folds differ."""
    (experiment,) = EXPERIMENTS
    results = compute(experiment, 3)
    by_method = [fold_accuracies(results, "moco", seed) for seed in range(3)]
    pca = np.mean(by_method, axis=0) - 0.01
    results[("baselines",)]["folds"]["whitened PCA, mirror image"] = pca.tolist()
    above = experiment.summarise(results)["above PCA/moco, features"]
    assert (above.value, above.low, above.high) == pytest.approx((0.01, 0.01, 0.01))


def test_ways_are_the_features_their_mirrored_sum_and_its_whitening(small_lfw):
    faces, pairs = small_lfw
    train, (tested, own) = faces.subset(faces.identity >= 4), restrict_to_pairs(faces, pairs.subset(pairs.fold == 1))
    method = fit_embedder(train, "simclr", seed=1, epochs=0)

    def features(some: FaceSet) -> np.ndarray:
        backbone_only = replace(some, images=some.images)
        return normalize(embed_faces(method, backbone_only))

    def summed(some: FaceSet) -> np.ndarray:
        return normalize(features(some) + features(replace(some, images=some.images[:, :, ::-1])))

    found = score_ways(method, train, tested, own)
    np.testing.assert_allclose(found["features"], cosine_scores(features(tested), own), atol=1e-6)
    np.testing.assert_allclose(found["mirror image"], cosine_scores(summed(tested), own), atol=1e-6)
    whitening = PCA(min(64, *summed(train).shape), whiten=True).fit(summed(train))
    np.testing.assert_allclose(found["whitened"], cosine_scores(whitening.transform(summed(tested)), own), atol=1e-3)


def test_beside_pca_each_half_of_a_method_is_added_to_the_same_half_of_pca(small_lfw, untrained):
    faces, pairs = small_lfw
    (experiment,) = EXPERIMENTS
    results = compute(experiment, 3)
    scores, same, fold = [], [], []
    for half, folds in HALVES.items():
        own = pairs.subset(np.isin(pairs.fold, folds))
        train = faces.subset(~np.isin(faces.identity, faces.identity[np.concatenate([own.first, own.second])]))
        embed = whitened_pca(train.images)
        z = normalize(embed(faces.images) + embed(np.ascontiguousarray(faces.images[:, :, ::-1])))
        by_pca = (z[own.first] * z[own.second]).sum(axis=1)
        found = results["vicreg", 1, half]
        assert found["same"] == own.same.tolist() and found["fold"] == own.fold.tolist()
        scores.append(by_pca + found["scores"]["whitened"])
        same.append(own.same)
        fold.append(own.fold)
    fold = np.concatenate(fold)
    expected = lfw_view2(np.concatenate(scores), np.concatenate(same), fold, fold > 5).estimate
    fused = experiment.summarise(results)[f"accuracy/vicreg, {FUSED}/seed 1"]
    assert (fused.value, fused.low, fused.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_each_half_has_thresholds_of_its_own(small_lfw, untrained):
    """The scores of one half are moved: nothing changes."""
    (experiment,) = EXPERIMENTS
    results = compute(experiment, 3)
    before = experiment.summarise(results)["accuracy/vcl, features/seed 0"]
    part = results["vcl", 0, "folds 6-10"]
    part["scores"]["features"] = [score + 5 for score in part["scores"]["features"]]
    assert experiment.summarise(results)["accuracy/vcl, features/seed 0"] == before
    assert before.value == pytest.approx(fold_accuracies(results, "vcl", 0).mean())


def test_a_seed_decides_the_start(small_lfw):
    faces, _ = small_lfw
    first, again, other = (fit_embedder(faces, "vicreg", seed, epochs=0) for seed in (0, 0, 1))
    states = [method.state_dict() for method in (first, again, other)]
    assert all(equal(states[0], states[1])) and not all(equal(states[0], states[2]))


def test_view1_is_judged_in_every_way(small_lfw, untrained):
    found = self_supervised.evaluate_view1("moco")
    assert tuple(found) == (*WAYS, FUSED) and all(0.5 <= accuracy <= 1 for accuracy in found.values())
