"""A batch is checked and written whole or not at all; what is there already is done; a task runs once at a time."""

import json
import threading

import pytest
from batch_project import write_notebooks
from commands import call
from filelock import FileLock
from photos import people

from facelab.batches import attempts, task
from facelab.batches.attempts import begin_attempt, is_running, note_failure, read_attempts
from facelab.batches.plan import Batch, parse_seeds, plan_batch, read_batch
from facelab.batches.results import records_by_setting
from facelab.batches.status import batch_status, summary
from facelab.errors import BadParameterError, FacelabError, PreemptedError
from facelab.labs import references
from facelab.paths import runs_root
from facelab.records import Metric, Record


@pytest.fixture(autouse=True)
def _notebooks(notebook_folder, data):
    write_notebooks(notebook_folder)


def record(batch: Batch, index: int, **changed: object) -> None:
    """Write the record of a task, as its notebook does."""
    planned = batch.task(index)
    parameters = planned.parameters | changed
    path = runs_root() / "records" / planned.notebook / f"{planned.label.split()[1]}.json"
    Record(planned.notebook, "a test", parameters, metrics={"double": Metric(2.0 * parameters["seed"])}).write(path)


def test_a_plan_has_every_notebook_data_set_and_seed_once(monkeypatch, capsys):
    words = ["batch", "make", "b", "95", "97", "--seeds", "0-2,7", "--datasets", "orl,orl-wild", "-p", "preset=smoke"]
    assert call(monkeypatch, *words) == 0
    batch = read_batch("b")
    expected = [
        {"preset": "smoke", "dataset": dataset, "seed": seed}
        for dataset in ("orl", "orl-wild")
        for seed in (0, 1, 2, 7)
    ]
    for name in ("95_well", "97_killed"):
        assert [own.parameters for own in batch.tasks if own.notebook == name] == expected
    assert "16 tasks: 16 missing" in capsys.readouterr().out
    before = (batch.folder / "plan.json").stat().st_mtime_ns
    assert call(monkeypatch, *words) == 0 and "(was there)" in capsys.readouterr().out
    assert (batch.folder / "plan.json").stat().st_mtime_ns == before
    assert call(monkeypatch, *words[:-2]) == 1
    assert "b is there already with another plan, of 16 tasks. Choose another name" in capsys.readouterr().err
    assert read_batch("b") == batch


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["95", "--seeds", "3-1"], "names no seeds"),
        (["95", "--seeds", "x"], "names no seeds"),
        (["95", "--seeds", "1,1"], "names a seed twice"),
        (["95", "--seeds", "0-9999999"], "too many"),
        (["95", "--seeds", "0-10"], "seed is 10"),
        (["95", "--datasets", "orl,lfw"], "'lfw' is not on this machine"),
        (["95", "--datasets", "orl,olr"], "olr"),
        (["95", "--datasets", "orl,orl"], "'orl' is named twice"),
        (["95", "-p", "seed=1"], "Give --seeds"),
        (["95", "-p", "dataset=orl"], "Give --datasets"),
        (["95", "97", "-p", "epochs=1"], "95_well has no parameter 'epochs'"),
        (["95", "--preset", "huge"], "preset is 'huge'"),
        (["94"], "No notebook is called '94'"),
        (["95", "95"], "named twice"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(monkeypatch, capsys, words, said):
    assert call(monkeypatch, "batch", "make", "b", *words) == 1
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and not runs_root().exists()


def test_a_data_set_under_two_spellings_of_its_path_is_named_twice(tmp_path, monkeypatch):
    """They are one record: the results would count each seed twice."""
    monkeypatch.chdir(tmp_path)
    people(tmp_path / "faces", ann=2, bob=2)
    batch = plan_batch("b", ["95", "97"], {}, datasets=["folder:faces", "orl"])
    assert [own.parameters["dataset"] for own in batch.tasks] == 2 * [f"folder:{tmp_path / 'faces'}", "orl"]
    with pytest.raises(BadParameterError, match=r"/faces' is named twice. Name each once"):
        plan_batch("b", ["95"], {}, datasets=["folder:faces", "folder:./faces"])


@pytest.mark.parametrize("name", ["", ".x", "a/b", "..", "a b", "x" * 65])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(BadParameterError, match="cannot be called"):
        plan_batch(name, ["95"], {})
    with pytest.raises(BadParameterError, match="No batch is called"):
        read_batch(name)


def test_seeds_are_ranges_and_numbers():
    assert parse_seeds("0-19") == list(range(20))
    assert parse_seeds("3, 0-1,7") == [3, 0, 1, 7] and parse_seeds("5") == [5]


def test_a_damaged_plan_and_one_of_other_parameters_are_told(notebook_folder):
    batch = plan_batch("b", ["95"], {})
    batch.write()
    plan = batch.folder / "plan.json"
    for content in (
        "",
        "[]",
        '{"tasks": 3}',
        '{"tasks": [{"notebook": 3, "parameters": {}}]}',
        '{"tasks": [{"x": 1}]}',
    ):
        plan.write_text(content)
        with pytest.raises(FacelabError, match="is not the plan of a batch .* Remove"):
            read_batch("b")
    plan.write_text(json.dumps({"tasks": [{"notebook": "95_well", "parameters": {"seed": 0}}]}))
    with pytest.raises(BadParameterError, match="95_well has other parameters than when the batch b was made"):
        read_batch("b")


def test_a_task_is_done_when_its_very_record_is_there(monkeypatch, capsys):
    batch = plan_batch("b", ["95"], {}, "0-2")
    batch.write()
    record(batch, 0)
    record(batch, 1, seed=5)  # of other parameters, in a file of its name
    (runs_root() / "records" / "95_well" / "laptop-orl-2.json").write_text("{")
    assert [status.state for status in batch_status(batch)] == ["done", "missing", "missing"]
    assert summary(batch_status(batch)) == "3 tasks: 1 done, 2 missing"
    assert call(monkeypatch, "batch", "task", "b", "0") == 0
    assert capsys.readouterr().out.endswith("done already\n") and not (batch.folder / "tasks").exists()


def test_what_became_of_a_try_is_kept():
    batch = plan_batch("b", ["95"], {}, "0-3")
    with begin_attempt(batch, 0):
        assert is_running(batch, 0) and batch_status(batch)[0].state == "running"
    with pytest.raises(FacelabError), begin_attempt(batch, 1):
        raise FacelabError("It is\n  broken.", "Mend it.")
    with pytest.raises(KeyError), begin_attempt(batch, 1):
        raise KeyError("x" * 1000)
    assert read_attempts(batch, 1).error == f"KeyError: '{'x' * 489}"
    with pytest.raises(FacelabError), begin_attempt(batch, 1):
        raise FacelabError("It is\n  broken.", "Mend it.")
    with pytest.raises(SystemExit), begin_attempt(batch, 2):
        raise SystemExit(143)
    assert [read_attempts(batch, index).error for index in range(4)] == [
        "", "It is broken.", "It was stopped (SystemExit).", "",
    ]  # fmt: skip
    assert [read_attempts(batch, index).count for index in range(4)] == [1, 3, 1, 0]
    path = batch.folder / "tasks" / "3.json"
    path.write_text(json.dumps({"count": 2, "started": "2026-01-01T00:00:00+00:00", "host": "here"}))
    states = batch_status(batch)
    assert [status.state for status in states] == ["failed", "failed", "failed", "failed"], "0 has no record"
    assert "ended without a word" in states[3].error, "it was killed: its lock is free, and it did not say how it ended"
    path.write_text("{")
    with pytest.raises(FacelabError, match="3.json is damaged"):
        read_attempts(batch, 3)


def test_a_failure_is_noted_but_not_of_a_task_that_somebody_is_at(monkeypatch):
    monkeypatch.setattr(attempts, "_LOOK_SECONDS", 0.0)
    batch = plan_batch("b", ["95"], {}, "0-1")
    assert note_failure(batch, 1, "It never started.")
    assert (read_attempts(batch, 1).error, read_attempts(batch, 1).count) == ("It never started.", 0)
    with begin_attempt(batch, 0):
        assert not note_failure(batch, 0, "It was killed.")
    assert read_attempts(batch, 0).error == ""


def test_a_task_that_is_started_twice_at_once_runs_once(monkeypatch):
    monkeypatch.setattr(attempts, "_LOOK_SECONDS", 0.2)
    batch = plan_batch("b", ["95"], {})
    begun, end, told, times = threading.Event(), threading.Event(), [], []

    def execute(run, *, makes_room):
        times.append(run.parameters["seed"])
        begun.set()
        end.wait(20)
        record(batch, 0)

    monkeypatch.setattr(task.notebooks, "execute", execute)

    def first():
        told.append(task.run_task(batch, 0))

    thread = threading.Thread(target=first)
    thread.start()
    begun.wait(20)
    with pytest.raises(attempts.TaskRunningError, match=r"Task 0 of b is running on \S+, since 2.*Wait"):
        task.run_task(batch, 0)
    end.set()
    thread.join()
    assert told == [True] and times == [0] and task.run_task(batch, 0) is False
    assert read_attempts(batch, 0).count == 1


def test_whoever_only_looks_whether_a_task_runs_is_in_nobodys_way():
    batch = plan_batch("b", ["95"], {})
    (batch.folder / "tasks").mkdir(parents=True)
    lock = FileLock(batch.folder / "tasks" / "0.lock", thread_local=False)
    lock.acquire()
    threading.Timer(0.3, lock.release).start()
    with begin_attempt(batch, 0):
        assert read_attempts(batch, 0).count == 1


@pytest.mark.parametrize("variable", ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"])
def test_the_index_is_that_of_the_array(monkeypatch, capsys, variable):
    batch = plan_batch("b", ["95"], {}, "0-3")
    batch.write()
    seen = []

    def execute(run, *, makes_room):
        seen.append((run.parameters["seed"], makes_room))
        record(batch, 2)

    monkeypatch.setattr(task.notebooks, "execute", execute)
    monkeypatch.setenv(variable, "2")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    assert call(monkeypatch, "batch", "task", "b") == 0
    assert seen == [(2, True)] and "95_well laptop-orl-2" in capsys.readouterr().out
    assert read_attempts(batch, 2).job == ("12_2" if variable.startswith("SLURM") else "")
    monkeypatch.setenv(variable, "2-3")
    assert call(monkeypatch, "batch", "task", "b") == 1 and f"{variable} is '2-3'" in capsys.readouterr().err
    monkeypatch.delenv(variable)
    assert call(monkeypatch, "batch", "task", "b") == 1 and "No task is named" in capsys.readouterr().err
    assert call(monkeypatch, "batch", "task", "b", "4") == 1 and "has no task 4" in capsys.readouterr().err
    assert call(monkeypatch, "batch", "task", "c", "0") == 1 and "There are: b." in capsys.readouterr().err


def test_a_task_that_made_room_says_so_by_its_exit_code(monkeypatch, capsys):
    batch = plan_batch("b", ["95"], {})
    batch.write()

    def execute(run, *, makes_room):
        raise PreemptedError("95_well made room in cell 3.", "The same call goes on.")

    monkeypatch.setattr(task.notebooks, "execute", execute)
    assert call(monkeypatch, "batch", "task", "b", "0") == 75
    assert batch_status(batch)[0].error == "95_well made room in cell 3."


def test_the_status_is_a_table_and_json_and_an_exit_code(monkeypatch, capsys):
    batch = plan_batch("b", ["95"], {}, "0-2")
    batch.write()
    record(batch, 0)
    with pytest.raises(FacelabError), begin_attempt(batch, 1):
        raise FacelabError("[b]95_well[/b] failed in cell 4: NameError: x", "Look at it.")
    assert call(monkeypatch, "batch", "status", "b") == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[-1] == "3 tasks: 1 done, 1 failed, 1 missing"
    assert lines[2].split()[:5] == ["1", "95_well", "laptop-orl-1", "failed", "1"]
    assert lines[2].endswith("[b]95_well[/b] failed in cell 4: NameError: x")
    assert call(monkeypatch, "batch", "status", "b", "--json") == 1
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    assert [(own["index"], own["state"], own["attempts"]) for own in tasks] == [
        (0, "done", 0), (1, "failed", 1), (2, "missing", 0),
    ]  # fmt: skip
    assert tasks[1]["parameters"] == {"preset": "laptop", "dataset": "orl", "seed": 1}
    assert tasks[1]["executed"].endswith("95_well-laptop-orl-1.ipynb")
    for index in (1, 2):
        record(batch, index)
    assert call(monkeypatch, "batch", "status", "b") == 0


def test_results_are_means_over_the_seeds_and_become_references(monkeypatch, capsys):
    batch = plan_batch("b", ["95"], {}, "0-4", ["orl", "orl-wild"])
    batch.write()
    assert call(monkeypatch, "batch", "results", "b") == 1
    assert "is not done (10 tasks: 10 missing). Call first: facelab batch run b" in capsys.readouterr().err
    for index in range(10):
        record(batch, index)
    stored = []
    monkeypatch.setattr(references, "store", stored.append)
    assert call(monkeypatch, "batch", "results", "b", "--reference") == 0
    out = capsys.readouterr().out
    assert "95_well, laptop, orl, 5 seeds" in out and "95_well, laptop, orl-wild, 5 seeds" in out
    assert out.count("double 4.000 0.074 to 7.926 5") == 2, "the mean of 0, 2, 4, 6 and 8"
    assert [{own.parameters["dataset"] for own in records} for records in stored] == [{"orl"}, {"orl-wild"}]
    assert [len(own) for own in records_by_setting(batch).values()] == [5, 5]
    few = plan_batch("few", ["95"], {}, "0-3")
    few.write()
    assert call(monkeypatch, "batch", "results", "few", "--reference") == 1
    assert "4 seeds" in capsys.readouterr().err and len(stored) == 2
