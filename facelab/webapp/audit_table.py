"""The rows of the audit: what happened, when and to which account, without a picture, a score or a name."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from facelab.webapp.trusted_time import readable_time

#: Newest rows beyond which those that name no account go: a stranger can write one with each question. With some 50 bytes a
#: row these are five megabytes.
KEPT_STRANGE_EVENTS = 100_000
EVENT_COLUMNS = f"{readable_time('time')}, CAST(event AS TEXT), CAST(outcome AS TEXT)"  #: of ``AuditEvent``


@dataclass(frozen=True)
class AuditEvent:
    """A row of the audit."""

    time: float
    event: str
    outcome: str


def add_event(change: sqlite3.Connection, now: float, event: str, outcome: str, account_id: str | None) -> None:
    """Write a row within a transaction; an account that was deleted meanwhile is not named."""
    change.execute(
        "INSERT INTO audit (time, event, outcome, account) VALUES (?, ?, ?, (SELECT id FROM accounts WHERE id = ?))",
        (now, event, outcome, account_id),
    )
    change.execute(
        "DELETE FROM audit WHERE account IS NULL AND number <= (SELECT max(number) FROM audit) - ?",
        (KEPT_STRANGE_EVENTS,),
    )
