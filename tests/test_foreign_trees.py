"""Any folder at all: names of every kind, links, odd and damaged files. No command ends in a traceback or waits for ever, and
every file is either used or named."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import shutil
import signal
import struct
import tempfile
import unicodedata
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from photos import encoded, pixels

from facelab import cli
from facelab.cropping.survey import uncropped_orl
from facelab.datasets import load
from facelab.datasets.faceset import RejectedFilesWarning
from facelab.datasets.trees import is_litter, is_photograph, is_text
from facelab.errors import FacelabError
from facelab.terminal import printable

# so many times the examples of the suite: 20 takes minutes
EXAMPLES = int(os.environ.get("FACELAB_FOREIGN_TREES", "1"))
SECONDS = 120  # an example that takes longer waits for ever

slow_checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
# no shrinking: it takes minutes, and a tree of eight things is read at a glance
phases = [Phase.explicit, Phase.reuse, Phase.generate]
few = functools.partial(settings, deadline=None, suppress_health_check=slow_checks, phases=phases)


# ---- what may lie in a folder


def png_of_size(width: int, height: int) -> bytes:
    """A PNG file that says to be so large, and holds nothing."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


@functools.cache
def face(number: int) -> bytes:
    return encoded(uncropped_orl()[0][number])


JPEG = encoded(pixels(seed=1, height=60, width=50))
FILES: dict[str, Callable[[int], bytes]] = {
    "face": lambda number: face(number % 20),
    "colours": lambda number: encoded(pixels(seed=number), ("PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")[number % 6]),
    "empty": lambda number: b"",
    "dot": lambda number: encoded(np.full((1, 1, 3), number % 256, np.uint8), "PNG"),
    "thin": lambda number: encoded(np.full((1 + number % 3, 3000, 1), 99, np.uint8), "PNG"),
    "long": lambda number: encoded(np.full((33_000, 1, 1), 99, np.uint8), "PNG"),
    "cut": lambda number: JPEG[: number % len(JPEG)],
    "flipped": lambda number: bytes(b ^ (1 << number % 8) * (i == number % len(JPEG)) for i, b in enumerate(JPEG)),
    "bomb": lambda number: png_of_size(1000 * number, 60_000),
    "text": lambda number: b"P5 P6 %d" % number,
    "alpha": lambda number: encoded(np.full((9, 9, 4), number % 256, np.uint8), "PNG"),
}
LINKS = ("itself", "top", "up", "nothing", "outside", "sibling")
SUFFIXES = ("", ".png", ".jpg", ".JPG", ".pgm", ".gif", ".tif", ".webp", ".jfif", ".jp2", ".heic", ".txt", ".csv")
KNOWN_NAMES = (
    "ann", "bo", "Ann", "\u00e9", "e\u0301", "train", "test", ".DS_Store", ".ipynb_checkpoints", "._x", "Thumbs.db",
    "-p", "--help", " ", "a b", "x ", "a\nb", "a\r", "\x1b[31m", "a\u2028b", "a\x85b", "\u202egnp", "\ufeffa",
    "$x$", "[red]", "[/red]", ":smile:", "~", "~nobody", "#", "%", "a+b", "a,b", '"', "'", "\\", "*", "?", "...",
    "x" * 251, "\u5f20" * 72, "\U0001f600", "=1+1", "NULL", "nan",
)  # fmt: skip

name_bytes = st.one_of(
    st.sampled_from(KNOWN_NAMES).map(str.encode),
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=80).map(str.encode),
    st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_")),
)
names = st.builds(
    lambda name, suffix: name[: 255 - len(suffix)] + suffix, name_bytes, st.sampled_from(SUFFIXES).map(str.encode)
).filter(lambda name: name not in (b".", b".."))
folders = st.sampled_from([b"ann", b"bo", b"cy", "\u5f20".encode()]) | name_bytes.filter(
    lambda n: n not in (b".", b"..")
)
kinds = st.sampled_from([*FILES, *FILES, *LINKS, "sparse", "pipe", "folder"])
entries = st.tuples(st.lists(folders, max_size=3), names, kinds, st.integers(0, 1 << 16))


