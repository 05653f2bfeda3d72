"""What was answered outlives a loss of power: an ext4 image is shut down without a flush, as if the plug was pulled.

Where root and loop devices are at hand; elsewhere these tests are skipped. The controls show that they can fail: with what the
database did before (``synchronous = FULL``, or NORMAL) the same steps lose a sign-up and bring a deleted account back, and a
file that is not synced is the old one: 3 of 3 times each, on Linux 6.18.
"""

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import numpy as np
import pytest
from commands import call
from faceid import HEADERS, log_in, new_service, open_client, own_frames, sign_up
from kept_accounts import add, closed_values, names_in, opened

from facelab.errors import FacelabError
from facelab.files import atomic_write
from facelab.paths import project_root
from facelab.webapp.backups import open_backup, write_backup
from facelab.webapp.database import Database
from facelab.webapp.key_change import change_key
from facelab.webapp.settings import Settings

_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN and its EXT4_GOING_FLAGS_NOLOGFLUSH, of fs/ext4/ext4.h


class Disk:
    """An ext4 file system in a file, whose power can be cut.

    It commits by itself only every five minutes, so that what is on it was asked for.
    """

    def __init__(self, place) -> None:
        self.folder, self._image = place / "disk", place / "image"
        self.folder.mkdir()
        with open(self._image, "wb") as file:
            file.truncate(16 << 20)
        self._run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        self.mount()

    def mount(self) -> None:
        self._run("mount", "-o", "loop,commit=300", str(self._image), str(self.folder))

    def unmount(self, *how: str) -> None:
        self._run("umount", *how, str(self.folder))

    def lose_power(self) -> None:
        """From now on nothing gets to the disk; then the machine starts again."""
        self.cut()
        self.unmount()
        self.mount()

    def cut(self) -> None:
        import fcntl

        handle = os.open(self.folder, os.O_RDONLY)
        fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        os.close(handle)

    @staticmethod
    def _run(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)


@pytest.fixture
def disk(tmp_path):
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("needs Linux, root and mkfs.ext4")
    try:
        disk = Disk(tmp_path)
        disk.lose_power()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no ext4 image can be mounted and shut down here: {getattr(error, 'stderr', None) or error}")
    yield disk
    disk.unmount("-l")  # of a test that failed, something may still be open


def settings_on(disk, tmp_path) -> Settings:
    """The database on the disk; the key elsewhere, since each file that is synced takes all that came before with it."""
    return Settings(disk.folder / "accounts", tmp_path / "key")


def begin(settings, *names: str) -> None:
    with opened(settings) as (vault, store):
        for name in names:
            add(vault, store, name)
    os.sync()


def test_a_sign_up_and_a_deletion_that_were_answered(disk, tmp_path):
    """Through the interface, as people do it."""
    (disk.folder / "place").mkdir()
    with open_client(new_service(disk.folder / "place")) as client:
        assert sign_up(client, "Ann", 1).status_code == 201
        os.sync()
        assert log_in(client, "Ann", *own_frames(1))["state"] == "in"
        assert client.delete("/api/me", headers=HEADERS).status_code == 200
        disk.cut()
    disk.lose_power()
    with open_client(new_service(disk.folder / "place")) as client:
        assert client.app.state.service.store.list_accounts() == []
        assert sign_up(client, "Bob", 4).status_code == 201
        disk.cut()
    disk.lose_power()
    settings = Settings(disk.folder / "place" / "accounts", disk.folder / "place" / "key")
    assert names_in(settings) == ["Bob"] and closed_values(settings) == []


@pytest.mark.parametrize(("level", "is_kept"), [(None, True), ("FULL", False), ("NORMAL", False)])
def test_a_sign_up_alone(disk, tmp_path, level, is_kept):
    settings = settings_on(disk, tmp_path)
    begin(settings, "Ann")
    with opened(settings) as (vault, store):
        if level:
            store._connection.execute(f"PRAGMA synchronous = {level}")
        add(vault, store, "Bob")
        disk.cut()
    disk.lose_power()
    if is_kept:
        assert names_in(settings) == ["Ann", "Bob"]
    else:
        assert kept_names(settings) == ["Ann"]


@pytest.mark.parametrize(("level", "is_kept"), [(None, True), ("FULL", False), ("NORMAL", False)])
def test_a_deletion_alone(disk, tmp_path, monkeypatch, level, is_kept):
    settings = settings_on(disk, tmp_path)
    begin(settings, "Ann", "Bob")
    # The file is written anew after a deletion, and that syncs what came before; here the deletion has to be there by itself.
    monkeypatch.setattr(Database, "_erase_copies", lambda _: None)
    with opened(settings) as (_, store):
        if level:
            store._connection.execute(f"PRAGMA synchronous = {level}")
        store.delete_account(store.list_accounts()[0].id)
        disk.cut()
    disk.lose_power()
    assert kept_names(settings) == (["Bob"] if is_kept else ["Ann", "Bob"])


