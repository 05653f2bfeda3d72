"""``facelab accounts backup`` and ``restore``: whole or not at all, ours or refused."""

import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing

import pytest
from kept_accounts import (
    add,
    begin,
    change_by_hand,
    closed_values,
    counter,
    database,
    execute,
    names_in,
    opened,
    spoil_an_index,
)

from facelab.errors import FacelabError
from facelab.webapp import backups
from facelab.webapp.account_store import AccountStore
from facelab.webapp.backups import write_backup
from facelab.webapp.change_counter import ChangeCounter
from facelab.webapp.database import Database


def test_a_backup_is_whole_private_without_the_key_and_overwrites_nothing(tmp_path, facelab):
    settings = begin(tmp_path, "Ann", "Bob")
    copy = tmp_path / "copy"
    code, out, _ = facelab("accounts", "backup", str(copy))
    assert code == 0 and f"not the key {settings.key_file}" in out
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("SELECT count(*) FROM templates").fetchall() == [(2,)]
    assert settings.key_file.read_bytes() not in copy.read_bytes()
    before = copy.read_bytes()
    code, _, error = facelab("accounts", "backup", str(copy))
    assert code == 1 and "is there already" in error and copy.read_bytes() == before
    code, _, error = facelab("accounts", "backup", str(settings.folder / "copy"))
    assert code == 1 and "lies in the folder of the accounts" in error
    code, _, error = facelab("accounts", "backup", str(tmp_path / "none" / "copy"))
    assert code == 1 and "cannot be written (No such file" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accounts", "config", "copy"]


def test_backups_beside_sign_ups_and_deletions_are_consistent(tmp_path):
    settings, done = begin(tmp_path, "Ann"), threading.Event()

    def keep_busy():
        with opened(settings) as (vault, store):
            while not done.is_set():
                store.delete_account(add(vault, store, "Bob"))

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        for number in range(10):
            write_backup(settings.folder, tmp_path / f"copy {number}")
    finally:
        done.set()
        thread.join()
    for number in range(10):
        with backups.open_backup(settings, tmp_path / f"copy {number}") as restoration:
            assert restoration.accounts in (1, 2) and restoration.missing >= 0
            assert restoration._counter.count.changes > restoration.missing


def test_a_backup_of_what_fills_the_disk_leaves_nothing(tmp_path, monkeypatch):
    settings = begin(tmp_path, "Ann")

    def full(self, path):
        path.write_bytes(b"half of it")
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Database, "copy_to", full)
    with pytest.raises(FacelabError, match=r"copy cannot be written \(database or disk is full\). Free some space"):
        write_backup(settings.folder, tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accounts", "config"]


@pytest.fixture
def deleted_since(tmp_path):
    """Ann and Bob in a backup; since then Ann was deleted and Eve came."""
    settings = begin(tmp_path, "Ann", "Bob")
    write_backup(settings.folder, tmp_path / "copy")
    with opened(settings) as (vault, store):
        store.delete_account(store.list_accounts()[0].id)
        add(vault, store, "Eve")
    return settings


def test_restore_says_who_comes_back_and_asks(tmp_path, facelab, deleted_since):
    code, out, error = facelab("accounts", "restore", str(tmp_path / "copy"))
    assert code == 1 and "Nothing was changed. Add --yes" in error
    assert "holds 2 accounts; changes since then: 2" in out
    assert "the present database has not: Ann\n" in out and "it has not: Eve\n" in out
    assert names_in(deleted_since) == ["Bob", "Eve"]
    code, out, _ = facelab("accounts", "restore", str(tmp_path / "copy"), "--yes")
    assert code == 0 and "holds this backup now" in out
    assert names_in(deleted_since) == ["Ann", "Bob"] and closed_values(deleted_since) == []
    assert {path.name for path in deleted_since.folder.iterdir()} == {"faceid.sqlite", ".lock"}
    assert database(deleted_since).stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(database(deleted_since))) as raw:
        assert raw.execute("SELECT event, outcome FROM audit ORDER BY number").fetchall()[-1] == ("restore", "ok")


def test_what_was_restored_over_is_an_older_copy_then(tmp_path, facelab, deleted_since):
    replaced = database(deleted_since).read_bytes()
    facelab("accounts", "restore", str(tmp_path / "copy"), "--yes")
    kept = database(deleted_since).read_bytes()
    database(deleted_since).write_bytes(replaced)
    with pytest.raises(FacelabError, match="older copy"):
        names_in(deleted_since)
    database(deleted_since).write_bytes(kept)
    assert names_in(deleted_since) == ["Ann", "Bob"]


def test_an_older_copy_is_accepted_by_the_command_that_its_refusal_names(tmp_path, facelab, deleted_since):
    shutil.copy(tmp_path / "copy", database(deleted_since))
    with pytest.raises(FacelabError) as told:
        names_in(deleted_since)
    words = re.search(r"facelab accounts (restore .* --yes)", told.value.remedy)[1].split()
    assert "older copy: 2 changes are missing" in facelab("app", "--check")[1]
    code, out, _ = facelab("accounts", *words)
    assert code == 0 and "changes since then: 2" in out and "present database" not in out
    assert names_in(deleted_since) == ["Ann", "Bob"]
    assert facelab("app", "--check")[0] == 0


