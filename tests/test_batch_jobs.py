"""Calls by an engine: what they return, raise or die of is told, so many run at a time, and nothing of them outlives a stop."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

pytest.importorskip("submitit")

from facelab.batches import jobs
from facelab.batches.jobs import Engine, make_engine, parse_sbatch, run_jobs
from facelab.batches.task_job import TaskJob
from facelab.errors import BadParameterError, FacelabError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="submitit's signals are those of POSIX")


@pytest.fixture
def local(tmp_path) -> Engine:
    return Engine("local", tmp_path / "jobs", 2, "test")


@pytest.mark.parametrize("kind", ["local", "debug"])
def test_what_a_call_returns_or_raises_is_told(tmp_path, kind):
    ends = list(run_jobs([partial(divmod, 7, 2), partial(divmod, 1, 0)], Engine(kind, tmp_path / "jobs", 2, "test")))
    assert {end.index: end.result for end in ends} == {0: (3, 1), 1: None}
    (problem,) = [end.problem for end in ends if end.index == 1]
    assert (
        problem.startswith(("ZeroDivisionError: ", "integer ")) and "by zero" in problem and "Its output is" in problem
    )


def test_a_killed_process_is_told_and_as_many_run_at_a_time_as_there_are_workers(local, tmp_path):
    """The first two wait for each other. Each writes that it begins and that it ends: never are three between the two."""
    marks = tmp_path / "marks"
    code = f"echo 1 >> {marks}; n=0; while [ $(grep -cx 1 {marks}) -lt 2 ] && [ $n -lt 900 ]; do sleep 0.1; n=$((n+1)); done"
    call = partial(subprocess.call, ["sh", "-c", f"{code}; echo -1 >> {marks}; [ $n -lt 900 ]"])
    ends = {end.index: end for end in run_jobs([call, call, partial(os._exit, 9), call], local)}
    assert [ends[index].result for index in (0, 1, 3)] == [0, 0, 0]
    assert ends[2].problem.startswith("Its process was killed. Its output is")
    running = [sum(map(int, marks.read_text().split()[: n + 1])) for n in range(6)]
    assert running[-1] == 0 and max(running) == 2


@pytest.mark.parametrize(("call", "said"), [(partial(divmod, 7, 2), ""), (partial(divmod, 1, 0), "by zero")])
def test_a_result_that_comes_between_two_looks_is_not_a_killed_process(local, monkeypatch, call, said):
    """Between the look for a result and the question whether the process has ended, each process ends."""
    from submitit.local.local import LocalJob

    has_ended = LocalJob.done

    def ended(job):
        deadline = time.monotonic() + 60
        while not has_ended(job):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return True

    monkeypatch.setattr(LocalJob, "done", ended)
    (end,) = run_jobs([call], local)
    assert said in end.problem and bool(said) == bool(end.problem)


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline, path
        time.sleep(0.05)
    return path.read_text()


_COMMAND = """
import os, signal, sys, time
from pathlib import Path

folder, kind = Path(sys.argv[1]), sys.argv[2]
with (folder / "calls").open("a") as file:
    print(os.environ.get("GIVEN"), os.environ.get("TAKEN"), file=file)
calls = len((folder / "calls").read_text().split("\\n")) - 1

def make_room(number, frame):
    (folder / "signal").write_text(f"{signal.Signals(number).name}\\n")
    sys.exit(75)

signal.signal(signal.SIGUSR1, make_room)
signal.signal(signal.SIGTERM, make_room)
(folder / "pid").write_text(f"{os.getpid()}\\n")
if kind == "waits" or (kind == "waits once" and calls == 1):
    time.sleep(100)
elif kind == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def new_task(tmp_path, monkeypatch):
    """A task whose command is the script above."""
    monkeypatch.setenv("TAKEN", "by the engine")
    script = tmp_path / "command.py"
    script.write_text(_COMMAND)

    def make(kind):
        job = TaskJob("name", 0, {"GIVEN": "to it", "TAKEN": None}, "its time limit of 2 minutes")
        job.words = [sys.executable, str(script), str(tmp_path), kind]
        return job

    return make


def test_a_task_is_the_command(monkeypatch):
    job = TaskJob("name", 3, {}, "")
    assert job.words == [sys.executable, "-m", "facelab.cli", "batch", "task", "name", "3"]


@pytest.mark.parametrize(("kind", "said"), [("ends", ""), ("dies", "It was killed by SIGKILL.")])
def test_how_a_command_ends_is_the_result(new_task, local, tmp_path, kind, said):
    (end,) = run_jobs([new_task(kind)], local)
    assert (end.result, end.problem) == (said, "")
    assert (tmp_path / "calls").read_text() == "to it None\n"