def kept_names(settings) -> list[str]:
    """Of the accounts, though the counter may be ahead of them, which a start refuses."""
    from facelab.webapp.account_store import AccountStore

    with closing(AccountStore(settings.folder)) as store:
        return [one.name for one in store.list_accounts()]


@pytest.mark.parametrize("is_synced", [True, False])
def test_a_file_that_was_written_atomically(disk, is_synced):
    for text in ("old", "new"):
        with atomic_write(disk.folder / "deep" / "file", sync=is_synced or text == "old") as partial:
            partial.write_text(text)
    disk.lose_power()
    assert (disk.folder / "deep" / "file").read_text() == ("new" if is_synced else "old")


def test_a_backup_and_a_new_key(disk, tmp_path):
    settings = Settings(disk.folder / "accounts", disk.folder / "config" / "key")
    begin(settings, "Ann")
    old = settings.key_file.read_bytes()
    change_key(settings)
    write_backup(settings.folder, disk.folder / "copy")
    disk.lose_power()
    assert settings.key_file.read_bytes() != old
    assert names_in(settings) == ["Ann"] and closed_values(settings) == []
    with open_backup(settings, disk.folder / "copy") as restoration:
        assert restoration.accounts == 1
        restoration.apply()
    disk.lose_power()
    assert names_in(settings) == ["Ann"] and closed_values(settings) == []


@contextmanager
def call_at_line(number: int, action) -> Iterator[list[int]]:
    """Call something before the line of facelab that is the so-manieth to be executed; the count of lines so far."""
    count = [0]

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(str(project_root() / "facelab")):
            return None
        if event == "line":
            count[0] += 1
            if count[0] == number:
                action()
        return trace

    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(None)


def new_key(settings, _) -> None:
    change_key(settings)


def restore(settings, copy) -> None:
    with open_backup(settings, copy) as restoration:
        restoration.apply()


@pytest.mark.parametrize("action", [new_key, restore])
def test_power_that_is_lost_at_any_moment(disk, tmp_path, action):
    """Of a change of the key, and of a restore: key and database belong together afterwards, and all is there."""
    settings = Settings(disk.folder / "accounts", disk.folder / "config" / "key")
    begin(settings, "Ann")
    write_backup(settings.folder, disk.folder / "copy")
    with opened(settings) as (vault, store):
        add(vault, store, "Bob")
    shutil.copytree(disk.folder, tmp_path / "before", ignore=shutil.ignore_patterns("lost+found"))
    with call_at_line(-1, None) as lines:
        action(settings, disk.folder / "copy")
    results = []
    for number in np.linspace(1, lines[0], 16).astype(int):
        for name in ("accounts", "config"):
            shutil.rmtree(disk.folder / name)
            shutil.copytree(tmp_path / "before" / name, disk.folder / name)
        os.sync()
        with suppress(OSError, FacelabError, sqlite3.Error), call_at_line(number, disk.cut):
            action(settings, disk.folder / "copy")
        disk.lose_power()
        assert closed_values(settings) == []
        assert {path.name for path in settings.folder.iterdir()} == {".lock", "faceid.sqlite"}
        results.append(
            (names_in(settings), settings.key_file.read_bytes() == (tmp_path / "before/config/key").read_bytes())
        )
    first, last = (["Ann", "Bob"], True), {new_key: (["Ann", "Bob"], False), restore: (["Ann"], True)}[action]
    turn = results.index(last)
    assert results == [first] * turn + [last] * (len(results) - turn) and 0 < turn < len(results) - 1


@pytest.mark.parametrize("free_bytes", [0, 30_000])
def test_a_full_disk(disk, tmp_path, monkeypatch, capsys, free_bytes):
    """What does not fit leaves nothing behind, and the database and its key as they were."""
    settings = settings_on(disk, tmp_path)
    begin(settings, *(f"Somebody {number}" for number in range(60)))
    write_backup(settings.folder, tmp_path / "copy")
    (disk.folder / "spare").write_bytes(bytes(free_bytes))
    with suppress(OSError), open(disk.folder / "ballast", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    (disk.folder / "spare").unlink()
    os.sync()
    monkeypatch.setenv("FACELAB_KEY_FILE", str(settings.key_file))
    for words, refused in (
        (("backup", str(disk.folder / "copy")), "copy cannot be written"),
        (("restore", str(tmp_path / "copy"), "--yes"), "cannot be copied to"),
        (("new-key",), "cannot be used (database or disk is full)"),
    ):
        assert call(monkeypatch, "accounts", *words, "--folder", str(settings.folder)) == 1
        error = capsys.readouterr().err
        assert refused in error and len(error.splitlines()) == 1, error
    assert sorted(os.listdir(disk.folder)) == ["accounts", "ballast", "lost+found"]
    assert sorted(os.listdir(settings.folder)) == [".lock", "faceid.sqlite"]
    (disk.folder / "ballast").unlink()
    assert len(names_in(settings)) == 60 and closed_values(settings) == []
