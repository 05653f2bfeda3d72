"""Slurm's queue, asked as seldom as serves. It knows a job some minutes longer than that lasts, also without accounting."""

from __future__ import annotations

import getpass
import subprocess
import sys
import time
from collections.abc import Sequence

from facelab.errors import FacelabError

_ASK_SECONDS = 5.0
_ANSWER_SECONDS = 60.0  # that one question may take
_SILENT_SECONDS = 900.0  # without an answer; a controller that is restarted takes less
#: States of a job that has ended, in words. A preempted one may be started again, and is not among them.
_ENDED = {
    "BOOT_FAIL": "its node did not start",
    "CANCELLED": "it was cancelled",
    "COMPLETED": "it ended without a result",
    "DEADLINE": "it met its deadline",
    "FAILED": "it failed",
    "NODE_FAIL": "its node failed",
    "OUT_OF_MEMORY": "it had too little memory",
    "TIMEOUT": "it met its time limit",
}


class SlurmQueue:
    """What Slurm says of this user's jobs."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._watched: set[str] = set()
        self._reasons: set[str] = set()
        self._began, self._asked, self._answered = time.monotonic(), float("-inf"), float("-inf")

    def end_of(self, job: str) -> str | None:
        """How a job ended, as a sentence; None where it waits or runs, or where Slurm has not been asked yet.

        Args:
            job: its number, or ``"12_3"`` of an array.

        Raises:
            FacelabError: Slurm does not answer for long.
        """
        self._watched.add(job)
        self._ask()
        if self._answered == float("-inf"):
            return None
        state = self._states.get(job)
        if state is None:
            return f"Slurm knows its job {job} no more."
        return f"Job {job} of Slurm: {_ENDED[state]}." if state in _ENDED else None

    def _ask(self) -> None:
        now = time.monotonic()
        if now - self._asked < _ASK_SECONDS:
            return
        self._asked = now
        command = [
            "squeue",
            "--noheader",
            "--array",
            "--states=all",
            f"--user={getpass.getuser()}",
            "--format=%i|%T|%r",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            if now - max(self._answered, self._began) > _SILENT_SECONDS:
                raise FacelabError(
                    f"Slurm does not answer for {_SILENT_SECONDS / 60:.0f} minutes ({type(error).__name__} of squeue).",
                    "The jobs may go on. When it does again, the same call does what is missing.",
                ) from error
            return
        self._answered = time.monotonic()
        rows = [line.split("|", 2) for line in done.stdout.splitlines() if line.count("|") >= 2]
        self._states = {job: state for job, state, _ in rows}
        self._tell_reasons({why for job, state, why in rows if state == "PENDING" and job in self._watched})

    def _tell_reasons(self, reasons: set[str]) -> None:
        """Say why jobs wait, each reason once: a job that is held waits for ever, and only its user can release it."""
        for reason in sorted(reasons - self._reasons - {"None", "JobArrayTaskLimit"}):
            print(f"Slurm lets jobs wait: {reason}", file=sys.stderr, flush=True)
        self._reasons |= reasons


def cancel_jobs(jobs: Sequence[str]) -> None:
    """Cancel jobs, of arrays all their tasks; those that have ended are left alone."""
    subprocess.run(["scancel", "--quiet", *sorted({job.split("_")[0] for job in jobs})], check=False)
