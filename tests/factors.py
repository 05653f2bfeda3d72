"""What tests of the second factor share: factors in a database, and what somebody may do to that file."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import httpx
from passkeys import Device

from facelab.webapp.account_factors import AccountFactors
from facelab.webapp.account_store import AccountStore
from facelab.webapp.database import DATABASE_FILE
from facelab.webapp.second_factor import Proof, SecondFactor
from facelab.webapp.vault import Vault

WORDS = "nine green ladders"
HERE = ("http://localhost",)
QUICK = {"memory_cost": 8, "iterations": 1, "lanes": 1}  #: of a passphrase, where its cost is of no concern


class Kept:
    """Second factors of a kind in a database, without the service around them."""

    def __init__(self, folder, method: SecondFactor) -> None:
        self.store = AccountStore(folder / "accounts")
        self.factors = AccountFactors(method, self.store, Vault(b"k" * 32))

    def add(self, name: str, proof: Proof) -> None:
        account, record = self.store.new_account_id(), self.factors.method.enrol(name, proof)
        sealed = self.factors.seal(account, record)
        self.store.add_account(account, name, name, "1", False, "f" * 64, b"", self.factors.kind, sealed)

    def make(self, device: Device, name: str) -> Proof:
        return Proof(passkey=device.create(self.factors.method.creation_options(name, "localhost", "here")))

    def use(self, device: Device, identity: bytes | None = None) -> dict:
        return device.get(self.factors.method.request_options("localhost", "here"), identity)


def code(answer: httpx.Response) -> tuple[int, str]:
    """How a request was refused."""
    return answer.status_code, answer.json()["error"]


def sealed_factor(tmp_path) -> bytes:
    """Of the only account."""
    with closing(sqlite3.connect(tmp_path / "accounts" / DATABASE_FILE)) as raw:
        [(sealed,)] = raw.execute("SELECT factor_sealed FROM accounts")
    return sealed