def test_before_its_limit_a_command_makes_room_and_is_told_of(new_task, tmp_path):
    limit = 4 / 60  # of a minute, of which submitit's signal takes half
    (end,) = run_jobs([new_task("waits")], Engine("local", tmp_path / "jobs", 1, "test", limit))
    assert end.result == "It met its time limit of 2 minutes. What it trained is kept: call it again."
    assert wait_for(tmp_path / "signal") == "SIGUSR1\n" and (tmp_path / "calls").read_text().count("\n") == 1


@pytest.mark.parametrize(("meets", "name"), [("command", "SIGTERM"), ("caller", "SIGUSR1"), ("caller", "SIGUSR2")])
def test_a_command_that_makes_room_is_called_again(new_task, local, tmp_path, meets, name):
    """Slurm signals each process of a job; here one of them alone has it."""

    def send():
        command = psutil.Process(int(wait_for(tmp_path / "pid")))
        os.kill(command.pid if meets == "command" else command.ppid(), getattr(signal, name))

    with contextlib.closing(run_jobs([new_task("waits once")], local)) as ends:
        sender = threading.Thread(target=send)
        sender.start()
        (end,) = ends
        sender.join()
    assert (end.result, end.problem) == ("", "")
    assert (tmp_path / "calls").read_text().count("\n") == 2


def test_nothing_runs_on_where_it_is_stopped(new_task, local, tmp_path):
    with contextlib.closing(run_jobs([partial(abs, -3), new_task("waits")], local)) as ends:
        next(ends)
        pid = int(wait_for(tmp_path / "pid"))
    assert wait_for(tmp_path / "signal") == "SIGTERM\n", "it was told, and could keep what it had"
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


