"""``facelab accounts new-key``: whenever it is cut off, the key that the database needs is there."""

import os
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from kept_accounts import add, begin, change_by_hand, closed_values, counter, database, names_in, opened

from facelab.errors import FacelabError
from facelab.webapp import key_change
from facelab.webapp.account_store import AccountStore
from facelab.webapp.change_counter import counter_file, counter_files_of_folder, read_counter
from facelab.webapp.database import ERASE_DUE
from facelab.webapp.key_change import change_key
from facelab.webapp.settings import Settings
from facelab.webapp.vault import next_key_file


def test_a_new_key_seals_everything_anew(tmp_path, facelab):
    settings = begin(tmp_path, "Ann", "Bob")
    old, before = settings.key_file.read_bytes(), database(settings).read_bytes()
    with opened(settings) as (vault, store):
        sealed = [value.sealed_bytes for value in store.sealed_values()]
        plain = {value.row: vault.open(value.sealed_bytes, *value.bound_to) for value in store.sealed_values()}
    assert {len(one) for one in sealed} > {28 + 512, 28 + 32} and all(one in before for one in sealed)
    code, out, _ = facelab("accounts", "new-key")
    assert code == 0 and f"sealed with it: {len(sealed)}\n" in out and "need the old key" in out
    assert settings.key_file.read_bytes() != old and settings.key_file.stat().st_mode & 0o777 == 0o600
    assert not any(one in database(settings).read_bytes() for one in sealed)
    with opened(settings) as (vault, store):
        now = {value.row: vault.open(value.sealed_bytes, *value.bound_to) for value in store.sealed_values()}
    assert now == plain and names_in(settings) == ["Ann", "Bob"]
    assert sorted(path.name for path in settings.key_file.parent.iterdir()) == ["key", counter(settings).name]


def test_every_blob_of_the_database_is_among_the_sealed_values(tmp_path):
    """A column that somebody adds and forgets to name there would be lost with the old key."""
    settings = begin(tmp_path, "Ann")
    with closing(sqlite3.connect(database(settings))) as raw:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        blobs = {
            (table, column)
            for table in tables
            for _, column, kind, *_ in raw.execute(f"PRAGMA table_info({table})")
            if kind == "BLOB"
        }
    with opened(settings) as (_, store):
        named = {
            tuple(re.fullmatch(r"UPDATE (\w+) SET (\w+) = .*", one.update).groups()) for one in store.sealed_values()
        }
    assert named == blobs


class CutOff(Exception):
    """Power is lost."""


def put_on_a_stick(settings, place):
    """Move the key to a folder of its own, and leave a link to it; that folder."""
    stick = place / "stick"
    stick.mkdir()
    shutil.move(settings.key_file, stick / "the key")
    settings.key_file.symlink_to(stick / "the key")
    return stick


@pytest.mark.parametrize("is_linked", [False, True])
@pytest.mark.parametrize("moment", ["key", "sealing", "sealed", "in place"])
def test_a_change_of_the_key_that_is_cut_off_is_finished_or_undone(tmp_path, monkeypatch, moment, is_linked):
    settings = begin(tmp_path, "Ann")
    if is_linked:
        put_on_a_stick(settings, tmp_path)
    old, following = settings.key_file.read_bytes(), next_key_file(settings.key_file)

    def cut_off(*_):
        raise CutOff

    if moment == "key":
        monkeypatch.setattr(AccountStore, "seal_anew", cut_off)
    if moment == "sealing":  # in the middle of the transaction, which is rolled back
        monkeypatch.setattr(AccountStore, "sealed_values", cut_off)
    if moment == "sealed":
        erase = AccountStore._erase_copies
        monkeypatch.setattr(
            AccountStore, "_erase_copies", lambda store: (cut_off if store.read_value(ERASE_DUE) else erase)(store)
        )
    if moment == "in place":
        monkeypatch.setattr(key_change, "sync_path", cut_off)
    with pytest.raises(CutOff):
        change_key(settings)
    monkeypatch.undo()
    assert following.exists() == (moment != "in place")
    assert closed_values(settings) == [] and names_in(settings) == ["Ann"]
    assert (settings.key_file.read_bytes() == old) == (moment in ("key", "sealing"))
    assert not following.exists() and settings.key_file.is_symlink() == is_linked
    change_key(settings)
    assert closed_values(settings) == []


