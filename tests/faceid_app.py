"""What tests of ``facelab app`` share: certificates, what the command refuses, and its server in a thread."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from facelab.commands.app import app
from facelab.errors import FacelabError
from facelab.webapp import server

DAY = timedelta(days=1)


def refused(**given) -> str:
    """What ``facelab app`` says, in one line."""
    with pytest.raises(FacelabError) as error:
        app(**{"port": 0} | given)
    assert "\n" not in str(error.value)
    return str(error.value)


@contextmanager
def running(service, address):
    """The server of the service in a thread, as ``facelab app`` makes it; where it listens."""
    listening_socket, uvicorn_server = server.open_socket(address), server.new_server(service, address)
    thread = threading.Thread(target=uvicorn_server.run, kwargs={"sockets": [listening_socket]})
    thread.start()
    yield server.page_urls(address, listening_socket)[0]
    uvicorn_server.should_exit = True
    thread.join()
    service.close()


def make_certificate(folder, *names, start=-DAY, end=DAY, password=None, other=(), name="cert", key=None):
    """A self-signed certificate and its key, as PEM files."""
    folder.mkdir(exist_ok=True)
    key, now = key or ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "faces.example")])
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number()).not_valid_before(now + start).not_valid_after(now + end)
    if names or other:
        built = built.add_extension(x509.SubjectAlternativeName([*host_names(*names), *other]), critical=False)
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    packed = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    (folder / f"{name}.pem").write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(packed)
    return folder / f"{name}.pem", folder / f"{name}.key"


def host_names(*names: str) -> list[x509.GeneralName]:
    """Names and addresses as a certificate holds them."""

    def one(name: str) -> x509.GeneralName:
        return x509.IPAddress(ip_address(name)) if name[-1].isdigit() or ":" in name else x509.DNSName(name)

    return [one(name) for name in names]
