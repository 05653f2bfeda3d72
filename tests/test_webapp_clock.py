"""A clock that is wrong deletes nobody, and a database that is locked does not end the purge."""

import logging
import sqlite3
from contextlib import closing

import pytest
from faceid import FakeClock, new_service

from facelab.errors import FacelabError
from facelab.webapp.account_store import _WRITTEN_TIMES, AccountStore
from facelab.webapp.database import DATABASE_FILE
from facelab.webapp.trusted_time import NEWEST_TIME

DAY = 86_400


def add(store: AccountStore, name: str) -> str:
    account = store.new_account_id()
    store.add_account(account, name, name, "1", True, "f" * 64, b"sealed")
    return account


def outcomes(store: AccountStore) -> list[tuple[str, str]]:
    return store._rows("SELECT event, outcome FROM audit WHERE event = 'purge'")


def pass_a_day(service, clock: FakeClock) -> None:
    """So that nobody's time is the newest one, which the rows of an unbelieved clock have."""
    clock.now += DAY
    assert service.purge() == 0


@pytest.fixture
def store(tmp_path, clock):
    store = AccountStore(tmp_path, clock)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("days", "where"), [(100, "100 days ahead of"), (-10_000, "10000 days behind"), (31, "31 days")]
)
def test_a_jump_of_the_clock_deletes_nobody_and_is_told(store, clock, days, where):
    account = add(store, "ann")
    clock.now += DAY
    assert store.purge(90, 365) == []
    right = clock.now
    clock.now += days * DAY
    for _ in range(2):  # and stays so: a wrong clock does not become right by being seen
        with pytest.raises(FacelabError, match=f"{where}.*{int(days > 90)} of them by this clock.*--clock-is-right"):
            store.purge(90, 365)
    assert outcomes(store) == [("purge", "wrong_clock")] * 2
    clock.now = right + DAY
    assert store.purge(90, 365) == [] and store.find_account(account)


@pytest.mark.parametrize("days", [100, -10_000])
def test_who_signs_up_or_logs_in_under_a_wrong_clock_stays_as_long_as_others(store, clock, days):
    add(store, "before")
    right, old = clock.now, add(store, "old")
    clock.now += days * DAY
    new = add(store, "new")
    store.record_event("log_in", "ok", old)
    assert store.find_account(new).created == right == store.find_account(old).last_login
    clock.now = right
    for _ in range(90):
        clock.now += DAY
        assert store.purge(90, 365) == []
    clock.now += DAY
    assert len(store.purge(90, 365)) == 3 and outcomes(store) == [("purge", "ok")] * 3


def test_a_database_is_not_begun_in_1970(tmp_path):
    clock = FakeClock(100.0)
    for _ in range(2):
        with pytest.raises(FacelabError, match="The clock of this machine is before 2026. Set it"):
            AccountStore(tmp_path, clock)
    clock.now = 1_800_000_000.0
    store = AccountStore(tmp_path, clock)
    assert store.purge(90, 365) == []
    store.close()


def test_a_clock_that_is_set_by_seconds_is_no_fault(store, clock):
    add(store, "ann")
    clock.now -= 60
    assert store.purge(90, 365) == [] and outcomes(store) == []


def test_a_long_pause_is_confirmed_at_a_start(tmp_path, clock, caplog):
    service = new_service(tmp_path, clock=clock)
    add(service.store, "ann")
    pass_a_day(service, clock)
    service.close()
    clock.now += 100 * DAY
    service = new_service(tmp_path, clock=clock)
    assert "100 days ahead" in caplog.text and service.store.has_name("ann")
    service.close()
    service = new_service(tmp_path, clock=clock, clock_is_right=True)
    assert not service.store.has_name("ann") and outcomes(service.store)[-1] == ("purge", "ok")
    service.close()


def test_who_came_while_the_clock_was_not_believed_is_not_idle_once_it_is(tmp_path, clock, caplog):
    service = new_service(tmp_path, clock=clock)
    old, ann = add(service.store, "old"), add(service.store, "ann")
    pass_a_day(service, clock)
    service.close()
    clock.now += 100 * DAY
    service = new_service(tmp_path, clock=clock)
    assert "2 of them by this clock" in caplog.text
    bob = add(service.store, "bob")
    service.store.record_event("log_in", "ok", ann, b"seen")
    service.purge()
    assert "1 of them by this clock" in caplog.text
    service.close()
    service = new_service(tmp_path, clock=clock, clock_is_right=True)
    store = service.store
    assert store.find_account(old) is None and len(store.seen_frames(ann)) == 1
    assert store.find_account(ann).last_login == store.find_account(bob).created == clock.now
    for _ in range(90):
        clock.now += DAY
        assert store.purge(90, 365) == []
    clock.now += DAY
    assert len(store.purge(90, 365)) == 2
    service.close()


def test_every_time_in_the_database_is_among_those_that_are_set_right(store):
    tables = [name for (name,) in store._rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = [
        (table, row[1]) for table in tables for row in store._rows(f"PRAGMA table_info({table})") if row[2] == "REAL"
    ]
    assert sorted(columns) == sorted(_WRITTEN_TIMES)


@pytest.mark.parametrize("damaged", ["noon", b"\x00", 1e300, -1.0, float("inf")])
def test_a_damaged_newest_time_deletes_nobody_and_is_told(tmp_path, clock, caplog, damaged):
    service = new_service(tmp_path, clock=clock)
    add(service.store, "ann")
    service.store.write_value(NEWEST_TIME, damaged)
    service.close()
    clock.now += 100 * DAY
    service = new_service(tmp_path, clock=clock)
    assert "The newest time is damaged" in caplog.text and service.store.has_name("ann")
    assert service.store.find_account(add(service.store, "bob")).created == clock.now
    service.close()
    service = new_service(tmp_path, clock=clock, clock_is_right=True)
    assert not service.store.has_name("ann") and service.store.has_name("bob")
    service.close()


def test_a_purge_survives_a_locked_database(tmp_path, clock, caplog):
    service = new_service(tmp_path, clock=clock)
    add(service.store, "ann")
    for _ in range(4):
        clock.now += 20 * DAY
        assert service.purge() == 0
    clock.now += 20 * DAY
    service.store._connection.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(tmp_path / "accounts" / DATABASE_FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with caplog.at_level(logging.ERROR):
            assert service.purge() == 0
        assert "database is locked" in caplog.text
    assert service.purge() == 1
    service.close()
