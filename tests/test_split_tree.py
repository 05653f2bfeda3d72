"""The splitter of a folder of people: it copies, it repeats itself, it goes on where it stopped, and it refuses to mix."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from facelab.datasets import decode, split_copies
from facelab.datasets import split_tree as module
from facelab.datasets.near_duplicates import near_duplicates
from facelab.datasets.split_tree import split_tree
from facelab.errors import BadParameterError, DataMissingError, FacelabError

PINNED = ["5.png", "7.png", "9.png"]  # what the generator gives, on every machine


def photograph(seed: int) -> np.ndarray:
    """Smooth noise, so that JPEG changes it little and two seeds do not resemble each other."""
    grey = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return cv2.resize(grey, (48, 48), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "people"
    for person, count in {"Ann": 10, "Bo Li": 4, "Çelik": 2, "Di": 1}.items():
        (root / person).mkdir(parents=True)
        for shot in range(count):
            cv2.imencode(".png", photograph(hash_of(person) + shot))[1].tofile(root / person / f"{shot}.png")
    return root


def hash_of(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:6], 16)


def state(root: Path) -> dict[str, str]:
    """Files but for the lock, which stays behind, and their hashes."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_every_photograph_is_copied_once_and_the_source_is_left_alone(tree: Path, tmp_path: Path):
    before = state(tree)
    found = split_tree(tree, tmp_path / "out", 70, seed=0)
    assert state(tree) == before
    after = state(tmp_path / "out")
    copies = {name.split("/", 1)[1]: digest for name, digest in after.items() if "/" in name}
    assert copies == before and len(after) == len(before) + 2
    count = {part: len(list((tmp_path / "out" / part / "Ann").iterdir())) for part in ("train", "test")}
    assert count == {"train": 7, "test": 3}
    assert len(list((tmp_path / "out" / "test" / "Çelik").iterdir())) == 1
    assert (found.train_count, found.test_count, found.copied_count) == (7 + 3 + 1 + 1, 3 + 1 + 1, 17)
    assert found.single_photo_people == ("Di",) and found.duplicates == () and found.rejected_files == ()
    assert not (tmp_path / "out" / "test" / "Di").exists()