_SLURM = {
    "srun": "exit 1",
    "sbatch": 'cp "$1" {folder}/submission; if [ -f {folder}/full ]; then echo "sbatch: error: no room" >&2; exit 1; fi;'
    ' grep -e --array= "$1" >> {folder}/arrays || echo no array >> {folder}/arrays;'
    ' echo "Submitted batch job $((11 + $(wc -l < {folder}/arrays)))"',
    "squeue": 'if [ -f {folder}/silent ]; then exit 1; fi; echo "$@" >> {folder}/asked; cat {folder}/queue',
    "scancel": 'echo "$@" > {folder}/cancelled',
}


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Engine:
    """An engine whose Slurm is four scripts: no job of it is ever started, and its queue is the text of a file."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, code in _SLURM.items():
        (programs / name).write_text("#!/bin/sh\n" + code.format(folder=tmp_path))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(jobs, "_GONE_SECONDS", 0.2)
    monkeypatch.setattr(jobs, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr("facelab.batches.slurm_queue._ASK_SECONDS", 0.1)
    return Engine("slurm", tmp_path / "jobs", 3, "a name", sbatch={"partition": "gpu", "cpus-per-task": "4"})


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        ("", "Slurm knows its job 12 no more."),
        ("13|RUNNING|None\n", "Slurm knows its job 12 no more."),
        ("12|TIMEOUT|TimeLimit\n", "Job 12 of Slurm: it met its time limit."),
        ("12|OUT_OF_MEMORY|OutOfMemory\n", "Job 12 of Slurm: it had too little memory."),
        ("12|NODE_FAIL|NodeDown\n", "Job 12 of Slurm: its node failed."),
    ],
)
def test_a_job_of_slurm_that_died_is_told_without_any_accounting(slurm, tmp_path, queue, said):
    (tmp_path / "queue").write_text(queue)
    (end,) = run_jobs([partial(abs, -3)], slurm)
    assert end.problem.startswith(said) and "12_0_log.err" in end.problem
    assert "--states=all" in (tmp_path / "asked").read_text(), "which also knows those that have ended"
    lines = (tmp_path / "submission").read_text().splitlines()
    for option in ("partition=gpu", "cpus-per-task=4", "requeue", "time=240", "signal=USR2@120", "job-name='a name'"):
        assert f"#SBATCH --{option}" in lines
    assert any(line.startswith("srun ") and "--cpus-per-task=4" in line for line in lines)


def test_a_job_of_slurm_that_waits_is_waited_for_and_cancelled_where_this_is_stopped(slurm, tmp_path, capfd):
    (tmp_path / "queue").write_text("12_0|PENDING|Resources\n12_1|PENDING|JobHeldUser\n7|PENDING|Priority\n")
    queue = tmp_path / "queue"

    def then():
        asked = tmp_path / "asked"
        while not (asked.exists() and asked.read_text().count("\n") > 2):
            time.sleep(0.05)
        queue.write_text("12_0|PENDING|Resources\n12_1|CANCELLED|None\n")

    changing = threading.Thread(target=then)
    changing.start()
    ends = run_jobs([partial(abs, -3)] * 2, slurm)
    end = next(ends)
    changing.join()
    assert end.index == 1 and "it was cancelled" in end.problem
    assert "#SBATCH --array=0-1%2" in (tmp_path / "submission").read_text()
    ends.close()
    assert (tmp_path / "cancelled").read_text() == "--quiet 12\n"
    told = sorted(capfd.readouterr().err.splitlines())
    assert told == ["Slurm lets jobs wait: JobHeldUser", "Slurm lets jobs wait: Resources"]


@pytest.mark.parametrize(
    ("calls", "workers", "first", "then"),
    [
        (1001, 256, ["0-499%128", "0-500%128"], []),  # at 1000 a second array begins
        (2500, 3, ["0-832%1", "0-832%1", "0-833%1"], []),
        (7, 5, ["0-1%2", "0-1%2", "0-2%1"], []),
        (7, 2, ["0-1%1", "0-1%1"], ["0-2%2"]),
        (7, 100, ["0-1%2", "0-1%2", "0-2%3"], []),
    ],
)
def test_arrays_of_slurm_share_the_workers(slurm, tmp_path, monkeypatch, calls, workers, first, then):
    """Slurm knows none of these jobs, so that all that are submitted have ended at the first look."""
    monkeypatch.setattr(jobs, "_GONE_SECONDS", 0)
    monkeypatch.setattr(jobs, "_ARRAY", 3 if calls == 7 else 1000)
    (tmp_path / "queue").touch()

    def arrays() -> list[str]:
        return [line.partition("--array=")[2] for line in (tmp_path / "arrays").read_text().splitlines()]

    with contextlib.closing(run_jobs([partial(abs, -3)] * calls, replace(slurm, workers=workers))) as ends:
        found = [next(ends).index]
        assert sorted(arrays()) == first
        found += [end.index for end in ends]
    assert sorted(arrays()) == sorted(first + then) and sorted(found) == list(range(calls))


def test_jobs_of_slurm_can_be_left_alone(slurm, tmp_path):
    (tmp_path / "queue").write_text("12_0|RUNNING|None\n12_1|CANCELLED|None\n")
    engine = Engine("slurm", slurm.folder, 3, "a name", leave=True)
    with contextlib.closing(run_jobs([partial(abs, -3)] * 2, engine)) as ends:
        next(ends)
    assert not (tmp_path / "cancelled").exists()


def test_a_slurm_that_does_not_answer_for_long_is_one_line(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr("facelab.batches.slurm_queue._SILENT_SECONDS", 0.3)
    (tmp_path / "silent").touch()
    with pytest.raises(FacelabError, match="Slurm does not answer for"):
        list(run_jobs([partial(abs, -3)], slurm))


def test_a_slurm_that_takes_no_job_and_one_that_is_not_there_are_one_line(slurm, tmp_path, monkeypatch, capfd):
    (tmp_path / "full").touch()
    with pytest.raises(FacelabError, match="Slurm took no job: sbatch: error: no room"):
        list(run_jobs([partial(abs, -3)], slurm))
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FacelabError, match="Slurm is not on this machine. .* --on local"):
        list(run_jobs([partial(abs, -3)], slurm))


def test_an_engine_is_made_of_what_was_typed(tmp_path):
    engine = make_engine("slurm", tmp_path, "b", None, 30, ["partition=gpu", "cpus_per_task=4"], leave=True)
    assert engine == Engine("slurm", tmp_path, 256, "b", 30, {"partition": "gpu", "cpus-per-task": "4"}, True)
    assert make_engine("local", tmp_path, "b").workers == 1
    assert engine.limit == "its time limit of 30 minutes"
    for typed, said in (
        (("slrum", None, None, ()), "'slrum' is no engine. Did you mean 'slurm'"),
        (("local", None, None, ("partition=gpu",)), "--slurm is for jobs of Slurm"),
        (("debug", 2, None, ()), "without a limit"),
    ):
        with pytest.raises(BadParameterError, match=said):
            make_engine(typed[0], tmp_path, "b", *typed[1:])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["partition"], "is not an option of sbatch"),
        (["=gpu"], "is not an option of sbatch"),
        (["x y=gpu"], "is not an option of sbatch"),
        (["comment=a\nb"], "is not an option of sbatch"),
        (["mem="], "is not an option of sbatch"),
        (["time=3"], "is decided by --timeout"),
        (["array=3"], "is decided by --workers"),
        (["signal=USR1"], "would break how jobs are watched"),
        (["mem=1G", "mem=2G"], "names 'mem' twice"),
    ],
)
def test_a_word_that_is_no_option_of_sbatch_is_refused(words, said):
    with pytest.raises(BadParameterError, match=said):
        parse_sbatch(words)


def test_without_submitit_it_is_said_how_to_get_it(local, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(
        FacelabError, match=r"A job needs submitit, which is not installed. pip install 'facelab\[cluster\]'"
    ):
        list(run_jobs([partial(abs, -3)], local))
