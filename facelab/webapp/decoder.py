"""Photographs are decoded in processes of their own: a file that a decoder hangs, breaks or starves on hurts itself alone.

Not by ``multiprocessing.Pool``, which has no deadline, nor by pebble's, whose workers share one pipe and its lock: one that is
killed may hold it, and a busy one outlives a server that is killed. Here each has a pipe, and nothing is shared.
"""

from __future__ import annotations

import logging
import multiprocessing
import queue
import threading
from collections.abc import Callable

import numpy as np

from facelab.interrupts import hold_back_interrupts
from facelab.webapp.decoding_process import READY, REFUSED, SHAPE, serve_decoder
from facelab.webapp.frames import check_frame, decode_frame
from facelab.webapp.problems import Problem

DECODE_SECONDS = 3.0  #: for one photograph
START_SECONDS = 60.0  #: for a process
MEMORY_BYTES = 256 * 2**20  #: that decoding may take; of what is allowed, the greediest took between 96 and 128 MiB

_LOG = logging.getLogger(__name__)


class ProcessDecoder:
    """Decodes in a few processes. One that takes too long, breaks or wants too much memory is replaced by a new one.

    Args:
        processes: how many.
        seconds: for one photograph.
        extra_bytes: memory that decoding may take in each.
        decode: what they run; a function that can be imported.
    """

    def __init__(
        self,
        processes: int,
        seconds: float = DECODE_SECONDS,
        extra_bytes: int = MEMORY_BYTES,
        decode: Callable[[bytes], np.ndarray] = decode_frame,
    ) -> None:
        self._words = decode, seconds, extra_bytes
        self._workers = [_Worker(*self._words) for _ in range(processes)]
        self._idle: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(processes):
            self._idle.put(number)

    def decode(self, data: bytes) -> np.ndarray:
        """As ``frames.decode_frame``; waits until a process is free.

        Raises:
            Problem: ``too_large``; ``bad_photograph``, also where it took too long, or too much memory, or ended its process.
            RuntimeError: a process does not start; that is no fault of the photograph.
        """
        width, height = check_frame(data)
        number = self._idle.get()
        worker = self._workers[number]
        try:
            return worker.decode(data, (height, width))
        except (EOFError, OSError) as error:  # of which a TimeoutError is one
            exit_code = worker.end()
            if threading.main_thread().is_alive():  # else this process is ending, and would wait for a new one for ever
                self._workers[number] = _Worker(*self._words)
            if not worker.is_ready:
                raise RuntimeError(f"A process for decoding did not start (exit code {exit_code}).") from error
            _LOG.warning("A photograph of %d bytes ended its decoder (exit code %s).", len(data), exit_code)
            raise Problem("bad_photograph") from error
        finally:
            self._idle.put(number)

    def close(self) -> None:
        """End the processes. Nobody may be decoding."""
        for worker in self._workers:
            worker.end()


class _Worker:
    def __init__(self, decode: Callable[[bytes], np.ndarray], seconds: float, extra_bytes: int) -> None:
        context = multiprocessing.get_context("spawn")  # this process has threads: a fork of it may hang
        self._connection, theirs = context.Pipe()
        words = theirs, decode, seconds, extra_bytes
        self._process = context.Process(target=serve_decoder, args=words, name="facelab decoder", daemon=True)
        with hold_back_interrupts():  # from its first moment on it does not hear of them
            self._process.start()
        theirs.close()
        self._patience = seconds + 1  # the process has an alarm of its own, where the system has one
        self.is_ready = False

    def decode(self, data: bytes, shape: tuple[int, int]) -> np.ndarray:
        if not self.is_ready:
            self.is_ready = self._answer(START_SECONDS) == READY
        self._connection.send_bytes(data)
        answer = self._answer(self._patience)
        if answer == REFUSED:
            raise Problem("bad_photograph")
        if answer not in (SHAPE.pack(*shape), SHAPE.pack(*shape[::-1])):  # either, since it was turned upright
            raise OSError("another shape than the header's")  # whatever runs there has read a stranger's bytes
        height, width = SHAPE.unpack(answer)
        pixels = self._connection.recv_bytes(3 * height * width)  # an OSError where there are more
        if len(pixels) < 3 * height * width:
            raise OSError("too few pixels")
        return np.frombuffer(bytearray(pixels), np.uint8).reshape(height, width, 3)

    def end(self) -> int | None:
        """End it at once; its exit code."""
        self._connection.close()
        self._process.kill()
        self._process.join()
        return self._process.exitcode

    def _answer(self, seconds: float) -> bytes:
        if not self._connection.poll(seconds):
            raise TimeoutError
        return self._connection.recv_bytes(SHAPE.size)
