"""A batch from its plan to its end: what fails is a row, the rest goes on, and a second call does only what is missing."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from batch_project import CODE, clone, write_notebooks
from commands import call

pytest.importorskip("submitit")

from facelab.batches import run
from facelab.batches.attempts import begin_attempt, is_running, read_attempts
from facelab.batches.jobs import Engine, JobEnd
from facelab.batches.plan import Batch, Task, plan_batch, read_batch
from facelab.batches.status import batch_status
from facelab.batches.task_job import TaskJob
from facelab.paths import runs_root

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture
def project(notebook_folder, tmp_path, monkeypatch, data):
    write_notebooks(notebook_folder)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()


def test_the_second_call_completes_all_but_what_raises(project, monkeypatch, capsys):
    """Three notebooks and two seeds; one raises, and the kernel of one is killed as long as a file is there. Each task is the
    command, here in the process of the tests."""

    def command(job):
        call(monkeypatch, *job.words[3:])
        return ""

    monkeypatch.setattr(TaskJob, "__call__", command)
    assert call(monkeypatch, "batch", "make", "b", "all", "--seeds", "0-1") == 0
    batch = read_batch("b")
    (runs_root() / "kill").touch()
    assert call(monkeypatch, "batch", "run", "b", "--on", "debug") == 1
    assert [status.state for status in batch_status(batch)] == ["done"] * 2 + ["failed"] * 4
    told = capsys.readouterr()
    assert re.search(r"facelab: 6 tasks: 2 done, 4 failed\..* To do what is missing: facelab batch run b\.\n", told.err)
    rows = [line for line in told.out.splitlines() if " failed  " in line]
    errors = ["96_raises failed in cell 4: ZeroDivisionError: division by zero"] * 2
    errors += ["The kernel of 97_killed died in cell 4: it was killed, or memory ran out."] * 2
    assert len(rows) == 4 and all(row.endswith(error) for row, error in zip(rows, errors, strict=True))
    for name, said in (("96_raises", "An Exception was encountered"), ("97_killed", "The kernel of 97_killed died")):
        cells = nbformat.read(runs_root() / "notebooks" / f"{name}-laptop-orl-1.ipynb", 4).cells
        assert cells[0].cell_type == "markdown" and said in cells[0].source, "the error is on top"

    (runs_root() / "kill").unlink()
    assert call(monkeypatch, "batch", "run", "b", "--on", "debug") == 1
    assert [status.state for status in batch_status(batch)] == ["done", "done", "failed", "failed", "done", "done"]
    assert [status.attempts.count for status in batch_status(batch)] == [1, 1, 2, 2, 2, 2]
    times = {name: (runs_root() / name).read_text().split() for name in CODE}
    assert times == {"95_well": ["0", "1"], "96_raises": ["0", "1"] * 2, "97_killed": ["0", "1"] * 2}
    assert {path.name for path in runs_root().glob("checkpoints/9[57]*/*")} <= {".lock"}


@pytest.mark.parametrize(
    ("begun", "end", "error"),
    [
        (
            0,
            JobEnd(0, problem="Job 12 of Slurm: it was cancelled."),
            "It never started. Job 12 of Slurm: it was cancelled.",
        ),
        (0, JobEnd(0, result=""), "It never started. Its output is in {jobs}."),
        (1, JobEnd(0, problem="Job 12 of Slurm: it met its time limit."), "Job 12 of Slurm: it met its time limit."),
        (1, JobEnd(0, result="It was killed by SIGKILL."), "It was killed by SIGKILL."),
        (1, JobEnd(0, result=""), "It ended without a word: killed, for want of memory perhaps, or at a time limit."),
    ],
)
def test_a_job_that_dies_without_a_word_is_a_row(project, monkeypatch, tmp_path, begun, end, error):
    batch = plan_batch("b", ["95"], {})
    batch.write()

    def run_jobs(calls, engine):
        assert len(calls) == 1 and calls[0].environment["FACELAB_RUNS"] == str(tmp_path / "runs")
        if begun:
            path = batch.folder / "tasks" / "0.json"
            path.parent.mkdir()
            path.write_text(json.dumps({"count": 1, "started": "2026-01-01T00:00:00+00:00", "host": "n1"}))
        yield end

    monkeypatch.setattr(run, "run_jobs", run_jobs)
    (status,) = run.run_batch(batch, [0], Engine("slurm", tmp_path / "jobs", 1, "b"))
    expected = error.format(jobs=tmp_path / "jobs")
    assert (status.state, status.error, status.attempts.count) == ("failed", expected, begun)


def test_what_runs_elsewhere_is_not_run_again_and_not_done(project, monkeypatch, capsys):
    batch = plan_batch("b", ["95"], {})
    batch.write()
    with begin_attempt(batch, 0):
        assert call(monkeypatch, "batch", "run", "b") == 1
    told = capsys.readouterr()
    assert told.err == "facelab: 1 task: 1 running. Wait for those that run elsewhere: facelab batch status b.\n"
    assert "95_well laptop-orl-0 running     1" in told.out


def test_the_environment_of_a_task_is_that_of_its_batch(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("FACELAB_THREADS", raising=False)
    environment = run._environment(Engine("local", tmp_path, 3, "b"))
    assert (environment["CUDA_VISIBLE_DEVICES"], environment["FACELAB_THREADS"]) == ("1", "2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    environment = run._environment(Engine("local", tmp_path, 1, "b"))
    assert environment["CUDA_VISIBLE_DEVICES"] is None and "FACELAB_THREADS" not in environment
    assert "CUDA_VISIBLE_DEVICES" not in run._environment(Engine("slurm", tmp_path, 3, "b"))


def test_tasks_are_processes_that_go_on_without_each_other_and_end_with_the_call(tmp_path, monkeypatch):
    """The first kills its command; the second waits, until the whole is told to end."""
    code = {
        "95_kills": "os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)",
        "97_waits": "(runs / 'pid').write_text(str(os.getpid())); time.sleep(600)",
    }
    folder = clone(tmp_path / "clone", code)
    monkeypatch.setenv("FACELAB_RUNS", str(folder / "runs"))
    batch = Batch("b", tuple(Task(name, {"preset": "smoke", "dataset": "orl", "seed": 0}) for name in code))
    batch.write()
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "facelab.cli", "batch", "run", "b", "--workers", "2"]
    main = subprocess.Popen(
        words, env=environment, cwd=folder, text=True, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 600
        while not ((folder / "runs" / "pid").exists() and "SIGKILL" in read_attempts(batch, 0).error):
            assert main.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        kernel = int((folder / "runs" / "pid").read_text())
        main.send_signal(signal.SIGTERM)
        told = main.communicate(timeout=100)[1]
        while psutil.pid_exists(kernel) and psutil.Process(kernel).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the kernel is left"
            time.sleep(0.1)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(main.pid, signal.SIGKILL)
    assert main.returncode == 143 and told.endswith("facelab: stopped.\n") and "Traceback" not in told
    tries = [read_attempts(batch, index) for index in range(2)]
    assert [own.error for own in tries] == ["It was killed by SIGKILL.", "It was stopped (SystemExit)."]
    assert [own.count for own in tries] == [1, 1] and not is_running(batch, 1)