@pytest.mark.parametrize("was_linked", [False, True])
def test_no_copy_of_a_key_stays_where_its_making_was_killed(tmp_path, was_linked):
    settings = begin(tmp_path, "Ann")
    key, following = settings.key_file, next_key_file(settings.key_file)
    partials = [path.with_name(f".{path.name}-0123abcd") for path in (key, following)]
    for path in partials + [following] * was_linked:
        path.write_bytes(os.urandom(32))
        path.chmod(0o600)
    if was_linked:
        assert names_in(settings) == ["Ann"]
    else:
        change_key(settings)
    assert sorted(path.name for path in key.parent.iterdir()) == ["key", counter(settings).name]


def test_two_keys_of_which_none_fits_stay(tmp_path):
    settings = begin(tmp_path, "Ann")
    key, following = settings.key_file, next_key_file(settings.key_file)
    right = key.read_bytes()
    for path in (key, following):
        path.write_bytes(os.urandom(32))
        path.chmod(0o600)
    (tmp_path / "new").mkdir()
    for folder in (settings.folder, tmp_path / "new"):
        with pytest.raises(FacelabError, match="change of the key .* was cut off.*--folder"):
            names_in(Settings(folder, key))
    following.write_bytes(right)
    assert names_in(settings) == ["Ann"] and key.read_bytes() == right and not following.exists()


def test_a_lost_key_whose_successor_is_there_is_not_lost(tmp_path):
    settings = begin(tmp_path, "Ann")
    settings.key_file.rename(next_key_file(settings.key_file))
    assert names_in(settings) == ["Ann"]


def test_check_tells_of_a_change_that_was_cut_off_and_does_not_end_it(tmp_path, facelab):
    settings = begin(tmp_path, "Ann")
    following = next_key_file(settings.key_file)
    settings.key_file.rename(following)
    code, out, _ = facelab("app", "--check")
    assert code == 1 and out.startswith("key: a change of the key was cut off")
    assert following.exists() and not settings.key_file.exists()


def test_a_start_while_the_key_is_changed_touches_neither_key(tmp_path, monkeypatch):
    settings = begin(tmp_path, "Ann")
    seal_anew = AccountStore.seal_anew

    def start_meanwhile(store, vault, new):
        with pytest.raises(FacelabError, match="in use by another"):
            names_in(settings)
        return seal_anew(store, vault, new)

    monkeypatch.setattr(AccountStore, "seal_anew", start_meanwhile)
    change_key(settings)
    monkeypatch.undo()
    assert closed_values(settings) == []


def test_the_key_of_two_databases_is_not_changed_for_one(tmp_path):
    first = begin(tmp_path, "Ann")
    second = Settings(tmp_path / "second", first.key_file)
    with opened(second) as (vault, store):
        add(vault, store, "Bob")
    key = first.key_file.read_bytes()
    ids = [read_counter(file).database for file in counter_files_of_folder(first.key_file, first.folder)]
    with pytest.raises(FacelabError, match="belongs to another database, too"):
        change_key(first)
    assert first.key_file.read_bytes() == key and not next_key_file(first.key_file).exists()
    copy = Settings(first.folder, first.key_file.with_name("key.b"))  # as the remedy says
    shutil.copy(first.key_file, copy.key_file)
    change_key(copy)
    assert names_in(copy) == ["Ann"] and names_in(second) == ["Bob"]
    counter_file(first.key_file, ids[0]).unlink()  # as it says, too: that of the first database, which has left the key
    change_key(second)
    assert names_in(copy) == ["Ann"] and names_in(second) == ["Bob"]


def test_a_key_behind_a_link_is_changed_where_it_lies(tmp_path):
    settings = begin(tmp_path, "Ann")
    old, stick = settings.key_file.read_bytes(), put_on_a_stick(settings, tmp_path)
    change_key(settings)
    assert settings.key_file.is_symlink() and [path.name for path in stick.iterdir()] == ["the key"]
    assert settings.key_file.read_bytes() != old and closed_values(settings) == []


def test_what_did_not_open_before_stays_as_it_is(tmp_path, facelab):
    settings = begin(tmp_path, "Ann", "Bob")
    change_by_hand(settings, "UPDATE templates SET sealed = X'0011' WHERE account = "
                   "(SELECT id FROM accounts WHERE name = 'Ann')")  # fmt: skip
    code, out, _ = facelab("accounts", "new-key")
    assert code == 0 and "did not open, and stay as they are (facelab app --check): 1" in out
    assert closed_values(settings) == ["template"]
