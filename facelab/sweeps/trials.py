"""Trials that several processes share: each is run by one of them, and those of a process that was killed run again.

Optuna's storages make two things at once and for all: the number of a new trial, and that a waiting trial is taken. The rest
follows from them, without a lock, on every storage. A trial **counts** if it is complete, runs, waits to be run again, or
failed by a fault of its own. A new trial may run only if fewer than N with a smaller number count; of the trials that may, the
one with the largest number had fewer than N before it, so that there are never more than N.

Optuna's own heartbeat is for databases alone. Here each trial says which process runs it; the same machine can see whether
that is still there, and the others see whether its beat goes on.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from facelab.sweeps.optuna_library import import_optuna

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

BEAT_SECONDS = 30.0  #: between two beats of a trial that runs
PATIENCE_SECONDS = 300.0  #: without a beat, after which a trial on another machine counts as killed
MOST_KILLS = 3  #: so often a trial's process is killed before the trial counts as failed

# attributes of a trial
WORKER, BEAT, ERROR = "facelab:worker", "facelab:beat", "facelab:error"
RETRY_OF, FIRST, KILLS = "facelab:retry_of", "facelab:first", "facelab:kills"


@dataclass(frozen=True)
class Claim:
    """A trial that this process may run.

    Attributes:
        trial: it; its number is one of the study.
        rank: how many trials count that have a smaller number, 0 to N - 1; those that were killed leave no gap in it.
        first: number of the trial that was killed, where this is that one again; else its own.
    """

    trial: Trial
    rank: int
    first: int


def is_counted(trial: FrozenTrial) -> bool:
    """Whether it is one of the N."""
    return trial.state.name in ("COMPLETE", "PRUNED", "RUNNING", "WAITING") or ERROR in trial.user_attrs


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Those of the N that are done, in the order of their numbers."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if is_counted(trial) and trial.state.is_finished()]


def claim_trial(study: Study, trials: int) -> Claim | None:
    """Take the next trial; None where all have been taken, though some may still run.

    Args:
        study: shared by all workers.
        trials: N, how many there are to be.
    """
    taken = [trial for trial in study.get_trials(deepcopy=False) if is_counted(trial) and trial.state.name != "WAITING"]
    if len(taken) >= trials:
        return None
    trial = study.ask()
    smaller = [one for one in study.get_trials(deepcopy=False) if one.number < trial.number]
    rank = sum(map(is_counted, smaller))
    if rank >= trials or _is_repeated(trial, smaller):
        study.tell(trial, state=import_optuna().trial.TrialState.FAIL)
        return None
    trial.set_user_attr(WORKER, _this_process())
    return Claim(trial, rank, trial.user_attrs.get(FIRST, trial.number))


def _is_repeated(trial: Trial, smaller: list[FrozenTrial]) -> bool:
    """Whether it is a killed trial again that somebody else has put back too, or that came to its end after all."""
    of = trial.user_attrs.get(RETRY_OF)
    return of is not None and any(
        (other.number == of and other.state.name == "COMPLETE")
        or (other.user_attrs.get(RETRY_OF) == of and is_counted(other))
        for other in smaller
    )


def put_back(study: Study, trial: FrozenTrial, kills: int) -> None:
    """Have a trial that ended before its time run again, with the same values.

    Args:
        study: of the trial.
        trial: it, in the state "running".
        kills: how often its process has been killed.
    """
    optuna = import_optuna()
    # first the new one, then the end of the old one: in between there is one too many, and nobody takes another
    if trial.params:
        attributes = {RETRY_OF: trial.number, FIRST: trial.user_attrs.get(FIRST, trial.number), KILLS: kills}
        study.enqueue_trial(trial.params, user_attrs=attributes)
    with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another process was faster by a moment
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def record_error(study: Study, trial: Trial | FrozenTrial, error: str) -> None:
    """End a trial that failed by a fault of its own: it counts, and is not run again."""
    optuna = import_optuna()
    with suppress(
        optuna.exceptions.UpdateFinishedTrialError
    ):  # another process has given it up, or was faster by a moment
        # by the storage, since a trial of another process is only a copy
        study._storage.set_trial_user_attr(trial._trial_id, ERROR, error)
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def record_value(study: Study, trial: Trial, value: float) -> bool:
    """End a trial with its number.

    Returns:
        False where another process has given this trial up meanwhile, and what was measured is not used.
    """
    optuna = import_optuna()
    try:
        told = study.tell(trial.number, value, skip_if_finished=True)
    except optuna.exceptions.UpdateFinishedTrialError:
        return False
    return told.state.name == "COMPLETE"


class DeathWatch:
    """Which of the running trials have lost their process, as far as this process can see.

    Args:
        patience: seconds without a beat after which a trial of another machine counts as lost. They are counted by this
            process's own clock, from when it first saw the beat: clocks of several machines may differ.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._seen: dict[int, tuple[object, float]] = {}

    def lost_trials(self, study: Study) -> list[FrozenTrial]:
        """Those that run by their state, and by nobody in fact."""
        running = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "RUNNING"]
        return [trial for trial in running if self._is_lost(trial)]

    def _is_lost(self, trial: FrozenTrial) -> bool:
        worker = trial.user_attrs.get(WORKER)
        if worker is not None and worker["machine"] == _machine():
            return not _is_alive(worker)
        beat = trial.user_attrs.get(BEAT)
        now = time.monotonic()
        last, since = self._seen.setdefault(trial.number, (beat, now))
        if beat != last:
            self._seen[trial.number] = (beat, now)
            return False
        return now - since > self.patience


def put_back_lost_trials(study: Study, watch: DeathWatch) -> None:
    """Put back each trial whose process is gone; one whose process is killed again and again has failed."""
    for trial in watch.lost_trials(study):
        kills = trial.user_attrs.get(KILLS, 0) + 1
        if kills < MOST_KILLS:
            put_back(study, trial, kills)
        else:
            record_error(study, trial, f"Its process was killed {kills} times.")


@contextmanager
def heartbeat(trial: Trial, seconds: float = BEAT_SECONDS) -> Iterator[None]:
    """While the block lasts, tell the other machines that the trial goes on.

    Args:
        trial: that runs.
        seconds: between two beats.
    """
    optuna = import_optuna()
    ended = threading.Event()

    def beat() -> None:
        number = 0
        while not ended.wait(seconds):
            number += 1
            try:
                trial.set_user_attr(BEAT, number)
            except optuna.exceptions.UpdateFinishedTrialError:
                return  # others have given it up
            except (optuna.exceptions.OptunaError, OSError):
                continue  # a storage that is away for a moment: the next beat tells as much

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _this_process() -> dict[str, object]:
    return {"machine": _machine(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _machine() -> str:
    """Tells a machine from others, and a container from the one that it is on: both have a process 1."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # another system than Linux
        namespace = ""
    return f"{platform.node()} {namespace}".strip()


def _is_alive(worker: Mapping[str, object]) -> bool:
    """Whether a process of this machine is still there, and none that has got its number since."""
    try:
        process = psutil.Process(worker["pid"])
        same = abs(process.create_time() - worker["started"]) < 2  # the clock may have been set
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
