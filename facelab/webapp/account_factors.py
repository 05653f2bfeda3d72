"""The second factors of the accounts: sealed in the database, bound to their owners, and checked at a log-in."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from facelab.errors import FacelabError
from facelab.webapp.account_store import AccountStore, SealedFactor
from facelab.webapp.passkey import Passkey, passkey_origins
from facelab.webapp.passphrase import Passphrase
from facelab.webapp.second_factor import KINDS, NoSecondFactor, Proof, SecondFactor
from facelab.webapp.vault import Vault


@dataclass(frozen=True)
class PassedFactor:
    """A second factor that fitted.

    Attributes:
        factor: as it stood in the database.
        renewed: sealed, to be kept in its place; None where it stays as it is.
    """

    factor: SealedFactor
    renewed: bytes | None


class AccountFactors:
    """Keeps and checks the second factors of one kind.

    A log-in sends its proof when it begins, it is checked then, and only what came of it is remembered: no passphrase waits in
    memory for the face. What came of it is told with the one decision at the end, so that who cannot show the face learns
    nothing about the passphrase. Guesses therefore count as every refused log-in does.

    Args:
        method: the kind.
        store, vault: of the service.
    """

    def __init__(self, method: SecondFactor, store: AccountStore, vault: Vault) -> None:
        self.method, self.kind = method, method.kind
        self._store, self._vault = store, vault
        self._decoy = method.decoy()

    def seal(self, account_id: str, record: bytes | None) -> bytes | None:
        """What the database keeps of ``SecondFactor.enrol``."""
        return None if record is None else self._vault.seal(record, *SealedFactor(account_id, self.kind, None).bound_to)

    def check(self, name_key: str, proof: Proof) -> PassedFactor | None:
        """The second factor of a name where a proof fits it; None where it does not, or there is no such name.

        Raises:
            Problem: as ``SecondFactor.verify``; never because of the name.
        """
        found = self._store.find_factor(name_key)
        kept = found is not None and found.kind == self.kind
        record = self._open(found) if kept else None
        fits = self.method.verify(proof, record or self._decoy)
        if not fits or not kept or (record is None and self._decoy is not None):
            return None
        renewed = self.method.renew(proof, record)
        return PassedFactor(found, None if renewed == record else self.seal(found.account_id, renewed))

    def settle(self, passed: PassedFactor | None, account_id: str) -> bool:
        """Whether a proof was given for an account, at the moment when it is let in; what has to be renewed is."""
        if passed is None or passed.factor.account_id != account_id:
            return False
        return passed.renewed is None or self._store.replace_factor(passed.factor, passed.renewed)

    def _open(self, found: SealedFactor) -> bytes | None:
        """None for the kind without one, and where it was changed in the database, which the audit tells."""
        if self._decoy is None:
            return None
        try:
            return self._vault.open(found.sealed_bytes, *found.bound_to)
        except FacelabError:
            self._store.record_event("open_factor", "damaged", found.account_id)
            return None


def choose_kind(kind: str | None, this_machine_alone: bool, urls: Collection[str]) -> str:
    """The kind of second factor that a service asks for.

    Args:
        kind: what was wanted; None: none on this machine alone, a passkey beyond it.
        this_machine_alone: whether nobody else can reach the service.
        urls: where the page is.

    Raises:
        FacelabError: no such kind, none where others can reach the service, or passkeys and no page that they work at.
    """
    chosen = kind or ("none" if this_machine_alone else "passkey")
    if chosen not in KINDS:
        raise FacelabError(f"There is no second factor {chosen!r}.", f"Give --second-factor {' or '.join(KINDS)}.")
    if chosen == "none" and not this_machine_alone:
        raise FacelabError(
            "Other machines can reach this service, and a face alone is too weak a lock for them.",
            "Give --second-factor passkey or passphrase, or leave --host away.",
        )
    if chosen == "passkey":
        passkey_origins(urls)
    return chosen


def new_second_factor(
    kind: str, urls: Collection[str], per_address: int, clock: Callable[[], float] = time.monotonic
) -> SecondFactor:
    """The second factor of a kind.

    Args:
        kind: one of ``second_factor.KINDS``.
        urls: where the page is.
        per_address: challenges for passkeys that one network may hold at one time.
        clock: seconds, rising.

    Raises:
        FacelabError: passkeys, and no page that they work at.
    """
    if kind == "passkey":
        return Passkey(urls, per_address, clock)
    return Passphrase() if kind == "passphrase" else NoSecondFactor()
