"""The experiments whose records notebooks 02 to 04 show: who is trained on, who is tested, and what a setting changes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from sklearn.metrics import roc_curve
from sklearn.neighbors import KNeighborsClassifier
from tiny import TinyBackbone, tiny_faces, tiny_method
from trainings import OneProcess, Spy, equal, files, lfw_of_noise, own_results

from facelab import evaluation, records
from facelab.backbones import parameter_layers
from facelab.datasets import FaceSet, derived_set, load
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import Pairs, all_pairs
from facelab.datasets.splits import stored_people
from facelab.errors import BadParameterError, LeakageError
from facelab.evaluation import TopK, scores
from facelab.experiments import data_size, lfw_view2
from facelab.experiments import lars as lars_experiments
from facelab.experiments import moco as moco_experiments
from facelab.experiments.lfw_view2 import centred, framed, on_view1, rounds, train_on, view2, without_people_of
from facelab.experiments.moco import OPTIONS, SETTINGS, WIDER, People, pretrained
from facelab.methods import embed_faces
from facelab.training import Plan

PLAN = Plan(epochs=1, batch_size=16, warmup_epochs=0.5)


# LFW View 2 by halves


@pytest.fixture
def small_lfw() -> tuple[FaceSet, Pairs]:
    return lfw_of_noise()


def test_halves_train_on_all_whom_they_do_not_test(small_lfw):
    faces, pairs = small_lfw
    found = list(rounds(faces, pairs))
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
        without_people_of(faces, pairs)


def test_view2_knows_the_best_and_the_worst(small_lfw):
    faces, pairs = small_lfw
    shown = []

    def perfect(train: FaceSet, everybody: FaceSet) -> np.ndarray:
        """People apart. The first half: similarities of 1 and .9; the second: .5 and 0."""
        assert everybody is faces
        shown.append(set(train.people))
        person, photo = np.eye(50)[faces.identity], np.eye(len(faces))
        return np.hstack([person, photo]) if len(shown) == 2 else np.hstack([person, np.full((len(faces), 1), 3)])

    result = view2(faces, pairs, perfect)
    assert (result.mean, result.standard_error, len(result.folds)) == (1.0, 0.0, 10)
    for people, tested in zip(shown, (pairs.fold <= 5, pairs.fold > 5), strict=True):
        assert not people & set(faces.identity[pairs.first[tested]])
    rng = np.random.default_rng(0)
    noise = [view2(faces, pairs, lambda *_: rng.normal(size=(len(faces), 8))).mean for _ in range(10)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.05)  # 2400 decisions, of which many share photographs


def test_a_method_without_a_recipe_is_refused():
    with pytest.raises(BadParameterError, match="'byol'.*supcon, moco"):
        lfw_view2.recipe("byol")


@pytest.mark.parametrize(("method", "least", "kept"), [("supcon", 2, 130), ("moco", 1, 135), ("cosface", 2, 130)])
def test_a_recipe_leaves_out_whom_its_method_cannot_use(small_lfw, monkeypatch, method, least, kept):
    faces, _ = small_lfw
    spy = Spy(monkeypatch, lfw_view2, trains=False)
    for seed in (3, 3, 4):
        train_on(faces, method, seed)
    first, again, other = spy.calls
    assert np.bincount(first["faces"].identity)[first["faces"].people].min() == least
    assert len(first["faces"]) == kept
    assert first["plan"] == replace(lfw_view2.RECIPES[method].plan, seed=3)
    assert all(equal(first["before"], again["before"])) and not all(equal(first["before"], other["before"]))
    assert first["folder"] == again["folder"] != other["folder"]


def test_view1_is_judged_on_people_who_were_not_in_training(small_lfw, monkeypatch):
    faces, pairs = small_lfw
    asked, spy = [], Spy(monkeypatch, lfw_view2, trains=False)
    some = pairs.subset(pairs.fold <= 2)
    monkeypatch.setattr(lfw_view2, "lfw_pairs", lambda faces, name="view2": asked.append(name) or some)
    found = on_view1(faces, "moco", seed=1)
    assert asked == ["dev-test"]
    assert set(spy.calls[0]["faces"].people) == set(range(8, 50))
    values = scores(embed_faces(spy.calls[0]["method"], faces), some)
    assert found == max(np.mean((values >= edge) == some.same) for edge in [*values, np.inf])


@pytest.fixture
def view2_of_noise(small_lfw, monkeypatch, tmp_path):
    """``lfw_view2.main`` on the made-up LFW, without training: call -> record; and what was to be trained."""
    faces, pairs = small_lfw
    spy = Spy(monkeypatch, lfw_view2, trains=False)
    own_results(monkeypatch, lfw_view2, tmp_path)
    monkeypatch.setattr(lfw_view2, "framed", lambda size: faces)
    monkeypatch.setattr(lfw_view2, "lfw_pairs", lambda faces: pairs)
    monkeypatch.setattr(lfw_view2, "ProcessPoolExecutor", OneProcess)

    def measured(method: str, name: str, **given) -> records.Record:
        lfw_view2.main(method, **given)
        return records.read(tmp_path / "results" / f"{name}.json")

    return measured, spy


def test_the_record_of_view2_holds_every_seed_and_baseline(small_lfw, view2_of_noise):
    measured, spy = view2_of_noise
    record = measured("supcon", "lfw_view2_supcon", seeds=3)
    assert [call["plan"].seed for call in spy.calls] == [0, 0, 1, 1, 2, 2]
    accuracy = {name.removeprefix("accuracy/"): metric for name, metric in record.metrics.items() if "accuracy" in name}
    assert list(accuracy) == ["raw pixels", "whitened PCA", "random network", "seed 0", "seed 1", "seed 2", "supcon"]
    assert accuracy["supcon"].value == pytest.approx(np.mean([accuracy[f"seed {seed}"].value for seed in range(3)]))
    assert accuracy["seed 0"].value != accuracy["seed 1"].value
    assert accuracy["supcon"].n == 3 and accuracy["seed 0"].n == 10
    assert record.metrics["longest training, seconds"].value == 5.0
    assert record.data["faces"]["sha256"] == small_lfw[0].sha256 and "seed" not in record.parameters


def test_by_tens_every_fold_has_a_training_of_its_own(small_lfw, view2_of_noise):
    """Which has seen everybody but the four people of the fold; thresholds come from the other trainings' folds."""
    faces, pairs = small_lfw
    measured, spy = view2_of_noise
    record = measured("cosface", "lfw_view2_cosface_tens", seeds=1, tens=True)
    assert len(spy.calls) == 10 and record.command.endswith("cosface --seeds 1 --tens")
    for fold, call in enumerate(spy.calls, start=1):
        tested = set(faces.identity[pairs.first[pairs.fold == fold]])
        assert len(tested) == 4 and set(call["faces"].people) == set(range(45)) - tested  # 45 to 49 have one photograph
    values = np.empty(len(pairs))
    for fold, call in enumerate(spy.calls, start=1):
        own = pairs.fold == fold
        values[own] = scores(embed_faces(call["method"], faces), pairs)[own]
    expected = evaluation.lfw_view2(values, pairs.same, pairs.fold).mean
    assert record.metrics["accuracy/seed 0"].value == pytest.approx(expected)


