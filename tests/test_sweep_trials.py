"""Sweeps: exactly N trials by however many processes, also where one is killed; and the same trials where one was stopped."""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from facelab.errors import FacelabError, PreemptedError, TrainingError
from facelab.sweeps import ObjectiveError, choice, numeric_range, open_storage, open_study, run_trials
from facelab.sweeps import search as search_module
from facelab.sweeps import trials as trials_module

optuna = pytest.importorskip("optuna")

SPACE = {"x": numeric_range(float, -1.0, 1.0), "kind": choice(["a", "b"])}


class Parabola:
    """Something that is measured at once."""

    description, metric, maximize, seed, start = "a parabola", "height", True, 3, {"x": 0.5}

    def __init__(self, seconds=0.0):
        self.seconds, self.seen = seconds, []

    def measure(self, values, folder):
        self.seen.append((dict(values), folder.name))
        time.sleep(self.seconds)
        return float(self.height(values))

    @staticmethod
    def height(values):
        return 1 - values["x"] ** 2 + (values["kind"] == "b")

    def describe_value(self, value):
        return str(value)

    def command(self, values):
        return "facelab"


class KilledOnce(Parabola):
    """Its process is killed in the third trial that it measures, the first time."""

    def measure(self, values, folder):
        value = super().measure(values, folder)
        if len(self.seen) == 3:
            (folder.parent / "killed").write_text(repr(values))
            os.kill(os.getpid(), signal.SIGKILL)
        return value


class WaitsForTheKill(Parabola):
    """Its first trial lasts until that of the other process was killed."""

    def measure(self, values, folder):
        ends = time.monotonic() + 50
        while not (folder.parent / "killed").exists() and time.monotonic() < ends:
            time.sleep(0.01)
        return super().measure(values, folder)


def study_at(where, objective=None, name="study"):
    return open_study(open_storage(str(where)), name, objective or Parabola(), SPACE)


def complete(study):
    return [trial for trial in study.get_trials() if trial.state.name == "COMPLETE"]


def work(where, folder, objective, trials):
    run_trials(study_at(where, objective), objective, SPACE, trials, folder)


def start_worker(*given):
    worker = multiprocessing.get_context("fork").Process(target=work, args=given)
    worker.start()
    return worker


def join(*workers):
    for worker in workers:
        worker.join(60)
        if worker.exitcode is None:
            worker.kill()
            pytest.fail("a worker does not end")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork and no SIGKILL")
@pytest.mark.parametrize(("kind", "trials"), [("journal", 12), ("database", 5)])
def test_two_processes_one_of_them_killed_make_exactly_n_trials(tmp_path, kind, trials):
    where = {"journal": str(tmp_path / "study.log"), "database": f"sqlite:///{tmp_path / 'study.db'}"}[kind]
    victim = start_worker(where, tmp_path, KilledOnce(), trials)
    survivor = start_worker(where, tmp_path, WaitsForTheKill(), trials)
    join(victim, survivor)
    assert (victim.exitcode, survivor.exitcode) == (-signal.SIGKILL, 0)
    study = study_at(where)
    all_trials, done = study.get_trials(), complete(study)
    assert len(done) == trials and not [trial for trial in all_trials if trial.state.name in ("RUNNING", "WAITING")]
    assert all(trial.value == Parabola.height(trial.params) for trial in done)
    # what was killed was run again, by the other one
    killed = eval((tmp_path / "killed").read_text())
    assert Counter(trial.state.name for trial in all_trials if trial.params == killed) == {"FAIL": 1, "COMPLETE": 1}
    run_trials(study, Parabola(), SPACE, trials, tmp_path)
    assert len(study.get_trials()) == len(all_trials)  # nothing is left to do


