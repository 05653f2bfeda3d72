"""The SQLite file of the service: its tables, how it is opened and checked, and how it is changed.

Deleted means removed from every file: ``secure_delete`` fills with zeros what a deleted row leaves behind, and the rollback
journal, which holds the old pages for the moment of a change, is removed with it (a write-ahead log would keep them longer). It
misses the copy that stays in a page when SQLite moves a row to the next one, so that the file is also written anew: at once
where an account goes, else by the next purge. That this is due is written down in the transaction that deletes.
What the disk keeps in blocks that belong to no file any more, nothing here can say.

Answered means on the disk: a change is complete when its journal is gone, and only ``synchronous = EXTRA`` waits until the disk
has that, too. With less, a loss of power can bring the journal back; the next start would undo the change, a deletion even.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from facelab.errors import FacelabError
from facelab.files import lock_folder, make_folder
from facelab.webapp.trusted_time import check_clock_is_set

SCHEMA_VERSION = 3  #: 1: a template was not bound to the row of its account; 2: accounts had no second factor
DATABASE_FILE = "faceid.sqlite"
STAGING_PREFIX = ".restore-"  #: of the folder in which a backup is looked at before it takes the place of the database
ERASE_DUE = "erase due"  #: since something was deleted; a key of ``about``
_LOG = logging.getLogger(__name__)
_APPLICATION_ID = int.from_bytes(b"fcID", "big")  # tells our databases from others (https://sqlite.org/pragma.html)
_TABLES = """
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    created REAL NOT NULL,
    last_login REAL,
    consent TEXT NOT NULL,
    findable INTEGER NOT NULL,
    factor TEXT NOT NULL,
    factor_sealed BLOB
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
CREATE TABLE seen (
    number INTEGER PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
    time REAL NOT NULL,
    sealed BLOB NOT NULL
);
CREATE INDEX seen_account ON seen(account);
CREATE TABLE about (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


class Database:
    """The database in a folder, made if it is not there. One connection, used by one thread at a time.

    While it is open, no other process can open it, but to read.

    Args:
        folder: made for its owner alone.
        clock: seconds since 1970.
        secure_delete: False only to show in a test what would be left behind.
        read_only: read what is there, beside a service that may be running; nothing is made or changed.

    Raises:
        FacelabError: another process has the folder or others may look into it, or the file is no such database, damaged, of
            another schema, or cannot be used; or it is to be made and the clock cannot be right, or to be read and not there.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        secure_delete: bool = True,
        read_only: bool = False,
    ) -> None:
        self.path, self.is_read_only = folder / DATABASE_FILE, read_only
        self._clock, self._lock, self._secure_delete = clock, threading.RLock(), secure_delete
        if read_only:
            require_database(folder)
        with ExitStack() as opened:
            try:
                make_private_folder(folder)
                if not read_only:
                    opened.enter_context(lock_folder(folder, "facelab app"))
                    # Of a restore that was killed, deleted accounts and all.
                    for left in folder.glob(f"{STAGING_PREFIX}*"):
                        shutil.rmtree(left)
                self._connection = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
                opened.callback(self._connection.close)
                # A damaged name is one that belongs to no template, and not the end of a list.
                self._connection.text_factory = lambda text: text.decode(errors="replace")
                self._check_origin()
                if read_only:  # all the same SQLite rolls back what a process that was killed left half done
                    self._connection.execute("PRAGMA query_only = ON")
                    self._opened = opened.pop_all()
                    return
                self.path.chmod(0o600)
                self._connection.execute(f"PRAGMA secure_delete = {'ON' if secure_delete else 'OFF'}")
                self._connection.execute("PRAGMA journal_mode = DELETE")
                self._connection.execute("PRAGMA synchronous = EXTRA")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._connection.execute("PRAGMA temp_store = MEMORY")
                self._prepare()
                self._erase_copies()
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
        is_new = not self._rows("SELECT 1 FROM sqlite_master LIMIT 1")
        fault = None if is_new and not self.is_read_only else find_fault(self._connection)
        if fault is not None:
            raise FacelabError(
                f"{self.path} {fault}.",
                "Put back a backup (facelab accounts restore), or name a new folder (--folder).",
            )

    def _prepare(self) -> None:
        with self._change() as change:
            if not change.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                check_clock_is_set(self._clock)
                for statement in _TABLES.split(";")[:-1]:
                    change.execute(statement)
                change.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            # Written at every start, since only a change removes the journal of a process that was killed before the
            # journal was complete: SQLite has nothing to roll back then, and leaves the file, old pages and all.
            change.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def copy_to(self, path: Path) -> None:
        """Write a consistent copy to an empty file, beside a service that may be changing the database.

        Its rows are copied, not its pages: traces that are still to be erased here do not come along.

        Raises:
            sqlite3.Error: the disk is full, or the file cannot be written.
        """
        # by a connection of its own, since one that may only read (``query_only``) cannot do it
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as source:
            source.execute("VACUUM INTO ?", (str(path),))
        with closing(sqlite3.connect(path)) as copy, copy:
            copy.execute("DELETE FROM about WHERE key = ?", (ERASE_DUE,))

    def integrity_faults(self) -> list[str]:
        """What a full check of the file finds, a sentence each: pages, indexes, and rows that belong to no account."""
        faults = [" ".join(str(row[0]).split()) for row in self._rows("PRAGMA integrity_check")]
        orphans = len(self._rows("PRAGMA foreign_key_check"))
        return [fault for fault in faults if fault != "ok"] + [f"{orphans} rows of no account"] * (orphans > 0)

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

    def _erase_copies(self) -> None:
        """Write the file anew where a deletion made that due: what is in no row is in no page then.

        What is deleted stays so where this fails, on a full disk: the log says so, and the next start or purge does it.
        """
        try:
            with self._lock:
                if self._secure_delete and self.has_traces:
                    self._connection.execute("VACUUM")
                    with self._change() as change:
                        change.execute("DELETE FROM about WHERE key = ?", (ERASE_DUE,))
        except sqlite3.Error as error:
            told = (
                "%s cannot be written anew (%s): traces of what was deleted may be in it until the next start or purge."
            )
            _LOG.error(told, self.path, error)

    @property
    def has_traces(self) -> bool:
        """Whether the file could not yet be written anew since something was deleted: traces of it may be in it."""
        return self.read_value(ERASE_DUE) is not None

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


def mark_erase_due(change: sqlite3.Connection) -> None:
    """Write down, in a transaction that deletes or replaces something, that the file is to be written anew."""
    change.execute("INSERT OR REPLACE INTO about VALUES (?, 1)", (ERASE_DUE,))


def require_database(folder: Path) -> None:
    """Refuse a folder where no database was begun.

    Raises:
        FacelabError: there is none.
    """
    if not (folder / DATABASE_FILE).exists():
        raise FacelabError(f"There is no database in {folder}.", "Name the folder of the accounts (--folder).")


def find_fault(connection: sqlite3.Connection) -> str | None:
    """What speaks against a database being ours, sound and of this schema, as ``is damaged (...)``; None: nothing.

    Raises:
        sqlite3.Error: it is no database, or cannot be read.
    """
    about = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if about[0] != _APPLICATION_ID:
        return f"is a database of another program, or of a facelab before schema {SCHEMA_VERSION}"
    if about[1] != SCHEMA_VERSION:
        return f"has schema {about[1]}, this facelab reads {SCHEMA_VERSION}"
    found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    return None if found == "ok" else f"is damaged ({' '.join(found.split())})"


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone; one that is open to others is not ours to close: it may be /tmp."""
    make_folder(folder, mode=0o700)
    rights = stat.S_IMODE(folder.stat().st_mode)
    if os.name == "posix" and rights & 0o077:
        raise FacelabError(
            f"Others may look into the folder {folder} (mode {rights:o}).",
            f"Name one of its own (--folder), or close it: chmod 700 {shlex.quote(str(folder))}",
        )
