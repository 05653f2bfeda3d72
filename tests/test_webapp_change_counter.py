"""An older copy of the database that was put back is told, and nobody can hide it who can write the database alone."""

import json
import logging
import shutil
import sqlite3
from contextlib import closing

import pytest
from faceid import FakeClock, new_service, open_client, sign_up
from kept_accounts import add, begin, change_by_hand, counter, database, names_in, opened, settings_of

from facelab.errors import FacelabError
from facelab.files import atomic_write
from facelab.webapp import change_counter
from facelab.webapp.database import DATABASE_FILE


def changes(settings) -> int:
    return json.loads(counter(settings).read_text())["changes"]


def delete(settings, *names: str) -> None:
    with opened(settings) as (_, store):
        for account in store.list_accounts():
            if account.name in names:
                store.delete_account(account.id)


def test_an_older_copy_is_refused_and_says_what_is_missing(tmp_path):
    settings = begin(tmp_path, "Ann", "Bob", "Eve")
    older = tmp_path / "older"
    shutil.copy(database(settings), older)
    delete(settings, "Ann", "Bob")
    shutil.copy(older, database(settings))
    for _ in range(2):
        with pytest.raises(
            FacelabError, match="older copy: 2 changes are missing.*deleted accounts may be back"
        ) as told:
            names_in(settings)
    assert "\n" not in str(told.value)
    assert f"facelab accounts restore {database(settings)} --folder {settings.folder} --yes" in told.value.remedy
    assert changes(settings) == 5


def test_the_service_refuses_it_after_a_deletion_by_its_owner(tmp_path):
    with open_client(new_service(tmp_path)) as client:
        sign_up(client, "Ann", 1)
        older = (tmp_path / "accounts" / DATABASE_FILE).read_bytes()
        service = client.app.state.service
        service.delete_account(service.store.list_accounts()[0])
    (tmp_path / "accounts" / DATABASE_FILE).write_bytes(older)
    with pytest.raises(FacelabError, match="older copy: 1 change is missing"):
        new_service(tmp_path)


def test_what_counts_is_who_comes_and_goes(tmp_path):
    clock = FakeClock()
    settings = begin(tmp_path)
    assert changes(settings) == 0
    with opened(settings) as (vault, store):
        store._clock = clock
        store.accept_clock()
        ann = add(vault, store, "Ann")
        bob = add(vault, store, "Bob")
        assert changes(settings) == 2
        store.record_event("log_in", "ok", ann)
        store.purge(90, 365)
        assert not store.delete_account("nobody") and changes(settings) == 2
        assert store.delete_account(ann) and changes(settings) == 3
        for _ in range(5):
            clock.now += 20 * 86_400
            store.purge(10_000, 365)
        assert len(store.purge(90, 365)) == 1 and store.find_account(bob) is None
        assert changes(settings) == 4
    for _ in range(3):
        assert names_in(settings) == []
    assert changes(settings) == 4


def test_a_refused_sign_up_does_not_count(tmp_path):
    settings = begin(tmp_path, "Ann")
    with opened(settings) as (vault, store):
        with pytest.raises(FacelabError, match="taken"):
            add(vault, store, "Ann")
        store._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(sqlite3.OperationalError):
            add(vault, store, "Bob")
        store._connection.execute("PRAGMA query_only = OFF")
        assert changes(settings) == 1
        add(vault, store, "Eve")
    assert changes(settings) == 2 and names_in(settings) == ["Ann", "Eve"]


def test_power_lost_between_the_two_numbers_is_accepted(tmp_path, monkeypatch):
    settings = begin(tmp_path, "Ann")
    monkeypatch.setattr(change_counter.ChangeCounter, "keep", lambda *_: None)
    delete(settings, "Ann")
    monkeypatch.undo()
    assert changes(settings) == 1
    assert names_in(settings) == [] and changes(settings) == 2


def test_a_number_that_cannot_be_written_is_told_and_made_up_for(tmp_path, monkeypatch, caplog):
    settings = begin(tmp_path, "Ann")

    def full(*_):
        raise FacelabError("The disk is full.", "Free some space.")

    monkeypatch.setattr(change_counter, "atomic_write", full)
    with caplog.at_level(logging.ERROR):
        delete(settings, "Ann")
    assert "The disk is full" in caplog.text
    monkeypatch.setattr(change_counter, "atomic_write", atomic_write)
    assert names_in(settings) == [] and changes(settings) == 2


@pytest.mark.parametrize(
    "forgery",
    ["today's number", "today's number, one account more", "no number", "another's number", "an account more"],
)
def test_who_can_write_the_database_alone_cannot_hide_an_older_copy(tmp_path, forgery):
    settings = begin(tmp_path, "Ann", "Bob")
    older = tmp_path / "older"
    shutil.copy(database(settings), older)
    with closing(sqlite3.connect(older)) as raw:
        row = raw.execute("SELECT * FROM accounts WHERE name = 'Ann'").fetchone()
    delete(settings, "Ann")
    with closing(sqlite3.connect(database(settings))) as raw:
        [(today,)] = raw.execute("SELECT value FROM about WHERE key = 'changes'")
    if forgery != "an account more":
        shutil.copy(older, database(settings))
    with closing(sqlite3.connect(database(settings))) as raw:
        if forgery.startswith("today's"):
            raw.execute("UPDATE about SET value = ? WHERE key = 'changes'", (today,))
        if forgery == "no number":
            raw.execute("DELETE FROM about WHERE key = 'changes'")
        if forgery == "another's number":
            raw.execute("UPDATE about SET value = (SELECT value FROM about WHERE key = 'check') WHERE key = 'changes'")
        if forgery.endswith("account more"):
            row = (row[0] + "0", row[1], row[2] + "0", *row[3:]) if forgery.startswith("today") else row
            raw.execute(f"INSERT INTO accounts VALUES ({', '.join('?' * len(row))})", row)
        raw.commit()
    with pytest.raises(
        FacelabError, match="(not those that facelab kept|counter of changes is gone).*accounts restore"
    ):
        names_in(settings)


def test_two_databases_of_one_key_count_for_themselves(tmp_path):
    first = begin(tmp_path, "Ann", "Bob")
    (tmp_path / "second").mkdir()
    second = settings_of(tmp_path / "second")
    second = type(second)(second.folder, first.key_file)
    with opened(second) as (vault, store):
        add(vault, store, "Eve")
    assert names_in(first) == ["Ann", "Bob"] and names_in(second) == ["Eve"]


def test_a_lost_number_is_told_and_begun_anew(tmp_path, caplog):
    settings = begin(tmp_path, "Ann")
    counter(settings).unlink()
    assert names_in(settings) == ["Ann"]
    assert "is missing" in caplog.text and "cannot be told" in caplog.text
    assert changes(settings) == 1


@pytest.mark.parametrize("text", ["", "7", "{", '{"changes": "9", "database": "a", "folder": "b"}', '{"changes": 9}'])
def test_a_damaged_number_is_one_line(tmp_path, text):
    settings = begin(tmp_path, "Ann")
    counter(settings).write_text(text)
    with pytest.raises(FacelabError, match="does not tell how many changes.*delete it") as told:
        names_in(settings)
    assert "\n" not in str(told.value)
    counter(settings).unlink()
    assert names_in(settings) == ["Ann"]


def test_a_damaged_row_does_not_stop_the_start(tmp_path):
    settings = begin(tmp_path, "Ann", "Bob")
    change_by_hand(settings, "UPDATE accounts SET name = 'Boss' WHERE name = 'Ann'", "UPDATE templates SET sealed = 7")
    assert names_in(settings) == ["Boss", "Bob"]
