"""A passphrase as second factor: which ones are too weak, and what is kept of one (Argon2id)."""

from __future__ import annotations

import hmac
import json
import secrets
import unicodedata

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from facelab.webapp.problems import Problem
from facelab.webapp.second_factor import Proof, SecondFactor

MIN_LENGTH = 12  #: characters besides the name
MIN_DIFFERENT = 5  #: different ones among them
#: The first choice of OWASP's Password Storage Cheat Sheet: 19 MiB for each guess (``memory_cost`` in KiB), twice over.
_COST = {"memory_cost": 19_456, "iterations": 2, "lanes": 1}
_SALT_BYTES = _HASH_BYTES = 32
_LEAST_NAME = 3  # letters of a name that help somebody who guesses


class Passphrase(SecondFactor):
    """Something that only the owner knows. The plain text is never kept."""

    kind = "passphrase"

    def enrol(self, name: str, proof: Proof) -> bytes:
        """Salt and hash, as JSON with the cost. Problem ``weak_passphrase`` as ``check_strength``."""
        self._check_kind(proof)
        check_strength(proof.passphrase, name)
        salt = secrets.token_bytes(_SALT_BYTES)
        return json.dumps(_COST | {"salt": salt.hex(), "hash": _hash(proof.passphrase, salt, _COST).hex()}).encode()

    def verify(self, proof: Proof, record: bytes | None) -> bool:
        """Whether it is the passphrase of the record."""
        self._check_kind(proof)
        kept = json.loads(record)
        cost = {key: kept[key] for key in _COST}
        found = _hash(proof.passphrase, bytes.fromhex(kept["salt"]), cost)
        return hmac.compare_digest(found, bytes.fromhex(kept["hash"]))

    def decoy(self) -> bytes:
        """The record of a passphrase that nobody knows."""
        return self.enrol("", Proof(passphrase=secrets.token_hex(_HASH_BYTES)))


def check_strength(passphrase: str, name: str) -> None:
    """Refuse what is soon guessed.

    Args:
        passphrase: as it was typed.
        name: of the account, as it is shown.

    Raises:
        Problem: ``weak_passphrase``: without the name, fewer than 12 characters or fewer than 5 different ones are left.
    """
    rest = _normalise(passphrase).casefold()
    if len(name) >= _LEAST_NAME:
        rest = rest.replace(name.casefold(), "")
    if len(rest) < MIN_LENGTH or len(set(rest)) < MIN_DIFFERENT:
        raise Problem("weak_passphrase")


def _hash(passphrase: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return Argon2id(salt=salt, length=_HASH_BYTES, **cost).derive(_normalise(passphrase).encode())


def _normalise(passphrase: str) -> str:
    """Unicode NFKC: keyboards write one letter in several ways (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", passphrase)
