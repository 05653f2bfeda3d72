"""A process that holds a key or a face leaves no picture of its memory on the disk when it crashes."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4  # of linux/prctl.h


def forbid_core_dumps() -> None:
    """No core dumps of this process, as far as the system can be asked for that; for good."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # The limit counts for files alone, not where the system pipes the memory to a program (core(5)). Neither can other
        # processes of this user look into the memory then (prctl(2), ptrace(2)).
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