def test_a_mirrored_embedding_is_the_same_for_a_mirrored_photograph(small_lfw):
    faces, _ = small_lfw
    best = lfw_view2.RECIPES["best"]
    method = best.untrained(0, 4).eval()
    turned = replace(faces, images=np.ascontiguousarray(faces.images[:, :, ::-1]))
    np.testing.assert_allclose(best.embedded(method, faces), best.embedded(method, turned), atol=1e-5)
    plain = replace(best, ten_crops=False)
    assert not np.allclose(plain.embedded(method, faces), plain.embedded(method, turned), atol=1e-2)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (-1, 3)])
def test_a_shifted_photograph_repeats_its_edge(small_lfw, down, right):
    images = small_lfw[0].images[:3]
    rows, columns = (np.clip(np.arange(48) - by, 0, 47) for by in (down, right))
    assert np.array_equal(lfw_view2.shifted(images, down, right), images[:, rows][:, :, columns])


def test_lfw_is_framed_and_halved_by_the_folds_of_its_index(real_lfw):
    faces = framed()
    assert faces.images.shape == (13233, 48, 48, 3)
    table = pd.read_csv(real_lfw / "index.csv", keep_default_na=False)
    pairs = lfw_pairs(faces)
    for (train, tested), folds in zip(rounds(faces, pairs), (range(1, 6), range(6, 11)), strict=True):
        people = set(table.loc[table["view2_fold"].isin([str(fold) for fold in folds]), "identity"])
        assert tested.sum() == 3000
        assert len(train) == (~table["identity"].isin(people)).sum()


