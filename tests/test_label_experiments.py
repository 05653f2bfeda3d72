"""The experiments whose records notebooks 05 and 06 show: nothing that is tested is in any training of theirs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import TinyBackbone
from trainings import OneProcess, Spy, equal, files, lfw_of_noise, noise, own_results, short, weights

from facelab import records
from facelab.datasets import FaceSet, load
from facelab.errors import BadParameterError, LeakageError
from facelab.evaluation import over_seeds
from facelab.evaluation import scores as cosines
from facelab.experiments import cifar_transfer, lfw_finetuning, lfw_view2, utkface_labels
from facelab.experiments.utkface_labels import copies, parts_of, question
from facelab.methods import embed_faces
from facelab.protocols import few_labels
from facelab.training import Plan, loop


def of_unknown_people(table: pd.DataFrame, side: int = 16, source: str = "utkface@16") -> FaceSet:
    table = table.assign(file=[f"{row}.png" for row in range(len(table))])
    return FaceSet(noise(len(table), side), np.full(len(table), -1), (), table, source)


def small_utkface() -> FaceSet:
    """240 noise pictures: 4 races, 2 genders, every sixth without race; groups of 2 and 3 copies, also with those."""
    rng = np.random.default_rng(0)
    race = np.array(["White", "Black", "Asian", "Indian"], dtype=object)[np.arange(240) % 4]
    race[::6] = np.nan
    group = np.full(240, np.nan)
    for number, rows in enumerate(np.split(rng.permutation(240)[:150], np.cumsum([2, 3] * 30)[:-1])):
        group[rows] = number
    gender = np.where(rng.random(240) < 0.5, "male", "female")
    return of_unknown_people(pd.DataFrame({"race": race, "gender": gender, "duplicate_group": group}))


def shortened(monkeypatch, module) -> None:
    """Its records, its processes, its network and its trainings made small."""
    monkeypatch.setattr(module, "ProcessPoolExecutor", OneProcess)
    monkeypatch.setattr(module, "backbone", lambda *_, **__: TinyBackbone(3))
    for name, plan in [(name, value) for name, value in vars(module).items() if isinstance(value, Plan)]:
        monkeypatch.setattr(module, name, short(plan))
    if hasattr(module, "STEPS"):
        monkeypatch.setattr(module, "STEPS", dict.fromkeys(module.STEPS, 2))


def kept(monkeypatch, module, name: str) -> list:
    """What a function of the module gives, call by call."""
    given, function = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *a, **k: given.append(function(*a, **k)) or given[-1])
    return given


def pictures(faces: FaceSet) -> set[bytes]:
    return {image.tobytes() for image in faces.images}


def assert_record_of(record: records.Record, done: list[dict[str, np.ndarray]], test_labels: dict[str, np.ndarray]):
    """Every figure is the mean over the seeds of what was found, and every matrix is one of the whole test.

    test_labels: beginning of a key -> the true classes.
    """
    assert len(done) == 3 and len({matrix.tobytes() for found in done for matrix in found.values()}) > len(done[0])
    for key, matrix in done[0].items():
        labels = next(labels for start, labels in test_labels.items() if key.startswith(start))
        assert matrix.sum(axis=1).tolist() == np.bincount(labels).tolist(), key
        accuracy = [found[key].trace() / found[key].sum() for found in done]
        assert record.metrics[f"accuracy/{key}"].value == pytest.approx(np.mean(accuracy))
    shown = [name for name in record.metrics if " taken for " in name]
    assert len(shown) == sum(len(np.unique(labels)) ** 2 for labels in test_labels.values())


# UTKFace


def test_no_copy_of_a_test_photograph_is_in_the_pool():
    faces = small_utkface()
    pool, test = parts_of(faces)
    groups = [set(part.attributes["duplicate_group"].dropna()) for part in (pool, test)]
    assert groups[0] and groups[1] and not groups[0] & groups[1]
    assert test.attributes["race"].notna().all() and pool.attributes["race"].isna().any()
    assert not files(pool) & files(test)
    left_out = faces.subset(~faces.attributes["file"].isin(files(pool) | files(test)).to_numpy())
    assert left_out.attributes["race"].isna().all()  # copies of test photographs that have no race
    assert set(left_out.attributes["duplicate_group"]) <= groups[1] and len(left_out)
    labelled = faces.attributes["race"].notna().sum()
    assert len(test) / labelled == pytest.approx(utkface_labels.TEST_SHARE, abs=0.05)
    assert len(parts_of(faces, 0.5)[1]) / labelled == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("missing", ["race", "gender"])
def test_who_has_no_label_is_learned_from_and_never_asked(missing):
    faces = small_utkface()
    faces.attributes["race"] = "White"
    faces.attributes.loc[:49, missing] = np.nan
    pool, test = parts_of(faces)
    assert test.attributes[missing].notna().all() and pool.attributes[missing].isna().sum() > 30
    asked = question(missing, pool, test)
    assert files(asked.pool) == set(pool.attributes.loc[pool.attributes[missing].notna(), "file"])
    assert asked.test is test


@pytest.mark.parametrize("columns", [["duplicate_group"], []])
def test_copies_have_one_number_and_all_others_their_own(columns):
    table = pd.DataFrame({"duplicate_group": [np.nan, 7, np.nan, 7, 0, np.nan, 0, 7, np.nan]})
    faces = of_unknown_people(table[columns])
    faces.images[5] = faces.images[8]  # told by the pixels
    numbers = copies(faces).tolist()
    groups = [{row for row, own in enumerate(numbers) if own == number} for number in set(numbers)]
    told = [{1, 3, 7}, {4, 6}] if columns else [{1}, {3}, {7}, {4}, {6}]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, [{0}, {2}, {5, 8}, *told]))


def test_a_copy_that_the_groups_deny_is_refused():
    faces = small_utkface()
    faces.images[faces.attributes["duplicate_group"].notna().to_numpy()] = faces.images[0]
    with pytest.raises(LeakageError):
        parts_of(faces)


def test_parts_of_utkface(real_utkface):
    pool, test = parts_of(load("utkface", utkface_labels.SIZE))
    index = pd.read_csv(real_utkface / "index.csv").set_index("file")
    groups = [set(index.loc[part.attributes["file"], "duplicate_group"].dropna()) for part in (pool, test)]
    assert groups[0] and groups[1] and not groups[0] & groups[1]
    labelled = index["race"].notna()
    assert len(test) == pytest.approx(utkface_labels.TEST_SHARE * labelled.sum(), rel=0.01)
    assert files(pool) | files(test) == set(index.index)  # nobody without race has a copy
    assert files(test) <= set(index.index[labelled])
    races = [part.attributes["race"].value_counts(normalize=True).sort_index() for part in (pool, test)]
    assert list(races[0].index) == list(races[1].index) == ["Asian", "Black", "Indian", "Others", "White"]
    np.testing.assert_allclose(races[0], races[1], atol=0.02)


def test_the_record_of_utkface_is_of_trainings_without_the_test(monkeypatch, tmp_path):
    faces, asked = small_utkface(), []
    shortened(monkeypatch, utkface_labels)
    own_results(monkeypatch, utkface_labels, tmp_path)
    monkeypatch.setattr(utkface_labels, "load", lambda name, *_, **__: asked.append(name) or faces)
    first, then = Spy(monkeypatch, utkface_labels), Spy(monkeypatch, few_labels)
    done, starts = kept(monkeypatch, utkface_labels, "experiment"), kept(monkeypatch, utkface_labels, "pretrained")
    utkface_labels.main(seeds=3, dataset="made up")
    assert set(asked) == {"made up"}
    pool, test = parts_of(faces)
    assert [files(call["faces"]) == files(pool) for call in first.calls] == [True] * 3
    assert [call["plan"].seed for call in first.calls] == [0, 1, 2]
    assert len(then.calls) == 3 * 2 * 2 * len(utkface_labels.STEPS)  # seeds, questions, networks
    for call in then.calls:
        assert files(call["faces"]) < files(pool) and not pictures(call["faces"]) & pictures(test)
    for call, (trained, start) in zip(first.calls, starts, strict=True):
        assert trained is call["method"] and not any(equal(call["before"], weights(trained)))
        assert all(equal(call["before"], weights(start)))
        tuned = [other["before"] for other in then.calls if other["plan"].seed == call["plan"].seed]
        assert sum(all(equal(before, weights(trained))) for before in tuned) == len(tuned) / 2
        assert sum(all(equal(before, weights(start))) for before in tuned) == len(tuned) / 2
    record = records.read(tmp_path / "results" / "05_utkface.json")
    labels = {f"{column}/": question(column, pool, test).test_labels for column in ("race", "gender")}
    assert_record_of(record, done, labels)
    assert record.data["pool"]["sha256"] == pool.sha256 and record.data["test"]["images"] == len(test)


# CIFAR


def small_cifar(name: str) -> FaceSet:
    """20 training and 3 test pictures of ten classes; those of the two sets differ."""
    identity = np.tile(np.arange(10), 23)
    split = np.where(np.arange(230) < 200, "train", "test")
    table = pd.DataFrame({"file": [f"{split[row]}/{row}.png" for row in range(230)], "split": split})
    names = tuple(f"class {number}" for number in range(10))
    return FaceSet(noise(230, 16, seed=len(name)), identity, names, table, f"{name}@16")


@pytest.fixture
def cifar(monkeypatch) -> dict[str, FaceSet]:
    sets = {name: small_cifar(name) for name in ("cifar10", "cifar100")}
    shortened(monkeypatch, cifar_transfer)
    monkeypatch.setattr(cifar_transfer, "load", lambda name, *_: sets[name])
    for name, recipe in cifar_transfer.RECIPES.items():
        monkeypatch.setitem(cifar_transfer.RECIPES, name, replace(recipe, plan=short(recipe.plan, 64)))
    return sets


@pytest.mark.parametrize("method", cifar_transfer.RECIPES)
def test_the_record_of_cifar_is_of_trainings_without_the_test(cifar, monkeypatch, tmp_path, method):
    own_results(monkeypatch, cifar_transfer, tmp_path)
    first, then = Spy(monkeypatch, cifar_transfer), Spy(monkeypatch, few_labels)
    done = kept(monkeypatch, cifar_transfer, "experiment")
    cifar_transfer.main(method, seeds=3)
    recipe = cifar_transfer.RECIPES[method]
    train = {name: faces.subset(np.arange(200)) for name, faces in cifar.items()}
    tested = pictures(cifar["cifar10"].subset(np.arange(200, 230)))
    assert [type(call["method"]) for call in first.calls] == [recipe.kind] * 3
    assert [pictures(call["faces"]) == pictures(train[recipe.learns_on]) for call in first.calls] == [True] * 3
    assert len({call["folder"] for call in first.calls}) == 3
    assert len(then.calls) == 3 * 2 * len(cifar_transfer.STEPS)  # seeds, networks
    for call in then.calls:
        assert pictures(call["faces"]) < pictures(train["cifar10"])
    assert not any(pictures(call["faces"]) & tested for call in (*first.calls, *then.calls))
    for call in first.calls:
        seed = call["plan"].seed
        tuned = [other["before"] for other in then.calls if other["plan"].seed == seed]
        for start in ("before", "after"):
            assert sum(all(equal(before, call[start])) for before in tuned) == len(tuned) / 2
    record = records.read(tmp_path / "results" / f"{recipe.record}.json")
    assert_record_of(record, done, {"": np.tile(np.arange(10), 3)})
    assert record.data["pretraining"]["sha256"] == train[recipe.learns_on].sha256


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_test_picture_in_either_training_is_refused(cifar, name):
    cifar[name].images[5] = cifar["cifar10"].images[-1]
    with pytest.raises(LeakageError):
        cifar_transfer.experiment("vicreg", 0)


def test_a_method_without_a_recipe_is_refused():
    with pytest.raises(BadParameterError, match="'byol'.*vicreg, simclr"):
        cifar_transfer.main("byol")


# LFW


@pytest.fixture
def lfw(monkeypatch):
    """A small LFW, and 40 other pictures to learn on first."""
    faces, pairs = lfw_of_noise()
    elsewhere = of_unknown_people(pd.DataFrame(index=range(40)), side=48, source="utkface@48")
    elsewhere.images[:] = 255 - elsewhere.images
    shortened(monkeypatch, lfw_finetuning)
    monkeypatch.setattr(lfw_finetuning, "framed", lambda: faces)
    monkeypatch.setattr(lfw_finetuning, "lfw_pairs", lambda faces: pairs)
    monkeypatch.setattr(lfw_finetuning, "load", lambda *_: elsewhere)
    return faces, pairs, elsewhere


def test_no_training_has_anybody_of_the_pairs_that_it_is_tested_on(lfw, monkeypatch):
    faces, pairs, elsewhere = lfw
    spy, embedded, tested = Spy(monkeypatch, lfw_finetuning), [], []
    monkeypatch.setattr(lfw_finetuning, "embed_faces", lambda m, f: embedded.append(m) or embed_faces(m, f))
    monkeypatch.setattr(lfw_view2, "scores", lambda z, some: tested.append(some) or cosines(z, some))
    found = lfw_finetuning.experiment(2)
    start, *further = spy.calls
    assert start["faces"] is elsewhere and len(further) == 4
    trained = {id(call["method"]): call for call in spy.calls}
    for method, call in zip(embedded, [start, start, *further], strict=True):
        assert trained[id(method)] is call
    assert len(found) == 3 and len(tested) == 6
    for call, some in zip(further, tested[2:], strict=True):
        people = set(faces.identity[some.first]) | set(faces.identity[some.second])
        assert len(people) == 20 and not people & set(call["faces"].people)
        assert all(equal(call["before"], start["after"])) and call["plan"].seed == 2
    for name, result in found.items():
        one, other = (set(some.fold) for some in tested[2 * list(found).index(name) :][:2])
        assert one | other == set(range(1, 11)) and not one & other and len(result.folds) == 10
    sizes = [len(call["faces"]) for call in further]
    assert sizes == [75, 75, 70, 70]  # without names everybody; with names those with two photographs or more
    assert all(equal(weights(start["method"]), start["after"]))  # what goes on is a copy
    assert len({call["folder"] for call in spy.calls}) == 5


def test_people_with_one_photograph_are_left_out_where_names_are_learned(lfw, monkeypatch):
    faces, _, _ = lfw
    spy = Spy(monkeypatch, lfw_finetuning, trains=False)
    start = lfw_finetuning.learned_elsewhere(0)
    named, unnamed = lfw_finetuning.with_names(start.backbone, faces, 1), lfw_finetuning.without_names(start, faces, 1)
    assert np.bincount(spy.calls[1]["faces"].identity)[spy.calls[1]["faces"].people].tolist() == [3] * 40 + [2] * 5
    assert spy.calls[2]["faces"] is faces
    assert named.backbone is not start.backbone and unnamed.backbone is not start.backbone
    assert all(equal(unnamed.state_dict(), start.state_dict()))  # the expander too


def test_what_was_learned_elsewhere_is_read_the_second_time(lfw, monkeypatch):
    steps, step = [], loop.Loop.step
    monkeypatch.setattr(loop.Loop, "step", lambda self, *a: steps.append(1) or step(self, *a))
    first = lfw_finetuning.learned_elsewhere(0)
    done = len(steps)
    again = lfw_finetuning.learned_elsewhere(0)
    assert len(steps) == done > 0
    assert all(equal(first.state_dict(), again.state_dict()))
    other = lfw_finetuning.learned_elsewhere(1)
    assert len(steps) == 2 * done and not torch.equal(other.backbone[0].weight, first.backbone[0].weight)


def test_the_record_of_lfw_holds_every_seed_and_baseline(lfw, monkeypatch, tmp_path):
    faces, _, elsewhere = lfw
    own_results(monkeypatch, lfw_finetuning, tmp_path)
    monkeypatch.setattr(lfw_finetuning, "searched", lambda *_: {}, raising=False)
    Spy(monkeypatch, lfw_finetuning, trains=False)
    done = kept(monkeypatch, lfw_finetuning, "experiment")
    lfw_finetuning.main(seeds=3)
    record = records.read(tmp_path / "results" / "06_lfw.json")
    for name in done[0]:
        expected = over_seeds([found[name].mean for found in done])
        assert record.metrics[f"accuracy/{name}"] == records.Metric.of(expected)
        for seed, found in enumerate(done):
            assert record.metrics[f"accuracy/seed {seed}/{name}"] == records.Metric.of(found[name].estimate)
    assert {"accuracy/raw pixels", "accuracy/whitened PCA"} < set(record.metrics)
    assert record.data["faces"]["sha256"] == faces.sha256
    elsewhere.images[3] = faces.images[8]
    with pytest.raises(LeakageError):
        lfw_finetuning.main(seeds=3)
