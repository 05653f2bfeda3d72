"""What the person who runs the service does with single accounts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from facelab.errors import FacelabError, nearest_name
from facelab.terminal import printable
from facelab.webapp.account_names import comparison_key
from facelab.webapp.account_store import Account, AccountStore
from facelab.webapp.opening import open_accounts, tell_what_fails
from facelab.webapp.problems import Problem
from facelab.webapp.settings import Settings


def read_accounts(folder: Path) -> tuple[list[Account], float]:
    """All accounts of a folder, oldest first, and the time that counts for them, in seconds since 1970.

    Raises:
        FacelabError: there is no database, or it cannot be read.
    """
    with closing(AccountStore(folder, read_only=True)) as store, tell_what_fails(store):
        return store.list_accounts(), store.read_clock().trusted


def delete_named_account(settings: Settings, name: str) -> tuple[str, bool]:
    """Delete an account for good, as its owner can.

    Args:
        settings: of the service, which must not run.
        name: as it is shown, or as its owner could write it at a log-in. A damaged one is found as the list shows it.

    Returns:
        Its name as it was shown, and whether traces of it may still be in the file, as where the disk is full.

    Raises:
        FacelabError: there is no such account, or several are shown alike, or the database cannot be changed.
    """
    with open_accounts(settings) as (_, store):
        accounts = store.list_accounts()
        found = [one for one in accounts if name in (one.name, printable(one.name))]
        found = found or [one for one in accounts if one.name_key == _comparison_key(name)]
        if not found:
            known = [one.name for one in accounts]
            raise FacelabError(
                f"There is no account {name!r}.{nearest_name(name, known)}", "See: facelab accounts list."
            )
        if len(found) > 1:
            raise FacelabError(
                f"{len(found)} accounts are shown as {name!r}.", "Restore a backup: the names were changed."
            )
        store.delete_account(found[0].id)
        return found[0].name, store.has_traces


def _comparison_key(name: str) -> str | None:
    try:
        return comparison_key(name)
    except Problem:  # no name that anybody can sign up with
        return None
