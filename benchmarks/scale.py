"""Half a million photographs of ten thousand people, made here: what ``facelab train`` takes for them, and how it grows.

``make bench-scale`` runs all sizes; ``python -m benchmarks.scale 1000 10000`` some. Each command is a process of its own,
watched from outside. The photographs are noise around a picture of each person, and nothing of them stays.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import joblib
import numpy as np
import psutil

from benchmarks.command import one_line_errors
from facelab.interrupts import hold_back_interrupts

SIZES = (1_000, 10_000, 100_000, 500_000)
PHOTOS, SIDE, BATCH = 50, 32, 128  # photographs of a person, pixels, photographs of a training step
COMMAND = Path(__file__).with_name("timed_command.py")


@dataclass
class Stage:
    """What one command took: seconds, bytes at most beyond the start (all, and without mapped files), and its parts."""

    name: str
    seconds: float
    resident: int
    own: int
    parts: list[tuple[str, int, float]]


def write_person(folder: Path, number: int) -> None:
    """Fifty photographs of one made person: a smooth picture of theirs, another one of the moment, noise; JPEG of 32 pixels."""
    rng = np.random.default_rng([18, number])
    place = folder / f"p{number:06}"
    place.mkdir(parents=True)

    def smooth(strength: float) -> np.ndarray:
        return cv2.resize(rng.normal(0, strength, (6, 6, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)

    person = smooth(25)
    for shot in range(PHOTOS):
        pixels = 128 + person + smooth(45) + rng.normal(0, 8, (SIDE, SIDE, 3))
        _, encoded = cv2.imencode(".jpg", np.clip(pixels, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
        (place / f"{shot:02}.jpg").write_bytes(encoded.tobytes())


def memory(process: psutil.Process) -> tuple[int, int]:
    """Bytes resident in a process and those that it started: all of them, and without the pages of mapped files."""
    resident = own = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            said = one.memory_info()
        except psutil.NoSuchProcess:
            continue
        resident, own = resident + said.rss, own + said.rss - said.shared
    return resident, own


def watch(name: str, arguments: list[str], environment: dict[str, str], start: tuple[int, int]) -> Stage:
    """Run ``facelab`` with some arguments; its memory is looked at ten times a second."""
    with tempfile.NamedTemporaryFile(mode="r", suffix=".tsv") as parts:
        began, peaks = time.monotonic(), (0, 0)
        with ExitStack() as stack:
            with hold_back_interrupts():  # Ctrl-C is this process's affair
                command = [sys.executable, COMMAND, parts.name, *arguments]
                process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
                stack.callback(process.wait)
                stack.callback(process.terminate)
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                try:
                    peaks = tuple(map(max, peaks, memory(watched)))
                except psutil.NoSuchProcess:
                    break
                time.sleep(0.1)
        if process.returncode:
            raise SystemExit(f"facelab {' '.join(arguments)} ended with {process.returncode}.")
        seconds = time.monotonic() - began
        rows = [line.rstrip("\n").split("\t") for line in parts]
    summed: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    for part, count, taken in rows:
        part = part.split(" folder:")[0]  # the rest is where the photographs are
        summed[part][0] += int(count) * (BATCH if part.startswith("training") else 1)
        summed[part][1] += float(taken)
    found = [(part, int(count), taken) for part, (count, taken) in summed.items()]
    return Stage(name, seconds, peaks[0] - start[0], peaks[1] - start[1], found)


def memory_at_start(environment: dict[str, str], modules: str) -> tuple[int, int]:
    """Of a Python that has loaded some modules and done nothing."""
    code = f"import sys, {modules}; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with (
        hold_back_interrupts(),  # for it, which would say so in many lines
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        process.stdout.readline()
        found = memory(psutil.Process(process.pid))
        process.communicate()
    return found


def commands(folder: Path) -> dict[str, tuple[list[str], str]]:
    """Stage -> arguments of ``facelab``, and the modules whose memory is not counted; one command after the other."""
    data = f"folder:{folder / 'photographs'}"
    shared = ["--dataset", data, "--size", str(SIDE), "--epochs", "1", "--batch-size", str(BATCH)]
    margin = ["train", "margin", *shared, "-p", "sample=0.1", "--people", "known", "--out", str(folder / "margin")]
    moco = ["train", "moco", *shared, "--people", "unseen", "--out", str(folder / "moco")]
    python, pytorch = "sys", "torch, facelab.commands.train.run"
    return {
        "decode": (["data", "check", data, "--size", str(SIDE)], python),
        "margin, one epoch": ([*margin, "--do", "train"], pytorch),
        "moco, one epoch": ([*moco, "--do", "train"], pytorch),
        "measure known people": ([*margin, "--do", "test"], pytorch),
        "measure unseen people": ([*moco, "--do", "test"], pytorch),
    }


def measure(photographs: int, parent: Path | None = None, names: Collection[str] | None = None) -> list[Stage]:
    """Make photographs, run the commands on them, and remove it all.

    Args:
        photographs: how many, a multiple of ``PHOTOS``.
        parent: of the temporary folder that they are made in; None: where temporary files are.
        names: of the stages; None: all.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-scale-", dir=parent))
    try:
        people = (joblib.delayed(write_person)(folder / "photographs", n) for n in range(photographs // PHOTOS))
        joblib.Parallel(n_jobs=-1)(people)
        environment = os.environ | {"FACELAB_CACHE": str(folder / "cache"), "FACELAB_RUNS": str(folder / "runs")}
        chosen = {name: rest for name, rest in commands(folder).items() if names is None or name in names}
        starts = {modules: memory_at_start(environment, modules) for modules in {rest[1] for rest in chosen.values()}}
        return [watch(name, rest[0], environment, starts[rest[1]]) for name, rest in chosen.items()]
    finally:
        shutil.rmtree(folder)


def show(photographs: int, found: list[Stage]) -> None:
    """The table of one size. Parts within others are counted in both; those below a hundredth of their command are left out."""
    print(f"\n{photographs:,} photographs of {photographs // PHOTOS:,} people, {SIDE} pixels, {os.cpu_count()} cores")
    print(f"{'':44}{'count':>11}{'seconds':>10}{'a second':>11}{'MB at most':>12}{'not mapped':>12}")
    for stage in found:
        memory_columns = f"{stage.resident / 1e6:12,.0f}{stage.own / 1e6:12,.0f}"
        rate = photographs / stage.seconds
        print(f"{stage.name:44}{photographs:11,}{stage.seconds:10.1f}{rate:11,.0f}{memory_columns}")
        for part, count, seconds in stage.parts:
            if seconds >= stage.seconds / 100:
                print(f"    {part:40.40}{count:11,}{seconds:10.1f}{count / max(seconds, 1e-9):11,.0f}")
    total = sum(stage.seconds for stage in found)
    most, own = (max(getattr(stage, name) for stage in found) / 1e6 for name in ("resident", "own"))
    print(f"{'all':44}{photographs:11,}{total:10.1f}{photographs / total:11,.0f}{most:12,.0f}{own:12,.0f}", flush=True)


def photograph_count(text: str) -> int:
    """What was typed as a size.

    Raises:
        argparse.ArgumentTypeError: people with ``PHOTOS`` photographs each do not come to it.
    """
    if not text.isdecimal() or int(text) == 0 or int(text) % PHOTOS:
        raise argparse.ArgumentTypeError(f"{text} is no positive multiple of {PHOTOS}: so many are made of each person")
    return int(text)


def main(arguments: list[str] | None = None) -> None:
    """Make, measure and remove the photographs of each size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument(
        "photographs", nargs="*", type=photograph_count, default=SIZES, help=f"sizes, each a multiple of {PHOTOS}"
    )
    parser.add_argument("--folder", type=Path, help="where they are made; a temporary folder by default")
    chosen = parser.parse_args(arguments)
    with one_line_errors(parser):
        for photographs in chosen.photographs:
            show(photographs, measure(photographs, chosen.folder))


if __name__ == "__main__":
    main()
