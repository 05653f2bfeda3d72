"""How many accounts came and went, counted in the database and beside the key: so an older copy that was put back is told.

Where a deleted account is back, nothing in the old copy itself is wrong: every seal in it opens. But the key lies in another
place, and whoever puts a database back leaves the number that lies beside the key as it was.

The number in the database is sealed, bound to the ids of all accounts: who can write the database, and has read today's, can
neither make up a higher number nor carry today's into yesterday's copy.
"""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import os
import secrets
import shlex
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facelab.errors import FacelabError
from facelab.files import atomic_write, parse_json_object
from facelab.webapp.vault import Vault, check_key

if TYPE_CHECKING:
    from facelab.webapp.account_store import AccountStore

_LOG = logging.getLogger(__name__)
_ID_BYTES = 8  # of a database
COUNT_KEY = "changes"  #: of the table ``about``


@dataclass(frozen=True)
class ChangeCount:
    """What is sealed into the database.

    Attributes:
        database: random, the same in all copies of a database; one key may seal several databases.
        changes: how many transactions added or deleted accounts.
    """

    database: str
    changes: int


class ChangeCounter:
    """The counter of one database; ``watch_changes`` makes it.

    Args:
        vault: of the database's key.
        key_file: beside which the second number lies.
        folder: of the database, for people who read the file beside the key.
        count: as it stands.
    """

    def __init__(self, vault: Vault, key_file: Path, folder: Path, count: ChangeCount) -> None:
        self._vault, self._folder, self.count = vault, folder, count
        self.file = counter_file(key_file, count.database)

    def write(self, change: sqlite3.Connection, changes: int) -> ChangeCount:
        """The last step of a transaction: seal a number for the accounts that there are now; the count to be kept."""
        count = replace(self.count, changes=changes)
        sealed = self._vault.seal(json.dumps(vars(count)).encode(), COUNT_KEY, accounts_digest(change))
        change.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (COUNT_KEY, sealed))
        return count

    def keep(self, count: ChangeCount) -> None:
        """Write the number beside the key, once the disk has the transaction.

        That is done and stays so: where this file cannot be written, the log says so, and the next change writes it.
        """
        self.count = count
        try:
            known = read_counter(self.file)
            if known is None or known.changes < count.changes:
                content = vars(count) | {"folder": str(self._folder.resolve())}
                with atomic_write(self.file) as partial:
                    partial.write_text(json.dumps(content), encoding="utf-8")
        except FacelabError as error:
            _LOG.error("%s", error)


def watch_changes(store: AccountStore, vault: Vault, key_file: Path) -> ChangeCount:
    """Refuse a key or a copy of the database that does not belong, and count its changes from now on; the count so far.

    A database whose number is the higher one is right: power was lost between the two.

    Raises:
        FacelabError: the key is another one; an older copy was put back; the accounts were changed by another program.
    """
    check_key(store, vault)
    found = read_count(store, vault)
    if found is None and store.count_accounts():
        raise FacelabError(f"{store.path} has accounts, but its counter of changes is gone.", _restore_remedy(store))
    count = found or new_count()
    counter = ChangeCounter(vault, key_file, store.path.parent, count)
    known = read_counter(counter.file)
    if known is not None and known.changes > count.changes:
        missing = known.changes - count.changes
        raise FacelabError(
            f"{store.path} is an older copy: {missing} {'change is' if missing == 1 else 'changes are'} missing (sign-ups, "
            "deletions), and deleted accounts may be back.",
            _restore_remedy(store),
        )
    if store.is_read_only:
        return count
    if known is None and count.changes:
        _LOG.warning("%s is missing: %s is taken for the newest copy, which cannot be told.", counter.file, store.path)
    store.start_counting(counter)
    return count


def new_count() -> ChangeCount:
    """Of a database that is begun."""
    return ChangeCount(secrets.token_hex(_ID_BYTES), 0)


def read_count(store: AccountStore, vault: Vault) -> ChangeCount | None:
    """The count in a database whose key fits; None where none was begun.

    Raises:
        FacelabError: it does not belong to the accounts that are there.
    """
    sealed = store.read_value(COUNT_KEY)
    if sealed is None:
        return None
    try:
        return ChangeCount(**json.loads(vault.open(sealed, COUNT_KEY, store.accounts_digest())))
    except FacelabError as error:
        raise FacelabError(
            f"The accounts in {store.path} are not those that facelab kept: another program added or removed some.",
            _restore_remedy(store),
        ) from error


def accounts_digest(connection: sqlite3.Connection) -> str:
    """SHA-256 of the ids of all accounts: another set of accounts has another one."""
    rows = connection.execute("SELECT id FROM accounts ORDER BY id").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def counter_file(key_file: Path, database: str) -> Path:
    """Where the number of a database lies."""
    return key_file.with_name(f"{key_file.name}.{database}.counter")


def counter_files(key_file: Path) -> list[Path]:
    """Those of all databases of a key, and none of another key whose name begins as this one's."""
    name = counter_file(Path(glob.escape(key_file.name)), "[0-9a-f]" * (2 * _ID_BYTES)).name
    return sorted(key_file.parent.glob(name))


def counter_files_of_folder(key_file: Path, folder: Path) -> list[Path]:
    """Those that were written for a database in this folder."""
    return [file for file in counter_files(key_file) if _read(file)["folder"] == str(folder.resolve())]


def read_counter(file: Path) -> ChangeCount | None:
    """The count beside the key; None where there is none.

    Raises:
        FacelabError: the file cannot be read, or holds no count.
    """
    content = _read(file) if file.exists() else None
    return None if content is None else ChangeCount(content["database"], content["changes"])


def _read(file: Path) -> dict[str, object]:
    try:
        content = parse_json_object(file.read_bytes())
        if {name: type(value) for name, value in content.items()} != {"database": str, "changes": int, "folder": str}:
            raise ValueError("no count")
        return content
    except (OSError, ValueError) as error:
        raise FacelabError(
            f"{file} does not tell how many changes there were ({error}).",
            "Put it back; without it (delete it) nobody can tell an older copy of the database.",
        ) from error


def _restore_remedy(store: AccountStore) -> str:
    own, folder = (shlex.quote(os.fspath(path)) for path in (store.path, store.path.parent))
    return (
        "Put the newest copy back, or accept the accounts of this one: "
        f"facelab accounts restore {own} --folder {folder} --yes"
    )