def plant(top: bytes, entry: tuple[list[bytes], bytes, str, int]) -> None:
    """Put one thing into a tree; where its place is taken, it is left out."""
    parents, name, kind, number = entry
    folder = os.path.join(top, *parents)
    path = os.path.join(folder, name)
    try:
        os.makedirs(folder, exist_ok=True)
        if os.path.lexists(path):
            return
        if kind == "folder":
            os.mkdir(path)
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind in LINKS:
            siblings = sorted(os.listdir(folder))
            os.symlink(
                {
                    "itself": name,
                    "top": top,
                    "up": b"..",
                    "nothing": b"not there",
                    "outside": os.path.join(os.path.dirname(top), b"outside"),
                    "sibling": siblings[number % len(siblings)] if siblings else b"not there",
                }[kind],
                path,
            )
        else:
            with open(path, "wb") as file:
                file.truncate(8 << 30) if kind == "sparse" else file.write(FILES[kind](number))
    except (FileExistsError, NotADirectoryError, FileNotFoundError):
        return
    except OSError as error:
        assert error.errno in (36, 40), error  # a path or name too long, a link in a circle on its way
        return


def plain_files(top: bytes) -> Iterator[str]:
    """Every file that is no link, in folders that are none, as our commands should name it; litter left out."""
    for folder, below, files in os.walk(top):
        below[:] = [name for name in below if not is_litter(os.fsdecode(name))]
        for name in files:
            path = os.path.join(folder, name)
            parts = os.fsdecode(os.path.relpath(path, top)).split("/")
            if os.path.islink(path) or is_litter(parts[-1]):
                continue
            odd = next((place for place, part in enumerate(parts) if not is_text(part)), None)
            yield "/".join(parts if odd is None else [*parts[:odd], ascii(parts[odd])[1:-1]])


# ---- the commands


