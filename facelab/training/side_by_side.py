"""Several trainings at once, each by one thread in a process of its own.

Two threads within a training wait for each other after each operation of the network. Two trainings wait for nobody: on two
cores they take half the time of one after the other, also where a step is too small to gain from a second thread. What comes
out is the same, digit by digit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facelab import progress
from facelab.datasets import FaceSet
from facelab.errors import FacelabError, PreemptedError
from facelab.methods import Method
from facelab.methods.operations import count_photograph
from facelab.processes import single_thread_processes
from facelab.threads import choose_threads, is_chosen_by_user, most_threads
from facelab.training.accelerator import default_accelerator
from facelab.training.checkpoint import CheckpointFolder, StatefulMonitor
from facelab.training.loop import Monitor, Validate, fit
from facelab.training.plan import History, Plan
from facelab.training.preemption import SIGNALS, watch_for_preemption

#: Floating-point operations of all steps together from which processes are worth their start, which takes some seconds. A core
#: does 2e10 in a second in the smallest steps, and 1e11 in those of the preset "laptop".
MIN_OPERATIONS = 1e12
_STEP = 3  # passes of a training step: forward, and backward for the inputs and for the weights

_ASKED = "asked"  # a file: make room


@dataclass(frozen=True)
class Training:
    """What ``fit`` is called with."""

    method: Method
    faces: FaceSet
    plan: Plan
    labels: np.ndarray | None = None
    scenes: np.ndarray | None = None
    validate: Validate | None = None
    monitors: Sequence[Monitor] = ()
    folder: CheckpointFolder | None = None

    def fit(self) -> History:
        """Train."""
        return fit(**vars(self))

    def count_operations(self) -> tuple[float, float]:
        """Of the forward passes of a step, as many as are made at once, as ``fit`` counts them; and of all steps together."""
        of_photograph = self.method.views * count_photograph(self.method, self.faces.images[:1])
        seen = self.plan.epochs * (len(self.faces) // self.plan.batch_size) * self.plan.batch_size
        return of_photograph * self.plan.photographs_at_once(), _STEP * of_photograph * seen


def fit_all(trainings: Mapping[str, Training]) -> dict[str, History]:
    """Train several methods in place, as ``fit`` would one after the other, but on as many cores at once as there are.

    They do come one after the other where steps are so large that they gain from threads of their own, on a GPU, where all
    together take seconds, and where the user has chosen the number of threads (``facelab.threads``).

    Args:
        trainings: by name; no two of one method. What a monitor keeps comes back where it is a ``StatefulMonitor``.

    Returns:
        Their histories, by the same names in the same order.

    Raises:
        TrainingError, BadParameterError, OutOfMemoryError: as ``fit``; the others are stopped.
        PreemptedError: a signal asked to make room; the checkpoints of those that have a folder are written.
        FacelabError: a process was killed.
    """
    if _are_worth_processes(trainings.values()):
        return _fit_in_processes(trainings)
    return {name: one.fit() for name, one in trainings.items()}


def _are_worth_processes(trainings: Collection[Training]) -> bool:
    """Whether each is best trained by one thread, and all together last longer than processes take to start."""
    if len(trainings) < 2 or default_accelerator() != "cpu" or is_chosen_by_user() or most_threads() == 1:
        return False
    at_once, of_all = zip(*(one.count_operations() for one in trainings), strict=True)
    return choose_threads(max(at_once)) == 1 and sum(of_all) >= MIN_OPERATIONS


def _fit_in_processes(trainings: Mapping[str, Training]) -> dict[str, History]:
    from joblib import delayed

    count = min(most_threads(), len(trainings))
    found: dict[str, _Trained] = {}
    saves = any(one.folder is not None for one in trainings.values())
    with (
        tempfile.TemporaryDirectory() as folder,
        watch_for_preemption(saves, partial(_hand_on, Path(folder))) as preemption,
        progress.progress_bar(f"{len(trainings)} trainings, {count} at once", len(trainings)) as bar,
    ):
        try:
            with single_thread_processes(count, partial(_begin, Path(folder)), ordered=False) as parallel:
                for name, done in parallel(delayed(_train)(name, one, Path(folder)) for name, one in trainings.items()):
                    if done is not None:
                        found[name] = done
                    bar.advance(note=name)
        except BrokenProcessPool as error:
            if preemption.asked:  # a signal to all processes met one between two trainings
                raise preemption.error() from error
            raise FacelabError(
                "A process that trained was killed, perhaps for want of memory.",
                "With FACELAB_THREADS=1 in the environment, one training follows the other.",
            ) from error
    if preemption.asked or len(found) < len(trainings):
        raise preemption.error()
    for name, training in trainings.items():  # in their order: torch's random numbers go on from the last
        found[name].put_into(training)
    return {name: found[name].history for name in trainings}


def _hand_on(folder: Path, number: int) -> None:
    """Send a signal to the processes that have written their numbers into a folder; those to come find that it was sent."""
    (folder / _ASKED).touch()
    for told in folder.glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(int(told.name), number)


# What follows runs in a process of its own.


@dataclass(frozen=True)
class _Trained:
    """What came out of a training: what another process needs to go on as if it had done it."""

    history: History
    weights: dict[str, Tensor]
    monitors: list[dict]
    random: Tensor

    def put_into(self, training: Training) -> None:
        """Let the objects of this process become what those of the other are."""
        method = training.method.to(memory_format=torch.channels_last)
        method.load_state_dict(self.weights)
        method.eval()
        stateful = (monitor for monitor in training.monitors if isinstance(monitor, StatefulMonitor))
        for monitor, state in zip(stateful, self.monitors, strict=True):
            monitor.load_state_dict(state)
        torch.set_rng_state(self.random)


def _begin(folder: Path) -> None:
    """No bar is drawn, and a signal to make room ends nobody between two trainings."""
    progress.silence()
    for number in SIGNALS:
        signal.signal(number, lambda *_: (folder / _ASKED).touch())
    (folder / str(os.getpid())).touch()


def _train(name: str, training: Training, folder: Path) -> tuple[str, _Trained | None]:
    """None: it made room. That is no error here, for the others have checkpoints to write."""
    if (folder / _ASKED).exists():
        return name, None
    try:
        history = training.fit()
    except PreemptedError:
        (folder / _ASKED).touch()
        return name, None
    monitors = [monitor.state_dict() for monitor in training.monitors if isinstance(monitor, StatefulMonitor)]
    return name, _Trained(history, dict(training.method.state_dict()), monitors, torch.get_rng_state())
