"""``facelab app --check``: what a start would find, and what a purge would remove. Nothing is changed, and nothing listens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from facelab.errors import FacelabError
from facelab.exchange.embedders import Embedder
from facelab.webapp.account_store import AccountStore
from facelab.webapp.calibration import default_calibration_file, read_calibration
from facelab.webapp.change_counter import counter_file, watch_changes
from facelab.webapp.database import require_database
from facelab.webapp.liveness_file import default_liveness_file, read_liveness
from facelab.webapp.opening import tell_what_fails
from facelab.webapp.settings import Settings
from facelab.webapp.trusted_time import DAY, written_date
from facelab.webapp.vault import Vault, check_key, next_key_file, open_vault

_HORIZON_DAYS = 30  # of the announcement


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: what was looked at.
        text: what was found.
        is_fault: whether somebody has to do something about it.
    """

    subject: str
    text: str
    is_fault: bool = False


def check_accounts(settings: Settings, embedders: dict[str, str]) -> list[Finding]:
    """Look at database, key, counter, clock, accounts and what is sealed; a service may be running.

    Args:
        settings: of the service.
        embedders: names of those that are known, by fingerprint.

    Raises:
        FacelabError: there is no database or no key, or they cannot be read at all.
    """
    require_database(settings.folder)  # before a key is made for it
    if next_key_file(settings.key_file).exists():  # to open the database would end that
        return [Finding("key", "a change of the key was cut off; the next start of facelab app ends it", True)]
    vault = open_vault(settings.key_file, settings.folder)
    with closing(AccountStore(settings.folder, read_only=True)) as store, tell_what_fails(store):
        return list(_findings(settings, store, vault, embedders))


def check_measurements(embedder: Embedder, calibration: Path | None) -> list[Finding]:
    """Look at what was measured: calibration and liveness detector. Arguments as ``server.new_service``."""
    looked_at = {
        "calibration": lambda: read_calibration(calibration or default_calibration_file(embedder.name), embedder),
        "liveness": lambda: read_liveness(default_liveness_file()),
    }
    findings = []
    for subject, read in looked_at.items():
        try:
            findings.append(Finding(subject, str(read())))
        except FacelabError as error:
            findings.append(Finding(subject, str(error), True))
    return findings


def _findings(settings: Settings, store: AccountStore, vault: Vault, embedders: dict[str, str]) -> Iterator[Finding]:
    faults = store.integrity_faults()
    yield Finding("database", "; ".join(faults) or "sound", bool(faults))
    try:
        check_key(store, vault)
    except FacelabError as error:
        yield Finding("key", str(error), True)
        return  # nothing else can be told without it
    yield Finding("key", "fits")
    try:
        count = watch_changes(store, vault, settings.key_file)
        is_known = counter_file(settings.key_file, count.database).exists()
        beside = "none missing" if is_known else "nothing beside the key to compare it with"
        yield Finding("counter", f"at {count.changes}, {beside}")
    except FacelabError as error:
        yield Finding("counter", str(error), True)
    yield _clock_finding(store)
    templates = store.count_templates_by_fingerprint()
    by_embedder = ", ".join(
        f"{count} of {embedders.get(one, f'embedder {one[:12]}')}" for one, count in templates.items()
    )
    yield Finding("accounts", f"{store.count_accounts()}; templates: {by_embedder or 'none'}")
    yield _sealed_finding(store, vault)
    yield _purge_finding(store, settings.idle_days)


def _clock_finding(store: AccountStore) -> Finding:
    reading = store.read_clock()
    if reading.is_plausible:
        return Finding("clock", f"plausible ({written_date(reading.clock)})")
    return Finding("clock", f"{written_date(reading.clock)}. {reading.fault} in the database: no purge", True)


def _sealed_finding(store: AccountStore, vault: Vault) -> Finding:
    closed: Counter[str] = Counter()
    for value in store.sealed_values():
        try:
            vault.open(value.sealed_bytes, *value.bound_to)
        except FacelabError:
            closed[value.kind] += 1
    if not closed:
        return Finding("sealed", "everything opens")
    what = ", ".join(f"{kind}: {count}" for kind, count in closed.items())
    return Finding("sealed", f"damaged or changed, they do not open ({what})", True)


def _purge_finding(store: AccountStore, idle_days: float) -> Finding:
    now = store.read_clock().trusted
    left = [account.days_left(now, idle_days) for account in store.list_accounts()]
    horizon_date = written_date(now + _HORIZON_DAYS * DAY)
    due, soon = (sum(days < horizon for days in left) for horizon in (0, _HORIZON_DAYS))
    return Finding(
        "purge",
        f"accounts idle for {idle_days:g} days: {due} now, {soon} by {horizon_date} unless they log in",
    )
