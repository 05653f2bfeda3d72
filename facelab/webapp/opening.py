"""Opening what a service keeps: the key and the database, for the server and for the person who runs it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from facelab.errors import FacelabError
from facelab.paths import file_in_the_way
from facelab.webapp.account_store import AccountStore
from facelab.webapp.change_counter import watch_changes
from facelab.webapp.database import require_database
from facelab.webapp.settings import Settings
from facelab.webapp.vault import Vault, open_vault


def open_folder(settings: Settings) -> tuple[Vault, AccountStore]:
    """Key and database of a service, both made where there are none.

    Raises:
        FacelabError: one of them cannot be used (``vault.open_vault``, ``database.Database``).
    """
    blocker = file_in_the_way(settings.folder)
    if blocker is not None:  # before a key is made for it
        raise FacelabError(
            f"{settings.folder} cannot be used: {blocker} is not a folder.", "Name another one (--folder)."
        )
    return open_vault(settings.key_file, settings.folder), AccountStore(settings.folder)


@contextmanager
def open_accounts(settings: Settings) -> Iterator[tuple[Vault, AccountStore]]:
    """Key and database that are there and belong together, while the block lasts and no service runs.

    Raises:
        FacelabError: a service runs, there is no database, or it or the key cannot be used.
    """
    require_database(settings.folder)
    vault, store = open_folder(settings)
    with closing(store), tell_what_fails(store):
        watch_changes(store, vault, settings.key_file)
        yield vault, store


@contextmanager
def tell_what_fails(store: AccountStore) -> Iterator[None]:
    """Errors of SQLite, such as a full disk, as one line for a person."""
    try:
        yield
    except sqlite3.Error as error:
        raise FacelabError(
            f"{store.path} cannot be used ({error}).", "Free some space, or check the rights of its folder."
        ) from error
