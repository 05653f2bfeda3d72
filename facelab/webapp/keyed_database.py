"""What in the database hangs on the key: all that is sealed, and the counter of changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from facelab.errors import FacelabError
from facelab.webapp.change_counter import COUNT_KEY, ChangeCounter, accounts_digest
from facelab.webapp.database import Database, mark_erase_due
from facelab.webapp.vault import CHECK_KEY, Vault

_UPDATE_ABOUT = "UPDATE about SET value = ? WHERE key = ?"


@dataclass(frozen=True)
class SealedValue:
    """One sealed value, and how another takes its place.

    Attributes:
        kind: what it is, for people.
        update: statement of SQL; its first parameter is the new value, the others are ``row``.
        row: which row it is in.
        sealed_bytes: of the vault.
        bound_to: what the vault binds it to.
    """

    kind: str
    update: str
    row: tuple[object, ...]
    sealed_bytes: bytes
    bound_to: tuple[str | bool, ...]


class KeyedDatabase(Database):
    """A database some of whose values are sealed, and whose accounts are counted; how it is opened: see ``Database``."""

    _counter: ChangeCounter | None = None

    def start_counting(self, counter: ChangeCounter) -> None:
        """Count from now on, as ``change_counter.watch_changes`` asks."""
        self._counter = counter
        if self.read_value(COUNT_KEY) is None:
            self.write_count(counter)
        counter.keep(counter.count)

    def write_count(self, counter: ChangeCounter) -> None:
        """Take the number of a counter, whatever it was before."""
        with self._change() as change:
            counter.write(change, counter.count.changes)

    def count_accounts(self) -> int:
        """How many accounts there are."""
        return self._rows("SELECT count(*) FROM accounts")[0][0]

    def accounts_digest(self) -> str:
        """Of the ids of all accounts, see ``change_counter.accounts_digest``."""
        with self._lock:
            return accounts_digest(self._connection)

    @contextmanager
    def _counted_change(self) -> Iterator[sqlite3.Connection]:
        """One transaction that may add or delete accounts; where it did, the counter is raised."""
        with self._lock:
            count = None
            with self._change() as change:
                before = accounts_digest(change)
                yield change
                if self._counter is not None and accounts_digest(change) != before:
                    count = self._counter.write(change, self._counter.count.changes + 1)
            if count is not None:
                self._counter.keep(count)

    def sealed_values(self) -> Iterator[SealedValue]:
        """Everything in the database that the vault sealed; a new kind of sealed value has to be named here."""
        for key, binding in ((CHECK_KEY, ""), (COUNT_KEY, self.accounts_digest())):
            sealed = self.read_value(key)
            if sealed is not None:
                yield SealedValue(key, _UPDATE_ABOUT, (key,), sealed, (key, binding))

    def seal_anew(self, vault: Vault, new: Vault) -> tuple[int, int]:
        """Seal everything with another key, in one transaction; how many values, and how many of them did not open before.

        Those are left as they are: nobody can open them with either key.
        """
        sealed = damaged = 0
        with self._change() as change:
            mark_erase_due(change)
            for value in list(self.sealed_values()):
                sealed += 1
                try:
                    plain = vault.open(value.sealed_bytes, *value.bound_to)
                except FacelabError:
                    damaged += 1
                else:
                    change.execute(value.update, (new.seal(plain, *value.bound_to), *value.row))
        self._erase_copies()
        return sealed, damaged
