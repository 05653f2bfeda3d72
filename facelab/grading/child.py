"""What a process that ``apart`` started does first: it leaves our files, variables and signal handlers, and takes limits."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

from facelab.grading import isolation

try:
    import resource
except ImportError:  # on Windows
    resource = None

Send = Callable[[bytes], None]

REPLY = 3  #: the file descriptor of the reply
MOST_PROCESSES, MOST_REPLY = 32, 16 << 20  #: of an answer; bytes
TOO_LONG = 72  #: exit code of a process whose reply would be longer
_MOST_FILE = 256 << 20
_SECONDS_TO_END = 5  # of the processor, after the signal
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Limits:
    """What a process may take.

    Attributes:
        seconds: until it is ended.
        megabytes: of memory beyond what Python with its libraries takes, with all that it starts.
    """

    seconds: float
    megabytes: int


def drop_files_and_handlers(reply: int) -> None:
    """Keep no other files than the reply, and no signal handler of ours."""
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(reply, REPLY)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(REPLY + 1, 65536)


def serve_order() -> NoReturn:
    """What a Python that ``run_apart`` began anew does: it reads its order from stdin."""
    order = json.loads(sys.stdin.buffer.read())
    module, _, name = order["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    drop_files_and_handlers(1)
    call(function, order["argument"], Limits(**order["limits"]), Path(order["home"]), bytes.fromhex(order["secret"]))


def call(function: Callable[[dict, Send], None], argument: dict, limits: Limits, home: Path, secret: bytes) -> NoReturn:
    """Call a function of a process that runs apart in its home, under its limits, and end the process.

    Args:
        function, argument, limits: as ``apart.run_apart`` has them.
        home: its temporary folder.
        secret: what its reply begins and ends with, so that nobody else can write one.
    """
    os.chdir(home)
    variables = environment(home)
    os.environ.clear()
    os.environ.update(variables)
    isolation.erase_first_environment()
    tempfile.tempdir = None  # it is found anew
    _limit(limits)
    own, write, leave = os.getpid(), os.write, os._exit  # before anybody can put others in their place

    def send(reply: bytes) -> None:
        if os.getpid() == own:  # a fork of an answer comes here too
            if len(reply) > MOST_REPLY:  # half of it would be read as something that nobody said
                leave(TOO_LONG)
            write(REPLY, secret + reply + secret)
        leave(0)

    function(argument, send)
    leave(0)


def _limit(limits: Limits) -> None:
    """As far as the system has such limits; Windows has none of these, and macOS not that of memory."""
    if resource is None:
        return
    wanted = {"CORE": 0, "FSIZE": _MOST_FILE, "CPU": int(limits.seconds) + 2, "NPROC": MOST_PROCESSES}
    if sys.platform == "linux":
        wanted["DATA"] = psutil.Process().memory_info().data + (limits.megabytes << 20)
    for name, soft in wanted.items():
        number = getattr(resource, f"RLIMIT_{name}")
        # at the soft limit of its seconds a process gets SIGXCPU, which says why it ends; at the hard one it is just killed
        hard = soft + _SECONDS_TO_END if name == "CPU" else soft
        most = resource.getrlimit(number)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(number, (soft, hard))


def environment(home: Path) -> dict[str, str]:
    """The variables of such a process: none that could hold a secret, and its home in each that names a folder."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    folders = {name: str(home) for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "FACELAB_RUNS")}
    return kept | folders | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "agg"}
