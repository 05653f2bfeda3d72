"""What was deleted or replaced is in no page of the file either, also where that could not be done at once."""

import sqlite3
from contextlib import closing

import pytest
from faceid import log_in, new_service, open_client, own_frames, sign_up
from kept_accounts import add, begin, names_in

from facelab.webapp.account_store import AccountStore
from facelab.webapp.backups import write_backup
from facelab.webapp.database import DATABASE_FILE, ERASE_DUE
from facelab.webapp.seen_table import KEPT_VISITS
from facelab.webapp.vault import Vault

DAY = 86_400
VAULT = Vault(b"k" * 32)


class FullDisk:
    """A connection that has no room to write the file anew."""

    def __init__(self, connection) -> None:
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, *values):
        if statement == "VACUUM":
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)


def delete(store, account) -> None:
    assert store.delete_account(account)


def visit_often(store, account) -> None:
    """Once more than is kept: the sign-up was the first visit."""
    for _ in range(KEPT_VISITS):
        store.record_event("log_in", "ok", account, b"v" * 64)


def replace_factor(store, account) -> None:
    assert store.replace_factor(store.find_factor("ann"), b"another")


def seal_anew(store, account) -> None:
    store.seal_anew(VAULT, Vault(b"n" * 32))


#: what takes sealed values out of the database -> kinds of values that are left in its pages for certain
ACTIONS = {delete: {"template", "seen frames"}, visit_often: {"seen frames"}, replace_factor: set(), seal_anew: set()}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_start_erases_what_a_process_that_was_killed_did_not(tmp_path, action):
    with closing(AccountStore(tmp_path, secure_delete=False)) as store:  # so all of it is in the file still
        account = add(VAULT, store, "Ann")
        before = {value.kind: value.sealed_bytes for value in store.sealed_values()}
        action(store, account)
        assert store.read_value(ERASE_DUE)
    taken = [before[kind] for kind in ACTIONS[action]]
    assert all(one in (tmp_path / DATABASE_FILE).read_bytes() for one in taken)
    with closing(AccountStore(tmp_path)) as store:
        assert store.read_value(ERASE_DUE) is None
        assert not any(one in (tmp_path / DATABASE_FILE).read_bytes() for one in taken)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_purge_erases_what_a_full_disk_did_not_let(tmp_path, clock, caplog, action):
    with closing(AccountStore(tmp_path, clock)) as store:
        account = add(VAULT, store, "Ann")
        connection, store._connection = store._connection, FullDisk(store._connection)
        action(store, account)
        assert store.purge(90, 365) == []  # the disk is still full
        assert (
            "(database or disk is full): traces of what was deleted may be in it" in caplog.text
            and store.read_value(ERASE_DUE)
        )
        store._connection = connection
        assert store.purge(90, 365) == [] and store.read_value(ERASE_DUE) is None


def test_a_backup_holds_no_traces_that_are_still_to_be_erased(tmp_path):
    folder, copy = tmp_path / "accounts", tmp_path / "copy"
    with closing(AccountStore(folder, secure_delete=False)) as store:
        account = add(VAULT, store, "Ann")
        add(VAULT, store, "Ben")
        taken = [value.sealed_bytes for value in store.sealed_values() if account in value.bound_to]
        delete(store, account)
        assert write_backup(folder, copy) == 1
        assert store.has_traces, "the database itself is still to be written anew"
    assert len(taken) == 3 and all(one in (folder / DATABASE_FILE).read_bytes() for one in taken)
    assert not any(one in copy.read_bytes() for one in taken) and b"Ben" in copy.read_bytes()
    with closing(sqlite3.connect(copy)) as raw:
        assert raw.execute("SELECT count(*) FROM about WHERE key = ?", (ERASE_DUE,)).fetchone() == (0,)
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_command_says_where_traces_are_left(tmp_path, facelab, monkeypatch):
    settings, real = begin(tmp_path, "Ann", "Ben"), AccountStore.delete_account

    def on_a_full_disk(store, account):
        store._connection = FullDisk(store._connection)
        return real(store, account)

    with monkeypatch.context() as full:
        full.setattr(AccountStore, "delete_account", on_a_full_disk)
        code, out, _ = facelab("accounts", "delete", "Ann")
    assert code == 0 and "Ann was removed, but" in out and "every file" not in out
    code, out, _ = facelab("accounts", "delete", "Ben")  # opens the database, and so erases what was left
    assert code == 0 and "Ben was removed from every file" in out and names_in(settings) == []
    with closing(AccountStore(settings.folder)) as store:
        assert not store.has_traces


def test_old_rows_of_the_audit_are_erased_too(tmp_path, clock):
    with closing(AccountStore(tmp_path, clock)) as store:
        add(VAULT, store, "Ann")
        store._connection = FullDisk(store._connection)
        clock.now += 20 * DAY
        store.purge(90, 365)
        assert store.read_value(ERASE_DUE) is None
        store.purge(90, 10)
        assert store.read_value(ERASE_DUE)


def test_a_full_disk_at_the_end_of_a_deletion_is_no_failure_of_it(tmp_path, caplog):
    service = new_service(tmp_path)
    with open_client(service) as client:
        assert sign_up(client, "Ann", 1).status_code == 201
        assert log_in(client, "Ann", *own_frames(1))["state"] == "in"
        session = client.cookies["faceid"]
        service.store._connection = FullDisk(service.store._connection)
        answer = client.delete("/api/me")
        assert (answer.status_code, answer.json()) == (200, {"has_traces": True})
        assert 'faceid=""' in answer.headers["set-cookie"]
        assert "cannot be written anew" in caplog.text and not service._sessions.drop(session)
        assert client.get("/api/state").json()["signed_in"] is None
    with closing(AccountStore(tmp_path / "accounts")) as store:
        assert store.count_accounts() == 0 and store.read_value(ERASE_DUE) is None
