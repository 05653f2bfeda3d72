"""The call that an engine makes for a task: the command ``facelab batch task`` as a process of its own.

So a task is the same command everywhere, and a signal of the cluster meets somebody who can wait for its checkpoint. This
module imports nothing that takes long: a cluster loads it for each job.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from submitit.core.utils import UncompletedJobError
from submitit.helpers import DelayedSubmission

MADE_ROOM = 75  # exit code of the command where the next call goes on
_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 20.0  # for a task that was told to end; then it is killed


class TaskJob:
    """One task of a batch as submitit calls it, again after the cluster took its place away.

    Args:
        name, index: of the batch and the task.
        environment: variables that the command needs, beside those that the cluster hands on; None: one that it is not to have.
        limit: what its time limit is called where it meets it: ``"its time limit of 30 minutes"``.
    """

    def __init__(self, name: str, index: int, environment: dict[str, str | None], limit: str) -> None:
        self.words = [sys.executable, "-m", "facelab.cli", "batch", "task", name, str(index)]
        self.environment, self.limit = environment, limit
        self._process: subprocess.Popen | None = None
        self._code: int | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_process": None, "_code": None}

    def __call__(self) -> str:
        """Run the command and wait for it.

        Returns:
            What ended it from outside, as a sentence; empty where it ended by itself, and said in the files of the batch what
            became of the task.
        """
        with self._also_by_usr1():
            self._process = subprocess.Popen(self.words, env=self._variables())
            # a thread waits for it, so that a signal's handler in this one may do so too
            threading.Thread(target=self._wait, daemon=True).start()
            try:
                while self._code is None:
                    time.sleep(_LOOK_SECONDS)
                if self._code == MADE_ROOM:
                    self._ask_to_be_called_again()
            except UncompletedJobError:  # from the handler of submitit's signal: it does not start the job again
                return f"It met {self.limit}. What it trained is kept: call it again."
            finally:
                self._end()
        return f"It was killed by {signal.Signals(-self._code).name}." if self._code < 0 else ""

    def checkpoint(self) -> DelayedSubmission:
        """Called by submitit at its signal, before the time limit or where the job makes room: let the command write its
        checkpoint, and say what is to be called when the job starts again."""
        if self._code is None and self._process is not None:
            with contextlib.suppress(OSError):
                self._process.send_signal(signal.SIGUSR1)
            while self._code is None:  # until the cluster kills all of it, at the latest
                time.sleep(_LOOK_SECONDS)
        return DelayedSubmission(self)

    def _wait(self) -> None:
        self._code = self._process.wait()

    def _variables(self) -> dict[str, str]:
        """Of the command's environment."""
        return {name: value for name, value in (os.environ | self.environment).items() if value is not None}

    @contextlib.contextmanager
    def _also_by_usr1(self) -> Iterator[None]:
        """SIGUSR1, as ``scancel --signal=USR1`` sends it to each process of a job, means what submitit takes SIGUSR2 for."""
        if not hasattr(signal, "SIGUSR1") or signal.getsignal(signal.SIGUSR2) in (signal.SIG_DFL, None):
            yield  # Windows, or no engine that listens: the call was made in this very process
            return
        before = signal.signal(signal.SIGUSR1, signal.getsignal(signal.SIGUSR2))
        try:
            yield
        finally:
            signal.signal(signal.SIGUSR1, before)

    def _ask_to_be_called_again(self) -> None:
        """The command alone had the signal, and made room: submitit's own handler sees to the rest."""
        if hasattr(signal, "SIGUSR2") and signal.getsignal(signal.SIGUSR2) not in (signal.SIG_DFL, None):
            signal.raise_signal(signal.SIGUSR2)

    def _end(self) -> None:
        """Nothing of the task outlives the call."""
        if self._code is None:
            self._process.terminate()
            deadline = time.monotonic() + _GRACE_SECONDS
            while self._code is None and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
            if self._code is None:
                self._process.kill()