@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork and no SIGKILL")
def test_workers_share_a_study_through_a_grpc_server(tmp_path):
    pytest.importorskip("grpc")
    from optuna.storages import run_grpc_proxy_server

    port = _free_port()
    context = multiprocessing.get_context("spawn")
    server = context.Process(
        target=run_grpc_proxy_server,
        args=(optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "log"))),),
        kwargs={"host": "localhost", "port": port},
        daemon=True,
    )
    server.start()
    try:
        where = f"grpc://localhost:{port}"
        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(work, where, tmp_path, Parabola(0.02), 9) for _ in range(3)]:
                done.result(timeout=60)
        assert len(complete(study_at(tmp_path / "log"))) == 9
    finally:
        server.kill()
        server.join()


def _free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("trials", [1, 2, 5])
def test_many_workers_never_make_more_than_n(tmp_path, trials):
    """More workers than trials, all at the same moment."""
    study_at(tmp_path / "log")
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, tmp_path / "log", tmp_path, Parabola(), trials) for _ in range(6)]:
            done.result(timeout=60)
    assert len(complete(study_at(tmp_path / "log"))) == trials


def test_more_trials_may_be_asked_for_later(tmp_path):
    first, second, whole = Parabola(), Parabola(), Parabola()
    work(tmp_path / "log", tmp_path, first, 3)
    work(tmp_path / "log", tmp_path, second, 12)
    work(tmp_path / "other", tmp_path, whole, 12)
    assert first.seen + second.seen == whole.seen and len(first.seen) == 3
    assert whole.seen[0][0]["x"] == 0.5  # where the objective starts
    assert len({values["x"] for values, _ in whole.seen}) == 12
    assert [folder for _, folder in whole.seen] == [f"trial-{number:04d}" for number in range(12)]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), PreemptedError("Make room.", "Call again.")])
def test_a_worker_that_is_stopped_goes_on_as_if_it_had_not_been(tmp_path, error):
    whole = Parabola()
    work(tmp_path / "whole", tmp_path, whole, 13)

    class Stopped(Parabola):
        def measure(self, values, folder):
            value = super().measure(values, folder)
            if len(self.seen) == 12:  # one of those that are drawn from what was measured before
                raise error
            return value

    stopped, again = Stopped(), Parabola()
    with pytest.raises(type(error)):
        work(tmp_path / "log", tmp_path, stopped, 13)
    work(tmp_path / "log", tmp_path, again, 13)
    assert stopped.seen == whole.seen[:12]
    assert [values for values, _ in again.seen] == [values for values, _ in whole.seen[11:]]
    assert again.seen[0] == stopped.seen[-1]  # also the folder: it goes on from a checkpoint there
    assert len(complete(study_at(tmp_path / "log"))) == 13


def lose_a_trial(where, kills=0, machine="another"):
    """A trial that runs in a process of another machine, of which nothing is heard."""
    study = study_at(where)
    trial = study.ask()
    trial.suggest_float("x", -1.0, 1.0)
    trial.suggest_categorical("kind", ["a", "b"])
    trial.set_user_attr(trials_module.WORKER, {"machine": machine, "pid": os.getpid(), "started": 0.0})
    trial.set_user_attr(trials_module.KILLS, kills)
    return trial


def watch_for(monkeypatch, patience):
    monkeypatch.setattr(search_module, "DeathWatch", lambda: trials_module.DeathWatch(patience))
    monkeypatch.setattr(search_module, "_SECONDS_BETWEEN_LOOKS", (0.02, 0.1))


def test_a_trial_of_another_machine_without_a_beat_is_run_again(tmp_path, monkeypatch):
    watch_for(monkeypatch, 0.3)
    lost = lose_a_trial(tmp_path / "log")
    objective = Parabola()
    work(tmp_path / "log", tmp_path, objective, 2)
    done = complete(study_at(tmp_path / "log"))
    assert len(done) == 2 and lost.params in [trial.params for trial in done]
    assert (lost.params, "trial-0000") in objective.seen


