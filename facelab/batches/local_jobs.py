"""Ends jobs of submitit on this machine; the command of a task is told, so that it can keep what it trained."""

from __future__ import annotations

import contextlib

import psutil

_GRACE_SECONDS = 20.0


def end_local_job(controller: int) -> None:
    """End a local job: submitit's controller, the process that it watches, and what that one called.

    Args:
        controller: its process; nothing where it has ended.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(controller)
        callers = process.children()
        commands = [command for caller in callers for command in caller.children()]
        family = process.children(recursive=True)
        for caller in (process, *callers):  # first, or they would start the command again
            with contextlib.suppress(psutil.NoSuchProcess):
                caller.kill()
        for command in commands:
            with contextlib.suppress(psutil.NoSuchProcess):
                command.terminate()
        for left in psutil.wait_procs(family, timeout=_GRACE_SECONDS)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
