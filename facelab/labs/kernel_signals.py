"""Signals that ask a run to make room, passed on to its kernel, so that the training there is kept before all of it ends.

Slurm sends them before a job meets its limit or is preempted, Kubernetes before it ends a pod. A ``fit`` in the kernel answers
(``training.preemption``); outside of one the kernel ends at once, as there is nothing to keep.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from facelab.errors import PreemptedError


class SignalRelay:
    """What has come from outside, and where it is passed on to.

    Attributes:
        kernel: its process; None until it runs.
        received: the first signal that came; None: none did.
    """

    def __init__(self) -> None:
        self.kernel: int | None = None
        self.received: int | None = None
        self._before: dict[int, object] = {}

    @contextlib.contextmanager
    def listen(self) -> Iterator[None]:
        """Pass signals on while the block lasts; outside of the main thread, and on Windows, nothing is passed on."""
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGUSR1"):
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
                self._before[number] = signal.signal(number, self._pass_on)
        try:
            yield
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, frame: object) -> None:
        again, self.received = self.received is not None, self.received or number
        if self.kernel is None or (again and number == signal.SIGTERM):  # nothing to keep, or no more patience
            self.stop("The run")
        with contextlib.suppress(ProcessLookupError):  # it ends already
            os.kill(self.kernel, signal.SIGUSR1)  # some send several: the kernel takes them as one

    def stop(self, name: str) -> None:
        """End what the signal was to end, as it would have ended without this; nothing where none came.

        Args:
            name: of the notebook, for the message.

        Raises:
            PreemptedError: it was asked to make room.
            SystemExit: it was asked to end (SIGTERM), as the command would.
        """
        before = self._before.get(self.received)
        if self.received == signal.SIGTERM and callable(before):
            before(self.received, None)
        if self.received is not None:
            raise PreemptedError(
                f"{name} was asked to make room ({signal.Signals(self.received).name}).", "Call it again: it goes on."
            )
