"""What is kept, in one SQLite file: accounts, sealed templates, and an audit that holds no picture, score or name.

Deleted means overwritten: ``secure_delete`` fills with zeros what a deleted row leaves behind, and the rollback journal, which
holds the old pages for the moment of a change, is removed with it (a write-ahead log would keep them for longer).

Answered means on the disk: a change is complete when its journal is gone, and only ``synchronous = EXTRA`` waits until the disk
has that, too. With less, a loss of power can bring the journal back; the next start would undo the change, a deletion even.
"""

from __future__ import annotations

import os
import secrets
import shlex
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from facelab.errors import FacelabError
from facelab.files import lock_folder, make_folder
from facelab.webapp.problems import Problem

SCHEMA_VERSION = 2  #: 1: a template was not bound to the row of its account
DATABASE_FILE = "faceid.sqlite"
_DAY = 86_400.0
_LONGEST_PAUSE = 30 * _DAY  # of a service that is switched off; a longer one looks like a clock that jumped
_EARLIEST = 1_767_225_600.0  # 2026-01-01, UTC: before this schema was written
_NEWEST_TIME = "newest time"  # that was seen; the key of ``about``
_APPLICATION_ID = int.from_bytes(b"fcID", "big")  # tells our databases from others (https://sqlite.org/pragma.html)
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
    """A sealed template, and whose it is.

    Attributes:
        account_id, name, name_key, consent_version, findable, fingerprint: as ``AccountStore.add_account`` was given them.
        sealed_bytes: of the vault.
    """

    account_id: str
    name: str
    name_key: str
    consent_version: str
    findable: bool
    fingerprint: str
    sealed_bytes: bytes

    @property
    def bound_to(self) -> tuple[str | bool, ...]:
        """What the vault binds it to: all the rest."""
        return self.account_id, self.name, self.name_key, self.consent_version, bool(self.findable), self.fingerprint


@dataclass(frozen=True)
class AuditEvent:
    """A row of the audit."""

    time: float
    event: str
    outcome: str


