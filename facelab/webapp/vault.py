"""Templates are kept sealed: AES-256-GCM with a key that lies outside the folder of the database."""

from __future__ import annotations

import glob
import json
import os
import secrets
import shlex
import stat
from contextlib import closing, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from facelab.errors import FacelabError
from facelab.files import lock_folder, make_folder, sync_path
from facelab.webapp.database import DATABASE_FILE, Database

CHECK_KEY = "check"  #: of the table ``about``: a known text, sealed
_CHECK_TEXT = b"facelab faceid"
_KEY_BYTES = 32
_DRAWN_BYTES = 4  # in the name of a key that is not whole yet
_NONCE_BYTES = 12  # the size that GCM is made for (NIST SP 800-38D, 8.2)


class Vault:
    """Seals and opens small pieces of data.

    A copy of the database alone tells nobody a face. What belongs to a sealed template, such as the name of its account, is
    bound to it as associated data: with another name in that place it does not open.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plaintext: bytes, *bound_to: str | bool) -> bytes:
        """The nonce, fresh each time, then the encrypted data and its tag: 28 bytes longer than ``plaintext``."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, _associated(bound_to))

    def open(self, sealed: bytes, *bound_to: str | bool) -> bytes:
        """What was sealed.

        Raises:
            FacelabError: another key, bound to something else, or changed bytes.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _associated(bound_to))
        except (InvalidTag, ValueError, TypeError) as error:  # TypeError: SQLite gives what it finds, a number, too
            raise FacelabError(
                "What is sealed does not open: the key is another one, or the database was changed.",
                "Put back the key file that belongs to this folder, or start with a new folder.",
            ) from error


def _associated(bound_to: tuple[str | bool, ...]) -> bytes:
    """Bytes that no other tuple has."""
    return json.dumps(bound_to).encode()


def open_vault(key_file: Path, folder: Path) -> Vault:
    """The vault of a key file, which is made for a new database: 32 random bytes that only its owner may read.

    Args:
        key_file: the file.
        folder: of the database; the key must not lie in it, or a copy of one would be a copy of both.

    Raises:
        FacelabError: the key lies in the folder, there is a database and no key, others may read the key, it is none, or it
            cannot be made; or a change of the key was cut off (``finish_key_change``).
    """
    key_file, folder = key_file.absolute(), folder.absolute()
    if folder.resolve() in key_file.resolve().parents:
        raise FacelabError(f"The key {key_file} lies in the folder {folder}.", "Set FACELAB_KEY_FILE to another place.")
    finish_key_change(key_file, folder)
    try:
        if not key_file.exists():
            if (folder / DATABASE_FILE).exists():
                raise FacelabError(
                    f"The key {key_file} is lost, and what {folder} holds cannot be opened without it.",
                    "Put the key file back (FACELAB_KEY_FILE names another place), or name a new folder (--folder).",
                )
            make_key_file(key_file)
        return read_vault(key_file)
    except OSError as error:
        raise FacelabError(
            f"The key {key_file} cannot be used ({error.strerror or error}).",
            "Check the rights of its folder, or set FACELAB_KEY_FILE.",
        ) from error


def check_key(database: Database, vault: Vault) -> None:
    """A wrong key is found at the start, not at the first log-in.

    Raises:
        FacelabError: the key does not belong to the database.
    """
    kept = database.read_value(CHECK_KEY)
    if kept is not None:
        vault.open(kept, CHECK_KEY, "")
    elif not database.is_read_only:
        database.write_value(CHECK_KEY, vault.seal(_CHECK_TEXT, CHECK_KEY, ""))


def next_key_file(key_file: Path) -> Path:
    """Where a new key lies until the database is sealed with it: beside the old one, also where that is reached by a link."""
    own = key_file.resolve()
    return own.with_name(f"{own.name}.next")


def finish_key_change(key_file: Path, folder: Path) -> None:
    """Go on from where a change of the key was cut off: of two keys, the one that opens the database stays.

    Raises:
        FacelabError: there are two keys, and the database is in use, is not there, or opens with neither.
    """
    following = next_key_file(key_file)
    if not following.exists():
        return
    if (folder / DATABASE_FILE).exists():
        with closing(Database(folder, read_only=True)) as database, lock_folder(folder, "facelab app"):
            for path in (following, key_file):
                with suppress(FacelabError, FileNotFoundError):
                    check_key(database, read_vault(path))
                    if path == following:
                        following.replace(key_file.resolve())
                    else:  # it lies where it belongs; a link would be moved over the key that it leads to
                        following.unlink()
                    remove_partial_keys(key_file)
                    sync_path(following.parent)
                    return
    raise FacelabError(
        f"A change of the key {key_file} was cut off, and no database in {folder} tells whether {following.name} is right.",
        "Name the folder whose key was changed (--folder), or another key (FACELAB_KEY_FILE).",
    )


def remove_partial_keys(key_file: Path) -> None:
    """Remove what ``make_key_file`` left beside a key where its process was killed: it may be that key, under another name."""
    own, drawn = key_file.resolve(), "[0-9a-f]" * (2 * _DRAWN_BYTES)
    for name in (own.name, next_key_file(key_file).name):
        for left in own.parent.glob(f".{glob.escape(name)}-{drawn}"):
            left.unlink(missing_ok=True)


def read_vault(path: Path) -> Vault:
    """The vault of a key file that is there.

    Raises:
        OSError: it cannot be read.
        FacelabError: others may read it, or it is no key.
    """
    rights, key = stat.S_IMODE(path.stat().st_mode), path.read_bytes()
    if os.name == "posix" and rights & 0o077:
        raise FacelabError(f"Others may read the key {path} (mode {rights:o}).", f"chmod 600 {shlex.quote(str(path))}")
    if len(key) != _KEY_BYTES:
        raise FacelabError(
            f"{path} has {len(key)} bytes, a key has {_KEY_BYTES}.",
            "Put back the right file; without it the stored templates cannot be opened.",
        )
    return Vault(key)


def make_key_file(path: Path) -> None:
    """Whole or not at all; of two that are started at once, both get the key of the first."""
    make_folder(path.parent, mode=0o700)
    partial = path.with_name(f".{path.name}-{secrets.token_hex(_DRAWN_BYTES)}")
    handle = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
        sync_path(path.parent)  # a key that a loss of power takes away takes all templates with it
    except FileExistsError:
        return  # the other one was quicker
    finally:
        partial.unlink(missing_ok=True)
