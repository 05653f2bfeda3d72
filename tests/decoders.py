"""Decoders for tests of the decoding process, light enough for it: photographs that carry a word meet what the word says."""

import ctypes
import os
import time

import numpy as np

from facelab.webapp.frames import decode_frame


def obedient_decode(data: bytes) -> np.ndarray:
    """A photograph as it is, unless it says HANG, SPIN, CRASH, LEAVE, STARVE, LARGE, FLAT, RAISE, LOADED or DUMPED."""
    if b"HANG" in data:
        time.sleep(3600)
    if b"SPIN" in data:  # in C, with the interpreter's lock held
        ctypes.PyDLL(None).sleep(3600)
    if b"CRASH" in data:
        ctypes.string_at(0)
    if b"LEAVE" in data:
        os._exit(0)
    if b"STARVE" in data:
        return np.ones(2**31, np.uint8)
    if b"LARGE" in data:
        return np.zeros((2500, 2000, 3), np.uint8)
    if b"FLAT" in data:  # of the right shape, and not of three channels
        return decode_frame(data)[:, :, 0]
    if b"RAISE" in data:
        raise ZeroDivisionError("a fault of the decoder")
    if b"LOADED" in data:
        import sys

        return np.full((80, 80, 3), "torch" in sys.modules, np.uint8)
    if (
        b"DUMPED" in data
    ):  # whether a crash would leave a picture of the memory; a file of it, or one for a program (Linux)
        import resource

        left = any(resource.getrlimit(resource.RLIMIT_CORE)) or ctypes.CDLL(None).prctl(
            3, 0, 0, 0, 0
        )  # PR_GET_DUMPABLE
        return np.full((80, 80, 3), bool(left), np.uint8)
    return decode_frame(data)


def leave_at_once(*_) -> None:
    """In place of a decoding process."""