def test_the_manifest_says_what_lies_where(tree: Path, tmp_path: Path):
    split_tree(tree, tmp_path / "out", 70, seed=3)
    with open(tmp_path / "out" / "manifest.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        copy = tmp_path / "out" / row["part"] / row["file"]
        assert hashlib.sha256(copy.read_bytes()).hexdigest() == row["sha256"]
    assert len(rows) == 17
    settings = json.loads((tmp_path / "out" / "split.json").read_text())
    assert (settings["seed"], settings["percent_train"], settings["files"]) == (3, 70, 17)
    text = (tmp_path / "out" / "manifest.csv").read_text(encoding="utf-8")
    assert hashlib.sha256(text.encode()).hexdigest() == settings["manifest_sha256"]


def test_the_same_seed_gives_the_same_split_and_another_another(tree: Path, tmp_path: Path):
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        split_tree(tree, tmp_path / out, 70, seed)
    assert state(tmp_path / "a") == state(tmp_path / "b")
    assert state(tmp_path / "a").keys() != state(tmp_path / "c").keys()
    assert sorted(path.name for path in (tmp_path / "a" / "test" / "Ann").iterdir()) == PINNED


def test_a_new_person_moves_nobody_else(tree: Path, tmp_path: Path):
    split_tree(tree, tmp_path / "a")
    (tree / "Aaron").mkdir()
    for shot in range(5):
        cv2.imwrite(str(tree / "Aaron" / f"{shot}.png"), photograph(900 + shot))
    split_tree(tree, tmp_path / "b")
    for part in ("train", "test"):
        for person in ("Ann", "Bo Li"):
            names = [sorted(p.name for p in (tmp_path / out / part / person).iterdir()) for out in "ab"]
            assert names[0] == names[1]


def test_again_copies_nothing_and_an_interrupted_run_is_finished(tree: Path, tmp_path: Path, monkeypatch):
    out = tmp_path / "out"
    copy, calls = split_copies._copy, []

    def stops(*arguments):
        if len(calls) == 6:
            raise KeyboardInterrupt
        calls.append(arguments)
        return copy(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(split_copies, "_copy", stops)
        split_tree(tree, out)
    assert len(state(out)) == 7 and not (out / "manifest.csv").exists()
    damaged = next((out / "test").rglob("*.png"), None) or next((out / "train").rglob("*.png"))
    damaged.write_bytes(b"cut short")
    assert split_tree(tree, out).copied_count == 17 - 6 + 1
    whole = state(out)
    again = split_tree(tree, out)
    assert again.copied_count == 0 and (again.train_count, again.test_count) == (12, 5)
    assert state(out) == whole
    split_tree(tree, tmp_path / "fresh")
    assert state(tmp_path / "fresh") == whole


def test_no_partial_file_stays_where_the_disk_fills(tree: Path, tmp_path: Path, monkeypatch):
    def full(path, data):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FacelabError, match="out.*No space left"):
        split_tree(tree, tmp_path / "out")
    assert [name for name in state(tmp_path / "out") if name != "split.json"] == []


@pytest.mark.parametrize("change", ["away", "edited", "grown"])
def test_a_photograph_that_changes_while_it_is_copied_is_named(tree: Path, tmp_path: Path, monkeypatch, change):
    photo, copy_missing = tree / "Di" / "0.png", module.copy_missing

    def later(*arguments):
        if change == "away":
            photo.unlink()
        elif change == "edited":
            photo.write_bytes(b"other")
        else:
            os.truncate(photo, decode.MAX_BYTES + 1)
        return copy_missing(*arguments)

    monkeypatch.setattr(module, "copy_missing", later)
    said = "cannot be read (No such file" if change == "away" else "was changed while the tree was copied"
    with pytest.raises(FacelabError, match=re.escape(f"{photo} {said}")):
        split_tree(tree, tmp_path / "out")
    assert not (tmp_path / "out" / "train" / "Di").exists() and not (tmp_path / "out" / "manifest.csv").exists()


def test_one_picture_in_two_files_is_reported_across_the_split(tree: Path, tmp_path: Path):
    """Every photograph of Bo Li twice, the copy as JPEG: some pairs end on two sides."""
    for shot in range(4):
        cv2.imwrite(str(tree / "Bo Li" / f"copy{shot}.jpg"), photograph(hash_of("Bo Li") + shot))
    found = split_tree(tree, tmp_path / "out", 50)
    test = {path.name for path in (tmp_path / "out" / "test" / "Bo Li").iterdir()}
    crossing = {shot for shot in range(4) if (f"{shot}.png" in test) != (f"copy{shot}.jpg" in test)}
    assert crossing and len(found.duplicates) == len(crossing)
    for train_file, test_file in found.duplicates:
        assert Path(test_file).name in test and Path(train_file).name not in test
        assert Path(train_file).stem.removeprefix("copy") == Path(test_file).stem.removeprefix("copy")


def test_what_is_no_photograph_is_named(tree: Path, tmp_path: Path):
    (tree / "Ann" / "notes.txt").write_text("x")
    (tree / "loose.png").write_bytes(b"x")
    (tree / "Bo Li" / "broken.png").write_bytes(b"not a picture")
    found = split_tree(tree, tmp_path / "out")
    assert {file for file, _ in found.rejected_files} == {"Ann/notes.txt", "loose.png"}
    assert any((tmp_path / "out" / part / "Bo Li" / "broken.png").is_file() for part in ("train", "test"))


def test_refusals(tree: Path, tmp_path: Path):
    split_tree(tree, tmp_path / "out", 70, 0)
    for percent, seed, what in ((70, 1, "seed"), (60, 0, "percent_train")):
        with pytest.raises(BadParameterError, match=f"another split .other .*{what}"):
            split_tree(tree, tmp_path / "out", percent, seed)
    (tree / "Ann" / "new.png").write_bytes((tree / "Ann" / "0.png").read_bytes())
    with pytest.raises(BadParameterError, match=r"another split \(other files\)"):
        split_tree(tree, tmp_path / "out", 70, 0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("mine")
    with pytest.raises(BadParameterError, match="not empty, and not a split of ours"):
        split_tree(tree, tmp_path / "full")
    assert state(tmp_path / "full").keys() == {"thesis.doc"}
    (tmp_path / "damaged").mkdir()
    for text in ("[]", "[" * 100_000, '[["source", "tree"]]'):
        (tmp_path / "damaged" / "split.json").write_text(text)
        with pytest.raises(BadParameterError, match="not empty, and not a split of ours"):
            split_tree(tree, tmp_path / "damaged")
    with pytest.raises(BadParameterError, match="is not a folder"):
        split_tree(tree, tmp_path / "full" / "thesis.doc")
    for out in (tree / "split", tree, tree.parent):
        with pytest.raises(BadParameterError, match="lie in one another"):
            split_tree(tree, out)
    link = tmp_path / "link"
    link.symlink_to(tree, target_is_directory=True)
    with pytest.raises(BadParameterError, match="lie in one another"):
        split_tree(tree, link / "split")
    for percent in (0, 100, -5, 170):
        with pytest.raises(BadParameterError, match=f"{percent} % for training"):
            split_tree(tree, tmp_path / "x", percent)
    with pytest.raises(DataMissingError, match="thesis.doc is not a folder"):
        split_tree(tmp_path / "full" / "thesis.doc", tmp_path / "x")
    with pytest.raises(DataMissingError, match="is not there"):
        split_tree(tmp_path / "nobody", tmp_path / "x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataMissingError, match="holds no photograph"):
        split_tree(tmp_path / "empty", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_nobody_can_decode_is_copied_and_named(tree: Path, tmp_path: Path):
    (tree / "Ann" / "3.png").write_bytes(b"")
    found = split_tree(tree, tmp_path / "out")
    assert found.damaged_files == (("Ann/3.png", "The file is empty."),)
    assert found.train_count + found.test_count == 17 and found.rejected_files == ()


def test_what_a_kill_leaves_behind_is_cleared(tree: Path, tmp_path: Path):
    split_tree(tree, tmp_path / "out")
    whole = state(tmp_path / "out")
    (tmp_path / "out" / "train" / "Ann" / ".3.png-a1b2c3d_.partial").write_bytes(b"half")
    split_tree(tree, tmp_path / "out")
    assert state(tmp_path / "out") == whole


def test_a_changed_photograph_is_another_split(tree: Path, tmp_path: Path):
    split_tree(tree, tmp_path / "out")
    cv2.imencode(".png", photograph(99))[1].tofile(tree / "Ann" / "3.png")
    with pytest.raises(BadParameterError, match=r"another split \(other photographs\)"):
        split_tree(tree, tmp_path / "out")


def test_a_photograph_that_cannot_be_read_is_named_and_its_earlier_copy_stays(tree: Path, tmp_path: Path, monkeypatch):
    split_tree(tree, tmp_path / "out")
    before, read = state(tmp_path / "out"), module.read_photograph

    def refuse(*which: str) -> None:
        def read_or_refuse(path: Path) -> bytes:
            if path.is_relative_to(tree) and path.relative_to(tree).as_posix() in which:
                raise PermissionError(13, "Permission denied", str(path))
            return read(path)

        monkeypatch.setattr(module, "read_photograph", read_or_refuse)

    refuse("Ann/3.png", "Di/0.png")
    why = "It cannot be read (Permission denied)."
    found = split_tree(tree, tmp_path / "out")
    assert found.rejected_files == (("Ann/3.png", why), ("Di/0.png", why)) and len(found.kept_copies) == 2
    assert state(tmp_path / "out") == before
    found = split_tree(tree, tmp_path / "new")
    assert found.train_count + found.test_count == 15 and found.kept_copies == ()
    refuse(*(path.relative_to(tree).as_posix() for path in tree.rglob("*.png")))
    with pytest.raises(DataMissingError, match="17 were rejected, the first 'Ann/0.png': It cannot be read"):
        split_tree(tree, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_half_a_million_photographs_need_no_memory_to_be_compared(tmp_path: Path, monkeypatch):
    """The peak is less than a third of what the small pictures take; the pairs are those of all pictures in memory."""
    monkeypatch.setattr("facelab.datasets.near_duplicates._CHUNK", 16)
    copies = [f"{'train' if shot % 3 else 'test'}/Ann/{shot:03}.{'png' if shot % 2 else 'jpg'}" for shot in range(300)]
    images = {"train": [], "test": []}
    for shot, copy in enumerate(copies):
        data = cv2.imencode(Path(copy).suffix, photograph(shot // 2 * 2))[1]  # two of each picture
        (tmp_path / copy).parent.mkdir(parents=True, exist_ok=True)
        data.tofile(tmp_path / copy)
        images[copy.split("/")[0]].append(decode.resize(decode.decode(data.tobytes()), 64))
    tracemalloc.start()
    try:
        damaged, found = split_copies.look_at_copies(tmp_path, copies)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300 * 64 * 64 * 3 / 3
    parts = {part: [copy for copy in copies if copy.startswith(part)] for part in images}
    pairs = near_duplicates(np.stack(images["train"]), np.stack(images["test"]))
    expected = [(parts["train"][first], parts["test"][second]) for first, second in pairs]
    assert len(expected) >= 90 and damaged == ()
    assert found == tuple((first.split("/", 1)[1], second.split("/", 1)[1]) for first, second in expected)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_no_room_for_the_comparison_is_one_line(tree: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(split_copies.tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "w"))
    with pytest.raises(FacelabError, match="out cannot be written .No space left on device.* Free some space"):
        split_tree(tree, tmp_path / "out")
