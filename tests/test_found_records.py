"""A folder of records as people have them: with copies, hidden files, other programs' files and damaged ones."""

from __future__ import annotations

import json
import os
import shutil
import warnings

import pandas as pd
import pytest
from commands import call
from photos import close_folder

from facelab import records
from facelab.errors import FacelabError
from facelab.records import Metric, Record


def make(folder, seed=0, **fields) -> Record:
    record = Record("02_x", "facelab run 02", {"preset": "laptop", "dataset": "orl", "seed": seed}, **fields)
    record.metrics["top1"] = Metric(0.5 + seed / 100, 100, 0.4, 0.6, "Wilson")
    record.created = f"2026-01-01T00:00:{seed:02d}+00:00"
    record.write(folder / f"{seed}.json")
    return record


def leaderboard(monkeypatch, *words) -> int:
    return call(monkeypatch, "leaderboard", *map(str, words))


def test_copies_and_hidden_files_count_once(tmp_path):
    made = [make(tmp_path / "02", seed) for seed in (0, 1)]
    hidden = tmp_path / "02" / ".ipynb_checkpoints"
    hidden.mkdir()
    shutil.copy(tmp_path / "02" / "0.json", hidden / "0-checkpoint.json")
    (tmp_path / "02" / "._0.json").write_bytes(b"\0\5\26\7Mac OS X")
    shutil.copy(tmp_path / "02" / "1.json", tmp_path / "02" / "1 - Copy.json")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "0.json").write_text("{")
    (tmp_path / "02" / "link.json").symlink_to("0.json")
    (tmp_path / "02" / "nothing.json").symlink_to("nowhere.json")
    (tmp_path / "02" / "circle.json").symlink_to("circle.json")
    (tmp_path / "02" / "folder.json").mkdir()
    found = records.search_records(tmp_path, tmp_path / "02")
    assert found == records.FoundRecords(made, [], [])
    assert records.find_records(tmp_path) == made


def test_a_hidden_folder_that_is_asked_for_is_read(tmp_path):
    made = make(tmp_path / ".runs")
    assert records.find_records(tmp_path / ".runs") == [made]


FOREIGN = {
    "calibration": b'{"embedder": "sface", "points": [1, 2]}',
    "coco": b'{"images": [], "annotations": []}',
    "package": b'{"name": "app", "schema": "https://json.schemastore.org/package", "metrics": {}}',
    "list": b"[1, 2]",
    "empty": b"",
    "zeros": b"\0" * 600,
    "utf16": '{"name": "a"}'.encode("utf-16"),
    "deep": b"[" * 200_000,
    "text": b"no JSON at all",
    "number": b"NaN",
    "comments": b'{"name": "app", // the name\n "schema": 1, "metrics": {}}',
    "cut": b'{\n "name": "app",\n "version": "1.0',
}


def test_files_of_other_programs_are_passed_over_and_counted(monkeypatch, capsys, tmp_path):
    made = make(tmp_path)
    for name, content in FOREIGN.items():
        (tmp_path / f"{name}.json").write_bytes(content)
    with (tmp_path / "sparse.json").open("wb") as sparse:
        sparse.truncate(2**40)
    found = records.search_records(tmp_path)
    assert found.records == [made] and found.unusable == []
    assert {path.stem for path in found.foreign} == {*FOREIGN, "sparse"}
    assert leaderboard(monkeypatch, tmp_path) == 0
    said = capsys.readouterr()
    assert "top1" in said.out
    assert said.err == f"passed over: 13 JSON files of other programs (the first: {tmp_path / 'calibration.json'})\n"


def test_a_damaged_or_later_record_is_named_and_the_others_are_shown(monkeypatch, capsys, tmp_path):
    made = make(tmp_path, 0)
    text = (tmp_path / "0.json").read_bytes()
    whole = json.loads(text)
    damaged = {
        "cut": text[:-100],
        "flipped": text.replace(b"facelab run", b"facelab \xff\xfe", 1),
        "later": json.dumps(whole | {"schema": 2, "new": 1}).encode(),
        "field": json.dumps(whole | {"surprise": 1}).encode(),
        "values": json.dumps(whole | {"metrics": {"top1": {"value": "0.5"}}}).encode(),
        "interval": json.dumps(whole | {"metrics": {"top1": {"value": 0.5, "low": []}}}).encode(),
        "huge": json.dumps(whole | {"metrics": {"top1": {"value": 10**400}}}).encode(),
        "many": json.dumps(whole | {"metrics": {"top1": {"value": 0.5, "n": 1}}})
        .replace('"n": 1', '"n": 1e400')
        .encode(),
        "end": json.dumps(whole | {"metrics": {"top1": {"value": 0.5, "low": 0.4}}}).encode(),
        "years": json.dumps(whole | {"wall_seconds": 10**400}).encode(),
        "nan": json.dumps(whole | {"metrics": {"top1": {"value": float("nan")}}}).encode(),
        "list": json.dumps(whole | {"metrics": [1]}).encode(),
        "parameters": json.dumps(whole | {"parameters": None}).encode(),
        "created": json.dumps(whole | {"created": 5}).encode(),
        "seconds": json.dumps(whole | {"wall_seconds": "long"}).encode(),
    }
    for name, content in damaged.items():
        (tmp_path / f"{name}.json").write_bytes(content)
    found = records.search_records(tmp_path)
    assert found.records == [made] and found.foreign == []
    for name, line in zip(sorted(damaged), found.unusable, strict=True):
        assert line.startswith(str(tmp_path / f"{name}.json"))
        assert ("Update facelab." if name == "later" else "Run its notebook or its command again.") in line
    assert leaderboard(monkeypatch, tmp_path) == 0
    said = capsys.readouterr()
    assert "top1" in said.out and said.err.count("left out: ") == said.err.count("\n") == len(damaged)
    with pytest.warns(records.UnusableRecordWarning) as heard:
        assert records.find_records(tmp_path) == [made]
    assert len(heard) == len(damaged)


