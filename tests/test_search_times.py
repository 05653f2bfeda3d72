"""The measurement of search: faces as they are told to be, every figure in the record, the grid and its cheapest row."""

import json
import time

import numpy as np
import pandas as pd
import pytest
from trainings import compute

from facelab.errors import BadParameterError
from facelab.experiments import search_times
from facelab.experiments.search_times import (
    K,
    cheapest_setting,
    recall_grid,
    setting_name,
    simulated_faces,
    stored_bytes,
)
from facelab.paths import project_data
from facelab.records import read_record
from facelab.search import build_index, recall_at_k

EXPERIMENT = search_times.EXPERIMENTS[0]
COLUMNS = ["trees", "search_k", "recall", "low", "high", "query_us", "build_s"]


def test_simulated_photographs_of_one_person_are_as_alike_as_told():
    vectors, queries = simulated_faces(3000, 400, seed=1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = (unit @ unit.T)[~np.eye(3000, dtype=bool)].reshape(3000, 2999)
    same = (np.arange(3000)[:, None] // 10 == np.arange(3000) // 10)[~np.eye(3000, dtype=bool)].reshape(3000, 2999)
    assert cosine[same].mean() == pytest.approx(1 / 1.64, abs=0.01)
    assert cosine[~same].mean() == pytest.approx(0, abs=0.01) and cosine[~same].std() == pytest.approx(
        128**-0.5, rel=0.1
    )
    nearest = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ unit.T
    assert nearest.max(1).min() > 0.4 and nearest.max() < 0.9  # of these people, and no copies
    again, other = simulated_faces(3000, 400, seed=1)[0], simulated_faces(3000, 400, seed=2)[0]
    assert (again == vectors).all() and (other != vectors).any() and vectors.dtype == np.float32
    assert simulated_faces(1001, 5)[0].shape == (1001, 128)


def test_the_record_has_every_figure_of_every_size(monkeypatch):
    monkeypatch.setattr(search_times, "SIZES", (1000, 1500))
    metrics, parameters = EXPERIMENT.summarise(compute(EXPERIMENT, 0)), EXPERIMENT.parameters(0)
    assert parameters["sizes"] == [1000, 1500]
    assert list(parameters["settings"]) == ["exact", "annoy search_k=1000", "annoy search_k=10000", "faiss"]
    assert parameters["settings"]["annoy search_k=1000"] == {"trees": 10, "search_k": 1000, "seed": 0}
    for n in parameters["sizes"]:
        for setting in parameters["settings"]:
            seconds, took, size, recall = (
                metrics.pop(f"{setting}/{n}/{figure}") for figure in ("build_s", "query_us", "bytes", f"recall@{K}")
            )
            assert 0 < seconds.value < 10 and 0 < took.low <= took.value <= took.high and took.n == 5
            assert n * 128 * 4 < size.value < 2 * n * 128 * 4
            assert 0.95 < recall.value <= 1 and recall.n == 500
            assert setting != "exact" or recall.value == 1
    assert not metrics


def test_the_record_is_of_these_settings_and_names_the_packages():
    """Nothing may run beside a cell, for it measures time; nothing has a seed."""
    assert EXPERIMENT.alone and EXPERIMENT.seeds == 0 and EXPERIMENT.data() == {}
    stored = read_record(project_data("results", "06_search_times.json"))
    assert json.loads(json.dumps(EXPERIMENT.parameters(0))) == stored.parameters
    assert stored.command == EXPERIMENT.command(0) and set(EXPERIMENT.packages) <= set(stored.versions)
    assert {int(name.split("/")[1]) for name in stored.metrics} == {cell.key[0] for cell in EXPERIMENT.grid(0)}


def test_the_recall_in_the_record_is_that_of_its_setting(monkeypatch):
    monkeypatch.setattr(search_times, "SETTINGS", [("exact", {}, [{}]), ("annoy", {"trees": 1}, [{"search_k": 1}])])
    found = search_times.measure(2000, seed=3)
    vectors, queries = simulated_faces(2000, 500, seed=3)
    poor, exact = (
        build_index(vectors, range(2000), kind, model="m", **options)
        for kind, options in (("annoy", {"trees": 1, "search_k": 1}), ("exact", {}))
    )
    recall = recall_at_k(poor, exact, queries, K)
    assert found[f"annoy search_k=1/2000/recall@{K}"].value == recall.value < 0.7
    assert found["annoy search_k=1/2000/bytes"].value == pytest.approx(stored_bytes(poor), rel=1e-3)  # but for its name


def test_the_grid_is_what_single_searches_give():
    vectors, _ = simulated_faces(600, 1)
    grid = recall_grid(vectors, trees=(1, 4), search_k=(1, 150, 600), k=5, seed=2, queries=200)
    assert list(grid.columns) == COLUMNS and len(grid) == 6
    drawn = np.random.default_rng(2).permutation(600)[:200]
    exact = build_index(vectors, range(600), model="m")
    for row in grid.itertuples():
        forest = build_index(vectors, range(600), "annoy", model="m", trees=row.trees, search_k=row.search_k, seed=2)
        recall = recall_at_k(forest, exact, vectors[drawn], 5, exclude=drawn)
        assert (row.recall, row.low, row.high) == (recall.value, recall.low, recall.high)
    assert grid["recall"].min() < 0.8 and grid["recall"].max() == 1
    assert (grid["query_us"] > 0).all() and (grid["build_s"] > 0).all()
    with pytest.raises(BadParameterError, match="search_k is -1"):
        recall_grid(vectors, (1,), (100, -1))


def test_the_grid_of_a_notebook_is_quick():
    vectors = np.random.default_rng(0).normal(size=(1600, 256)).astype(np.float32)
    started = time.process_time()
    grid = recall_grid(vectors, (5, 20, 50), (50, 200, 800, 3200))
    assert time.process_time() - started < 5 and len(grid) == 12


def test_the_cheapest_setting_has_the_least_effort_not_the_least_time():
    rows = [
        [50, 100, 0.94, 0.9, 0.97, 1.0, 1.0],
        [50, 400, 0.99, 0.9, 1.0, 5.0, 1.0],
        [20, 200, 0.95, 0.9, 0.97, 9.0, 1.0],
        [50, 200, 0.97, 0.9, 0.99, 1.0, 1.0],
    ]
    grid = pd.DataFrame(rows, columns=COLUMNS)
    assert cheapest_setting(grid)[["trees", "search_k"]].tolist() == [20, 200]
    assert cheapest_setting(grid, 0.96)[["trees", "search_k"]].tolist() == [50, 200]
    assert cheapest_setting(grid, 0.98)["search_k"] == 400
    with pytest.raises(BadParameterError, match="best recall of the grid is 0.990, below 0.995"):
        cheapest_setting(grid, 0.995)


def test_a_setting_is_named_by_its_effort():
    assert setting_name("annoy", {"search_k": 10}) == "annoy search_k=10" and setting_name("exact", {}) == "exact"
