"""Files that are written whole or not at all, and what a killed process leaves."""

import os

import pytest

from facelab import files
from facelab.errors import FacelabError


@pytest.fixture
def synced(monkeypatch):
    """Names of the files and folders that were synced, in order."""
    names = []

    def fsync(handle):
        names.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))

    monkeypatch.setattr(os, "fsync", fsync)
    return names


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="a handle's name is asked of /proc")
def test_a_file_and_its_new_folders_are_on_the_disk_when_it_is_reported(tmp_path, synced):
    """File before its name, new folders in those that hold them."""
    files.write_text(tmp_path / "a" / "b" / "c.txt", "x")
    assert synced[:2] == [tmp_path.name, "a"]
    assert synced[2].startswith(".c.txt-")
    assert synced[3:] == ["b"]
    synced.clear()
    with files.atomic_write(tmp_path / "a" / "d.txt", sync=False) as partial:
        partial.write_text("y")
    assert synced == []
    files.sync_tree(tmp_path / "a")
    assert set(synced) == {"a", "b", "c.txt", "d.txt", tmp_path.name}


@pytest.mark.parametrize("name", ["n" * 252, "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 84, "n" * 246 + "\udcff" * 9])
def test_the_longest_names_are_written_and_their_leftovers_found(tmp_path, name):
    """Names of up to 255 bytes, of text or not, have partial names of no more; those of another are left alone."""
    other = name[:-1] + "x"
    partials = []
    for one in (name, other):
        with pytest.raises(KeyboardInterrupt), files.atomic_write(tmp_path / one) as partial:
            partial.touch()
            partials.append(partial)
            raise KeyboardInterrupt
        assert len(os.fsencode(partial.name)) <= 255
        assert not partial.exists()
        with files.atomic_write(tmp_path / one) as partial:
            partial.write_text("whole")
        assert (tmp_path / one).read_text() == "whole"
    for partial in partials:
        partial.touch()
    files.remove_partials(tmp_path, of=name)
    assert [partial.exists() for partial in partials] == [False, True]
    files.remove_partials(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([name, other])


def test_only_our_own_leftovers_are_removed(tmp_path):
    """Files of others that only look like them stay, and so do those of a file with a longer name."""
    with files.atomic_write(tmp_path / "last.ckpt") as partial:
        ours = partial.name
    with files.atomic_write(tmp_path / "last.ckpt-2") as partial:
        longer = partial.name
    foreign = [".app-settings", ".vimrc-abcd1234", "notes-abcd1234.partial", ".a.partial", "last.ckpt", "last.ckpt-2"]
    for name in (ours, longer, *foreign):
        (tmp_path / name).touch()
    files.remove_partials(tmp_path, of="last.ckpt")
    assert sorted(os.listdir(tmp_path)) == sorted([longer, *foreign])
    files.remove_partials(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(foreign)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("n" * 256, "shorter name"),
        ("folder", "choose another"),
        (".", "choose another"),
        ("file/x", "rights of the folder"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path, name, remedy):
    """With the remedy for the reason."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(FacelabError, match=remedy):
        files.write_text(tmp_path / name, "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_folder_that_can_be_written_is_as_before(tmp_path):
    (tmp_path / "writable").write_text("mine")
    files.check_writable(tmp_path)
    files.check_writable(tmp_path / "new")
    (tmp_path / "new").rmdir()  # nothing is in it
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("writable", "mine")]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FacelabError, match=r"file/folder cannot be written \(.*\)\. .* rights of the folder"):
        files.check_writable(tmp_path / "file" / "folder")


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, '{"a":' * 100_000, "3", "null", "", "{", "9" * 5000, '"a"'])
def test_what_is_no_json_object_is_a_value_error(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="(?s).+"):
        files.read_json_object(tmp_path / "x.json")
    with pytest.raises(ValueError, match="(?s).+"):
        files.parse_json_object(text)
    assert files.parse_json_object('{"a": [1]}') == {"a": [1]}
