"""A function in a process of its own, which may do what it likes: it gets limits, and is ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from facelab.grading import isolation
from facelab.grading.child import (
    MOST_PROCESSES,
    MOST_REPLY,
    REPLY,
    Limits,
    Send,
    call,
    drop_files_and_handlers,
    environment,
)
from facelab.interrupts import hold_back_interrupts

FORKS = sys.platform == "linux"  # elsewhere each process begins anew: libraries of macOS do not survive a fork
_STEP, _WATCH = 0.01, 0.1  # seconds between two looks: whether it has ended; what it has grown to
_FAILED_TO_ISOLATE = 71


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        state: ``"replied"``; ``"timeout"``, ``"memory"`` or ``"processes"``, for which it was ended; ``"silent"``: it ended by
            itself and had said nothing.
        reply: what it said.
        exit_code: of the process; a negative one is a signal's number.
        seconds: that it ran.
    """

    state: str
    reply: bytes
    exit_code: int | None
    seconds: float


def run_apart(
    function: Callable[[dict, Send], None],
    argument: dict[str, object],
    limits: Limits,
    *,
    isolated: bool = False,
    hidden: tuple[Path, ...] = (),
    fork: bool = FORKS,
) -> Ending:
    """Call a function in a process of its own, and end that with all its descendants.

    Its environment is nearly empty, its home and current folder are a temporary one, and its output is dropped.

    Args:
        function: public, of a module of ours; calls the function that it gets with its reply, which ends the process.
        argument: for it; what JSON holds.
        limits: of time and memory.
        isolated: in namespaces of its own (``isolation``), which needs a fork.
        hidden: folders that are then empty for it.
        fork: from this process, which has the libraries loaded; else the process begins anew.
    """
    isolation.adopt_orphans()
    before = {child.pid for child in psutil.Process().children()}
    with tempfile.TemporaryFile() as reply_file, _temporary_home() as home:
        secret = secrets.token_bytes(16)
        started = time.monotonic()
        process: _Forked | subprocess.Popen | None = None
        try:  # from here on: Ctrl-C may come when there is a process already, and nobody knows it yet
            if fork:
                process = _Forked(function, argument, limits, home, isolated, hidden, reply_file.fileno(), secret)
            else:
                process = _spawn(function, argument, limits, home, reply_file, secret)
            state, exit_code = _wait(process, limits, started)
        finally:
            _end_all(process and process.pid, before)
        seconds = time.monotonic() - started
        reply_file.seek(0)
        said = reply_file.read(MOST_REPLY + 2 * len(secret))
    if state == "ended":
        # what lacks the secret at either end was not written by the function
        whole = said.startswith(secret) and said.endswith(secret) and len(said) >= 2 * len(secret)
        state, said = ("replied", said[len(secret) : -len(secret)]) if whole else ("silent", b"")
    return Ending(state, said if state == "replied" else b"", exit_code, seconds)


def can_isolate(hidden: tuple[Path, ...]) -> bool:
    """Whether this system lets a process have namespaces of its own."""
    ending = run_apart(_say_yes, {}, Limits(60, 512), isolated=True, hidden=hidden) if FORKS else None
    return ending is not None and ending.state == "replied"


def _say_yes(argument: dict[str, object], send: Send) -> None:
    send(b"yes")


def _wait(process: _Forked | subprocess.Popen, limits: Limits, started: float) -> tuple[str, int | None]:
    """("ended", exit code), or for which limit it has to be ended."""
    base, watched = psutil.Process().memory_info().rss, started
    while True:
        exit_code = process.poll()
        now = time.monotonic()
        if exit_code is not None:
            return "ended", exit_code
        if now - started > limits.seconds:
            return "timeout", None
        if now - watched > _WATCH:
            watched = now
            sizes = [size for found in _tree(process.pid) for size in _memory_of(found)]
            if len(sizes) > MOST_PROCESSES:
                return "processes", None
            if sum(max(0, size - base) for size in sizes) > limits.megabytes << 20:
                return "memory", None
        time.sleep(_STEP)


def _memory_of(process: psutil.Process) -> list[int]:
    with contextlib.suppress(psutil.Error):
        return [process.memory_info().rss]
    return []


def _end_all(pid: int | None, before: set[int]) -> None:
    """Kill the group of a process, and every descendant of ours but the children that we had before, and those of theirs."""
    if os.name == "posix" and pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # at once, so that no fork of it escapes
    while children := [child for child in psutil.Process().children() if child.pid not in before]:
        for child in children:
            for process in _tree(child.pid):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            with contextlib.suppress(psutil.Error, ChildProcessError):
                child.wait(1)


def _tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


class _Forked:
    """A process that was forked from this one; the interface is that of ``subprocess.Popen``."""

    def __init__(self, function, argument, limits, home, isolated, hidden, reply, secret) -> None:
        with hold_back_interrupts():  # Python throws away what is raised in the functions that it calls after a fork
            self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                drop_files_and_handlers(reply)
                if isolated:
                    _fork_into_namespaces(home, hidden)
                isolation.die_with_parent()
                call(function, argument, limits, home, secret)
            finally:
                os._exit(70)

    def poll(self) -> int | None:
        """Its exit code, or None where it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return None if pid == 0 else os.waitstatus_to_exitcode(status)


def _fork_into_namespaces(home: Path, hidden: tuple[Path, ...]) -> None:
    """Return in the first process of new namespaces; the present process waits for its end, and ends alike."""
    try:
        isolation.enter_namespaces(home, hidden)
    except OSError:
        os._exit(_FAILED_TO_ISOLATE)
    pid = os.fork()
    if pid == 0:
        isolation.give_up_privileges()
        # the first process of a namespace gets no signal that it has no function for: pid_namespaces(7)
        signal.signal(signal.SIGXCPU, lambda number, frame: os._exit(128 + number))
        return
    isolation.die_with_parent()
    os.close(REPLY)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:  # die of the same signal
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


def _spawn(function, argument, limits, home, reply_file, secret) -> subprocess.Popen:
    """A Python that begins anew, and calls the function."""
    order = {"function": f"{function.__module__}:{function.__name__}", "argument": argument, "limits": asdict(limits)}
    order |= {"home": str(home), "secret": secret.hex()}
    with tempfile.TemporaryFile() as order_file:
        order_file.write(json.dumps(order).encode())
        order_file.seek(0)
        return subprocess.Popen(
            [sys.executable, "-c", "from facelab.grading import child; child.serve_order()"],
            stdin=order_file, stdout=reply_file, stderr=subprocess.DEVNULL, cwd=home, start_new_session=True,
            env=environment(home) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip


@contextlib.contextmanager
def _temporary_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="facelab-grade-")).resolve()
    try:
        yield home
    finally:
        shutil.rmtree(home, onerror=_make_writable_and_retry)


def _make_writable_and_retry(function: Callable, path: str, error: object) -> None:
    """Remove what was made unremovable on purpose; what stays nevertheless stays in the system's temporary folder."""
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), 0o700)
        os.chmod(path, 0o700)
        function(path)
