"""The certificate of the page for https: whether a browser can accept it, and the names that it is for."""

from __future__ import annotations

import shlex
import ssl
from collections.abc import Collection
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509

from facelab.errors import FacelabError


class _EncryptedKeyError(Exception):
    """OpenSSL asks for the password of a key."""


def check_certificate(cert: Path, key: Path) -> None:
    """Refuse a certificate that no browser would accept, or that cannot be used with its key.

    Args:
        cert: PEM file of the certificate, those of its issuers after it.
        key: PEM file of its key.

    Raises:
        FacelabError: no such file, no certificate, none for any host, one that is not valid today, a key with a password, or
            that of another certificate.
    """
    for path in (cert, key):
        if not path.is_file():
            raise FacelabError(f"There is no file {path}.", "Give the PEM files of the certificate and its key.")
    leaf, now = _leaf(cert), datetime.now(timezone.utc)
    if not certificate_names(cert):
        raise FacelabError(
            f"The certificate {cert} names no host (subjectAltName), so that browsers refuse it.",
            "Have one made with -addext subjectAltName=DNS:NAME, where NAME is how the page is called.",
        )
    if leaf.not_valid_after_utc < now:
        raise FacelabError(f"The certificate {cert} expired on {leaf.not_valid_after_utc:%Y-%m-%d}.", "Renew it.")
    if now < leaf.not_valid_before_utc:
        raise FacelabError(
            f"The certificate {cert} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} on.",
            "Check this machine's clock.",
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_refuse_password)
    except _EncryptedKeyError as error:
        raise FacelabError(
            f"The key {key} has a password.", f"Make one without: openssl pkey -in {shlex.quote(str(key))} -out FILE"
        ) from error
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise FacelabError(
                f"{key} is not the key of {cert}, but another one.", "Give those that belong together."
            ) from error
        if (error.reason or "").endswith("_KEY_TOO_SMALL"):
            raise FacelabError(
                f"{cert} has a key that is too short to be safe.",
                "Make a new key, of 2048 bits or more for RSA, and a certificate for it.",
            ) from error
        raise FacelabError(
            f"{cert} and {key} cannot be used together ({error.reason or error}).", "Give the key as a PEM file."
        ) from error
    except OSError as error:
        raise FacelabError(
            f"The key {key} cannot be read ({error.strerror}).", "Check the rights of the file."
        ) from error


def certificate_names(cert: Path) -> list[str]:
    """The host names and addresses that a certificate is for, in lower case; ``*.school.edu`` is every name right below it.

    Raises:
        FacelabError: it is not a certificate.
    """
    try:
        names = _leaf(cert).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:  # an old kind, whose common name browsers no longer look at
        return []
    except (ValueError, x509.DuplicateExtension) as error:
        raise _no_certificate(cert, error) from error
    hosts = names.get_values_for_type(x509.DNSName)
    return [*(host.lower() for host in hosts), *map(str, names.get_values_for_type(x509.IPAddress))]


def is_covered(host: str, names: Collection[str]) -> bool:
    """Whether a host is one of the names as browsers compare them: ``*`` stands for one whole label, the first.

    Args:
        host: in lower case.
        names: the same; ``*.school.edu`` covers ``faces.school.edu``, neither ``school.edu`` nor ``a.b.school.edu``.
    """
    label, _, rest = host.partition(".")
    return host in names or bool(label and rest) and f"*.{rest}" in names


def _leaf(cert: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(cert.read_bytes())[0]
    except OSError as error:
        raise FacelabError(f"{cert} cannot be read ({error.strerror}).", "Check the rights of the file.") from error
    except ValueError as error:
        raise _no_certificate(cert, error) from error


def _no_certificate(cert: Path, error: Exception) -> FacelabError:
    return FacelabError(f"{cert} is not a certificate ({error}).", "Give a PEM file.")


def _refuse_password() -> str:
    raise _EncryptedKeyError