# Less data


@pytest.fixture(scope="module")
def wild() -> FaceSet:
    return load("orl-wild", 32)


def test_only_the_photographs_differ_between_the_trainings_of_one_seed(wild):
    calls, share = [], {}

    def learn(train: FaceSet, enrolled: FaceSet, plan: Plan):
        calls.append((train, enrolled, plan, tested := []))
        number = len(calls)

        def answer(on: FaceSet) -> TopK:
            """A top-1 that tells which training was asked about which photographs."""
            tested.append(on)
            right = share[number, len(on)] = np.arange(len(on)) < len(on) * number / 6
            return TopK(np.where(right, 1, 2), on.identity)

        return answer

    found = data_size.measure(wild, learn, seed=2, epochs=10)
    trains, enrolled, plans, tests = zip(*calls, strict=True)
    everything, test = trains[0], tests[0][0]
    assert [len(train) for train in trains[:3]] == [960, 480, 160]
    assert files(trains[2]) < files(trains[1]) < files(everything)
    assert all(left is right for left, right in zip(enrolled[:3], trains[:3], strict=True))
    for train, gallery, rule in zip(trains[3:], enrolled[3:], ("no-occlusion", "frontal"), strict=True):
        assert files(train) == files(derived_set(everything, rule)) and files(gallery) == files(everything)
    for train, plan in zip(trains, plans, strict=True):
        assert abs(plan.epochs * (len(train) // 32) - 10 * (960 // 32)) <= len(train) // 32 / 2
        assert plan.seed == 2 and replace(plan, epochs=10, warmup_epochs=1.0) == replace(plans[0])
    assert not set(everything.attributes["photo"]) & set(test.attributes["photo"])
    names, rules = ["photographs/6", "photographs/3", "photographs/1"], list(data_size.RULES)
    expected = {name: (number, test) for number, name in enumerate(names, start=1)}
    for number, source in zip((1, 4, 5), rules, strict=True):
        expected |= {f"cross/{source}/{rule}": (number, derived_set(test, rule)) for rule in rules}
    assert found == {name: share[number, len(on)].mean() for name, (number, on) in expected.items()}
    assert {name for kind in tests for on in kind for name in files(on)} == files(test)


def test_the_classifier_knows_everybody_who_is_enrolled(monkeypatch):
    faces, spy = tiny_faces(people=5, shots=8), Spy(monkeypatch, data_size)
    enrolled = faces.subset(faces.identity != 1)
    train = enrolled.subset(enrolled.identity != 2)  # 0, 3 and 4
    ranks = data_size.by_classifier(train, enrolled, PLAN)(enrolled)
    classes = {person: place for place, person in enumerate((0, 2, 3, 4))}
    assert spy.calls[0]["labels"].tolist() == [classes[person] for person in train.identity]
    logits = spy.calls[0]["method"].predict(enrolled)
    own = [classes[person] for person in enrolled.identity]
    expected = [int((row >= row[right]).sum()) for row, right in zip(logits, own, strict=True)]
    assert logits.shape == (32, 4) and ranks.rank.tolist() == expected


def test_supcon_looks_people_up_among_the_enrolled(monkeypatch):
    faces, spy = tiny_faces(people=4, shots=16), Spy(monkeypatch, data_size)
    train, enrolled, test = (faces.subset(np.arange(64) % 4 == kind) for kind in (0, 1, 2))
    ranks = data_size.by_supcon(train, enrolled, replace(PLAN, epochs=2, seed=5))(test)
    method = spy.calls[0]["method"]
    assert spy.calls[0]["faces"] is train
    oracle = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    oracle.fit(embed_faces(method, enrolled), enrolled.identity)
    assert ranks.predicted.tolist() == oracle.predict(embed_faces(method, test)).tolist()
    again = data_size.by_supcon(train, enrolled, replace(PLAN, epochs=2, seed=5))(test)
    assert again.rank.tolist() == ranks.rank.tolist()
    assert all(equal(spy.calls[0]["before"], spy.calls[1]["before"]))


def test_the_record_of_data_size_is_named_by_its_notebook(wild, monkeypatch, tmp_path):
    own_results(monkeypatch, data_size, tmp_path)
    monkeypatch.setattr(data_size, "load", lambda name, size: wild)
    monkeypatch.setattr(
        data_size, "measure", lambda faces, learn, seed: {"figure": seed / 10, "learner": learn.__name__ == "by_supcon"}
    )
    data_size.main("supcon", seeds=3)
    record = records.read(tmp_path / "results" / "03_data_size.json")
    assert record.metrics["figure"].value == pytest.approx(0.1) and record.metrics["learner"].value == 1
    assert record.command == "python -m facelab.experiments.data_size supcon --seeds 3"
    with pytest.raises(BadParameterError, match="'moco'.*classifier, supcon"):
        data_size.main("moco")


# MoCo, one screw at a time


@pytest.fixture(scope="module")
def people(wild) -> People:
    """The stored halves, thinned: all renderings of 12 photographs to train, and every fifth picture to test."""
    whole = People.of(wild)
    photo = whole.train.attributes["photo"].unique()
    train = whole.train.subset(np.isin(whole.train.attributes["photo"], photo[:12]))
    test = whole.test.subset(np.arange(0, len(whole.test), 5))
    return People(train, test, all_pairs(test, exclude_same="photo"))


def test_nobody_is_on_both_sides_and_no_pair_is_of_one_photograph(wild):
    whole = People.of(wild)
    assert not set(whole.train.people) & set(whole.test.people)
    assert (len(whole.train), len(whole.test), whole.pairs.same.sum()) == (800, 800, 20 * (780 - 10 * 6))
    assert len(whole.pairs) == 800 * 799 // 2 - 20 * 10 * 6
    photo = whole.test.attributes["photo"].to_numpy()
    assert (photo[whole.pairs.first] != photo[whole.pairs.second]).all()


def test_the_error_is_the_equal_error_rate_of_the_cosines(people):
    method = tiny_method()
    embeddings = embed_faces(method, people.test).astype(np.float64)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = (unit[people.pairs.first] * unit[people.pairs.second]).sum(1)
    far, tar, _ = roc_curve(people.pairs.same, cosines, drop_intermediate=False)
    assert people.error(method) == pytest.approx(brentq(lambda x: x + np.interp(x, far, tar) - 1, 0, 1), abs=1e-6)


def facts(call: dict) -> dict[str, object]:
    """All that a setting may change, read off what is trained."""
    method, plan = call["method"], call["plan"]
    network, views = method.backbone, method.augmentation
    return {
        "network": f"{network.name}, width {network.width}", "batch": plan.batch_size, "queue": len(method.queue),
        "temperature": method.temperature, "momentum": method.momentum, "groups": method.groups,
        "jitter": (views.brightness, views.contrast), "views": call["scenes"] is None,
        "rest": (replace(plan, batch_size=1), replace(views, brightness=0, contrast=0)),
    }  # fmt: skip


def test_a_setting_changes_what_its_name_says_and_nothing_else(people, monkeypatch):
    spy = Spy(monkeypatch, moco_experiments, trains=False)
    monkeypatch.setattr(People, "error", lambda people, method: 0.25)
    assert [moco_experiments.measure(people, setting, seed=7) for setting in SETTINGS.values()] == [0.25] * len(
        SETTINGS
    )
    found = dict(zip(SETTINGS, map(facts, spy.calls), strict=True))
    base = found.pop("base")
    assert {name: base[name] for name in OPTIONS} == OPTIONS and base["rest"][0].seed == 7
    photo, scenes = people.train.attributes["photo"].tolist(), spy.calls[0]["scenes"].tolist()
    assert len(set(zip(scenes, photo, strict=True))) == len(set(scenes)) == len(set(photo))
    for name, changed in found.items():
        group, value = name.split("/")
        number = float(value) if value[0].isdigit() else None
        wanted = {"network": value, "views": True, "jitter": (number, number)}.get(group, number)
        assert {key: now for key, now in changed.items() if now != base[key]} == {group: wanted}, name
    same_network = [call for call in spy.calls if facts(call)["network"] == base["network"]]
    assert all(all(equal(call["before"], spy.calls[0]["before"])) for call in same_network)


@pytest.mark.parametrize("name", ["base", "views/of one rendering", "groups/4"])
def test_a_setting_is_measured_after_its_training(people, monkeypatch, name):
    spy = Spy(monkeypatch, moco_experiments)
    found = moco_experiments.measure(people, SETTINGS[name], seed=0, plan=PLAN)
    assert 0 < found < 1 and found == people.error(spy.calls[0]["method"])
    assert not any(equal(spy.calls[0]["before"], spy.calls[0]["after"]))


def test_both_continuations_start_from_the_pretrained_network_and_frozen_layers_stay(people, monkeypatch):
    spy = Spy(monkeypatch, moco_experiments)
    larger = centred(FaceSet(
        np.random.default_rng(0).integers(0, 256, (32, 48, 48, 3), dtype=np.uint8), np.arange(32), ("p",) * 32,
        pd.DataFrame({"file": [str(row) for row in range(32)]}), "lfw@48",
    ), 32, grey=True)  # fmt: skip
    found = pretrained(larger, people, seed=3, large=replace(PLAN, epochs=2), small=PLAN)
    large, free, frozen = spy.calls
    assert list(found) == [
        f"pretrained on LFW{end}" for end in (", as it is", ", then orl-wild", ", then orl-wild, 6 layers frozen")
    ]
    assert list(found.values()) == [people.error(call["method"]) for call in spy.calls]
    assert large["faces"] is larger and large.get("scenes") is None and large["method"].augmentation == WIDER
    assert [(call["plan"].epochs, call["plan"].seed) for call in spy.calls] == [(2, 3), (1, 3), (1, 3)]
    assert all(call["faces"] is people.train for call in (free, frozen))
    assert all(equal(large["after"], free["before"])) and all(equal(large["after"], frozen["before"]))
    assert not any(equal(free["before"], free["after"]))
    first = 6  # layers, counted by what owns parameters
    network = frozen["method"].backbone
    kept = {
        name
        for layer in parameter_layers(network)[:first]
        for name, module in network.named_modules()
        if module is layer
    }
    for name, stays in zip(frozen["before"], equal(frozen["before"], frozen["after"]), strict=True):
        assert stays == (name.rpartition(".")[0] in kept), name


def test_grey_is_the_centre_by_its_luminance():
    images = np.full((2, 112, 112, 3), 255, dtype=np.uint8)
    images[:, 16:96, 16:96] = [[[[200, 100, 50]]], [[[10, 20, 250]]]]
    faces = FaceSet(images, np.arange(2), ("a", "b"), pd.DataFrame({"file": ["a", "b"]}), "lfw@112")
    found = centred(faces, 48, grey=True)
    assert found.images.shape == (2, 48, 48, 1) and found.images.dtype == np.uint8
    for image, (red, green, blue) in zip(found.images, [(200, 100, 50), (10, 20, 250)], strict=True):
        assert np.unique(image).tolist() == [round(0.299 * red + 0.587 * green + 0.114 * blue)]  # ITU-R BT.601


def test_an_experiment_is_a_setting_or_all_that_begins_on_lfw(wild, monkeypatch):
    asked = []
    monkeypatch.setattr(moco_experiments, "load", lambda name, size: asked.append((name, size)) or wild)
    monkeypatch.setattr(moco_experiments, "centred", lambda faces, size, grey: ("centred", size, grey))
    monkeypatch.setattr(moco_experiments, "measure", lambda people, setting, seed: (setting, seed))
    monkeypatch.setattr(moco_experiments, "pretrained", lambda faces, people, seed: {"end": (faces, seed)})
    for name, setting in SETTINGS.items():
        assert moco_experiments.experiment((name, 4)) == {name: (setting, 4)}
    assert set(asked) == {("orl-wild", 48)}
    assert moco_experiments.experiment(("pretraining", 4)) == {"pretraining/end": (("centred", 48, True), 4)}
    assert asked[-1] == ("lfw", 112)


@pytest.mark.parametrize("lfw", [False, True])
def test_the_record_of_moco_holds_every_setting_over_the_seeds(wild, monkeypatch, tmp_path, lfw):
    own_results(monkeypatch, moco_experiments, tmp_path)
    monkeypatch.setattr(moco_experiments, "load", lambda name, size: wild)
    monkeypatch.setattr(moco_experiments, "larger_set", lambda: wild)
    monkeypatch.setattr(moco_experiments, "ProcessPoolExecutor", OneProcess)
    values = {name: number / 100 for number, name in enumerate((*SETTINGS, "pretraining"))}
    monkeypatch.setattr(moco_experiments, "experiment", lambda job: {job[0]: values[job[0]] + job[1] / 10})
    moco_experiments.main(seeds=3, lfw=lfw)
    record = records.read(tmp_path / "results" / "04_experiments.json")
    expected = {f"eer/{name}": value + 0.1 for name, value in values.items() if lfw or name != "pretraining"}
    assert {name: metric.value for name, metric in record.metrics.items()} == pytest.approx(expected)
    assert {metric.n for metric in record.metrics.values()} == {3}
    assert (record.data["train"]["people"], record.data["test"]["people"]) == (20, 20)
    assert ("pretraining" in record.data) == ("pretraining" in record.parameters) == lfw


def test_lars_is_measured_on_people_whom_it_never_saw(tmp_path, monkeypatch):
    spy = Spy(monkeypatch, lars_experiments)
    own_results(monkeypatch, lars_experiments, tmp_path)
    monkeypatch.setattr(lars_experiments, "ProcessPoolExecutor", OneProcess)
    monkeypatch.setattr(lars_experiments, "backbone", lambda *_, **__: TinyBackbone(1))
    monkeypatch.setattr(lars_experiments, "SIZE", 16)
    plans = {name: replace(plan, epochs=1, warmup_epochs=0.5) for name, plan in lars_experiments.PLANS.items()}
    monkeypatch.setattr(lars_experiments, "PLANS", plans)
    lars_experiments.main(3)
    record = records.read(tmp_path / "results" / "05_lars.json")
    people = stored_people(load("orl-wild", 16))
    test = set(load("orl-wild", 16).identity[people.test])
    assert len(spy.calls) == 3 * len(plans) and not any(test & set(call["faces"].identity) for call in spy.calls)
    assert {call["plan"].optimizer for call in spy.calls} == {"adamw", "sgd", "lars"}
    assert set(record.metrics) == {f"eer/{name}" for name in plans}
    assert all(metric.n == 3 and 0 < metric.value < 1 for metric in record.metrics.values())