@contextmanager
def no_hang() -> Iterator[None]:
    def stop(*_):
        raise AssertionError(f"It waited for more than {SECONDS} s.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def facelab(*words: str | bytes) -> str | None:
    """What a command prints; None where it ends with an error of ours. Any other error fails the test."""
    said = io.StringIO()
    with no_hang(), redirect_stdout(said), redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cli.app([os.fsdecode(word) for word in words], standalone_mode=False)
        except FacelabError as error:
            assert error.problem and printable(str(error))
            event(f"{words[0]}: {type(error).__name__}")
            return None
    event(f"{words[0]}: done")  # shown by pytest --hypothesis-show-statistics
    return said.getvalue()


@contextmanager
def foreign_tree(root_name: bytes, planted: list, base: dict[str, bytes]) -> Iterator[tuple[Path, bytes]]:
    """A workplace, and in it a tree with what was planted."""
    work = tempfile.mkdtemp(prefix="foreign-")
    try:
        top = os.path.join(os.fsencode(work), b"tree", root_name)
        outside = os.path.join(os.path.dirname(top), b"outside")
        assume(top != outside)
        os.makedirs(top)
        os.makedirs(outside)
        Path(os.fsdecode(outside), "o.png").write_bytes(face(0))
        for name, data in base.items():
            path = Path(os.fsdecode(top), name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for entry in planted:
            plant(top, entry)
        with mock.patch.dict(os.environ, FACELAB_CACHE=f"{work}/cache", FACELAB_RUNS=f"{work}/runs"):
            yield Path(work), top
    finally:
        shutil.rmtree(work)


def content(root: Path) -> dict[bytes, bytes]:
    return {os.fsencode(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def remove_one(top: bytes) -> None:
    """What comes first in a tree is gone, and the links that led to it; what lies behind a link to nothing is kept."""
    first = os.path.join(top, min(os.listdir(top)))
    shutil.rmtree(first) if os.path.isdir(first) and not os.path.islink(first) else os.unlink(first)
    while lost := [
        path
        for folder, below, files in os.walk(top)
        for path in (os.path.join(folder, name) for name in below + files)
        if os.path.islink(path) and not os.path.exists(path)
    ]:
        for path in lost:
            os.unlink(path)


def check_pruning(words: tuple[str | bytes, ...], work: Path, top: bytes) -> None:
    """Once something of a tree is gone, a command with --prune leaves what it writes to a new folder, its last word."""
    remove_one(top)
    if facelab(*words[:-1], f"{work}/fresh") is not None:
        facelab(words[0], "--prune", *words[1:])
        assert content(work / "out") == content(work / "fresh")


BASE = {
    "ann/0.png": face(0),
    "ann/1.png": face(1),
    "\u5f20/\u00e9.png": face(10),
}  # without a photograph, all is an error
trees = given(root_name=names, planted=st.lists(entries, min_size=1, max_size=8))


@few(max_examples=15 * EXAMPLES)
@trees
def test_crop(root_name, planted):
    with foreign_tree(root_name, planted, BASE) as (work, top):
        words = "crop", "--size", "8", "--", top, f"{work}/out"
        said = facelab(*words)
        if said is None:
            return
        lines = (work / "out" / "crop-manifest.jsonl").read_text().split("\n")[:-1]
        rows = {row["file"]: row for row in map(json.loads, lines)}
        assert set(plain_files(top)) <= rows.keys()
        what = dict.fromkeys(("no face", "unreadable"), "crop") | {"no photograph": "photograph"}
        for file, row in rows.items():
            assert (
                (work / "out" / row["crop"]).is_file()
                if row["crop"]
                else f"no {what[row['status']]}: {printable(file)}: " in said
            )
        before = content(work / "out")
        again = facelab("crop", "--prune", *words[1:])
        assert "made again" not in again and "is gone" not in again and "not from here" not in again
        assert content(work / "out") == before
        check_pruning(words, work, top)


@few(max_examples=15 * EXAMPLES)
@trees
def test_split(root_name, planted):
    with foreign_tree(root_name, planted, BASE) as (work, top):
        words = "split", "--", top, f"{work}/out"
        said = facelab(*words)
        if said is None:
            return
        with open(work / "out" / "manifest.csv", encoding="utf-8", newline="") as file:
            copied = {row["file"]: row["part"] for row in csv.DictReader(file)}
        for file in plain_files(top):
            beside = "/" not in file and not is_photograph(file)  # a list of labels, a read-me: nobody's photograph
            assert file in copied or f"not usable: {printable(file)}: " in said or beside
        for file, part in copied.items():
            assert (work / "out" / part / file).read_bytes() == Path(os.fsdecode(top), file).read_bytes()
        before = content(work / "out")
        assert "(0 copied now)" in facelab(*words)
        assert content(work / "out") == before
        check_pruning(words, work, top)


@few(max_examples=25 * EXAMPLES)
@trees
def test_data_check(root_name, planted):
    with foreign_tree(root_name, planted, BASE) as (_, top):
        name = "folder:" + os.fsdecode(top)
        said = facelab("data", "check", "--size", "8", "--", name)
        if said is None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RejectedFilesWarning)  # the command has named them
            faces = load(name, 8)
        used = set(faces.attributes["file"])
        for file in plain_files(top):
            beside = "/" not in file and not is_photograph(file)
            assert file in used or f"not usable: {printable(file)}: " in said or beside
        assert {unicodedata.normalize("NFC", file.split("/")[0]) for file in used} == set(faces.names)


texts = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: not is_litter(name)
)


@few(max_examples=3 * EXAMPLES)
@given(
    folder=texts.filter(lambda name: "+" not in name),  # folder:a+b would be two data sets
    planted=st.lists(entries, min_size=1, max_size=8),
    people=st.lists(texts, min_size=4, max_size=4, unique_by=lambda name: unicodedata.normalize("NFC", name)),
)
def test_train(folder, planted, people):
    base = {f"{name}/{shot}.png": face(10 * row + shot) for row, name in enumerate(people) for shot in range(6)}
    with foreign_tree(folder.encode(), planted, base) as (work, top):
        words = ["train", "classifier", "--dataset", "folder:" + os.fsdecode(top), "--size", "16", "--epochs", "1"]
        words += ["--width", "8", "--batch-size", "8", "--out", f"{work}/out"]
        if said := facelab(*words):
            assert "top1" in said and (work / "out" / "method.pt").is_file()
            assert facelab(*words)  # it is done, and read again
