"""Freed memory that stays for a while: fewer pages are asked of the system, all of them are given back, and only with glibc."""

import mmap
import platform
import subprocess
import sys

import pytest

from facelab import heap

STEPS = """
import resource, sys
from contextlib import nullcontext
import psutil
from facelab.heap import kept_memory

def step():
    [b"x" * 2**24 for _ in range(4)]
def megabytes():
    return psutil.Process().memory_info().rss / 2**20
at_first = megabytes()
with kept_memory() if sys.argv[1] == "kept" else nullcontext():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    print(megabytes() - at_first)
print(megabytes() - at_first)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_a_step_finds_the_memory_of_the_last_one_and_none_stays():
    """In processes of their own: without it the pages of four blocks of 16 MB are cleared anew in each of 20 steps."""

    def measure(way: str) -> list[float]:
        done = subprocess.run([sys.executable, "-c", STEPS, way], capture_output=True, text=True, check=True)
        return [float(line) for line in done.stdout.split()]

    usual, _, _ = measure("given back")
    kept, within, afterwards = measure("kept")
    assert kept < 1000 < 20 * 4 * 2**24 / mmap.PAGESIZE / 2 < usual
    assert within > 60 and afterwards < 10  # megabytes


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: pytest.fail("no mallopt there"))
    with heap.kept_memory():
        pass
