"""A passkey as second factor (WebAuthn): a key in somebody's device, which asks for its owner's finger, face or PIN.

The browser picks the passkey, and the service names none ("discoverable credentials"), so that what it asks for is the same
for every name, whether it exists or not. https://www.w3.org/TR/webauthn-3/
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from urllib.parse import urlsplit

import webauthn
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    encode_cbor,
    options_to_json_dict,
    parse_attestation_object,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from facelab.errors import FacelabError
from facelab.webapp.problems import Problem
from facelab.webapp.second_factor import Proof, SecondFactor
from facelab.webapp.token_store import TokenStore

_SECONDS = 120  # that a challenge holds; browsers ask for one minute
_CHALLENGES = 4096  # at one time
_HANDLE_BYTES = 32  # of a name for the account that says nothing about it
#: What ``webauthn`` and the parsers beneath it raise for bytes that are no answer of a browser, however deeply nested.
_MALFORMED = (WebAuthnException, ValueError, TypeError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True)
class _Challenge:
    """What a browser was asked for: to make a passkey (with the handle for it) or to use one, at a host."""

    host: str
    handle: str | None = None


@dataclass(frozen=True)
class _Record:
    """What is kept of a passkey, the first three as base64url."""

    credential_id: str
    public_key: str
    handle: str
    sign_count: int

    def packed(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Passkey(SecondFactor):
    """Something that only the owner has.

    Args:
        urls: where the page is; passkeys work at those whose host is a name.
        per_address: challenges of one network at one time.
        clock: seconds, rising.

    Raises:
        FacelabError: no host is a name.
    """

    kind = "passkey"

    def __init__(
        self, urls: Collection[str], per_address: int = 32, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._origins = passkey_origins(urls)
        self._challenges: TokenStore[_Challenge] = TokenStore(_CHALLENGES, per_address, _SECONDS, clock)

    def creation_options(self, name: str, host: str, network: str) -> dict[str, object]:
        """``PublicKeyCredentialCreationOptionsJSON``. Problem ``no_passkey_here``: the host is none of the page's names."""
        handle = secrets.token_bytes(_HANDLE_BYTES)
        challenge = self._new_challenge(_Challenge(host, bytes_to_base64url(handle)), network)
        needs = AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        )
        return options_to_json_dict(
            webauthn.generate_registration_options(
                rp_id=host,
                rp_name="Face-ID",
                user_name=name,
                user_id=handle,
                challenge=challenge,
                authenticator_selection=needs,
            )
        )

    def request_options(self, host: str, network: str) -> dict[str, object]:
        """``PublicKeyCredentialRequestOptionsJSON``. Errors as ``creation_options``."""
        return options_to_json_dict(
            webauthn.generate_authentication_options(
                rp_id=host,
                challenge=self._new_challenge(_Challenge(host), network),
                user_verification=UserVerificationRequirement.REQUIRED,
            )
        )

    def enrol(self, name: str, proof: Proof) -> bytes:
        """The public key of a new passkey.

        Nobody else can be locked out by a passkey that is sent twice: a log-in looks at the one of the claimed name alone.

        Raises:
            Problem: ``expired``: nobody was asked for it, or too long ago; ``bad_passkey``: it is not what was asked for.
        """
        self._check_kind(proof)
        challenge, asked = self._take_challenge(proof.passkey)
        try:
            answer = parse_registration_credential_json(dict(proof.passkey))
            _check_attestation(answer.response.attestation_object)
            made = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=asked.host,
                expected_origin=self._origins[asked.host],
                require_user_verification=True,
            )
        except _MALFORMED as error:
            raise Problem("bad_passkey") from error
        if asked.handle is None:  # asked to use one, not to make one
            raise Problem("bad_passkey")
        identity, key = (bytes_to_base64url(part) for part in (made.credential_id, made.credential_public_key))
        return _Record(identity, key, asked.handle, made.sign_count).packed()

    def verify(self, proof: Proof, record: bytes | None) -> bool:
        """Whether it was signed by the passkey of the record, for a challenge that is used up by this.

        Raises:
            Problem: as ``enrol``, where the challenge is not one of ours or the answer is none at all.
        """
        self._check_kind(proof)
        challenge, asked = self._take_challenge(proof.passkey)
        kept = _Record(**json.loads(record))
        try:
            answer = parse_authentication_credential_json(dict(proof.passkey))
            webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=asked.host,
                expected_origin=self._origins[asked.host],
                credential_public_key=base64url_to_bytes(kept.public_key),
                credential_current_sign_count=kept.sign_count,
                require_user_verification=True,
            )
        except _MALFORMED:
            return False
        whose = answer.response.user_handle or b""
        return (answer.id, bytes_to_base64url(whose)) == (kept.credential_id, kept.handle)

    def renew(self, proof: Proof, record: bytes | None) -> bytes:
        """With the device's count of signatures: of a copy of the device, one of the two falls behind and is refused."""
        answer = parse_authentication_credential_json(dict(proof.passkey))
        count = webauthn.helpers.parse_authenticator_data(answer.response.authenticator_data).sign_count
        return replace(_Record(**json.loads(record)), sign_count=count).packed()

    def decoy(self) -> bytes:
        """A passkey that no device has."""
        point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
        key = encode_cbor({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        identity, handle = (bytes_to_base64url(secrets.token_bytes(_HANDLE_BYTES)) for _ in range(2))
        return _Record(identity, bytes_to_base64url(key), handle, 0).packed()

    def _new_challenge(self, asked: _Challenge, network: str) -> bytes:
        if asked.host not in self._origins:
            raise Problem("no_passkey_here")
        return self._challenges.put(asked, network).encode()

    def _take_challenge(self, answer: Mapping[str, object]) -> tuple[bytes, _Challenge]:
        """The challenge that an answer is for, which nobody can use again."""
        try:
            told = parse_client_data_json(base64url_to_bytes(answer["response"]["clientDataJSON"])).challenge
        except _MALFORMED as error:
            raise Problem("bad_passkey") from error
        token = told.decode(errors="replace")
        asked = self._challenges.get(token)
        if not self._challenges.drop(token):  # another request used it a moment ago
            raise Problem("expired")
        return told, asked


def _check_attestation(attestation: bytes) -> None:
    """Refuse what was not asked for: a device that says of which make it is, with certificates that would have to be read."""
    said = parse_attestation_object(attestation)
    by_itself = said.fmt == AttestationFormat.PACKED and said.att_stmt.x5c is None
    if said.fmt != AttestationFormat.NONE and not by_itself:
        raise Problem("bad_passkey")


def passkey_origins(urls: Collection[str]) -> dict[str, str]:
    """The pages among some that passkeys work at, by their host: a name, and by https unless it is localhost.

    The origin is written as browsers write it, without the port that goes with the scheme.

    Raises:
        FacelabError: there is none.
    """
    origins = {}
    for url in map(urlsplit, urls):
        host, plain = url.hostname or "", {"http": 80, "https": 443}[url.scheme]
        if not _is_address(host) and (url.scheme == "https" or host == "localhost"):
            port = "" if url.port in (None, plain) else f":{url.port}"
            origins[host] = f"{url.scheme}://{host}{port}"
    if not origins:
        raise FacelabError(
            f"Passkeys belong to a name, and this page has none: {' or '.join(urls)}.",
            "Give --host localhost, or a certificate with a name of this machine (subjectAltName=DNS:NAME), or "
            "--second-factor passphrase.",
        )
    return origins


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
