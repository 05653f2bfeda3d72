"""The cache of decoded sets: written whole or not at all, told apart by what lies in the folder, repaired when damaged."""

import json
import os
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import photos
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facelab.datasets import FaceSet, RejectedFilesWarning, cache, load, sources, tables
from facelab.datasets.loading import load_one
from facelab.datasets.pixel_file import PixelWriter
from facelab.errors import FacelabError


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A cache of its own, and a tree of two people."""
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path / "cache"))
    photos.people(tmp_path / "tree", ann=3, bob=2)
    return tmp_path


def load_tree(here: Path, size: int = 16) -> FaceSet:
    return load(f"folder:{here / 'tree'}", size)


def cached_folders(here: Path) -> list[Path]:
    return sorted((here / "cache" / "datasets").iterdir())


def test_the_second_load_reads_no_photograph(here, monkeypatch):
    first = load_tree(here)
    monkeypatch.setattr("facelab.datasets.shards.decode_into", lambda *_: pytest.fail("decoded again"))
    again = load_tree(here)
    np.testing.assert_array_equal(first.images, again.images)
    pd.testing.assert_frame_equal(first.attributes, again.attributes)
    assert (again.names, again.source, again.sha256) == (first.names, first.source, first.sha256)
    assert isinstance(again.images, np.memmap) and not again.images.flags.writeable


def test_the_kept_hash_is_that_of_the_pixels(here):
    faces = load_tree(here)
    kept = faces.sha256
    del faces.__dict__["sha256"]
    assert faces.sha256 == kept


def test_each_size_is_kept_apart(here):
    assert load_tree(here, 16).images.shape[1:] == (16, 16, 3)
    assert load_tree(here, 24).images.shape[1:] == (24, 24, 3)
    assert len(cached_folders(here)) == 2


@pytest.mark.parametrize("change", ["content", "new", "gone", "renamed"])
def test_a_changed_folder_is_decoded_anew(here, change):
    photo = photos.write(here / "tree" / "ann" / "9.bmp")  # of one size, whatever its pixels are
    before = load_tree(here)
    if change == "content":
        status = photo.stat()
        photos.write(photo, seed=99)
        os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    elif change == "new":
        photos.write(here / "tree" / "cem" / "0.png", seed=99)
    elif change == "gone":
        photo.unlink()
    else:
        (here / "tree" / "ann").rename(here / "tree" / "zoe")
    after = load_tree(here)
    assert (after.sha256, after.names) != (before.sha256, before.names)


def test_a_changed_label_is_not_hidden_by_the_cache(here, monkeypatch):
    monkeypatch.setenv("FACELAB_DATA", str(here))
    photos.write(here / "lfw" / "lfw-deepfunneled" / "Ann_B" / "Ann_B_0001.jpg")
    for gender in ("male", "female"):
        row = f"lfw-deepfunneled/Ann_B/Ann_B_0001.jpg,Ann_B,1,{gender}"
        (here / "lfw" / "index.csv").write_text(f"file,identity,image_number,gender\n{row}\n")
        assert load("lfw", 16).attributes["gender"].tolist() == [gender]


def test_a_file_that_the_system_gives_again_is_decoded(here, monkeypatch):
    photos.people(here / "other", cem=1)
    name, both = f"folder:{here / 'tree'}", f"folder:{here / 'tree'}+folder:{here / 'other'}"
    (here / "tree" / "ann" / "empty.png").touch()
    read = sources.read_photograph

    def away(path):
        if Path(path).name == "1.png":
            raise OSError(5, "Input/output error", str(path))
        return read(path)

    with monkeypatch.context() as patched:
        patched.setattr(sources, "read_photograph", away)
        for _ in range(2):
            with pytest.warns(RejectedFilesWarning):
                assert len(load(name, 16)) == 3 and len(load(both, 16)) == 4
    with pytest.warns(RejectedFilesWarning):
        faces = load(name, 16)
    assert len(faces) == 5 and faces.rejected_files == (("ann/empty.png", "The file is empty."),)
    with pytest.warns(RejectedFilesWarning):
        assert len(load(both, 16)) == 6
    with monkeypatch.context() as patched, pytest.warns(RejectedFilesWarning):
        patched.setattr(sources, "read_photograph", lambda _: pytest.fail("what was read is read again"))
        load(name, 16)


@pytest.mark.parametrize("name", ["pixels.u8", "table.npz", "meta.json"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "removed", "overwritten"])
def test_a_damaged_cache_is_made_again(here, name, damage):
    whole = load_tree(here)
    images, attributes = np.array(whole.images), whole.attributes
    path = cached_folders(here)[0] / name
    if damage == "removed":
        path.unlink()
    elif damage == "overwritten" and name == "pixels.u8":
        path.write_bytes(path.read_bytes() + b"more")
    elif damage == "overwritten":
        path.write_bytes(b"[1, 2]" * 40)
    else:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) - 7 if damage == "cut" else 0])
    with pytest.warns(cache.DamagedCacheWarning, match="folder:.*was damaged.*made again"):
        again = load_tree(here)
    np.testing.assert_array_equal(again.images, images)
    pd.testing.assert_frame_equal(again.attributes, attributes)
    assert len(cached_folders(here)) == 1


@pytest.mark.parametrize("name", ["pixels.u8", "table.npz", "meta.json"])
def test_every_flipped_bit_is_found_or_changes_nothing(here, name):
    """Some 150 bits over the whole file."""
    photos.people(here / "tree", cem=1)
    load_tree(here)
    folder = cached_folders(here)[0]
    path, key = folder / name, load_one(f"folder:{here / 'tree'}", 16)[0]
    expected, whole = cache.read(key), path.read_bytes()
    images, found = np.array(expected.images), 0
    for bit in range(0, 8 * len(whole), 8 * len(whole) // 150 | 1):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        again = cache.read(key)
        if again is None:
            found += 1
            continue
        np.testing.assert_array_equal(again.images, images)
        pd.testing.assert_frame_equal(again.attributes, expected.attributes)
        assert again.identity.tolist() == expected.identity.tolist()
        assert (again.names, again.sha256, again.rejected_files) == (
            expected.names, expected.sha256, expected.rejected_files,
        )  # fmt: skip
    assert found > 140


def test_other_pixels_of_the_same_size_are_found_and_read_once(here, monkeypatch):
    """A file that was verified is not read through again, and one that has changed is."""
    whole = np.array(load_tree(here).images)
    path = cached_folders(here)[0] / "pixels.u8"
    with monkeypatch.context() as patched:
        patched.setattr(cache, "hash_pixel_file", lambda *_: pytest.fail("read through again"))
        load_tree(here)
    path.write_bytes(bytes(255 - value for value in path.read_bytes()))
    with pytest.warns(cache.DamagedCacheWarning):
        np.testing.assert_array_equal(load_tree(here).images, whole)


def test_a_set_of_an_earlier_format_is_made_again_without_a_word(here):
    whole = np.array(load_tree(here).images)
    path = cached_folders(here)[0] / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(load_tree(here).images, whole)
    assert json.loads(path.read_text())["format"] == 3


def test_a_deeply_nested_cache_is_made_again(here):
    whole = np.array(load_tree(here).images)
    (cached_folders(here)[0] / "meta.json").write_text("[" * 100_000)
    with pytest.warns(cache.DamagedCacheWarning):
        np.testing.assert_array_equal(load_tree(here).images, whole)


def test_the_cache_holds_no_pickle(here):
    load_tree(here)
    folder = cached_folders(here)[0]
    assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "pixels.u8", "table.npz"]
    with np.load(folder / "table.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_ends_the_decoding_leaves_nothing_behind(here, monkeypatch, stop):
    def interrupted(pixels, images):
        pixels._file.write(b"half")
        raise stop

    monkeypatch.setattr(PixelWriter, "append", interrupted)
    with pytest.raises(stop):
        load_tree(here)
    assert cached_folders(here) == []


def test_what_a_killed_process_left_is_swept_and_what_is_being_written_is_not(here):
    load_tree(here)
    old, new = (here / "cache" / "datasets" / f".tree-16-v1-{age}-x" for age in ("old", "new"))
    for folder, age in ((old, 8 * 24 * 3600), (new, 60)):
        folder.mkdir()
        (folder / "pixels.u8").write_bytes(b"half")
        for path in (folder / "pixels.u8", folder):
            os.utime(path, (time.time() - age,) * 2)
    load_tree(here, 24)
    assert not old.exists() and new.exists()


def run(here: Path, code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"TREE": str(here / "tree")},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_full_disk_is_one_error_and_leaves_nothing_behind(here):
    """A limit on the size of a file stands in for the disk: the write that exceeds it fails in the same way."""
    pytest.importorskip("resource")
    done = run(
        here,
        """
        import os, resource, signal
        from facelab.datasets import load
        from facelab.errors import FacelabError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            load("folder:" + os.environ["TREE"], 16)
        except FacelabError as error:
            print(error)
        """,
    )
    assert "cannot be written" in done.stdout and "FACELAB_CACHE" in done.stdout, done.stderr
    assert cached_folders(here) == []


def test_a_cache_that_cannot_be_written_is_named(here, monkeypatch):
    (here / "file").write_text("no folder")
    (here / "cache").mkdir()
    (here / "cache" / "datasets").touch()
    with pytest.raises(FacelabError, match="cannot be written.*FACELAB_CACHE"):
        load_tree(here)
    monkeypatch.setenv("FACELAB_CACHE", str(here / "file"))
    with pytest.raises(FacelabError, match="FACELAB_CACHE"):
        load_tree(here)


def test_another_process_that_was_faster_wins(here, monkeypatch):
    """Its copy is there when the lock is free: it is taken and not replaced, for somebody may be reading it."""
    real = cache._only_process
    theirs = []

    def overtaken(key):
        monkeypatch.setattr(cache, "_only_process", real)
        load_tree(here)
        theirs.append(cached_folders(here)[-1].stat().st_ino)
        return real(key)

    monkeypatch.setattr(cache, "_only_process", overtaken)
    assert len(load_tree(here)) == 5
    assert [folder.stat().st_ino for folder in cached_folders(here)] == theirs


def test_pixels_close_up_in_order(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    keep = np.array([0, 1, 1, 0, 0, 1, 0, 1, 0], bool)
    with (tmp_path / "pixels").open("w+b") as file:
        pixels = PixelWriter(file, rows.shape)
        for row in np.random.default_rng(1).permutation(9):
            pixels[row] = rows[row]
        pixels.keep(keep)
        assert pixels.shape == (4, 4, 4, 3)
        hashed = pixels.sha256()
    assert (tmp_path / "pixels").read_bytes() == rows[keep].tobytes()
    table = pd.DataFrame({"file": list("abcd")})
    assert hashed == FaceSet(rows[keep], np.zeros(4, np.int64), ("a",), table, "x").sha256


def test_a_row_of_another_shape_or_type_is_refused(tmp_path):
    with (tmp_path / "pixels").open("w+b") as file:
        pixels = PixelWriter(file, (2, 4, 4, 3))
        for wrong in (np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 3), np.float32)):
            with pytest.raises(ValueError, match="not uint8"):
                pixels[0] = wrong


texts = st.one_of(
    st.none(), st.text(max_size=6), st.sampled_from(["", "None", "nan", "NA", "Ærøskøbing", "a\nb", "\ud800"])
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(texts, st.one_of(st.none(), st.booleans()), st.integers(-(2**60), 2**60), st.floats()), min_size=1
    )
)
def test_a_table_comes_back_as_it_was(tmp_path_factory, rows):
    text, flag, whole, real = zip(*rows, strict=True)
    table = pd.DataFrame(
        {
            "text": pd.Series(text, dtype=object),
            "flag": pd.Series(flag, dtype=object),
            "whole": whole,
            "a real, named = oddly/": real,
            "sure": [value > 0 for value in whole],
        }
    )
    path = tmp_path_factory.mktemp("table") / "table.npz"
    names, arrays = tables.pack(table)
    np.savez(path, **arrays)
    with np.load(path, allow_pickle=False) as stored:
        back = tables.unpack(names, stored)
    assert list(back) == list(table)
    if any(value is not None for value in text):
        assert [None if pd.isna(value) else value for value in back["text"]] == list(text)
    np.testing.assert_array_equal(back["flag"], [np.nan if value is None else float(value) for value in flag])
    assert back["whole"].tolist() == list(whole) and back["whole"].dtype == np.int64
    np.testing.assert_array_equal(back["a real, named = oddly/"], real)
    assert back["sure"].tolist() == table["sure"].tolist() and back["sure"].dtype == bool


def test_whole_lfw_from_the_cache_needs_little_memory(real_lfw):
    """Its 163 MB of pixels stay on disk until they are looked at. The bound is far above the table and far below the pixels."""
    resource = pytest.importorskip("resource")
    del resource
    code = """
        import resource
        from facelab.datasets import load
        load("lfw", 64)
    """
    report = """
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        faces = load("lfw", 64)
        print(len(faces), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=300)  # decodes where needed
    code = "import resource\nfrom facelab.datasets import load\n" + textwrap.dedent(report)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    count, grown = map(int, done.stdout.split())
    kilobytes = grown if sys.platform != "darwin" else grown // 1024
    assert count == 13233
    assert kilobytes < 80_000
