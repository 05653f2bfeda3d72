"""The ensemble on LFW: who is seen by which member, on what scale scores are, and what the steps of the record are."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import TinyBackbone
from trainings import Spy, compute, lfw_of_noise

from facelab.datasets import FaceSet
from facelab.datasets.pairs import Pairs
from facelab.evaluation import cosine_scores, lfw_view2
from facelab.experiments.lfw import ensemble, members
from facelab.experiments.lfw.ensemble import DRAWN, EXPERIMENTS, LONG, STEPS, fold_accuracies, summarise
from facelab.experiments.lfw.members import MEMBERS, Fisher, Network, score_pairs

FOLDS = {"fold 1": 1, "fold 2": 2, "fold 3": 3}


@pytest.fixture
def small_lfw(monkeypatch) -> tuple[FaceSet, Pairs]:
    """Three folds of four people of noise, in place of LFW."""
    faces, pairs = lfw_of_noise()
    pairs = pairs.subset(pairs.fold <= len(FOLDS))
    for module in (members, ensemble):
        monkeypatch.setattr(module, "load_for_member", lambda name: faces)
        monkeypatch.setattr(module, "lfw_pairs", lambda faces, name="view2": pairs)
    monkeypatch.setattr(ensemble, "load", lambda name, size: faces)
    monkeypatch.setattr(ensemble, "FOLDS", FOLDS)
    return faces, pairs


@pytest.fixture
def quick(monkeypatch) -> Spy:
    """Networks are not trained, Fisher vectors are short."""
    monkeypatch.setattr(members, "backbone", lambda *_, **__: TinyBackbone(3))
    monkeypatch.setitem(members.KINDS, "Fisher vectors", Fisher(side=48, gaussians=2, components=6))
    return Spy(monkeypatch, members, trains=False)


@pytest.fixture
def sface_of_pixels(monkeypatch) -> None:
    monkeypatch.setattr(
        ensemble, "load_sface", lambda large: lambda faces: faces.images.reshape(len(faces), -1).astype(np.float32)
    )


def test_a_member_has_seen_nobody_of_its_pairs(small_lfw, quick):
    faces, pairs = small_lfw
    for fold in (1, 2):
        own = pairs.subset(pairs.fold == fold)
        score_pairs("close network", faces, own, seed=fold)
        call = quick.calls[-1]
        tested = set(faces.identity[np.r_[own.first, own.second]])
        assert set(call["faces"].people) == set(range(45)) - tested  # 45 to 49 have one photograph: the cohort
        assert call["plan"] == replace(Network().plan, seed=fold)
    assert len({call["folder"] for call in quick.calls}) == 2


def test_scores_are_on_the_scale_of_strangers(small_lfw, monkeypatch):
    """A member that embeds a photograph as the mean of its colours."""
    faces, pairs = small_lfw

    def embed(faces: FaceSet) -> np.ndarray:
        return faces.images.mean(axis=(1, 2)) - 127

    monkeypatch.setattr(Network, "fit", lambda self, train, seed: embed)
    own = pairs.subset(pairs.fold == 2)
    found = score_pairs("close network", faces, own, seed=0).by_back_end
    assert list(found) == ["cosine", "Joint Bayesian"]
    strangers = embed(faces.subset(faces.identity >= 45))
    unit = strangers / np.linalg.norm(strangers, axis=1, keepdims=True)
    impostors = (unit @ unit.T)[np.triu_indices(5, 1)]
    expected = (cosine_scores(embed(faces), own) - impostors.mean()) / impostors.std(ddof=1)
    np.testing.assert_allclose(found["cosine"], expected)


def test_a_network_is_its_own_mirror_image(small_lfw, quick):
    faces, _ = small_lfw
    train = faces.subset(faces.identity < 45)
    for kind in (Network(), members.KINDS["Fisher vectors"]):
        embed = kind.fit(train, 0)
        turned = replace(faces, images=faces.images[:, :, ::-1])
        np.testing.assert_allclose(embed(faces), embed(turned), atol=2e-3, err_msg=str(kind))


def made_results(seeds: int, folds: int = 3) -> dict:
    """Scores of all members that help each other: the truth with noise of their own."""
    rng, results = np.random.default_rng(0), {}
    for name, (_, kind) in MEMBERS.items():
        for seed in range(seeds if kind == "network" else 1):
            for fold in range(1, folds + 1):
                same = np.arange(200) % 2 == 0
                ends = members.KINDS[kind].back_ends
                scores = {end: (2 * same + rng.normal(size=200)).tolist() for end in ends}
                results[name, seed, f"fold {fold}"] = {
                    "scores": scores,
                    "same": same.tolist(),
                    "fold": [fold] * 200,
                    "seconds": float(seed + fold),
                }
    flat = {"raw pixels": [0.5, 0.6, 0.55]}
    return {("baselines",): flat, ("SFace",): {"SFace, pretrained": [0.99, 0.98, 0.97]}} | results


def test_a_row_is_the_mean_of_its_members_scores(monkeypatch):
    monkeypatch.setattr(ensemble, "FOLDS", FOLDS)
    results = made_results(3)
    expected = np.concatenate(
        [
            np.mean(
                [
                    results["close network", 2, fold]["scores"]["Joint Bayesian"],
                    results["wide network", 2, fold]["scores"]["Joint Bayesian"],
                    results["close Fisher vectors", 0, fold]["scores"]["Joint Bayesian"],
                    results["wide Fisher vectors", 0, fold]["scores"]["Joint Bayesian"],
                ],
                axis=0,
            )
            for fold in FOLDS
        ]
    )
    same, fold = np.tile(np.arange(200) % 2 == 0, 3), np.repeat([1, 2, 3], 200)
    found = fold_accuracies(results, STEPS[-1], [2])
    np.testing.assert_array_equal(found, lfw_view2(expected, same, fold).folds)


def test_networks_of_all_seeds_are_one_member_each(monkeypatch):
    """The mean over the seeds is taken within a member: three networks of a crop weigh as much as its Fisher vectors."""
    monkeypatch.setattr(ensemble, "FOLDS", FOLDS)
    results = made_results(3)
    expected = []
    for fold in FOLDS:
        members_scores = [
            np.mean([results[name, seed, fold]["scores"]["Joint Bayesian"] for seed in seeds], axis=0)
            for name, seeds in (
                ("close network", range(3)),
                ("wide network", range(3)),
                ("close Fisher vectors", [0]),
                ("wide Fisher vectors", [0]),
            )
        ]
        expected.append(np.mean(members_scores, axis=0))
    same, fold = np.tile(np.arange(200) % 2 == 0, 3), np.repeat([1, 2, 3], 200)
    folds = lfw_view2(np.concatenate(expected), same, fold).folds
    metrics = summarise(results)
    assert metrics[f"accuracy/{LONG}"].value == pytest.approx(folds.mean()) and metrics[f"accuracy/{LONG}"].n == 3
    assert metrics[f"gain/{LONG}"].value == pytest.approx(folds.mean() - metrics[f"accuracy/{STEPS[-1]}"].value)
    assert not any(LONG in name for name in summarise(made_results(1)))


def test_the_record_has_every_row_under_every_seed_and_what_each_step_adds(monkeypatch):
    monkeypatch.setattr(ensemble, "FOLDS", FOLDS)
    results = made_results(3)
    metrics = summarise(results)
    for row in (
        "close Fisher vectors",
        "wide Fisher vectors",
        "both Fisher vectors",
    ):  # drawn once: no interval over seeds
        assert metrics[f"accuracy/{row}"].value == pytest.approx(fold_accuracies(results, row, [0]).mean())
        assert metrics[f"accuracy/{row}"].method == "t over folds" and f"accuracy/{row}/seed 1" not in metrics
    for row in DRAWN:
        by_seed = [metrics[f"accuracy/{row}/seed {seed}"] for seed in range(3)]
        assert metrics[f"accuracy/{row}"].value == pytest.approx(np.mean([metric.value for metric in by_seed]))
        assert metrics[f"accuracy/{row}"].n == 3 and by_seed[0].n == 3  # seeds, and folds of this test
        folds = fold_accuracies(results, row, [1])
        assert metrics[f"standard error/{row}/seed 1"].value == pytest.approx(folds.std(ddof=1) / np.sqrt(3))
    for before, step in zip(STEPS, STEPS[1:], strict=False):
        gain = metrics[f"accuracy/{step}"].value - metrics[f"accuracy/{before}"].value
        assert metrics[f"gain/{step}"].value == pytest.approx(gain)
    # 2 of deviation 1 apart: Phi(1), and of n systems together Phi(sqrt n)
    assert metrics[f"accuracy/{STEPS[0]}"].value == pytest.approx(0.841, abs=0.03)
    assert metrics[f"accuracy/{STEPS[2]}"].value == pytest.approx(0.921, abs=0.02)
    assert metrics[f"accuracy/{STEPS[3]}"].value == pytest.approx(0.977, abs=0.02)
    assert metrics["accuracy/raw pixels"].value == pytest.approx(0.55)
    assert metrics["processor seconds/close network"].value == 5.0  # seed 2, fold 3
    assert f"accuracy/{STEPS[0]}" not in summarise(made_results(2))  # two seeds make no interval


def test_every_cell_runs_and_the_record_is_made(small_lfw, quick, sface_of_pixels):
    (experiment,) = EXPERIMENTS
    results = compute(experiment, 1)
    assert len(results) == 2 + len(MEMBERS) * len(FOLDS)
    metrics = experiment.summarise(results)
    assert {"accuracy/whitened PCA", "accuracy/SFace, pretrained"} < set(metrics)
    assert all(0 <= metric.value <= 1 for name, metric in metrics.items() if name.startswith("accuracy/"))
    parameters = experiment.parameters(1)
    assert parameters["members"]["wide network"]["plan"]["optimizer"] == "muon" and parameters["tried on View 1"]
    assert set(experiment.data()) == set(MEMBERS)


def test_only_what_draws_is_run_under_every_seed():
    labels = [cell.label for cell in EXPERIMENTS[0].grid(3)]
    assert len(labels) == 2 + 2 * 3 * 10 + 2 * 10 and len(set(labels)) == len(labels)
    assert "wide network/2/fold 10" in labels and "close Fisher vectors/1/fold 1" not in labels


def test_view1_names_every_member_and_all_together(small_lfw, quick):
    found = members.evaluate_view1(("close network", "wide Fisher vectors"))
    network = ["close network, cosine", "close network, Joint Bayesian"]
    assert list(found) == [*network, "wide Fisher vectors, Joint Bayesian", "all"]
    assert all(0.5 <= accuracy <= 1 for accuracy in found.values())