def test_where_no_record_is_whole_the_leaderboard_says_so(monkeypatch, capsys, tmp_path):
    make(tmp_path)
    path = tmp_path / "0.json"
    path.write_bytes(path.read_bytes()[:200])
    assert leaderboard(monkeypatch, tmp_path) == 1
    left_out, error = capsys.readouterr().err.splitlines()
    assert str(path) in left_out and "Run" in error and "Remove" not in left_out + error


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everybody may read everything here")
def test_a_record_that_may_not_be_read_is_named(tmp_path):
    make(tmp_path)
    (tmp_path / "0.json").chmod(0)
    assert "0.json cannot be read" in records.search_records(tmp_path).unusable[0]


def test_nothing_advises_to_remove_a_file(tmp_path):
    for name, content in FOREIGN.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(content)
        with pytest.raises(FacelabError, match=f"{name}.json is not a record") as error:
            records.read_record(path)
        assert "emove" not in error.value.remedy and "elete" not in error.value.remedy


def test_a_record_that_an_editor_saved_with_a_mark_at_its_beginning_is_read(tmp_path):
    made = make(tmp_path)
    path = tmp_path / "0.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert records.read_record(path) == made


def test_names_that_are_markup_stay_apart_in_the_leaderboard(monkeypatch, capsys, tmp_path):
    for seed, name in enumerate(("folder:/a/set", "folder:/a/set[raw]", "folder:/a/set[/red]", "folder:/a/\x1b[31m\n")):
        record = make(tmp_path, seed)
        record.parameters["dataset"] = name
        record.metrics["share/[bold]"] = Metric(0.25)
        record.write(tmp_path / f"{seed}.json")
    assert leaderboard(monkeypatch, tmp_path, "--csv", tmp_path / "t.csv") == 0
    said = capsys.readouterr().out
    for shown in ("a/set,", "a/set[raw],", "a/set[/red],", "a/\\x1b[31m\\n,"):
        assert said.count(f"name 02_x, preset laptop, dataset folder:/{shown}") == 1
    assert said.count("share/[bold]") == 4
    assert set(pd.read_csv(tmp_path / "t.csv")["dataset"]) >= {"folder:/a/set[raw]", "folder:/a/\x1b[31m\n"}


def test_parameters_that_are_empty_or_lists_hide_no_row(monkeypatch, capsys, tmp_path):
    for seed, value in enumerate((None, [64, 32], {"a": 1})):
        record = make(tmp_path, seed)
        record.parameters["dataset"] = value
        record.write(tmp_path / f"{seed}.json")
    assert leaderboard(monkeypatch, tmp_path) == 0
    said = capsys.readouterr().out
    assert said.count("top1") == 3 and "dataset [64, 32]," in said


def test_the_table_opens_with_its_letters_in_a_spreadsheet(monkeypatch, tmp_path):
    record = make(tmp_path)
    record.parameters["dataset"] = "folder:/home/张伟/caf\udce9"
    record.write(tmp_path / "0.json")
    assert records.read_record(tmp_path / "0.json") == record
    assert leaderboard(monkeypatch, tmp_path, "--csv", tmp_path / "t.csv") == 0
    assert (tmp_path / "t.csv").read_bytes().startswith("\ufeffname,".encode())
    assert pd.read_csv(tmp_path / "t.csv")["dataset"][0] == "folder:/home/张伟/caf\\udce9"


def test_a_home_folder_is_found(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path / "mine")
    assert leaderboard(monkeypatch, "~/mine", "--csv", "~/t.csv") == 0
    assert (tmp_path / "t.csv").is_file()


def test_good_folders_give_no_warning(tmp_path):
    make(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(records.find_records(tmp_path)) == 1


def test_linked_folders_are_followed_and_no_circle(tmp_path):
    made = [make(tmp_path / "disk" / "a", 0), make(tmp_path / "disk" / ".old" / "b", 1)]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "a" / "up").symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "again").symlink_to(tmp_path / "disk" / "a")
    (tmp_path / "runs" / "self").symlink_to("self")
    (tmp_path / "runs" / "gone").symlink_to("nowhere")
    assert records.search_records(tmp_path / "runs") == records.FoundRecords(made[:1], [], [])
    (tmp_path / "runs" / "old").symlink_to(tmp_path / "disk" / ".old")
    assert records.search_records(tmp_path / "runs").records == made
    assert records.search_records(tmp_path / "not there") == records.FoundRecords([], [], [])


def test_a_folder_that_cannot_be_opened_is_named(monkeypatch, capsys, tmp_path):
    make(tmp_path / "open", 0)
    make(tmp_path / "closed", 1)
    with monkeypatch.context() as patch:
        close_folder(tmp_path / "closed", patch)
        assert leaderboard(patch, tmp_path) == 0
    said = capsys.readouterr()
    assert "seed 0" in said.out and "seed 1" not in said.out
    assert said.err == f"left out: {tmp_path / 'closed'} cannot be opened (Permission denied). Check its rights.\n"


def test_a_table_for_the_name_of_a_folder_is_refused(monkeypatch, capsys, tmp_path):
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert leaderboard(monkeypatch, tmp_path, "--csv", ".") == 1
    assert capsys.readouterr().err.endswith("A folder has this name: choose another.\n")


def test_a_path_longer_than_systems_allow_is_one_line(monkeypatch, capsys):
    assert leaderboard(monkeypatch, "張" * 86) == 1
    assert "258 bytes long" in capsys.readouterr().err
