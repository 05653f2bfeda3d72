"""What tests of the operator's side share: a folder with accounts, sealed as the service seals them, without a camera."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

from facelab.errors import FacelabError
from facelab.webapp.account_store import AccountStore, SealedFactor, SealedTemplate
from facelab.webapp.change_counter import counter_files, watch_changes
from facelab.webapp.database import DATABASE_FILE
from facelab.webapp.opening import open_folder
from facelab.webapp.seen_table import seen_frames_binding
from facelab.webapp.settings import Settings
from facelab.webapp.vault import Vault

FINGERPRINT = "f" * 64


def settings_of(place: Path) -> Settings:
    """Of a folder ``accounts``, with its key beside it."""
    return Settings(place / "accounts", place / "config" / "key")


@contextmanager
def opened(settings: Settings):
    """Vault and store as a start of the service opens them."""
    vault, store = open_folder(settings)
    with closing(store):
        watch_changes(store, vault, settings.key_file)
        yield vault, store


def add(
    vault: Vault, store: AccountStore, name: str, *, template: bytes = b"t" * 512, secret: bytes = b"s" * 32
) -> str:
    """An account with a passphrase and what its sign-up left behind; its id."""
    account = store.new_account_id()
    whose = account, name, name.casefold(), "1", True, FINGERPRINT
    bound = SealedTemplate(*whose, b"", "passphrase").bound_to
    factor = SealedFactor(account, "passphrase", None).bound_to
    seen = vault.seal(b"v" * 64, *seen_frames_binding(account))
    store.add_account(*whose, vault.seal(template, *bound), "passphrase", vault.seal(secret, *factor), seen)
    return account


def begin(place: Path, *names: str) -> Settings:
    """A folder with some accounts."""
    settings = settings_of(place)
    with opened(settings) as (vault, store):
        for name in names:
            add(vault, store, name)
    return settings


def names_in(settings: Settings) -> list[str]:
    """Of the accounts, as a start of the service finds them."""
    with opened(settings) as (_, store):
        return [one.name for one in store.list_accounts()]


def database(settings: Settings) -> Path:
    return settings.folder / DATABASE_FILE


def counter(settings: Settings) -> Path:
    """The only file of a counter beside the key."""
    [file] = counter_files(settings.key_file)
    return file


def change(place: Path, *statements: str) -> None:
    """As ``change_by_hand``, of the service whose folder is in a place."""
    change_by_hand(settings_of(place), *statements)


def audited(place: Path) -> list[tuple[str, str]]:
    """Events and outcomes of the audit of that service, oldest first."""
    with closing(sqlite3.connect(database(settings_of(place)))) as raw:
        return raw.execute("SELECT event, outcome FROM audit ORDER BY number").fetchall()


def change_by_hand(settings: Settings, *statements: str) -> None:
    """As somebody changes the database who can only write that."""
    execute(database(settings), *statements)


def execute(file: Path, *statements: str) -> None:
    """Statements of SQL, by a connection of their own."""
    with closing(sqlite3.connect(file)) as raw:
        for statement in statements:
            raw.execute(statement)
        raw.commit()


def spoil_an_index(file: Path) -> None:
    """What a quick check does not find."""
    execute(
        file,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'audit(account)', 'audit(event)') WHERE name = 'audit_account'",
    )


def closed_values(settings: Settings) -> list[str]:
    """Kinds of sealed values that do not open."""
    with opened(settings) as (vault, store):
        return [value.kind for value in store.sealed_values() if not opens(vault, value)]


def opens(vault: Vault, value) -> bool:
    try:
        vault.open(value.sealed_bytes, *value.bound_to)
    except FacelabError:
        return False
    return True
