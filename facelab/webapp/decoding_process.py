"""What runs in a process that decodes photographs and may be ended at any time. It must stay light: no torch, no networks."""

from __future__ import annotations

import signal
import struct
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import psutil

from facelab.webapp.core_dumps import forbid_core_dumps
from facelab.webapp.problems import Problem

READY = b"ready"
REFUSED = b""
SHAPE = struct.Struct("<II")  #: height and width, sent before the pixels of a photograph


def serve_decoder(
    connection: Connection, decode: Callable[[bytes], np.ndarray], seconds: float, extra_bytes: int
) -> None:
    """Decode what comes over a connection until its other end is closed, which it also is when the server is killed.

    The deadline is the system's own alarm: it ends this process inside any library, whether the server still lives or not.

    Args:
        connection: gives the bytes of a file; gets ``REFUSED``, or ``SHAPE`` and the pixels. Nothing is unpickled at its other
            end: what runs here has read a stranger's bytes.
        decode: gives uint8 (H, W, 3).
        seconds: for one photograph.
        extra_bytes: of memory beyond what this process has at its start; where the system counts them (Linux).
    """
    forbid_core_dumps()  # that the server asked for it does not count here: a new program begins anew (execve(2))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this one
    _limit_memory(extra_bytes)
    try:
        connection.send_bytes(READY)
        while True:
            data = connection.recv_bytes()
            _set_alarm(seconds)
            try:
                pixels = np.ascontiguousarray(decode(data))
            except (Problem, MemoryError):
                pixels = None
            _set_alarm(0)
            if pixels is None:
                connection.send_bytes(REFUSED)
            else:
                connection.send_bytes(SHAPE.pack(*pixels.shape[:2]))
                connection.send_bytes(pixels.reshape(-1).data)
    except (EOFError, OSError):  # the server is gone
        return


def _set_alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):  # else the server's patience is the deadline
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit_memory(extra_bytes: int) -> None:
    if sys.platform == "linux":
        import resource

        most = psutil.Process().memory_info().data + extra_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
