"""LFW View 2: who is trained on, who is tested, and what the record holds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from trainings import Spy, compute, equal, lfw_of_noise

from facelab import evaluation
from facelab.datasets import FaceSet
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError, LeakageError
from facelab.evaluation import cosine_scores
from facelab.experiments.experiment import Experiment
from facelab.experiments.lfw import view2
from facelab.experiments.lfw.view2 import (
    crop_center,
    evaluate_view1,
    evaluate_view2,
    exclude_people,
    load_cropped_lfw,
    train_recipe,
    training_rounds,
)
from facelab.experiments.stopwatch import TIME_SETTING
from facelab.methods import embed_faces
from facelab.records import Metric


@pytest.fixture
def small_lfw() -> tuple[FaceSet, Pairs]:
    return lfw_of_noise()


def test_halves_train_on_all_whom_they_do_not_test(small_lfw):
    faces, pairs = small_lfw
    found = list(training_rounds(faces, pairs))
    assert [np.unique(pairs.fold[tested]).tolist() for _, tested in found] == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    for train, tested in found:
        rows = [*pairs.first[tested], *pairs.second[tested]]
        people = {faces.names[faces.identity[row]] for row in rows}
        assert len(people) == 20
        assert {train.names[number] for number in train.people} == set(faces.names) - people
        assert len(train) == 60 + 15


def test_a_picture_of_the_pairs_under_another_name_is_found(small_lfw):
    faces, pairs = small_lfw
    faces.images[-1] = faces.images[pairs.first[0]]
    with pytest.raises(LeakageError):
        exclude_people(faces, pairs)


def test_view2_knows_the_best_and_the_worst(small_lfw):
    faces, pairs = small_lfw
    shown = []

    def perfect(train: FaceSet, everybody: FaceSet) -> np.ndarray:
        """People apart. The first half: similarities of 1 and .9; the second: .5 and 0."""
        assert everybody is faces
        shown.append(set(train.people))
        person, photo = np.eye(50)[faces.identity], np.eye(len(faces))
        return np.hstack([person, photo]) if len(shown) == 2 else np.hstack([person, np.full((len(faces), 1), 3)])

    result = evaluate_view2(faces, pairs, perfect)
    assert (result.mean, result.standard_error, len(result.folds)) == (1.0, 0.0, 10)
    for people, tested in zip(shown, (pairs.fold <= 5, pairs.fold > 5), strict=True):
        assert not people & set(faces.identity[pairs.first[tested]])
    rng = np.random.default_rng(0)
    noise = [evaluate_view2(faces, pairs, lambda *_: rng.normal(size=(len(faces), 8))).mean for _ in range(10)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.05)  # 2400 decisions, of which many share photographs


def test_a_method_without_a_recipe_is_refused():
    with pytest.raises(BadParameterError, match="'byol'.*supcon, "):
        view2.get_recipe("byol")


@pytest.mark.parametrize(("method", "least", "kept"), [("supcon", 2, 130), ("cosface", 2, 130)])
def test_a_recipe_leaves_out_whom_its_method_cannot_use(small_lfw, monkeypatch, method, least, kept):
    faces, _ = small_lfw
    spy = Spy(monkeypatch, view2, trains=False)
    for seed in (3, 3, 4):
        train_recipe(faces, method, seed)
    first, again, other = spy.calls
    assert np.bincount(first["faces"].identity)[first["faces"].people].min() == least
    assert len(first["faces"]) == kept
    assert first["plan"] == replace(view2.RECIPES[method].plan, seed=3)
    assert all(equal(first["before"], again["before"])) and not all(equal(first["before"], other["before"]))
    assert first["folder"] == again["folder"] != other["folder"]


def test_view1_is_judged_on_people_who_were_not_in_training(small_lfw, monkeypatch):
    faces, pairs = small_lfw
    asked, spy = [], Spy(monkeypatch, view2, trains=False)
    some = pairs.subset(pairs.fold <= 2)
    monkeypatch.setattr(view2, "lfw_pairs", lambda faces, name="view2": asked.append(name) or some)
    found = evaluate_view1(faces, "supcon", seed=1)
    assert asked == ["dev-test"]
    assert set(spy.calls[0]["faces"].people) == set(range(8, 45))  # 45 to 49 have one photograph
    values = cosine_scores(embed_faces(spy.calls[0]["method"], faces), some)
    assert found == max(np.mean((values >= edge) == some.same) for edge in [*values, np.inf])


def find_experiment(name: str) -> Experiment:
    return next(experiment for experiment in view2.EXPERIMENTS if experiment.name == f"lfw_view2_{name}")


@pytest.fixture
def untrained_on_noise(small_lfw, monkeypatch) -> Spy:
    """Experiments run on the made-up LFW, without training."""
    faces, pairs = small_lfw
    monkeypatch.setattr(view2, "load_cropped_lfw", lambda: faces)
    monkeypatch.setattr(view2, "lfw_pairs", lambda faces: pairs)
    return Spy(monkeypatch, view2, trains=False)


def test_the_metrics_of_view2_hold_every_seed_and_baseline(small_lfw, untrained_on_noise):
    experiment, (faces, _) = find_experiment("supcon"), small_lfw
    metrics = experiment.summarise(compute(experiment, 3))
    assert [call["plan"].seed for call in untrained_on_noise.calls] == [0, 0, 1, 1, 2, 2]
    accuracy = {name.removeprefix("accuracy/"): metric for name, metric in metrics.items() if "accuracy" in name}
    assert list(accuracy) == ["raw pixels", "whitened PCA", "random network", "seed 0", "seed 1", "seed 2", "supcon"]
    assert accuracy["supcon"].value == pytest.approx(np.mean([accuracy[f"seed {seed}"].value for seed in range(3)]))
    assert accuracy["seed 0"].value != accuracy["seed 1"].value
    assert accuracy["supcon"].n == 3 and accuracy["seed 0"].n == 10
    assert metrics["longest training, seconds"] == Metric(5.0, 6), "of the processor, by its stopwatch"
    assert experiment.data() == {"faces": faces.describe()} and "seed" not in experiment.parameters(3)


def test_halves_are_judged_by_their_own_thresholds(small_lfw, untrained_on_noise):
    faces, pairs = small_lfw
    experiment = find_experiment("ring")
    metrics = experiment.summarise(compute(experiment, 1))
    methods = [call["method"] for call in untrained_on_noise.calls]
    values = np.where(pairs.fold <= 5, *(cosine_scores(embed_faces(method, faces), pairs) for method in methods))
    expected = evaluation.lfw_view2(values, pairs.same, pairs.fold, pairs.fold > 5)
    assert metrics["accuracy/seed 0"] == Metric.from_estimate(expected.estimate) and "accuracy/ring" not in metrics


def test_a_record_says_by_what_it_timed_and_a_cell_timed_by_another_clock_is_computed_again():
    experiment = find_experiment("ring")
    assert TIME_SETTING.items() <= experiment.parameters(3).items()
    assert all(TIME_SETTING.items() <= cell.settings.items() for cell in experiment.grid(3))


def test_a_cell_belongs_to_its_recipe():
    cells = {cell.label: cell.settings for name in ("cosface", "arcface") for cell in find_experiment(name).grid(3)}
    assert len(cells) == 14 and cells["cosface/0/folds 1-5"] != cells["arcface/0/folds 1-5"]


def test_lfw_is_framed_and_halved_by_the_folds_of_its_index(real_lfw):
    faces = load_cropped_lfw()
    assert faces.images.shape == (13233, 48, 48, 3)
    table = pd.read_csv(real_lfw / "index.csv", keep_default_na=False)
    pairs = lfw_pairs(faces)
    for (train, tested), folds in zip(training_rounds(faces, pairs), (range(1, 6), range(6, 11)), strict=True):
        people = set(table.loc[table["view2_fold"].isin([str(fold) for fold in folds]), "identity"])
        assert tested.sum() == 3000
        assert len(train) == (~table["identity"].isin(people)).sum()


def test_gray_is_the_centre_by_its_luminance():
    images = np.full((2, 112, 112, 3), 255, dtype=np.uint8)
    images[:, 16:96, 16:96] = [[[[200, 100, 50]]], [[[10, 20, 250]]]]
    faces = FaceSet(images, np.arange(2), ("a", "b"), pd.DataFrame({"file": ["a", "b"]}), "lfw@112")
    found = crop_center(faces, 48, gray=True)
    assert found.images.shape == (2, 48, 48, 1) and found.images.dtype == np.uint8
    for image, (red, green, blue) in zip(found.images, [(200, 100, 50), (10, 20, 250)], strict=True):
        assert np.unique(image).tolist() == [round(0.299 * red + 0.587 * green + 0.114 * blue)]  # ITU-R BT.601
