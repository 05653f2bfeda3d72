"""A training that is to make room: the signals of a scheduler are held back until its checkpoint is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from lightning_fabric import Fabric

from facelab.errors import PreemptedError

#: SIGTERM: Slurm, Kubernetes and systemd send it some seconds before they kill. SIGUSR1: what this project's examples ask Slurm
#: to send before the time limit. SIGUSR2: what submitit asks for. Windows has the first alone.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))


class Preemption:
    """Whether this process was asked to make room.

    Args:
        hand_on: called with the number of each signal: for processes that this one has started.

    Attributes:
        asked: a signal has come.
    """

    def __init__(self, hand_on: Callable[[int], None] | None = None) -> None:
        self.asked, self._hand_on = False, hand_on

    def note(self, number: int, frame: FrameType | None) -> None:
        """The handler of the signals. A scheduler may send several, and to every process: the second changes nothing."""
        self.asked = True
        if self._hand_on is not None:
            self._hand_on(number)

    def asked_of_any(self, fabric: Fabric) -> bool:
        """Whether a signal has come to any of the processes, which must all call this at the same place."""
        if fabric.world_size == 1:
            return self.asked
        return bool(fabric.all_reduce(torch.tensor(float(self.asked), device=fabric.device), reduce_op="sum") > 0)

    def error(self) -> PreemptedError:
        """What to raise once the checkpoint is written."""
        return PreemptedError(
            "The training was asked to make room, and its checkpoint is written.", "The same call goes on from there."
        )


@contextmanager
def watch_for_preemption(saves: bool, hand_on: Callable[[int], None] | None = None) -> Iterator[Preemption]:
    """Hold back what a scheduler sends while the block lasts; the block looks at ``asked`` where it can stop.

    Only in the main thread, for Python handles signals nowhere else; in another one, signals do what they did before. A
    signal that is ignored, as by ``nohup``, stays so.

    Args:
        saves: whether the block has a checkpoint to write; without one nothing is held back, since nothing would be gained.
        hand_on: as for ``Preemption``.
    """
    preemption = Preemption(hand_on)
    before = {}
    if saves and threading.current_thread() is threading.main_thread():
        before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, preemption.note)
        yield preemption
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
