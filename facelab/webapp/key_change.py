"""A new key in place of the old one. At no moment is there a database whose key is gone.

The new key is on the disk, beside the old one, before the database is sealed with it in one transaction; only then does it take
the old one's place. Where this is cut off, the next start asks the database which key is right (``vault.finish_key_change``).
"""

from __future__ import annotations

from dataclasses import dataclass

from facelab.errors import FacelabError
from facelab.files import sync_path
from facelab.webapp.change_counter import counter_file, counter_files, read_count
from facelab.webapp.opening import open_accounts
from facelab.webapp.settings import Settings
from facelab.webapp.vault import make_key_file, next_key_file, read_vault, remove_partial_keys


@dataclass(frozen=True)
class KeyChange:
    """What came of a change of the key.

    Attributes:
        sealed: how many values were sealed with the old key.
        damaged: how many of them did not open; they were left as they are.
    """

    sealed: int
    damaged: int


def change_key(settings: Settings) -> KeyChange:
    """Draw a new key, seal everything with it, and remove the old one.

    Raises:
        FacelabError: a service runs, the key also belongs to another database, or something cannot be read or written.
    """
    key_file = settings.key_file
    with open_accounts(settings) as (vault, store):
        own = read_count(store, vault)
        others = [path for path in counter_files(key_file) if path != counter_file(key_file, own.database)]
        if others:
            raise FacelabError(
                f"The key {key_file} belongs to another database, too ({others[0]} tells which), and would be lost for it.",
                "Delete that file if its database is gone for good; else copy the key, and name the copy for this folder "
                "(FACELAB_KEY_FILE).",
            )
        following = next_key_file(key_file)
        try:
            make_key_file(following)
            sealed, damaged = store.seal_anew(vault, read_vault(following))
            following.replace(key_file.resolve())
            remove_partial_keys(key_file)
            sync_path(following.parent)
        except OSError as error:
            raise FacelabError(
                f"{following} cannot be written ({error.strerror or error}).",
                "Free some space, or check the rights of its folder.",
            ) from error
        store.record_event("new_key", "ok")
    return KeyChange(sealed, damaged)
