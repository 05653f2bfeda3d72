"""Decoding by shards and by all cores: the same set however it is made, and nothing done twice after a kill."""

import contextlib
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import photos
import psutil
import pytest

from facelab.datasets import FaceSet, cache, decoding_processes, load, shards
from facelab.datasets.decode import decode_into
from facelab.datasets.loading import load_one
from facelab.datasets.sources import get_source
from facelab.errors import BadImageError, DataMissingError, FacelabError

pytestmark = pytest.mark.filterwarnings("ignore::facelab.datasets.RejectedFilesWarning")

COUNT, SHARD = 60, 4  # photographs in the tree, and in a shard
BAD = ("ann/13.png", "ann/3.png", "bob/29.png")  # in the first shards and in the last

real_decode_shard = shards.decode_shard


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """A tree of two people, three of its files no photographs, a cache of its own, and shards of four photographs."""
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shards, "_MOST_PHOTOGRAPHS", SHARD)
    photos.people(tmp_path / "tree", ann=COUNT // 2, bob=COUNT // 2)
    for file, content in zip(BAD, (b"", b"no photograph", photos.encoded(photos.pixels(), "PNG")[:-90]), strict=True):
        (tmp_path / "tree" / file).write_bytes(content)
    return tmp_path / "tree"


@pytest.fixture
def by_processes(monkeypatch) -> None:
    monkeypatch.setattr(decoding_processes, "MIN_PHOTOGRAPHS", 0)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")


def load_tree(tree: Path) -> FaceSet:
    return load(f"folder:{tree}", 16)


def expected(tree: Path) -> FaceSet:
    """The oracle: all photographs decoded in one go into an array."""
    source = get_source(f"folder:{tree}")
    index = source.index(tree)
    pixels = np.zeros((len(index), 16, 16, 3), np.uint8)
    written, rejected = decode_into(pixels, source.read(tree, index), source.crop)
    table = index[written].reset_index(drop=True)
    identity = np.unique(table["identity"], return_inverse=True)[1]
    return FaceSet(pixels[written], identity, ("ann", "bob"), table[["file"]], f"folder:{tree}@16", tuple(rejected))


def assert_same(faces: FaceSet, other: FaceSet) -> None:
    np.testing.assert_array_equal(faces.images, other.images)
    assert (faces.sha256, faces.names, faces.source) == (other.sha256, other.names, other.source)
    assert faces.identity.tolist() == other.identity.tolist()
    assert faces.attributes["file"].tolist() == other.attributes["file"].tolist()
    assert faces.rejected_files == other.rejected_files


def entries(tree: Path) -> list[str]:
    """What lies in the cache: the set's folder, and a half-made one."""
    return sorted(path.name for path in (tree.parent / "cache" / "datasets").iterdir())


def count_decoded(monkeypatch) -> list[int]:
    """The photographs that are decoded from now on, a number a shard; for threads of this process."""
    decoded = []

    def counted(part, *rest, **options):
        decoded.append(len(part))
        return real_decode_shard(part, *rest, **options)

    monkeypatch.setattr(shards, "decode_shard", counted)
    return decoded


def start(tree: Path, code: str, by_processes: bool = True) -> subprocess.Popen:
    """A process of its own group that loads the tree as this one does, after some lines of code."""
    least = 0 if by_processes else COUNT + 1
    before = f"""
        import os, signal, sys
        from facelab.datasets import decoding_processes, load, shards
        from facelab.datasets.pixel_file import PixelWriter
        shards._MOST_PHOTOGRAPHS, decoding_processes.MIN_PHOTOGRAPHS = {SHARD}, {least}
        real_add, added = shards.ShardLog.add, []
    """
    then = 'print(load("folder:" + os.environ["TREE"], 16).sha256)'
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(before) + textwrap.dedent(code) + then],
        env=os.environ | {"TREE": str(tree), "LOKY_MAX_CPU_COUNT": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("size", [1, SHARD, 7, COUNT])
def test_shards_of_any_size_make_the_same_set(tree, monkeypatch, size):
    monkeypatch.setattr(shards, "_MOST_PHOTOGRAPHS", size)
    assert_same(load_tree(tree), expected(tree))
    (name,) = entries(tree)
    assert sorted(path.name for path in (tree.parent / "cache" / "datasets" / name).iterdir()) == [
        "meta.json",
        "pixels.u8",
        "table.npz",
    ]


def test_processes_make_the_same_set(tree, by_processes):
    assert_same(load_tree(tree), expected(tree))


def test_large_photographs_make_small_shards(tree, monkeypatch):
    decoded = count_decoded(monkeypatch)
    monkeypatch.setattr(shards, "_MOST_BYTES", 3 * 16 * 16 * 3)
    assert len(load_tree(tree)) == COUNT - len(BAD)
    assert decoded == [3] * 20


def count_rows(part: pd.DataFrame, threads: int) -> int:
    return len(part)


def test_results_come_in_order_and_few_parts_are_taken_before(by_processes):
    taken = []

    def parts():
        for rows in range(80):
            taken.append(rows)
            yield pd.DataFrame({"file": ["x"] * rows})

    for place, rows in enumerate(decoding_processes.run_by_all_cores(count_rows, parts(), 80)):
        assert rows == place
        assert len(taken) <= place + 2 * decoding_processes._AHEAD
    assert place == 79


KILLS = {
    "between two shards": "real_add(*args); os.kill(os.getpid(), signal.SIGKILL)",
    "before the note": "PixelWriter.append(args[0]._pixels, args[2]); os.kill(os.getpid(), signal.SIGKILL)",
    "in the pixels": "PixelWriter.append(args[0]._pixels, args[2][:1]); os.kill(os.getpid(), signal.SIGKILL)",
    "in the note": "real_add(*args); os.truncate(args[0]._path, args[0]._path.stat().st_size - 9); "
    "os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("place", KILLS)
def test_a_killed_decode_goes_on_with_the_rest(tree, monkeypatch, place):
    process = start(
        tree,
        f"""
        def add(*args):
            added.append(args)
            if len(added) == 7:
                {KILLS[place]}
            real_add(*args)
        shards.ShardLog.add = add
        """,
        by_processes=place == "between two shards",
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    assert entries(tree)[0].endswith(".partial")
    decoded = count_decoded(monkeypatch)
    assert_same(load_tree(tree), expected(tree))
    whole = 7 if place == "between two shards" else 6
    assert sum(decoded) == COUNT - whole * SHARD
    assert len(entries(tree)) == 1


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_the_processes_of_a_killed_decode_end(tree):
    process = start(
        tree,
        """
        import psutil
        def add(*args):
            print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        shards.ShardLog.add = add
        """,
    )
    children = [int(pid) for pid in process.communicate(timeout=120)[0].split()]
    assert len(children) >= 2
    deadline = time.monotonic() + 60
    while alive := [pid for pid in children if psutil.pid_exists(pid) and _runs(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(os.name == "nt", reason="no process groups")
def test_ctrl_c_ends_all_processes_in_silence_and_keeps_the_shards(tree, monkeypatch):
    process = start(
        tree,
        """
        def add(*args):
            real_add(*args)
            added.append(args)
            if len(added) == 5:
                os.killpg(0, signal.SIGINT)
        shards.ShardLog.add = add
        """,
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1, errors
    decoded = count_decoded(monkeypatch)
    assert_same(load_tree(tree), expected(tree))
    assert sum(decoded) == COUNT - 5 * SHARD


def kill_oneself(part, *_, **__):
    """In place of ``decode_shard``: what a system without memory does to a process."""
    if "bob/20.png" in set(part["file"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real_decode_shard(part, *_, **__)


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_killed_process_is_one_error_and_what_was_done_is_kept(tree, monkeypatch, by_processes):
    monkeypatch.setattr(decoding_processes, "_AHEAD", 1)  # two shards are done before the next two begin
    with monkeypatch.context() as patched:
        patched.setattr(shards, "decode_shard", kill_oneself)
        with pytest.raises(FacelabError, match="A process that decoded photographs was killed.*What was done is kept"):
            load_tree(tree)
    monkeypatch.setattr(decoding_processes, "MIN_PHOTOGRAPHS", COUNT)
    decoded = count_decoded(monkeypatch)
    assert_same(load_tree(tree), expected(tree))
    assert sum(decoded) <= COUNT - 10 * SHARD


def refuse(part, *_, **__):
    if "ann/9.png" in set(part["file"]):
        raise BadImageError("The source is odd.", "Mend it.")
    return real_decode_shard(part, *_, **__)


def test_an_error_of_a_source_comes_out_of_its_process_as_it_is(tree, monkeypatch, by_processes):
    monkeypatch.setattr(shards, "decode_shard", refuse)
    with pytest.raises(BadImageError, match="^The source is odd. Mend it.$") as error:
        load_tree(tree)
    assert error.value.remedy == "Mend it."


def test_an_error_is_the_same_after_a_journey():
    error = pickle.loads(pickle.dumps(DataMissingError("It is away.", "Fetch it.")))
    assert (type(error), str(error), error.problem) == (DataMissingError, "It is away. Fetch it.", "It is away.")


def test_a_script_needs_no_guard_for_its_main_module(tree, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nfrom facelab.datasets import decoding_processes, load\n"
        "decoding_processes.MIN_PHOTOGRAPHS = 0\n"
        "print(load('folder:' + os.environ['TREE'], 16).sha256)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        env=os.environ | {"TREE": str(tree), "LOKY_MAX_CPU_COUNT": "2"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == [expected(tree).sha256], done.stderr


def test_of_several_processes_only_one_decodes(tree):
    code = """
        def add(*args):
            print(args[1].count)
            real_add(*args)
        shards.ShardLog.add = add
        """
    started = [start(tree, code, by_processes=False) for _ in range(3)]
    said = [process.communicate(timeout=120)[0].split() for process in started]
    assert {words[-1] for words in said} == {expected(tree).sha256}
    assert sum(int(word) for words in said for word in words[:-1]) == COUNT
    assert len(entries(tree)) == 1


def stopped_after(tree: Path, monkeypatch, stop_after: int) -> Path:
    """The folder that a decode leaves behind that was stopped after some shards."""
    real, count = shards.ShardLog.add, itertools.count(1)

    def add(*args):
        real(*args)
        if next(count) == stop_after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shards.ShardLog, "add", add)
        with pytest.raises(KeyboardInterrupt):
            load_tree(tree)
    (name,) = entries(tree)
    return tree.parent / "cache" / "datasets" / name


@pytest.mark.parametrize("name", ["pixels.u8", "shards.jsonl"])
def test_no_damage_of_what_was_done_is_believed(tree, monkeypatch, name):
    """Some bit of each byte or so: what stands before it counts, and the rest is decoded again."""
    partial = stopped_after(tree, monkeypatch, 6)
    kept = {path.name: path.read_bytes() for path in partial.iterdir()}
    assert sorted(kept) == ["pixels.u8", "shards.jsonl"]
    whole, reference = kept[name], expected(tree)
    for place in range(3, len(whole), len(whole) // 6):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        partial.mkdir(exist_ok=True)
        for other, content in kept.items():
            (partial / other).write_bytes(changed if other == name else content)
        decoded = count_decoded(monkeypatch)
        assert_same(load_tree(tree), reference)
        before = whole[:place].count(b"\n") if name == "shards.jsonl" else 0
        assert COUNT - 6 * SHARD < sum(decoded) <= COUNT - before * SHARD
        cache.shutil.rmtree(load_one(f"folder:{tree}", 16)[0].folder)


def test_the_shards_of_a_changed_folder_are_not_used_and_not_kept(tree, monkeypatch):
    partial = stopped_after(tree, monkeypatch, 6)
    photos.write(tree / "ann" / "0.png", seed=99)
    decoded = count_decoded(monkeypatch)
    assert_same(load_tree(tree), expected(tree))
    assert sum(decoded) == COUNT
    assert not partial.exists()


def test_shards_of_another_set_are_kept_for_a_week_or_while_they_are_made(tree, monkeypatch):
    partial = stopped_after(tree, monkeypatch, 6)
    photos.people(tree.parent / "other", cem=1)
    other = f"folder:{tree.parent / 'other'}"
    load(other, 16)
    assert partial.exists()
    for path in (*partial.iterdir(), partial):
        os.utime(path, (time.time() - 8 * 24 * 3600,) * 2)
    with cache._only_process(load_one_key(tree)):
        load(other, 24)
    assert partial.exists()
    load(other, 32)
    assert not partial.exists()


def load_one_key(tree: Path) -> cache.CacheKey:
    from facelab.datasets.loading import fingerprint

    source = get_source(f"folder:{tree}")
    return cache.CacheKey(source.name, 16, source.version, fingerprint(source, tree, source.index(tree)))


def test_a_full_disk_costs_nothing_that_was_done(tree, monkeypatch):
    """A limit on the size of a file stands in for the disk: here the sixth shard does not fit any more."""
    pytest.importorskip("resource")
    process = start(
        tree,
        """
        import resource
        from facelab.errors import FacelabError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (21 * 16 * 16 * 3, 21 * 16 * 16 * 3))
        try:
            load("folder:" + os.environ["TREE"], 16)
        except FacelabError as error:
            print(error)
            sys.exit(1)
        """,
        by_processes=False,
    )
    said, errors = process.communicate(timeout=120)
    assert "cannot be written" in said and "FACELAB_CACHE" in said, errors
    decoded = count_decoded(monkeypatch)
    assert_same(load_tree(tree), expected(tree))
    assert sum(decoded) == COUNT - 5 * SHARD


def test_a_folder_without_a_usable_photograph_leaves_nothing(tree):
    for path in tree.rglob("*.png"):
        path.write_bytes(b"no photograph")
    with pytest.raises(DataMissingError, match="60 were rejected"):
        load_tree(tree)
    assert entries(tree) == []


def test_the_bar_counts_every_photograph_and_says_how_many_a_second(tree, monkeypatch):
    stopped_after(tree, monkeypatch, 6)
    steps = []

    class NoBar:
        def advance(self, count=1, note=""):
            pass

    class Bar:
        seconds = 0.0

        def advance(self, count=1, note=""):
            Bar.seconds += 0.5
            steps.append((count, note))

    monkeypatch.setattr(
        "facelab.datasets.loading.progress_bar",
        lambda description, *_, **__: contextlib.nullcontext(Bar() if description.startswith("Decoding") else NoBar()),
    )
    load_tree(tree)
    assert steps[:6] == [(SHARD, "")] * 6
    assert sum(count for count, _ in steps if count == SHARD) == COUNT
    assert steps[-1] == (SHARD, "9 photographs a second")


def test_a_line_of_the_log_is_plain_json(tree, monkeypatch):
    partial = stopped_after(tree, monkeypatch, 6)
    lines = [json.loads(line) for line in (partial / "shards.jsonl").read_text().splitlines()]
    assert [line[0] for line in lines] == [SHARD] * 6
    assert [file for line in lines for file, _ in line[2]] == ["ann/13.png", "ann/3.png"]
