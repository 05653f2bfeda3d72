"""Every method by one protocol: equal budgets, nobody of the test in training, and figures that know the best and the worst."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import tiny_faces
from trainings import Spy, compute, equal

from facelab.datasets import FaceSet, load
from facelab.errors import BadParameterError
from facelab.experiments import comparison as lab
from facelab.experiments import stopwatch
from facelab.experiments.comparison import (
    CONTENDERS,
    COST,
    FIGURES,
    Parts,
    measure,
    new_training,
    plan_for_budget,
    summarise,
)
from facelab.methods.registry import METHODS
from facelab.training import side_by_side


def people_in_scenes() -> FaceSet:
    """40 people, 12 photographs each, in scenes of two."""
    faces = tiny_faces(40, 12, size=16)
    faces.attributes["photo"] = [f"{row // 2}" for row in range(len(faces))]
    return faces


@pytest.fixture
def parts() -> Parts:
    return Parts.from_faces(people_in_scenes(), 0)


def test_strangers_are_in_no_training_and_scenes_in_one_part(parts):
    def people(faces):
        return {faces.names[number] for number in faces.people}

    assert people(parts.train) == people(parts.known) and not people(parts.train) & people(parts.strangers)
    scenes = [set(part.attributes["photo"]) for part in (parts.train, parts.known, parts.strangers)]
    assert sum(map(len, scenes)) == len(set().union(*scenes)) == 240


def test_fewer_people_are_fewer_of_each_kind(parts):
    few = parts.first_people(3)
    assert few.train.people.tolist() == few.known.people.tolist() == parts.train.people[:3].tolist()
    assert few.strangers.people.tolist() == parts.strangers.people[:3].tolist() and len(few.strangers) == 36


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_budget_is_the_same_number_of_views(name):
    contender, photographs = CONTENDERS[name], 560
    plan = plan_for_budget(contender, photographs, 24_000, seed=0)
    epoch = photographs // contender.batch_size * contender.batch_size * contender.views
    assert abs(plan.epochs * epoch - 24_000) <= epoch / 2


def test_a_perfect_embedding_and_one_that_knows_nothing(parts):
    perfect = measure(lambda faces: np.eye(40)[faces.identity] + 1e-3, parts, 0, draws=100)
    assert [perfect[figure].value for figure in FIGURES] == [1.0, 0.0, 0.0]
    rng = np.random.default_rng(0)
    blind = measure(lambda faces: rng.normal(size=(len(faces), 64)), parts, 0, draws=100)
    assert abs(blind["EER of strangers"].value - 0.5) < 0.1 and blind["closed set, rank 1"].value < 0.5
    assert blind["FNIR at FPIR 10 %"].value > 0.5


def test_all_start_from_one_network_and_annealing_is_as_long_as_the_run(monkeypatch, parts):
    spy = Spy(monkeypatch, side_by_side)
    for name, contender in CONTENDERS.items():
        new_training(contender, parts.train, 480, seed=3).fit()
        call = spy.calls[-1]
        assert call["faces"] is parts.train and call["plan"].seed == 3
        assert (call["scenes"] is not None) == contender.scenes, name
        assert all(equal(call["before"], spy.calls[0]["before"])), name
    annealed = spy.calls[list(CONTENDERS).index("A-Softmax")]
    steps = annealed["plan"].epochs * (len(parts.train) // annealed["plan"].batch_size)
    assert annealed["method"].annealing == steps * 2 // 3


def test_figures_are_means_over_seeds_and_differences_within_one():
    found = {
        ("without training", seed): {
            "EER of strangers/whitened PCA": 0.3 + 0.01 * seed,
            "EER of strangers/raw pixels": 0.4,
        }
        for seed in range(3)
    }
    for name, value, seconds in (("VCL", 0.25, 30), ("softmax", 0.24, 20)):
        for seed in range(3):
            figures = {f"EER of strangers/{name}": value + 0.01 * seed, f"{COST}/{name}": seconds * (1 + seed)}
            found[name, seed] = figures
    metrics = summarise(found)
    less = metrics["EER of strangers/VCL less whitened PCA"]
    assert (less.value, less.low, less.high) == pytest.approx((-0.05, -0.05, -0.05))  # the seeds' own level cancels
    assert metrics["EER of strangers/VCL"].value == pytest.approx(0.26) and metrics["EER of strangers/VCL"].n == 3
    assert "EER of strangers/whitened PCA less whitened PCA" not in metrics
    assert metrics["EER of strangers/VCL less softmax"].low == pytest.approx(0.01)
    time = metrics[f"{COST}/VCL"]  # a machine that slows down slows all methods of a seed
    assert (time.value, time.low, time.high, time.n) == pytest.approx((1.5, 1.5, 1.5, 3))
    assert metrics[f"{COST}/softmax"].value == 1 and not any("less" in name for name in metrics if COST in name)


def test_every_method_is_measured_under_every_seed(monkeypatch):
    monkeypatch.setattr(lab, "load", lambda name, size: people_in_scenes())
    monkeypatch.setattr(lab, "BUDGET", 400)
    monkeypatch.setattr(lab, "load_sface", lambda large: lambda faces: np.eye(40)[faces.identity] + 1e-3)
    monkeypatch.setattr(lab, "CONTENDERS", {name: CONTENDERS[name] for name in ("softmax", "A-Softmax")})
    spy = Spy(monkeypatch, side_by_side)
    (experiment,) = lab.EXPERIMENTS
    metrics = experiment.summarise(compute(experiment, 3))
    names = ("raw pixels", "whitened PCA", "random network", lab.CEILING, "softmax", "A-Softmax")
    assert {f"{figure}/{name}" for figure in FIGURES for name in names} <= set(metrics)
    assert all(metrics[f"{figure}/{name}"].n == 3 for figure in FIGURES for name in names)
    assert experiment.parameters(3)["rivals"]["A-Softmax"]["method"] == "margin"
    assert metrics[f"{COST}/softmax"].value == 1 and metrics[f"{COST}/A-Softmax"].n == 3
    assert [call["plan"].seed for call in spy.calls] == [0, 0, 1, 1, 2, 2]
    assert experiment.data() == {"faces": people_in_scenes().describe()}


@pytest.mark.parametrize("name", ["BUDGET", "FPIR", "ENROLLED", "SIZE"])
def test_what_decides_a_cell_is_in_its_settings(monkeypatch, name):
    before = lab.grid(3)
    monkeypatch.setattr(lab, name, 7)
    assert not any(one.settings == other.settings for one, other in zip(before, lab.grid(3), strict=True))


def test_a_photograph_without_a_face_is_like_nobody():
    faces = load("orl", 92)
    some = faces.subset(np.array([0, 1, 10]))
    some.images[2] = 128
    found = lab.load_sface(some)(some.subset(np.array([2, 1, 0])))
    assert not found[0].any() and found[1] @ found[2] > 0.6
    np.testing.assert_allclose(np.linalg.norm(found[1:], axis=1), 1, atol=1e-5)


def test_no_method_of_the_course_is_left_out():
    assert {contender.method for contender in CONTENDERS.values()} == set(METHODS)


def test_contenders_are_selected_by_name():
    assert list(lab.select("CosFace, CNN + MLP")) == ["CosFace", "CNN + MLP"]
    with pytest.raises(BadParameterError, match="No contender is called 'Cosface'"):
        lab.select("Cosface")


def test_the_cost_of_a_training_is_what_the_processor_did(monkeypatch):
    """By a clock that goes on by 2 s whenever it is read: once at the start, once after each epoch."""
    monkeypatch.setattr(lab, "load", lambda name, size: people_in_scenes())
    monkeypatch.setattr(lab, "BUDGET", 400)
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(process_time=itertools.count(step=2).__next__))
    spy = Spy(monkeypatch, side_by_side)
    (cell,) = (cell for cell in lab.grid(1) if cell.key == ("softmax", 0))
    assert lab.run(cell)[f"{COST}/softmax"] == 2 * spy.calls[0]["plan"].epochs > 0


def test_a_record_says_by_what_it_timed_and_a_cell_timed_by_another_clock_is_computed_again():
    (experiment,) = lab.EXPERIMENTS
    assert stopwatch.TIME_SETTING.items() <= experiment.parameters(3).items()
    assert all(stopwatch.TIME_SETTING.items() <= cell.settings.items() for cell in experiment.grid(3))