def test_accounts_that_another_program_changed_are_accepted_by_a_restore(tmp_path, facelab):
    settings = begin(tmp_path, "Ann", "Bob")
    change_by_hand(settings, "PRAGMA foreign_keys = ON", "DELETE FROM accounts WHERE name = 'Ann'")
    with pytest.raises(FacelabError, match="not those that facelab kept"):
        names_in(settings)
    before = counter(settings)
    assert facelab("accounts", "restore", str(database(settings)), "--yes")[0] == 0
    assert names_in(settings) == ["Bob"] and counter(settings) == before


def test_a_backup_comes_to_an_empty_folder_and_over_a_damaged_or_another_database(tmp_path, facelab, deleted_since):
    for fate in ("gone", "damaged", "another"):
        database(deleted_since).unlink()
        if fate == "damaged":
            database(deleted_since).write_bytes(b"half a page" * 300)
            database(deleted_since).with_name("faceid.sqlite-journal").write_bytes(b"of the damaged one" * 100)
        if fate == "another":
            with opened(deleted_since) as (vault, store):
                add(vault, store, "Zoe")
        code, out, _ = facelab("accounts", "restore", str(tmp_path / "copy"), "--yes")
        assert code == 0 and ("present database" in out) == (fate != "damaged")
        assert names_in(deleted_since) == ["Ann", "Bob"]
        assert counter(deleted_since)  # one alone: that of the other database went with it


def make_text_file(copy) -> None:
    copy.write_text("Dear diary, " * 500)


def make_empty_file(copy) -> None:
    copy.write_bytes(b"")


def make_foreign_database(copy) -> None:
    copy.unlink()
    execute(copy, "CREATE TABLE accounts (number INTEGER)")


def make_schema_2(copy) -> None:
    execute(copy, "PRAGMA user_version = 2")


def cut_it(copy) -> None:
    copy.write_bytes(copy.read_bytes()[:20_000])


def make_folder(copy) -> None:
    copy.unlink()
    copy.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (make_text_file, "is not a sound database"),
        (make_empty_file, "is a database of another program"),
        (make_foreign_database, "is a database of another program"),
        (make_schema_2, "has schema 2, this facelab reads 3"),
        (cut_it, "(is not a sound database|is damaged)"),
        (spoil_an_index, "is damaged"),
        (make_folder, "There is no file"),
        (os.unlink, "There is no file"),
    ],
)
def test_what_is_no_backup_is_refused_and_nothing_changes(tmp_path, facelab, deleted_since, spoil, said):
    spoil(tmp_path / "copy")
    before = database(deleted_since).read_bytes()
    code, _, error = facelab("accounts", "restore", str(tmp_path / "copy"), "--yes")
    assert code == 1 and len(error.splitlines()) == 1 and str(tmp_path / "copy") in error
    assert re.search(said, error) and "facelab accounts backup made" in error
    assert database(deleted_since).read_bytes() == before and names_in(deleted_since) == ["Bob", "Eve"]
    assert {path.name for path in deleted_since.folder.iterdir()} == {"faceid.sqlite", ".lock"}


def test_a_damaged_counter_of_another_database_is_told_before_anything_changes(tmp_path, facelab, deleted_since):
    other = counter(deleted_since).with_name(f"{deleted_since.key_file.name}.{'0' * 16}.counter")
    other.write_text("half of it")
    before = database(deleted_since).read_bytes()
    code, _, err = facelab("accounts", "restore", str(tmp_path / "copy"), "--yes")
    assert code == 1 and other.name in err and database(deleted_since).read_bytes() == before
    other.unlink()
    assert facelab("accounts", "restore", str(tmp_path / "copy"), "--yes")[0] == 0


def test_a_backup_of_another_key_is_refused(tmp_path, facelab, deleted_since):
    (tmp_path / "other").mkdir()
    other = begin(tmp_path / "other", "Mallory")
    write_backup(other.folder, tmp_path / "foreign")
    code, _, error = facelab("accounts", "restore", str(tmp_path / "foreign"), "--yes")
    assert code == 1 and f"sealed with another key than {deleted_since.key_file}" in error
    deleted_since.key_file.unlink()
    code, _, error = facelab("accounts", "restore", str(tmp_path / "copy"), "--yes")
    assert code == 1 and "There is no key" in error and not deleted_since.key_file.exists()


@pytest.mark.parametrize(
    ("owner", "step", "names"),
    [
        (AccountStore, "write_count", ["Bob", "Eve"]),
        (AccountStore, "record_event", ["Bob", "Eve"]),
        (backups, "sync_path", ["Ann", "Bob"]),  # right after the backup took the database's place
        (ChangeCounter, "keep", ["Ann", "Bob"]),
    ],
)
def test_a_restore_that_is_cut_off_is_whole_or_nothing(tmp_path, monkeypatch, deleted_since, owner, step, names):
    def cut_off(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), backups.open_backup(deleted_since, tmp_path / "copy") as restoration:
        monkeypatch.setattr(owner, step, cut_off)
        restoration.apply()
    monkeypatch.undo()
    assert names_in(deleted_since) == names and closed_values(deleted_since) == []
