"""UTKFace and few labels: no copy of a tested photograph is in any training."""

import json

import numpy as np
import pandas as pd
import pytest
from trainings import (
    Spy,
    assert_matrices_summarised,
    compute,
    equal,
    files,
    kept,
    of_unknown_people,
    pictures,
    shortened,
    weights,
)

from facelab.datasets import FaceSet, load
from facelab.errors import LeakageError
from facelab.experiments import utkface_labels
from facelab.experiments.utkface_labels import build_task, copy_groups, split_pool_and_test
from facelab.paths import project_data
from facelab.protocols import few_labels
from facelab.records import read_record


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


def test_no_copy_of_a_test_photograph_is_in_the_pool():
    faces = small_utkface()
    pool, test = split_pool_and_test(faces)
    groups = [set(part.attributes["duplicate_group"].dropna()) for part in (pool, test)]
    assert groups[0] and groups[1] and not groups[0] & groups[1]
    assert test.attributes["race"].notna().all() and pool.attributes["race"].isna().any()
    assert not files(pool) & files(test)
    left_out = faces.subset(~faces.attributes["file"].isin(files(pool) | files(test)).to_numpy())
    assert left_out.attributes["race"].isna().all()  # copies of test photographs that have no race
    assert set(left_out.attributes["duplicate_group"]) <= groups[1] and len(left_out)
    labelled = faces.attributes["race"].notna().sum()
    assert len(test) / labelled == pytest.approx(utkface_labels.TEST_SHARE, abs=0.05)
    assert len(split_pool_and_test(faces, 0.5)[1]) / labelled == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("missing", ["race", "gender"])
def test_who_has_no_label_is_learned_from_and_never_asked(missing):
    faces = small_utkface()
    faces.attributes["race"] = "White"
    faces.attributes.loc[:49, missing] = np.nan
    pool, test = split_pool_and_test(faces)
    assert test.attributes[missing].notna().all() and pool.attributes[missing].isna().sum() > 30
    asked = build_task(missing, pool, test)
    assert files(asked.pool) == set(pool.attributes.loc[pool.attributes[missing].notna(), "file"])
    assert asked.test is test


@pytest.mark.parametrize("columns", [["duplicate_group"], []])
def test_copies_have_one_number_and_all_others_their_own(columns):
    table = pd.DataFrame({"duplicate_group": [np.nan, 7, np.nan, 7, 0, np.nan, 0, 7, np.nan]})
    faces = of_unknown_people(table[columns])
    faces.images[5] = faces.images[8]  # told by the pixels
    numbers = copy_groups(faces).tolist()
    groups = [{row for row, own in enumerate(numbers) if own == number} for number in set(numbers)]
    told = [{1, 3, 7}, {4, 6}] if columns else [{1}, {3}, {7}, {4}, {6}]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, [{0}, {2}, {5, 8}, *told]))


def test_a_copy_that_the_groups_deny_is_refused():
    faces = small_utkface()
    faces.images[faces.attributes["duplicate_group"].notna().to_numpy()] = faces.images[0]
    with pytest.raises(LeakageError):
        split_pool_and_test(faces)


def test_parts_of_utkface(real_utkface):
    pool, test = split_pool_and_test(load("utkface", utkface_labels.SIZE))
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


def test_the_record_of_utkface_is_of_trainings_without_the_test(monkeypatch):
    faces, asked = small_utkface(), []
    shortened(monkeypatch, utkface_labels)
    monkeypatch.setattr(utkface_labels, "load", lambda *a, **given: asked.append((a, given)) or faces)
    first, then = Spy(monkeypatch, utkface_labels), Spy(monkeypatch, few_labels)
    starts = kept(monkeypatch, utkface_labels, "pretrain")
    experiment = next(one for one in utkface_labels.EXPERIMENTS if one.name == "05_utkface")
    results = compute(experiment, 3)
    pool, test = split_pool_and_test(faces)
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
    labels = {f"{column}/": build_task(column, pool, test).test_labels for column in ("race", "gender")}
    assert_matrices_summarised(experiment.summarise(results), results, labels)
    data = experiment.data()
    assert data["pool"]["sha256"] == pool.sha256 and data["test"]["images"] == len(test)
    assert all(call == (("utkface", utkface_labels.SIZE), {"one_per_person": True}) for call in asked)


def test_joined_sets_are_an_experiment_of_their_own(monkeypatch):
    asked = []
    monkeypatch.setattr(utkface_labels, "load", lambda name, *_, **__: asked.append(name) or small_utkface())
    joined = next(one for one in utkface_labels.EXPERIMENTS if one.name == "05_utkface_joined")
    joined.data()
    assert asked == ["utkface+ffhq+celeba"] and joined.datasets == ("utkface", "ffhq", "celeba")
    assert {cell.key[0] for cell in joined.grid(3)} == {joined.parameters(3)["dataset"]} == set(asked)


def test_the_settings_of_the_record_are_those_of_today():
    stored = read_record(project_data("results", "05_utkface.json")).parameters
    assert json.loads(json.dumps(utkface_labels.EXPERIMENTS[0].parameters(3))) == stored
