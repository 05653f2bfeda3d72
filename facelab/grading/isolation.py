"""What code of a stranger is kept from, as far as Linux lets an ordinary user arrange it: namespaces(7).

In them a process has no network, sees no other process, cannot write to any file but those of its temporary home, and finds the
hidden folders empty; it can read all others that its account can. Elsewhere, and where an administrator forbids user
namespaces, none of this holds.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

# of linux/sched.h, linux/mount.h, linux/prctl.h and linux/capability.h
_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PROCESSES, _NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _RECURSIVE, _PRIVATE = 1, 2, 4, 0x4000, 0x40000
_MOUNT_SETATTR, _HERE, _AT_RECURSIVE = 442, -100, 0x8000  # the number of that call is the same on every architecture
_DIE_WITH_PARENT, _ADOPT_ORPHANS, _NO_NEW_PRIVILEGES = 1, 36, 38
_CAPABILITY_VERSION = 0x20080522
_HOME_BYTES = "256m"

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def enter_namespaces(home: Path, hidden: tuple[Path, ...]) -> None:
    """Put this process into namespaces of its own; its next child is the first process of the new ones.

    Args:
        home: folder that it may write to; what it writes there is gone with it.
        hidden: folders that are empty for it.

    Raises:
        OSError: the system does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    _check(_libc.unshare(_NEW_USER | _NEW_MOUNTS | _NEW_IPC | _NEW_NETWORK | _NEW_PROCESSES))
    Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="utf-8")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="utf-8")
    _mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None)
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY, 0, 0, 0)
    _check(_libc.syscall(_MOUNT_SETATTR, _HERE, b"/", _AT_RECURSIVE, attributes, ctypes.sizeof(attributes)))
    for folder in hidden:
        _mount(b"tmpfs", os.fsencode(folder), b"tmpfs", _READ_ONLY, b"size=4k")
    _mount(b"tmpfs", os.fsencode(home), b"tmpfs", _NO_SETUID | _NO_DEVICES, f"size={_HOME_BYTES},mode=700".encode())


def give_up_privileges() -> None:
    """As the first process of new namespaces: see only their processes, and lose for good the rights to change any of this."""
    try:
        _mount(b"proc", b"/proc", b"proc", 0, None)
    except OSError:  # in a container, whose own /proc is partly hidden
        _mount(b"tmpfs", b"/proc", b"tmpfs", _READ_ONLY, b"size=4k")
    _check(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, none))


def die_with_parent() -> None:
    """End this process when the one that started it ends, however it does; on Linux."""
    if _libc is not None:
        _check(_libc.prctl(_DIE_WITH_PARENT, 9, 0, 0, 0))


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none is lost sight of; on Linux."""
    if _libc is not None:
        _check(_libc.prctl(_ADOPT_ORPHANS, 1, 0, 0, 0))


def erase_first_environment() -> None:
    """Erase the variables that this process or its parent was started with, which the system still shows of it in
    ``/proc/self/environ``; on Linux. Call it when the environment has been emptied."""
    if _libc is not None:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        start, end = (
            int(fields[47]),
            int(fields[48]),
        )  # env_start and env_end of proc_pid_stat(5), which counts from 3 here
        if start:
            ctypes.memset(start, 0, end - start)


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int, options: bytes | None) -> None:
    _check(_libc.mount(source, target, kind, ctypes.c_ulong(flags), options))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
