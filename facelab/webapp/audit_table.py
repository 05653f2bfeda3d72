"""The rows of the audit: what happened, when and to which account, without a picture, a score or a name."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from facelab.webapp.database import mark_erase_due
from facelab.webapp.trusted_time import readable_time

#: Newest rows beyond which those that name no account go: a stranger can write one with each question. With some 50 bytes a
#: row these are five megabytes.
KEPT_STRANGE_EVENTS = 100_000
#: Newest rows of an account that others can cause (all but those with the outcome ``ok``): so its owner can be shown all rows,
#: and nobody pushes a log-in that let somebody in out of sight.
KEPT_EVENTS_BY_OTHERS = 500
EVENT_COLUMNS = f"{readable_time('time')}, CAST(event AS TEXT), CAST(outcome AS TEXT)"  #: of ``AuditEvent``


@dataclass(frozen=True)
class AuditEvent:
    """A row of the audit."""

    time: float
    event: str
    outcome: str


def add_event(change: sqlite3.Connection, now: float, event: str, outcome: str, account_id: str | None) -> None:
    """Write a row within a transaction, where need be in place of the oldest; a deleted account is not named."""
    change.execute(
        "INSERT INTO audit (time, event, outcome, account) VALUES (?, ?, ?, (SELECT id FROM accounts WHERE id = ?))",
        (now, event, outcome, account_id),
    )
    change.execute(
        "DELETE FROM audit WHERE account IS NULL AND number <= (SELECT max(number) FROM audit) - ?",
        (KEPT_STRANGE_EVENTS,),
    )
    by_others = "FROM audit WHERE account = ? AND outcome <> 'ok'"
    oldest_kept = f"(SELECT number {by_others} ORDER BY number DESC LIMIT 1 OFFSET ?)"
    older = change.execute(
        f"DELETE {by_others} AND number < {oldest_kept}", (account_id, account_id, KEPT_EVENTS_BY_OTHERS - 1)
    )
    if older.rowcount:
        mark_erase_due(change)
