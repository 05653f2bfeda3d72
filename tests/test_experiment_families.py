"""Relatives at the door: the list of LFW's families, the counts by loops, the shares by hand, and the record of today."""

import json

import numpy as np
import pandas as pd
import pytest

from facelab.datasets.sources import get_source
from facelab.evaluation import bootstrap_over_people, wilson
from facelab.exchange.embedders import SFACE, new_embedder
from facelab.experiments.face_id import families as lfw_families
from facelab.experiments.face_id.families import count_accepted, read_families, summarise
from facelab.paths import project_data
from facelab.records import read_record
from facelab.webapp.calibration import default_calibration_file, read_calibration
from facelab.webapp.template import comparison_score, make_template

(EXPERIMENT,) = lfw_families.EXPERIMENTS
RECORD = read_record(project_data("results", "10_lfw_families.json"))


def test_a_family_is_what_its_pairs_connect():
    families = read_families()
    assert list(families.columns) == ["family", "person", "relative", "relation"] and not families.isna().any(axis=None)
    assert set(families["relation"]) == {"parent and child", "siblings", "twins"}
    pairs = [frozenset(pair) for pair in zip(families["person"], families["relative"], strict=True)]
    assert all(len(pair) == 2 for pair in pairs) and len(set(pairs)) == len(pairs)
    sides = pd.concat([families.set_index(column)["family"] for column in ("person", "relative")])
    assert (sides.groupby(level=0).nunique() == 1).all(), "nobody is of two families, or strangers would be relatives"
    assert families["family"].is_monotonic_increasing and families["family"].nunique() == 76 and len(pairs) == 127


def test_everybody_on_the_list_is_in_lfw(real_lfw):
    named = set(read_families()[["person", "relative"]].to_numpy().ravel())
    assert named <= set(get_source("lfw").index(real_lfw)["identity"])


def test_the_photographs_are_those_of_the_record(real_lfw):
    assert json.loads(json.dumps(EXPERIMENT.data())) == RECORD.data
    faces = lfw_families.load_relatives()
    counts = np.bincount(faces.identity)
    assert counts.max() == lfw_families.MOST_PHOTOGRAPHS and faces.attributes["image_number"].max() == 10
    assert len(faces.people) == RECORD.metrics["people"].value
    assert np.mean(counts[counts > 0] <= 2) > 0.6, (
        "most of the templates are of one photograph or two, as notebook 10 says"
    )


def test_the_record_is_of_todays_threshold_and_list():
    threshold = read_calibration(default_calibration_file(SFACE), new_embedder(SFACE)).threshold
    assert RECORD.parameters["threshold"] == pytest.approx(threshold, abs=1e-3)
    assert RECORD.metrics["pairs of relatives"].value == len(read_families())


def test_what_notebook_10_says_of_the_record():
    """In its own words: every twin; brothers and sisters far more often than strangers, in some families; few parents."""
    twins, siblings, parents, strangers, same = (
        RECORD.metrics[f"accepted/{name}"]
        for name in ("relatives/twins", "relatives/siblings", "relatives/parent and child", "strangers", "same person")
    )
    assert twins.value == 1 and siblings.low > 100 * strangers.high and siblings.high < 0.5
    assert parents.value < siblings.low and same.low > 0.9


@pytest.fixture
def made_up():
    """Embeddings of five people of two families and one person whose relative has no photograph; the list."""
    rng = np.random.default_rng(4)
    photographs = {"Ann": 7, "Ben": 1, "Cleo": 3, "Dora": 2, "Ed": 8, "Gus": 2}
    names = np.repeat(list(photographs), list(photographs.values()))
    centres = {name: rng.normal(size=12) for name in photographs}
    centres["Ben"] = centres["Ann"] + 0.4 * rng.normal(size=12)
    rows = np.stack([centres[name] + 0.7 * rng.normal(size=12) for name in names])
    mixed = rng.permutation(len(names))
    listed = [
        ("A", "Ann", "Ben", "twins"),
        ("A", "Ben", "Cleo", "siblings"),
        ("D", "Ed", "Dora", "parent and child"),
        ("G", "Gus", "Zoe", "siblings"),
    ]
    families = pd.DataFrame(listed, columns=["family", "person", "relative", "relation"])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True))[mixed], names[mixed], families


