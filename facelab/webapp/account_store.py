"""What is kept, in one SQLite file: accounts, sealed templates, and an audit that holds no picture, score or name.

Deleted means overwritten: ``secure_delete`` fills with zeros what a deleted row leaves behind, and the rollback journal, which
holds the old pages for the moment of a change, is removed with it (a write-ahead log would keep them for longer).
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facelab.errors import FacelabError
from facelab.webapp.problems import Problem

SCHEMA_VERSION = 1
DATABASE_FILE = "faceid.sqlite"
_TABLES = """
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    created REAL NOT NULL,
    last_login REAL,
    consent TEXT NOT NULL,
    findable INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE templates (
    account TEXT NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
    fingerprint TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (account, fingerprint)
) WITHOUT ROWID;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    event TEXT NOT NULL,
    outcome TEXT NOT NULL,
    account TEXT REFERENCES accounts(id) ON DELETE SET NULL
);
CREATE INDEX audit_account ON audit(account);
CREATE TABLE about (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Account:
    """One account.

    Attributes:
        id: random, never used again.
        name: as its owner wrote it.
        created, last_login: seconds since 1970; None where nobody logged in yet.
        consent_version: of the text that was agreed to, at ``created``.
        findable: whether who-am-I may tell the name.
    """

    id: str
    name: str
    created: float
    last_login: float | None
    consent_version: str
    findable: bool


@dataclass(frozen=True)
class SealedTemplate:
    """A sealed template, and whose it is."""

    account_id: str
    name: str
    sealed_bytes: bytes


@dataclass(frozen=True)
class AuditEvent:
    """A row of the audit."""

    time: float
    event: str
    outcome: str


class AccountStore:
    """The database in a folder, made if it is not there. One connection, used by one thread at a time.

    Args:
        folder: made for its owner alone.
        clock: seconds since 1970.
        secure_delete: False only to show in a test what would be left behind.

    Raises:
        FacelabError: the file is no such database, of another schema, or cannot be used.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time, secure_delete: bool = True) -> None:
        self.path = folder / DATABASE_FILE
        self._clock, self._lock = clock, threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
            self.path.chmod(0o600)
            self._connection.execute(f"PRAGMA secure_delete = {'ON' if secure_delete else 'OFF'}")
            self._connection.execute("PRAGMA journal_mode = DELETE")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA temp_store = MEMORY")
            schema = self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise FacelabError(
                f"{self.path} cannot be used ({error}).",
                "Check the rights of its folder, or name a new one (--folder).",
            ) from error
        if schema != SCHEMA_VERSION:
            raise FacelabError(
                f"{self.path} has schema {schema}, this facelab reads {SCHEMA_VERSION}.", "Name a new folder."
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _prepare(self) -> int:
        with self._change() as change:
            schema = change.execute("PRAGMA user_version").fetchone()[0]
            if not change.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in _TABLES.split(";")[:-1]:
                    change.execute(statement)
                schema = SCHEMA_VERSION
            if schema == SCHEMA_VERSION:
                # Written at every start, since only a change removes the journal of a process that was killed before the
                # journal was complete: SQLite has nothing to roll back then, and leaves the file, old pages and all.
                change.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return schema

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all of it or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: object) -> list[tuple]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def read_value(self, key: str) -> bytes | None:
        """A value that belongs to the whole database."""
        rows = self._rows("SELECT value FROM about WHERE key = ?", key)
        return rows[0][0] if rows else None

    def write_value(self, key: str, value: bytes) -> None:
        """Keep a value that belongs to the whole database."""
        with self._change() as change:
            change.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))

    def new_account_id(self) -> str:
        """An id for an account to be added: 128 random bits."""
        return secrets.token_hex(16)

    def add_account(
        self,
        account_id: str,
        name: str,
        name_key: str,
        consent_version: str,
        findable: bool,
        fingerprint: str,
        sealed_bytes: bytes,
    ) -> None:
        """A new account with its template and its row in the audit, in one transaction.

        Raises:
            Problem: ``name_taken``.
        """
        now = self._clock()
        with self._change() as change:
            if change.execute("SELECT 1 FROM accounts WHERE key = ?", (name_key,)).fetchone():
                raise Problem("name_taken")
            change.execute(
                "INSERT INTO accounts VALUES (?, ?, ?, ?, NULL, ?, ?)",
                (account_id, name, name_key, now, consent_version, findable),
            )
            change.execute("INSERT INTO templates VALUES (?, ?, ?)", (account_id, fingerprint, sealed_bytes))
            _audit(change, now, "sign_up", "ok", account_id)

    def has_name(self, name_key: str) -> bool:
        """Whether a name is taken."""
        return bool(self._rows("SELECT 1 FROM accounts WHERE key = ?", name_key))

    def find_account(self, account_id: str) -> Account | None:
        """An account by its id; None where it was deleted."""
        columns = "id, name, created, last_login, consent, findable"
        rows = self._rows(f"SELECT {columns} FROM accounts WHERE id = ?", account_id)
        return Account(*rows[0][:5], bool(rows[0][5])) if rows else None

    def find_template(self, name_key: str, fingerprint: str) -> SealedTemplate | None:
        """The template of a name for an embedder; None where there is none."""
        rows = self._rows(f"{_SEALED} WHERE key = ? AND fingerprint = ?", name_key, fingerprint)
        return SealedTemplate(*rows[0]) if rows else None

    def findable_templates(self, fingerprint: str) -> list[SealedTemplate]:
        """The templates of all who agreed to be found, for an embedder."""
        return [
            SealedTemplate(*row) for row in self._rows(f"{_SEALED} WHERE findable AND fingerprint = ?", fingerprint)
        ]

    def count_templates(self, account_id: str) -> int:
        """How many templates an account has."""
        return self._rows("SELECT count(*) FROM templates WHERE account = ?", account_id)[0][0]

    def count_accounts_without_template(self, fingerprint: str) -> int:
        """How many accounts have no template of this embedder."""
        query = "SELECT count(*) FROM accounts WHERE id NOT IN (SELECT account FROM templates WHERE fingerprint = ?)"
        return self._rows(query, fingerprint)[0][0]

    def record_event(self, event: str, outcome: str, account_id: str | None = None) -> None:
        """Write a row of the audit; ``log_in`` ``ok`` also becomes the account's last log-in.

        An account that was deleted meanwhile is not named.
        """
        now = self._clock()
        with self._change() as change:
            if event == "log_in" and outcome == "ok":
                change.execute("UPDATE accounts SET last_login = ? WHERE id = ?", (now, account_id))
            _audit(change, now, event, outcome, account_id)

    def newest_events(self, account_id: str, limit: int = 100) -> list[AuditEvent]:
        """The newest rows of the audit about an account."""
        query = "SELECT time, event, outcome FROM audit WHERE account = ? ORDER BY number DESC LIMIT ?"
        return [AuditEvent(*row) for row in self._rows(query, account_id, limit)]

    def delete_account(self, account_id: str) -> bool:
        """Delete an account and its template for good; its audit rows stay, without saying whose they are."""
        with self._change() as change:
            gone = change.execute("DELETE FROM accounts WHERE id = ?", (account_id,)).rowcount > 0
            if gone:
                _audit(change, self._clock(), "delete", "ok", None)
        return gone

    def purge(self, idle_days: float, audit_days: float) -> int:
        """Delete accounts that nobody logged in to for so many days, and old rows of the audit; how many accounts."""
        now = self._clock()
        with self._change() as change:
            change.execute("DELETE FROM audit WHERE time < ?", (now - 86_400 * audit_days,))
            gone = change.execute(
                "DELETE FROM accounts WHERE coalesce(last_login, created) < ?", (now - 86_400 * idle_days,)
            ).rowcount
            for _ in range(gone):
                _audit(change, now, "purge", "ok", None)
        return gone


_SEALED = "SELECT account, name, sealed FROM templates JOIN accounts ON id = account"


def _audit(change: sqlite3.Connection, now: float, event: str, outcome: str, account: str | None) -> None:
    change.execute(
        "INSERT INTO audit (time, event, outcome, account) VALUES (?, ?, ?, (SELECT id FROM accounts WHERE id = ?))",
        (now, event, outcome, account),
    )