def test_a_beat_keeps_a_trial_with_its_process(tmp_path, monkeypatch):
    """The other process is slow and alive: what it measures counts, and nobody else measures it."""
    watch_for(monkeypatch, 0.5)
    other = lose_a_trial(tmp_path / "log")
    objective, said = Parabola(), []
    study = study_at(tmp_path / "log")

    def finish():
        with trials_module.heartbeat(other, 0.05):
            time.sleep(1.5)
        trials_module.record_value(study_at(tmp_path / "log"), other, 0.25)

    thread = threading.Thread(target=finish)
    thread.start()
    run_trials(study, objective, SPACE, 2, tmp_path, said.append)
    thread.join()
    assert sorted(trial.value == 0.25 for trial in complete(study)) == [False, True] and len(objective.seen) == 1
    assert said == ["1 of 2 trials are done, the others run in other processes: waiting for them ..."]


def test_what_comes_too_late_does_not_count(tmp_path, monkeypatch):
    """A process that slept, and was given up, measures in the end: its trial was run again, and stays as it was."""
    watch_for(monkeypatch, 0.1)
    late = lose_a_trial(tmp_path / "log")
    work(tmp_path / "log", tmp_path, Parabola(), 2)
    study = study_at(tmp_path / "log")
    assert not trials_module.record_value(study, late, 99.0)
    assert len(complete(study)) == 2 and study.best_value < 3


def test_a_trial_of_this_machine_is_lost_with_its_process(tmp_path):
    lose_a_trial(tmp_path / "log", machine=trials_module._machine())  # this process began later than at second 0
    work(tmp_path / "log", tmp_path, Parabola(), 1)
    assert len(complete(study_at(tmp_path / "log"))) == 1


def test_a_trial_that_kills_its_process_again_and_again_has_failed(tmp_path, monkeypatch):
    watch_for(monkeypatch, 0.1)
    lose_a_trial(tmp_path / "log", kills=2)
    work(tmp_path / "log", tmp_path, Parabola(), 2)
    study = study_at(tmp_path / "log")
    (failed,) = [trial for trial in study.get_trials() if trial.state.name == "FAIL"]
    assert len(complete(study)) == 1 and failed.user_attrs[trials_module.ERROR] == "Its process was killed 3 times."


def test_a_trial_that_is_put_back_twice_runs_once(tmp_path):
    """As by two processes that find it lost at the same moment."""
    lose_a_trial(tmp_path / "log")
    study = study_at(tmp_path / "log")
    (lost,) = study.get_trials()
    for _ in range(2):
        trials_module.put_back(study, lost, 1)
    objective = Parabola()
    run_trials(study, objective, SPACE, 4, tmp_path)
    assert len(objective.seen) == 4 and [values for values, _ in objective.seen].count(lost.params) == 1
    assert len(complete(study)) == 4


def test_a_trial_with_a_fault_of_its_own_counts_and_is_not_repeated(tmp_path):
    class Faulty(Parabola):
        def measure(self, values, folder):
            value = super().measure(values, folder)
            if len(self.seen) == 2:
                raise TrainingError("Epoch 1, step 1: nan.", "Lower the learning rate.")
            return value

    objective, said = Faulty(), []
    study = study_at(tmp_path / "log", objective)
    run_trials(study, objective, SPACE, 4, tmp_path, said.append)
    assert len(objective.seen) == 4 and len(complete(study)) == 3
    assert said == ["trial 1 failed: Epoch 1, step 1: nan. Lower the learning rate."]


def test_where_the_first_trials_all_fail_the_sweep_stops(tmp_path):
    class Faulty(Parabola):
        def measure(self, values, folder):
            super().measure(values, folder)
            raise FacelabError("The disk is full.", "Free some space.")

    objective = Faulty()
    with pytest.raises(FacelabError, match="first 3 trials have all failed, the last with: The disk is full"):
        work(tmp_path / "log", tmp_path, objective, 50)
    assert len(objective.seen) == 3


def test_a_fault_of_the_sweep_itself_uses_up_no_trial(tmp_path):
    class Unmeasurable(Parabola):
        def measure(self, values, folder):
            raise ObjectiveError("No number 'top2'.", "Give --metric top1.")

    with pytest.raises(ObjectiveError):
        work(tmp_path / "log", tmp_path, Unmeasurable(), 2)
    study = study_at(tmp_path / "log")
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL", "WAITING"]
    work(tmp_path / "log", tmp_path, Parabola(), 2)
    assert len(complete(study)) == 2
