"""What is kept: accounts, sealed templates, and an audit that holds no picture, score or name."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from facelab.errors import FacelabError
from facelab.webapp.audit_table import EVENT_COLUMNS, AuditEvent, add_event
from facelab.webapp.database import mark_erase_due
from facelab.webapp.keyed_database import SealedValue
from facelab.webapp.problems import Problem
from facelab.webapp.seen_table import SeenTable, add_visit, forget_old_visits
from facelab.webapp.trusted_time import DAY, NEWEST_TIME, TimeReading, accept_time, known_time, read_time, readable_time

_SEALED = (
    "SELECT account, name, key, consent, findable, fingerprint, sealed, factor "
    "FROM templates JOIN accounts ON id = account"
)


# of the right types, and times that are dates, whatever a damaged row holds
_ACCOUNT = (
    f"id, CAST(name AS TEXT), CAST(key AS TEXT), {readable_time('created')}, {readable_time('last_login')}, "
    "CAST(consent AS TEXT), findable, CAST(factor AS TEXT)"
)
_WRITTEN_TIMES = (("accounts", "created"), ("accounts", "last_login"), ("seen", "time"), ("audit", "time"))


@dataclass(frozen=True)
class Account:
    """One account.

    Attributes:
        id: random, never used again.
        name: as its owner wrote it.
        name_key: as it is compared, ``account_names.comparison_key``.
        created, last_login: seconds since 1970; None where nobody logged in yet.
        consent_version: of the text that was agreed to, at ``created``.
        findable: whether who-am-I may tell the name.
        factor: kind of its second factor (``second_factor.KINDS``).
    """

    id: str
    name: str
    name_key: str
    created: float
    last_login: float | None
    consent_version: str
    findable: bool
    factor: str

    def days_left(self, now: float, idle_days: float) -> float:
        """Days until it is deleted where nobody logs in to it; negative where that is due."""
        return idle_days - (now - (self.created if self.last_login is None else self.last_login)) / DAY


@dataclass(frozen=True)
class SealedTemplate:
    """A sealed template, and whose it is.

    Attributes:
        account_id, name, name_key, consent_version, findable, fingerprint, factor: as ``AccountStore.add_account`` was given
            them.
        sealed_bytes: of the vault.
    """

    account_id: str
    name: str
    name_key: str
    consent_version: str
    findable: bool
    fingerprint: str
    sealed_bytes: bytes
    factor: str

    @property
    def bound_to(self) -> tuple[str | bool, ...]:
        """What the vault binds it to: all the rest. With the kind of second factor, so that nobody takes it away."""
        told = self.account_id, self.name, self.name_key, self.consent_version, bool(self.findable)
        return *told, self.fingerprint, self.factor


@dataclass(frozen=True)
class SealedFactor:
    """The second factor of an account.

    Attributes:
        account_id: whose it is.
        kind: of ``second_factor.KINDS``.
        sealed_bytes: of the vault: what it is checked by; None for the kind ``none``.
    """

    account_id: str
    kind: str
    sealed_bytes: bytes | None

    @property
    def bound_to(self) -> tuple[str, ...]:
        """What the vault binds it to."""
        return "second factor", self.account_id, self.kind


class AccountStore(SeenTable):
    """The accounts in a database; how it is opened: see ``Database``."""

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
        factor: str = "none",
        factor_sealed: bytes | None = None,
        seen_sealed: bytes | None = None,
    ) -> None:
        """A new account with its template, its second factor and its row in the audit, in one transaction.

        Args:
            account_id: of ``new_account_id``.
            name: as it is shown.
            name_key: what no other account has (``account_names.comparison_key``).
            consent_version: of the text that was agreed to.
            findable: whether who-am-I may tell the name.
            fingerprint: of the embedder.
            sealed_bytes: the template, sealed and bound to all of the above and to ``factor``.
            factor: kind of the second factor.
            factor_sealed: what that is checked by, sealed and bound as ``SealedFactor`` says.
            seen_sealed: what its shots left behind, sealed and bound as ``seen_table.seen_frames_binding`` says.

        Raises:
            Problem: ``name_taken``.
        """
        with self._counted_change() as change:
            now = read_time(change, self._clock).trusted
            if change.execute("SELECT 1 FROM accounts WHERE key = ?", (name_key,)).fetchone():
                raise Problem("name_taken")
            change.execute(
                "INSERT INTO accounts VALUES (?, ?, ?, ?, NULL, ?, ?, ?, ?)",
                (account_id, name, name_key, now, consent_version, findable, factor, factor_sealed),
            )
            change.execute("INSERT INTO templates VALUES (?, ?, ?)", (account_id, fingerprint, sealed_bytes))
            if seen_sealed is not None:
                add_visit(change, now, account_id, seen_sealed)
            add_event(change, now, "sign_up", "ok", account_id)

    def has_name(self, name_key: str) -> bool:
        """Whether a name is taken."""
        return bool(self._rows("SELECT 1 FROM accounts WHERE key = ?", name_key))

    def find_account(self, account_id: str) -> Account | None:
        """An account by its id; None where it was deleted."""
        rows = self._rows(f"SELECT {_ACCOUNT} FROM accounts WHERE id = ?", account_id)
        return _account(rows[0]) if rows else None

    def list_accounts(self) -> list[Account]:
        """All accounts, oldest first."""
        return [_account(row) for row in self._rows(f"SELECT {_ACCOUNT} FROM accounts ORDER BY created, name")]

    def sealed_values(self) -> Iterator[SealedValue]:
        """As ``SeenTable.sealed_values``, with templates and second factors."""
        yield from super().sealed_values()
        for one in [SealedTemplate(*row) for row in self._rows(_SEALED)]:
            update = "UPDATE templates SET sealed = ? WHERE account = ? AND fingerprint = ?"
            row = one.account_id, one.fingerprint
            yield SealedValue("template", update, row, one.sealed_bytes, one.bound_to)
        query = "SELECT id, factor, factor_sealed FROM accounts WHERE factor_sealed IS NOT NULL"
        for one in [SealedFactor(*row) for row in self._rows(query)]:
            update = "UPDATE accounts SET factor_sealed = ? WHERE id = ?"
            yield SealedValue("second factor", update, (one.account_id,), one.sealed_bytes, one.bound_to)

    def find_template(self, name_key: str, fingerprint: str) -> SealedTemplate | None:
        """The template of a name for an embedder; None where there is none."""
        rows = self._rows(f"{_SEALED} WHERE key = ? AND fingerprint = ?", name_key, fingerprint)
        return SealedTemplate(*rows[0]) if rows else None

    def find_factor(self, name_key: str) -> SealedFactor | None:
        """The second factor of a name; None where there is no such account."""
        rows = self._rows("SELECT id, factor, factor_sealed FROM accounts WHERE key = ?", name_key)
        return SealedFactor(*rows[0]) if rows else None

    def replace_factor(self, factor: SealedFactor, sealed_bytes: bytes) -> bool:
        """Keep a second factor in place of the one that was read; False where another one has come meanwhile."""
        query = "UPDATE accounts SET factor_sealed = ? WHERE id = ? AND factor = ? AND factor_sealed = ?"
        with self._change() as change:
            replaced = change.execute(query, (sealed_bytes, factor.account_id, factor.kind, factor.sealed_bytes))
            if replaced.rowcount:
                mark_erase_due(change)
            return replaced.rowcount > 0

    def count_accounts_with_other_factor(self, kind: str) -> int:
        """How many accounts have a second factor of another kind."""
        return self._rows("SELECT count(*) FROM accounts WHERE factor <> ?", kind)[0][0]

    def findable_templates(self, fingerprint: str) -> list[SealedTemplate]:
        """The templates of all who agreed to be found, for an embedder."""
        return [
            SealedTemplate(*row) for row in self._rows(f"{_SEALED} WHERE findable AND fingerprint = ?", fingerprint)
        ]

    def count_templates(self, account_id: str) -> int:
        """How many templates an account has."""
        return self._rows("SELECT count(*) FROM templates WHERE account = ?", account_id)[0][0]

    def count_templates_by_fingerprint(self) -> dict[str, int]:
        """How many templates each embedder has, by its fingerprint."""
        return dict(self._rows("SELECT fingerprint, count(*) FROM templates GROUP BY fingerprint"))

    def count_accounts_without_template(self, fingerprint: str) -> int:
        """How many accounts have no template of this embedder."""
        query = "SELECT count(*) FROM accounts WHERE id NOT IN (SELECT account FROM templates WHERE fingerprint = ?)"
        return self._rows(query, fingerprint)[0][0]

    def record_event(
        self, event: str, outcome: str, account_id: str | None = None, seen_sealed: bytes | None = None
    ) -> None:
        """Write a row of the audit; ``log_in`` ``ok`` also becomes the account's last log-in, with what its frames left behind.

        An account that was deleted meanwhile is not named.
        """
        with self._change() as change:
            now = read_time(change, self._clock).trusted
            if event == "log_in" and outcome == "ok":
                change.execute("UPDATE accounts SET last_login = ? WHERE id = ?", (now, account_id))
            if seen_sealed is not None:
                add_visit(change, now, account_id, seen_sealed)
            add_event(change, now, event, outcome, account_id)

    def account_events(self, account_id: str) -> list[AuditEvent]:
        """All rows of the audit about an account, newest first."""
        query = f"SELECT {EVENT_COLUMNS} FROM audit WHERE account = ? ORDER BY number DESC"
        return [AuditEvent(*row) for row in self._rows(query, account_id)]

    def delete_account(self, account_id: str) -> bool:
        """Delete an account and its template for good; its audit rows stay, without saying whose they are."""
        with self._counted_change() as change:
            gone = change.execute("DELETE FROM accounts WHERE id = ?", (account_id,)).rowcount > 0
            if gone:
                mark_erase_due(change)
                add_event(change, read_time(change, self._clock).trusted, "delete", "ok", None)
        if gone:
            self._erase_copies()
        return gone

    def read_clock(self) -> TimeReading:
        """The clock beside the newest time that was seen."""
        return TimeReading(self._clock(), known_time(self.read_value(NEWEST_TIME)))

    def purge(self, idle_days: float, audit_days: float) -> list[Account]:
        """Delete accounts that nobody logged in to for so many days, and old rows of the audit; which accounts.

        What visits left behind is forgotten with its time, too. Whatever was deleted since the last time is erased.

        Raises:
            FacelabError: the clock cannot be right; nobody is deleted, and a row of the audit says so.
        """
        with self._counted_change() as change:
            reading = read_time(change, self._clock)
            clock, now = reading.clock, reading.trusted
            last_seen = "coalesce(last_login, created)"
            idle = f"FROM accounts WHERE {last_seen} < ?"
            if reading.is_plausible:
                old = change.execute("DELETE FROM audit WHERE time < ?", (now - DAY * audit_days,)).rowcount
                before = (now - DAY * idle_days,)
                gone = [_account(row) for row in change.execute(f"SELECT {_ACCOUNT} {idle}", before)]
                change.execute(f"DELETE {idle}", before)
                forgotten = forget_old_visits(change, now)
                if gone or forgotten or old:
                    mark_erase_due(change)
                for _ in gone:
                    add_event(change, now, "purge", "ok", None)
            else:
                query = (
                    f"SELECT count(*) {idle} AND {last_seen} IS NOT ?"  # who came since is not: see ``accept_clock``
                )
                staying = change.execute(query, (clock - DAY * idle_days, reading.newest)).fetchone()[0]
                add_event(change, now, "purge", "wrong_clock", None)
        self._erase_copies()
        if not reading.is_plausible:
            raise FacelabError(
                f"{reading.fault} in {self.path}: idle accounts stay, {staying} of them by this clock.",
                "Set the clock; if it is right, start once with --clock-is-right, which deletes them.",
            )
        return gone

    def accept_clock(self) -> None:
        """Take the clock's time for right, however far it is from the newest that was seen.

        As long as it was not believed, everything was written with the newest time: who signed up or logged in then would look
        idle now. Whatever has exactly that time gets the clock's, the last event before included.
        """
        with self._change() as change:
            reading = read_time(change, self._clock)
            if not reading.is_plausible:
                for table, column in _WRITTEN_TIMES:
                    change.execute(
                        f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (reading.clock, reading.newest)
                    )
            accept_time(change, reading.clock)


def _account(row: tuple) -> Account:
    return Account(*row[:6], bool(row[6]), row[7])
