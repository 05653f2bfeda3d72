"""Which machine measured, and how busy others kept it meanwhile."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from pathlib import Path

import cv2
import psutil
import torch
from threadpoolctl import threadpool_limits

VERSIONS_OF = ("torch", "torchvision", "lightly", "pytorch-metric-learning", "kornia", "scikit-learn", "faiss-cpu")


def begin_with_one_thread() -> None:
    """One thread for all contenders, as the trainings of the course have: ``fit`` obeys this choice."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    cv2.setNumThreads(1)


def describe_machine() -> dict[str, object]:
    """Processor, cores, memory, system and versions."""
    versions = {"Python": platform.python_version()} | {name: importlib.metadata.version(name) for name in VERSIONS_OF}
    return {
        "processor": processor_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "memory in GB": round(psutil.virtual_memory().total / 1e9),
        "system": platform.system(),
        "versions": versions,
    }


def processor_name() -> str:
    """As the system calls it."""
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


class LoadWatch:
    """How much of the processor other programs take, from now on."""

    def __init__(self) -> None:
        self._started, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def others(self) -> float:
        """Their share of the time of all cores, 0 to 1."""
        busy = _busy_seconds() - self._busy - (_own_seconds() - self._own)
        return min(1.0, max(0.0, busy / (self.seconds() * (psutil.cpu_count() or 1))))


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    kinds = ("user", "nice", "system", "irq", "softirq", "interrupt", "dpc", "steal")
    return sum(getattr(times, kind, 0.0) for kind in kinds)


def _own_seconds() -> float:
    """Of this process and all that it has started; those that still run are asked one by one."""
    own = os.times()
    running = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        running += times.user + times.system
    return own.user + own.system + own.children_user + own.children_system + running