class AccountStore:
    """The database in a folder, made if it is not there. One connection, used by one thread at a time.

    While it is open, no other process can open it.

    Args:
        folder: made for its owner alone.
        clock: seconds since 1970.
        secure_delete: False only to show in a test what would be left behind.

    Raises:
        FacelabError: another process has the folder or others may look into it, or the file is no such database, damaged, of
            another schema, or cannot be used; or it is to be made and the clock cannot be right.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time, secure_delete: bool = True) -> None:
        self.path = folder / DATABASE_FILE
        self._clock, self._lock = clock, threading.RLock()
        with ExitStack() as opened:
            try:
                _make_private(folder)
                opened.enter_context(lock_folder(folder, "facelab app"))
                self._connection = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
                opened.callback(self._connection.close)
                # A damaged name is one that belongs to no template, and not the end of a list.
                self._connection.text_factory = lambda text: text.decode(errors="replace")
                self._check_origin()
                self.path.chmod(0o600)
                self._connection.execute(f"PRAGMA secure_delete = {'ON' if secure_delete else 'OFF'}")
                self._connection.execute("PRAGMA journal_mode = DELETE")
                self._connection.execute("PRAGMA synchronous = EXTRA")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._connection.execute("PRAGMA temp_store = MEMORY")
                self._prepare()
            except (OSError, sqlite3.Error) as error:
                raise FacelabError(
                    f"{self.path} cannot be used ({error}).",
                    "Check the rights of its folder, put back a copy, or name a new folder (--folder).",
                ) from error
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the file, and let others have the folder."""
        with self._lock:
            self._opened.close()

    def _check_origin(self) -> None:
        """Refuse what this class did not make, before anything in it is changed."""
        about = [self._rows(f"PRAGMA {name}")[0][0] for name in ("application_id", "user_version")]
        if not self._rows("SELECT 1 FROM sqlite_master LIMIT 1"):
            return  # new
        if about[0] != _APPLICATION_ID:
            raise FacelabError(
                f"{self.path} is a database of another program, or of a facelab before schema {SCHEMA_VERSION}.",
                "Name a new folder (--folder).",
            )
        if about[1] != SCHEMA_VERSION:
            raise FacelabError(
                f"{self.path} has schema {about[1]}, this facelab reads {SCHEMA_VERSION}.",
                "Name a new folder (--folder).",
            )
        found = self._rows("PRAGMA quick_check(1)")[0][0]
        if found != "ok":
            raise FacelabError(
                f"{self.path} is damaged ({' '.join(found.split())}).",
                "Put back a copy, or name a new folder (--folder).",
            )

    def _prepare(self) -> None:
        with self._change() as change:
            if not change.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                if self._clock() < _EARLIEST:  # a newest time as old as that would make everybody idle once it is set
                    raise FacelabError("The clock of this machine is before 2026.", "Set it, then start again.")
                for statement in _TABLES.split(";")[:-1]:
                    change.execute(statement)
                change.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            # Written at every start, since only a change removes the journal of a process that was killed before the
            # journal was complete: SQLite has nothing to roll back then, and leaves the file, old pages and all.
            change.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

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

    def read_value(self, key: str) -> bytes | float | None:
        """A value that belongs to the whole database."""
        rows = self._rows("SELECT value FROM about WHERE key = ?", key)
        return rows[0][0] if rows else None

    def write_value(self, key: str, value: bytes | float) -> None:
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

        Args:
            account_id: of ``new_account_id``.
            name: as it is shown.
            name_key: what no other account has (``account_names.comparison_key``).
            consent_version: of the text that was agreed to.
            findable: whether who-am-I may tell the name.
            fingerprint: of the embedder.
            sealed_bytes: the template, sealed and bound to all of the above.

        Raises:
            Problem: ``name_taken``.
        """
        with self._change() as change:
            now = self._take_time(change)
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
        with self._change() as change:
            now = self._take_time(change)
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
                _audit(change, self._take_time(change), "delete", "ok", None)
        return gone

    def purge(self, idle_days: float, audit_days: float) -> int:
        """Delete accounts that nobody logged in to for so many days, and old rows of the audit; how many accounts.

        Raises:
            FacelabError: the clock cannot be right; nobody is deleted, and a row of the audit says so.
        """
        with self._change() as change:
            newest, clock = self._newest_time(change), self._clock()
            now = self._take_time(change)
            idle = "FROM accounts WHERE coalesce(last_login, created) < ?"
            is_plausible = newest is None or newest - _DAY <= clock <= newest + _LONGEST_PAUSE
            if is_plausible:
                change.execute("DELETE FROM audit WHERE time < ?", (now - _DAY * audit_days,))
                gone = change.execute(f"DELETE {idle}", (now - _DAY * idle_days,)).rowcount
                for _ in range(gone):
                    _audit(change, now, "purge", "ok", None)
            else:
                gone = change.execute(f"SELECT count(*) {idle}", (clock - _DAY * idle_days,)).fetchone()[0]
                _audit(change, now, "purge", "wrong_clock", None)
        if not is_plausible:
            raise FacelabError(
                f"The clock is {abs(clock - newest) / _DAY:.0f} days {'behind' if clock < newest else 'ahead of'} the newest "
                f"time in {self.path}: idle accounts stay, {gone} of them by this clock.",
                "Set the clock; if it is right, start once with --clock-is-right.",
            )
        return gone

    def accept_time(self) -> None:
        """Take the clock's time for right, however far it is from the newest that was seen."""
        self.write_value(_NEWEST_TIME, self._clock())

    def _newest_time(self, change: sqlite3.Connection) -> float | None:
        rows = change.execute("SELECT value FROM about WHERE key = ?", (_NEWEST_TIME,)).fetchall()
        return rows[0][0] if rows else None

    def _take_time(self, change: sqlite3.Connection) -> float:
        """The time for what is written: the clock's, or the newest that was seen where that is later or far behind.

        So nobody who signs up under a wrong clock looks idle, or never idle, once it is set.
        """
        newest, now = self._newest_time(change), self._clock()
        if newest is not None and not newest <= now <= newest + _LONGEST_PAUSE:
            return newest
        change.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (_NEWEST_TIME, now))
        return now


def _make_private(folder: Path) -> None:
    """Make a folder for its owner alone; one that is open to others is not ours to close: it may be /tmp."""
    make_folder(folder, mode=0o700)
    rights = stat.S_IMODE(folder.stat().st_mode)
    if os.name == "posix" and rights & 0o077:
        raise FacelabError(
            f"Others may look into the folder {folder} (mode {rights:o}).",
            f"Name one of its own (--folder), or close it: chmod 700 {shlex.quote(str(folder))}",
        )


_SEALED = (
    "SELECT account, name, key, consent, findable, fingerprint, sealed FROM templates JOIN accounts ON id = account"
)


def _audit(change: sqlite3.Connection, now: float, event: str, outcome: str, account: str | None) -> None:
    change.execute(
        "INSERT INTO audit (time, event, outcome, account) VALUES (?, ?, ?, (SELECT id FROM accounts WHERE id = ?))",
        (now, event, outcome, account),
    )