def test_counts_by_loops(made_up):
    embeddings, names, families = made_up
    threshold = 0.6
    of = {name: embeddings[names == name] for name in ("Ann", "Ben", "Cleo", "Dora", "Ed")}

    def tries(person, claimed):
        template = make_template(of[claimed][:5])
        return np.array([comparison_score(template, row) >= threshold for row in of[person]])

    expected = []
    for family, one, other, relation in families.to_numpy()[:3]:
        both = np.concatenate([tries(one, other), tries(other, one)])
        expected.append([family, relation, both.sum(), len(both)])
    found = count_accepted(embeddings, names, families, threshold)
    assert found["relatives"] == expected and 0 < expected[0][2] < expected[0][3]

    strangers = {("Ann", "Ben", "Cleo"): 0, ("Dora", "Ed"): 1}
    accepted, compared = np.zeros((2, 2), int), np.zeros((2, 2), int)
    for here, row in strangers.items():
        for there, column in strangers.items():
            for person, claimed in ((p, c) for p in here for c in there if row != column):
                accepted[row, column] += tries(person, claimed).sum()
                compared[row, column] += len(tries(person, claimed))
    assert found["strangers"] == [accepted.tolist(), compared.tolist()] and compared[0, 1] == 11 * 2

    same = np.zeros((2, 2), int)
    for group, row in strangers.items():
        for photographs in (of[name] for name in group if len(of[name]) > 1):
            for number, photograph in enumerate(photographs):
                template = make_template([other for i, other in enumerate(photographs) if i != number][:5])
                same[row] += comparison_score(template, photograph) >= threshold, 1
    assert found["same"] == same.tolist() and found["people"] == 5, "Gus has no relative on a photograph"
    json.dumps(found, allow_nan=False)


def figures(relatives, strangers, same):
    counted = {"people": 6, "photographs": 9, "without a face": 0}
    return {("sface",): {"relatives": relatives, "strangers": strangers, "same": same, **counted}}


def test_shares_are_of_comparisons_and_their_intervals_are_over_families():
    rng = np.random.default_rng(0)
    relatives = [[f"F{i // 2:02}", "siblings", int(rng.integers(0, 4)), 4 + i % 3] for i in range(40)]
    compared = np.full((20, 20), 30)
    accepted = rng.binomial(30, 0.1, (20, 20))
    for table in (accepted, compared):
        np.fill_diagonal(table, 0)
    same = [[9, 10]] * 19 + [[0, 0]]
    metrics = summarise(figures(relatives, [accepted.tolist(), compared.tolist()], same))
    found = metrics["accepted/relatives"]
    passed, tried = (np.array([row[column] for row in relatives]) for column in (2, 3))
    assert found.value == passed.sum() / tried.sum() and found.n == 20
    expected = bootstrap_over_people(lambda rows: passed[rows].sum() / tried[rows].sum(), [row[0] for row in relatives])
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found == metrics["accepted/relatives/siblings"]
    assert metrics["comparisons/relatives"].value == tried.sum()
    assert metrics["pairs of relatives, accepted at least once"].value == (passed > 0).mean()

    strangers, spread = metrics["accepted/strangers"], []
    for _ in range(2000):
        times = np.bincount(rng.integers(20, size=20), minlength=20)
        spread.append(times @ accepted @ times / (times @ compared @ times))
    assert strangers.value == accepted.sum() / compared.sum()
    assert (strangers.low, strangers.high) == pytest.approx(np.quantile(spread, [0.025, 0.975]), abs=0.003)
    assert (metrics["accepted/same person"].value, metrics["accepted/same person"].n) == (0.9, 19)


@pytest.mark.parametrize(("passed", "value"), [(0, 0.0), (4, 1.0)])
def test_where_all_or_none_pass_the_interval_still_has_a_width(passed, value):
    relatives = [[f"F{i}", "twins", passed, 4] for i in range(5)]
    found = summarise(figures(relatives, [np.zeros((2, 2)), 9 - 9 * np.eye(2)], [[1, 2]] * 5))[
        "accepted/relatives/twins"
    ]
    assert (found.value, found.n, found.method) == (value, 5, "wilson")
    assert found.low <= value <= found.high and 0.3 < found.high - found.low < 0.5


def test_where_few_families_are_accepted_the_interval_is_that_of_as_many_trials_as_families():
    relatives = [[f"F{i}", "siblings", int(i < 3), 10] for i in range(55)]
    found = summarise(figures(relatives, [np.zeros((2, 2)), 9 - 9 * np.eye(2)], [[1, 2]] * 5))["accepted/relatives"]
    assert found.value == 3 / 550 and found.n == 55
    assert (found.low, found.high) == pytest.approx((0, wilson(1, 55).high))  # .3 of 55, rounded outwards


def test_a_run_is_the_services_own_eyes(monkeypatch):
    """The run is made up of six photographs of ORL, which have the names of two families and of nobody's relative."""
    from facelab import datasets

    orl = datasets.load("orl", 92)
    rows = np.concatenate([np.flatnonzero(orl.identity == person)[:2] for person in range(5)])
    families = pd.DataFrame(
        [("x", "s01", "s02", "siblings"), ("y", "s03", "s04", "siblings")], columns=read_families().columns
    )
    monkeypatch.setattr(lfw_families, "load", lambda name, size: orl.subset(rows))
    monkeypatch.setattr(lfw_families, "read_families", lambda: families)
    (cell,) = EXPERIMENT.grid(0)
    found = lfw_families.run(cell)
    assert (found["photographs"], found["people"], found["without a face"]) == (8, 4, 0)
    assert found["same"] == [[4, 4], [4, 4]] and [pair[2:] for pair in found["relatives"]] == [[0, 4], [0, 4]]
