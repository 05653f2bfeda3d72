"""A second factor beside the face: what somebody knows or has. What its kinds share; ``account_factors`` keeps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from facelab.webapp.problems import Problem

KINDS = ("none", "passphrase", "passkey")


@dataclass(frozen=True)
class Proof:
    """What a request carries of a second factor; None where nothing of that kind.

    Attributes:
        passphrase: as it was typed.
        passkey: the JSON of a browser's ``PublicKeyCredential``.
    """

    passphrase: str | None = None
    passkey: Mapping[str, object] | None = None


NO_PROOF = Proof()


class SecondFactor(ABC):
    """A kind of second factor."""

    kind: str  #: one of ``KINDS``

    @abstractmethod
    def enrol(self, name: str, proof: Proof) -> bytes | None:
        """What later proofs are checked by; it is kept sealed. None where there is nothing to check.

        Args:
            name: of the account, as it is shown.
            proof: what the sign-up carries.

        Raises:
            Problem: ``wrong_factor``: the proof is of another kind; or it cannot be accepted.
        """

    @abstractmethod
    def verify(self, proof: Proof, record: bytes | None) -> bool:
        """Whether a proof fits. It takes as long for one that does not.

        Args:
            proof: what the log-in carries.
            record: of ``enrol``, or of ``renew`` since.

        Raises:
            Problem: something is wrong with the proof that is so whoever is claimed.
        """

    def renew(self, proof: Proof, record: bytes | None) -> bytes | None:
        """What the next proof is checked by, after one that fits."""
        return record

    @abstractmethod
    def decoy(self) -> bytes | None:
        """What the proofs for names that are not there are checked by; none fits."""

    def creation_options(self, name: str, host: str, network: str) -> dict[str, object]:
        """What a browser of a network needs to make a passkey for a name, at a host of the page.

        Raises:
            Problem: ``wrong_factor``: passkeys are not what is asked for.
        """
        raise Problem("wrong_factor")

    def request_options(self, host: str, network: str) -> dict[str, object]:
        """What it needs to use a passkey. It tells nothing about any account. Errors as ``creation_options``."""
        raise Problem("wrong_factor")

    def _check_kind(self, proof: Proof) -> None:
        """Problem ``wrong_factor`` unless the proof is of this kind, and of no other."""
        carried = {"passphrase": proof.passphrase, "passkey": proof.passkey}
        if any((carried[kind] is not None) != (kind == self.kind) for kind in carried):
            raise Problem("wrong_factor")


class NoSecondFactor(SecondFactor):
    """The face alone."""

    kind = "none"

    def enrol(self, name: str, proof: Proof) -> None:
        """Nothing to keep."""
        self._check_kind(proof)

    def verify(self, proof: Proof, record: bytes | None) -> bool:
        """True for a request that carries none."""
        self._check_kind(proof)
        return True

    def decoy(self) -> None:
        """None."""
