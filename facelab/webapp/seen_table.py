"""The rows of what visits left behind, see ``seen_frames``: sealed, bounded for each account, and gone with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from facelab.webapp.database import mark_erase_due
from facelab.webapp.keyed_database import KeyedDatabase, SealedValue
from facelab.webapp.trusted_time import DAY

#: Visits of an account that are kept. Each one more is one more that an honest owner may resemble by chance.
KEPT_VISITS = 8
KEPT_DAYS = 30.0  #: and for how long


@dataclass(frozen=True)
class SealedSeenFrames:
    """What a visit left behind, sealed.

    Attributes:
        number: of the row.
        account_id: whose visit it was.
        sealed_bytes: of the vault.
    """

    number: int
    account_id: str
    sealed_bytes: bytes

    @property
    def bound_to(self) -> tuple[str, ...]:
        """What the vault binds it to."""
        return seen_frames_binding(self.account_id)


def seen_frames_binding(account_id: str) -> tuple[str, ...]:
    """What the vault binds the frames of an account's visits to."""
    return "seen frames", account_id


class SeenTable(KeyedDatabase):
    """The part of the store that has these rows."""

    def seen_frames(self, account_id: str) -> list[SealedSeenFrames]:
        """Of the visits of an account that are kept, oldest first."""
        query = "SELECT number, account, sealed FROM seen WHERE account = ? ORDER BY number"
        return [SealedSeenFrames(*row) for row in self._rows(query, account_id)]

    def sealed_values(self) -> Iterator[SealedValue]:
        """As ``KeyedDatabase.sealed_values``, with these rows."""
        yield from super().sealed_values()
        for one in [SealedSeenFrames(*row) for row in self._rows("SELECT number, account, sealed FROM seen")]:
            update = "UPDATE seen SET sealed = ? WHERE number = ?"
            yield SealedValue("seen frames", update, (one.number,), one.sealed_bytes, one.bound_to)


def add_visit(change: sqlite3.Connection, now: float, account_id: str, sealed: bytes) -> None:
    """Keep what a visit left behind, in place of the oldest one; nothing where the account was deleted meanwhile."""
    change.execute(
        "INSERT INTO seen (account, time, sealed) SELECT id, ?, ? FROM accounts WHERE id = ?", (now, sealed, account_id)
    )
    newest = "SELECT number FROM seen WHERE account = ? ORDER BY number DESC LIMIT ?"
    older = change.execute(
        f"DELETE FROM seen WHERE account = ? AND number NOT IN ({newest})", (account_id, account_id, KEPT_VISITS)
    )
    if older.rowcount:
        mark_erase_due(change)


def forget_old_visits(change: sqlite3.Connection, now: float) -> int:
    """Forget what is older than ``KEPT_DAYS``; how many visits."""
    return change.execute("DELETE FROM seen WHERE time < ?", (now - DAY * KEPT_DAYS,)).rowcount
