"""Records survive the way to disk and back, and the leaderboard shows what they hold."""

import json

import pytest

from facelab import files, records
from facelab.errors import BadParameterError, FacelabError
from facelab.records import Metric, Record


def make(seed: int = 0, value: float = 0.8) -> Record:
    parameters = {"preset": "laptop", "dataset": "orl", "seed": seed}
    record = Record("02_x", "facelab run 02", parameters, metrics={"top1": Metric(value, 100, 0.7, 0.9, "Wilson")})
    record.wall_seconds = 1.5
    return record


def test_round_trip(tmp_path):
    record = make()
    assert records.read_record(record.write(tmp_path / "a" / "b.json")) == record


def test_a_number_that_is_none_is_refused():
    for value in (float("nan"), float("inf")):
        with pytest.raises(BadParameterError):
            Metric(value)


def test_a_difference_is_said_in_points_with_signs():
    assert Metric(0.0123, 10, -0.0064, 0.03).as_points() == "+1.2 [-0.6, +3.0]"
    assert Metric(-0.05).as_points() == "-5.0"


def test_leaderboard_and_seeds(tmp_path):
    for seed, value in enumerate((0.7, 0.8, 0.9)):
        make(seed, value).write(tmp_path / f"{seed}.json")
    found = records.find_records(tmp_path)
    table = records.leaderboard(found, "top")
    assert sorted(table["value"]) == [0.7, 0.8, 0.9]
    assert list(table["n"]) == [100] * 3
    assert records.leaderboard(found, "eer|^op").empty
    with pytest.raises(BadParameterError, match="regular"):
        records.leaderboard(found, "top(")
    summary = records.summarize_over_seeds(found).iloc[0]
    assert summary["value"] == pytest.approx(0.8)
    # Student's t with 2 degrees of freedom: 4.3027 * .1 / sqrt(3)
    assert summary["high"] - summary["value"] == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-5)
    assert summary["n"] == 3


def test_only_runs_that_differ_in_their_seed_become_one_mean():
    laptop = [make(seed, value) for seed, value in enumerate((0.7, 0.8, 0.9))]
    made_again = make(2, 0.6)
    paper, lfw = make(0, 0.1), make(0, 0.2)
    paper.parameters["preset"], lfw.parameters["dataset"] = "paper", "lfw"
    for minute, record in enumerate([*laptop, paper, lfw, made_again]):
        record.created = f"2026-01-01T00:0{minute}:00+00:00"
        record.data = {"train": {"sha256": str(record.parameters["seed"])}}  # whom the seed has drawn
    table = records.summarize_over_seeds([made_again, *laptop, paper, lfw])  # in whatever order they are found
    found = {row.parameters: (round(row.value, 9), row.n) for row in table.itertuples()}
    assert found == {
        'dataset="orl", preset="laptop"': (0.7, 3),
        'dataset="orl", preset="paper"': (0.1, 1),
        'dataset="lfw", preset="laptop"': (0.2, 1),
    }
    assert records.summarize_over_seeds(laptop)["parameters"].tolist() == [""]
    assert records.summarize_over_seeds([]).empty


def test_broken_records_are_named(tmp_path):
    for text in ("", "{", "[]", json.dumps({"schema": 1}), json.dumps({"schema": 99, "metrics": {}})):
        path = tmp_path / "broken.json"
        path.write_text(text)
        with pytest.raises(FacelabError, match="broken.json"):
            records.read_record(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        files.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(FacelabError, match="No space left"), files.atomic_write(path) as partial:
        partial.write_text("half")
        raise OSError(28, "No space left on device")
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
