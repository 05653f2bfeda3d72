"""A device with passkeys for tests without a browser: what authenticator and browser do together (WebAuthn, 6.1 and 5.8.1)."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor

PRESENT, VERIFIED, HAS_KEY = 1, 4, 64  # flags of the authenticator's data


@dataclass
class _Made:
    private: ec.EllipticCurvePrivateKey
    handle: str


class Device:
    """Makes passkeys and signs with them, at a page of an origin.

    Args:
        origin: of the page, as its browser tells it.
        flags: what it says about its user.
        counts: whether it counts its signatures; many do not.
    """

    def __init__(self, origin: str = "http://localhost", flags: int = PRESENT | VERIFIED, counts: bool = True) -> None:
        self.origin, self.flags, self.counts = origin, flags, counts
        self.count = 0
        self.made: dict[bytes, _Made] = {}

    def create(self, options: dict) -> dict:
        """The answer to ``navigator.credentials.create``."""
        identity, private = secrets.token_bytes(32), ec.generate_private_key(ec.SECP256R1())
        self.made[identity] = _Made(private, options["user"]["id"])
        point = private.public_key().public_numbers()
        key = encode_cbor({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        data = self._data(options["rp"]["id"], HAS_KEY) + bytes(16) + len(identity).to_bytes(2, "big") + identity + key
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        told = self._client_data("webauthn.create", options)
        return _credential(identity, clientDataJSON=told, attestationObject=attestation)

    def get(self, options: dict, identity: bytes | None = None) -> dict:
        """The answer to ``navigator.credentials.get``, by one of the passkeys or the last one."""
        identity = identity or list(self.made)[-1]
        self.count += self.counts
        data, told = self._data(options["rpId"]), self._client_data("webauthn.get", options)
        signed = self.made[identity].private.sign(data + hashlib.sha256(told).digest(), ec.ECDSA(hashes.SHA256()))
        handle = base64url_to_bytes(self.made[identity].handle)
        return _credential(identity, clientDataJSON=told, authenticatorData=data, signature=signed, userHandle=handle)

    def _data(self, host: str, more: int = 0) -> bytes:
        return hashlib.sha256(host.encode()).digest() + bytes([self.flags | more]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, options: dict) -> bytes:
        told = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(told).encode()


def _credential(identity: bytes, **response: bytes) -> dict:
    name = bytes_to_base64url(identity)
    parts = {key: bytes_to_base64url(value) for key, value in response.items()}
    return {"id": name, "rawId": name, "type": "public-key", "response": parts}
