"""Copies of the database: made beside a running service, and put back in place of the present one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from facelab.errors import FacelabError
from facelab.files import lock_folder, sync_path
from facelab.webapp.account_store import Account, AccountStore
from facelab.webapp.change_counter import (
    ChangeCount,
    ChangeCounter,
    counter_file,
    counter_files_of_folder,
    new_count,
    read_count,
    read_counter,
)
from facelab.webapp.database import DATABASE_FILE, STAGING_PREFIX, find_fault, make_private_folder
from facelab.webapp.opening import tell_what_fails
from facelab.webapp.settings import Settings
from facelab.webapp.vault import Vault, check_key, next_key_file, open_vault

_ANOTHER = "Name a file that facelab accounts backup made."


def write_backup(folder: Path, target: Path) -> int:
    """Copy the database of a folder, which a service may be using, to a new file for its owner alone; how many accounts.

    The key is not in it.

    Raises:
        FacelabError: there is no database, the file is there already or would lie in the folder, or it cannot be written.
    """
    if folder.resolve() in target.resolve().parents:
        raise FacelabError(f"{target} lies in the folder of the accounts.", "Name a file in another place.")
    with closing(AccountStore(folder, read_only=True)) as store:
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # claims the name
        except FileExistsError as error:
            raise FacelabError(f"{target} is there already.", "Name a new file, or delete this one.") from error
        except OSError as error:
            raise _cannot_be_written(target, error.strerror or error) from error
        try:
            store.copy_to(target)
            sync_path(target)
            sync_path(target.parent)
        except BaseException as error:
            target.unlink()
            if isinstance(error, (sqlite3.Error, OSError)):
                raise _cannot_be_written(target, error) from error
            raise
        return store.count_accounts()


def _cannot_be_written(target: Path, reason: object) -> FacelabError:
    return FacelabError(f"{target} cannot be written ({reason}).", "Free some space, or name another place.")


@dataclass(frozen=True)
class Restoration:
    """A backup that can be put in place of the present database.

    Attributes:
        accounts: how many it holds.
        missing: how many changes the newest database that was seen has more.
        returning: names of its accounts that the present database does not have: they may have been deleted since.
        lost: names that only the present database has; both are None where that is damaged, or is the backup itself.
    """

    accounts: int
    missing: int
    returning: list[str] | None
    lost: list[str] | None
    _folder: Path
    _key_file: Path
    _store: AccountStore
    _counter: ChangeCounter

    def apply(self) -> None:
        """Put it in place of the present database, whole or not at all. Its number is higher than all before."""
        counters = counter_files_of_folder(self._key_file, self._folder)  # first, since one of them may be damaged
        self._store.write_count(self._counter)
        self._store.record_event("restore", "ok")
        self._store.close()
        path = self._folder / DATABASE_FILE
        # Of a process that was killed: SQLite would take it for the journal of the database that comes now.
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        self._store.path.replace(path)
        sync_path(self._folder)
        self._counter.keep(self._counter.count)
        for file in counters:
            if file != self._counter.file:  # of a database that is gone now
                file.unlink()


@contextmanager
def open_backup(settings: Settings, source: Path) -> Iterator[Restoration]:
    """Check that a backup is ours, sound and fits the key, and say what it would bring back.

    Raises:
        FacelabError: it is not, it cannot be read, there is no key, or a service runs.
    """
    folder, key_file = settings.folder, settings.key_file
    if not key_file.exists() and not next_key_file(key_file).exists():
        raise FacelabError(
            f"There is no key {key_file}, and {source} cannot be opened without it.", "Put it back first."
        )
    vault = open_vault(key_file, folder)
    with ExitStack() as opened:
        make_private_folder(folder)
        opened.enter_context(lock_folder(folder, "facelab app"))
        now = _present_accounts(folder, source)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=folder))
        opened.callback(shutil.rmtree, staging)
        _copy_sound(source, staging / DATABASE_FILE)
        store = opened.enter_context(closing(AccountStore(staging)))
        opened.enter_context(tell_what_fails(store))
        _check(store, vault, source, key_file)
        old, count = _counts(store, vault, key_file, folder)
        then = store.list_accounts()
        yield Restoration(
            len(then),
            count.changes - old.changes,
            None if now is None else _names_missing(then, now),
            None if now is None else _names_missing(now, then),
            folder,
            key_file,
            store,
            # Two more, since the present database may be ahead of the key's side by a change whose number did not get there.
            ChangeCounter(vault, key_file, folder, replace(count, changes=count.changes + 2)),
        )


def _present_accounts(folder: Path, source: Path) -> list[Account] | None:
    """Those of the database that is to be replaced; None where it is damaged, or nothing else than the source."""
    present = folder / DATABASE_FILE
    if not present.exists():
        return []
    if not source.exists() or not present.samefile(source):
        with suppress(FacelabError, sqlite3.Error), closing(AccountStore(folder, read_only=True)) as store:
            return store.list_accounts()
    return None


def _names_missing(some: list[Account], others: list[Account]) -> list[str]:
    ids = {account.id for account in others}
    return [account.name for account in some if account.id not in ids]


def _copy_sound(source: Path, copy: Path) -> None:
    if not source.is_file():
        raise FacelabError(f"There is no file {source}.", _ANOTHER)
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            fault = find_fault(connection)
            if fault is not None:
                raise FacelabError(f"{source} {fault}.", _ANOTHER)
            with closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
    except sqlite3.OperationalError as error:
        raise FacelabError(
            f"{source} cannot be copied to {copy.parent} ({error}).", "Free some space, or check the rights of both."
        ) from error
    except sqlite3.DatabaseError as error:
        raise FacelabError(f"{source} is not a sound database ({error}).", _ANOTHER) from error


def _check(store: AccountStore, vault: Vault, source: Path, key_file: Path) -> None:
    faults = store.integrity_faults()
    if faults:
        raise FacelabError(f"{source} is damaged ({faults[0]}).", _ANOTHER)
    try:
        check_key(store, vault)
    except FacelabError as error:
        raise FacelabError(
            f"{source} was sealed with another key than {key_file}.",
            "Set FACELAB_KEY_FILE to the key of its time, or name another backup.",
        ) from error


def _counts(store: AccountStore, vault: Vault, key_file: Path, folder: Path) -> tuple[ChangeCount, ChangeCount]:
    """The count of the backup, and the highest that was seen of its database."""
    try:
        count = read_count(store, vault)
    except FacelabError:  # another program changed its accounts, and who restores it accepts them
        count = None
    if count is None:
        kept = [read_counter(file) for file in counter_files_of_folder(key_file, folder)]
        count = max(kept, key=lambda one: one.changes, default=new_count())
    known = read_counter(counter_file(key_file, count.database)) or count
    return count, max(count, known, key=lambda one: one.changes)
