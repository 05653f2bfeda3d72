"""The noise experiment of notebook 09: what is trained on, who is asked, and what the seeds say together."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import TinyBackbone
from trainings import Spy, compute, noise, of_unknown_people, short

from facelab import records
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.evaluation import mean_over_seeds
from facelab.experiments import noise_robustness as lab
from facelab.experiments.experiment import Cell
from facelab.losses import beta_nt_xent, nt_xent
from facelab.methods import VCL, SimCLR


def utkface_of_noise() -> FaceSet:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"race": np.array(["White", "Black"])[np.arange(240) % 2], "age": rng.integers(1, 90, 240)})
    return of_unknown_people(table.assign(gender=np.where(rng.random(240) < 0.5, "male", "female")))


def cifar_of_noise() -> FaceSet:
    table = pd.DataFrame(
        {"superclass": ["people", "trees", "fish", "trees"] * 30, "split": ["train"] * 60 + ["test"] * 60}
    )
    table["file"] = [f"c{row}.png" for row in range(120)]
    return FaceSet(noise(120, 16, seed=9), np.arange(120) % 4, ("a", "b", "c", "d"), table, "cifar100@16")


@pytest.fixture
def small(monkeypatch):
    """Both data sets made up, few photographs, one short epoch."""
    given = {"utkface": utkface_of_noise(), "cifar100": cifar_of_noise()}
    monkeypatch.setattr(lab, "load", lambda name, size: given[name])
    monkeypatch.setattr(lab, "FACES", 60)
    monkeypatch.setattr(lab, "PLAN", short(lab.PLAN))
    monkeypatch.setattr(lab, "LABELS", (0.2,))
    monkeypatch.setattr(lab, "backbone", lambda *_, **__: TinyBackbone(3))
    for function in (lab.load_pool_and_test, lab.pictures_without_faces):
        function.cache_clear()
    yield Spy(monkeypatch, lab)
    for function in (lab.load_pool_and_test, lab.pictures_without_faces):
        function.cache_clear()


def test_training_has_the_noise_and_nobody_of_the_test(small):
    figures = lab.run(Cell(("utkface", "VCL, beta .1", 0.4, 0)))
    (call,) = small.calls
    pool, test = lab.load_pool_and_test("utkface")
    is_face = call["faces"].attributes["is face"].to_numpy()
    assert len(is_face) == 60 and (~is_face).sum() == 24 and isinstance(call["method"], VCL)
    assert np.array_equal(call["faces"].images[is_face], pool.images[is_face])
    allowed = {picture.tobytes() for picture in lab.pictures_without_faces().images}
    assert {picture.tobytes() for picture in call["faces"].images[~is_face]} <= allowed
    assert not {picture.tobytes() for picture in call["faces"].images} & {p.tobytes() for p in test.images}
    networks = ("pixels, linear", "trained, linear", "random start, linear")
    assert set(figures) == {f"{column}/0.2/{network}" for column in lab.COLUMNS for network in networks}
    assert all(0 <= value <= 1 for value in figures.values())


def celeba_of_noise() -> FaceSet:
    """60 people with four photographs each, in the layout of CelebA: 40 of them train, 20 test."""
    identity, rng = np.arange(240) // 4, np.random.default_rng(3)
    table = pd.DataFrame({"file": [f"{row:06d}.jpg" for row in range(240)]})
    table["split"] = np.where(identity < 40, "train", "test")
    table = table.assign(Smiling=rng.random(240) < 0.4, Young=rng.random(240) < 0.6)
    return FaceSet(noise(240, 16, seed=5), identity, tuple(f"{n:05d}" for n in range(60)), table, "celeba@16")


def test_celeba_is_asked_for_every_attribute_and_nobody_of_its_test_trains(small, monkeypatch):
    given = {"celeba": celeba_of_noise(), "cifar100": cifar_of_noise()}
    monkeypatch.setattr(lab, "load", lambda name, size: given[name])
    pool, test = lab.load_pool_and_test("celeba")
    assert len(pool) == 60 and len(test) == 80 and not set(pool.people) & set(test.people)
    monkeypatch.setattr(lab, "NOISE", (0.0, 0.4))
    monkeypatch.setattr(lab, "CONTENDERS", {name: lab.CONTENDERS[name] for name in ("SimCLR", "VCL, beta .1")})
    _, celeba = lab.EXPERIMENTS
    results = compute(celeba, 3)
    assert {figure.partition("/")[0] for figure in results["celeba", "SimCLR", 0.4, 0]} == {"Smiling", "Young"}
    assert f"SimCLR/0.4/{lab.MEAN}/0.2/trained, linear" in celeba.summarise(results)
    assert (celeba.name, celeba.parameters(3)["dataset"]) == ("09_noise_celeba", "celeba")
    assert celeba.data()["test"] == test.describe()
    with pytest.raises(BadParameterError, match="Nothing is asked of lfw"):
        lab.load_pool_and_test("lfw")


def test_pictures_of_people_are_no_noise(small):
    found = lab.pictures_without_faces().attributes
    assert len(found) == 45 and not (found["superclass"] == "people").any() and (found["split"] == "train").all()


def test_all_contenders_start_from_one_backbone_and_one_temperature(small):
    first = {name: lab.build_untrained(name, 3) for name in lab.CONTENDERS}
    start = first["SimCLR"].backbone.state_dict()
    for method in first.values():
        assert all(np.array_equal(value, start[name]) for name, value in method.backbone.state_dict().items())
    plain, without = first["SimCLR"], first["VCL without beta"]
    assert isinstance(plain, SimCLR)
    z1, z2 = (torch.randn(6, 5) for _ in range(2))
    same = beta_nt_xent(z1, z2, without.temperature, without.beta, without.sigma)
    assert same.item() == pytest.approx(nt_xent(z1, z2, plain.temperature).item(), rel=1e-5)


def test_bands_of_age_are_by_their_first_year():
    faces = of_unknown_people(pd.DataFrame({"age": [0, 17, 18, 35, 36, 60, 61, 100]}))
    assert lab._banded(faces).attributes["age band"].tolist() == [band for band in lab.BANDS for _ in range(2)]


def test_falls_and_differences_are_within_a_seed(tmp_path):
    def value(name, share, seed):
        return 0.8 - share * (0.5 if name == "SimCLR" else 0.2) + 0.01 * seed

    keys = [(name, share, seed) for name in ("SimCLR", "VCL") for share in (0.0, 0.4) for seed in range(3)]
    metrics = lab.summarise({("utkface", *key): {"gender/0.1/trained, linear": value(*key)} for key in keys})
    figure = "gender/0.1/trained, linear"
    assert metrics[f"fall/SimCLR/{figure}"].value == pytest.approx(0.2)
    assert metrics[f"fall/VCL less SimCLR/{figure}"].value == pytest.approx(-0.12)
    assert metrics[f"VCL less SimCLR/0.4/{figure}"].low == pytest.approx(0.12)  # the seeds' own level cancels
    expected = mean_over_seeds([value("VCL", 0.4, seed) for seed in range(3)])
    assert metrics[f"VCL/0.4/{figure}"].high == pytest.approx(expected.high)
    stored = records.Record("09", "none", {}, metrics=metrics).write(tmp_path / "r.json")
    assert len(records.read_record(stored).metrics) == len(metrics)


def test_the_metrics_are_of_every_seed_and_of_all_attributes(small, monkeypatch):
    monkeypatch.setattr(lab, "NOISE", (0.0, 0.4))
    monkeypatch.setattr(lab, "CONTENDERS", {name: lab.CONTENDERS[name] for name in ("SimCLR", "VCL, beta .1")})
    experiment, _ = lab.EXPERIMENTS
    metrics = experiment.summarise(compute(experiment, 3))
    assert metrics["SimCLR/0.4/gender/0.2/trained, linear"].n == 3
    assert "fall/VCL, beta .1 less SimCLR/race/0.2/trained, linear" in metrics
    three = [metrics[f"SimCLR/0.4/{column}/0.2/trained, linear"].value for column in lab.COLUMNS]
    assert metrics[f"SimCLR/0.4/{lab.MEAN}/0.2/trained, linear"].value == pytest.approx(np.mean(three))
    assert replace(lab.PLAN, seed=0) == lab.PLAN and len(small.calls) == 12
    assert list(experiment.parameters(3)["rivals"]) == ["SimCLR", "VCL, beta .1"]  # as notebook 09 reads it
    assert set(experiment.data()) == {"pool", "test", "no faces"}


@pytest.mark.parametrize(("name", "value"), [("FACES", 50), ("LABELS", (0.3,)), ("SIZE", 24), ("BANDS", {"all": 0})])
def test_what_decides_a_cell_is_in_its_settings(monkeypatch, name, value):
    before = lab.grid("utkface", 3)
    monkeypatch.setattr(lab, name, value)
    assert [one.settings == other.settings for one, other in zip(before, lab.grid("utkface", 3), strict=True)] == [
        False
    ] * len(before)
