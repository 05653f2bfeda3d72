"""Start the service: check everything first, say what it is, then listen."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import cv2
import uvicorn
from cryptography import x509

from facelab.errors import FacelabError
from facelab.methods.embedders import SFACE, new_embedder
from facelab.webapp import calibration as calibrations
from facelab.webapp.account_store import AccountStore
from facelab.webapp.api import new_app
from facelab.webapp.frame_analysis import FrameAnalyser
from facelab.webapp.service import FaceIdService
from facelab.webapp.settings import LOOPBACK, Settings
from facelab.webapp.vault import open_vault


@dataclass(frozen=True)
class ServerAddress:
    """Where the service listens.

    Attributes:
        host: name or address; any but this machine's own needs a certificate.
        port: 0 for a free one.
        cert, key: PEM files of the certificate and its key; then it is https.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    cert: Path | None = None
    key: Path | None = None


def new_service(settings: Settings, embedder: str = SFACE, calibration: Path | None = None) -> FaceIdService:
    """The service with all its parts.

    Args:
        settings: how it is run.
        embedder: as ``methods.embedders.new_embedder``.
        calibration: its file; None: the one that comes with the project.

    Raises:
        FacelabError: no such embedder, no calibration for it, or the folder or the key cannot be used.
    """
    loaded = new_embedder(embedder)
    measured = calibrations.read_calibration(calibration or calibrations.default_calibration_file(embedder), loaded)
    vault = open_vault(settings.key_file, settings.folder)
    return FaceIdService(settings, FrameAnalyser(loaded), measured, vault, AccountStore(settings.folder))


def check_address(address: ServerAddress, lab_mode: bool) -> None:
    """Refuse what would send faces over a network in the clear, or show scores to it.

    Raises:
        FacelabError: another host without a certificate or in lab mode, or a certificate without its key.
    """
    if (address.cert is None) != (address.key is None):
        raise FacelabError("A certificate and its key belong together.", "Give both --cert and --key.")
    for path in (address.cert, address.key):
        if path is not None and not path.is_file():
            raise FacelabError(f"There is no file {path}.", "Give the PEM files of the certificate and its key.")
    if address.host in LOOPBACK:
        return
    if address.cert is None:
        raise FacelabError(
            f"{address.host} can be reached from other machines, and faces must not travel in the clear.",
            "Give --cert and --key for https, or leave --host away.",
        )
    if lab_mode:
        raise FacelabError("Lab mode shows scores, and helps an attacker.", "Use --lab on this machine alone.")


def allowed_hosts(address: ServerAddress) -> set[str]:
    """Names that the service answers to: this machine's own, the one it was given, and those of its certificate.

    Raises:
        FacelabError: the certificate cannot be read.
    """
    hosts = {*LOOPBACK, address.host.lower()}
    if address.cert is not None:
        try:
            certificate = x509.load_pem_x509_certificate(address.cert.read_bytes())
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            hosts |= {name.lower() for name in names.get_values_for_type(x509.DNSName)}
            hosts |= {str(name) for name in names.get_values_for_type(x509.IPAddress)}
        except x509.ExtensionNotFound:  # an old kind of certificate, without names that could be added
            return hosts
        except ValueError as error:
            raise FacelabError(f"{address.cert} is not a certificate ({error}).", "Give a PEM file.") from error
    return hosts


def open_socket(address: ServerAddress) -> socket.socket:
    """The socket, open already.

    Raises:
        FacelabError: the port is taken, or the host is not of this machine.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        raise FacelabError(
            f"{address.host} port {address.port} cannot be used ({error}).", "Give another --port or --host."
        ) from error


def new_server(service: FaceIdService, address: ServerAddress) -> uvicorn.Server:
    """The server of a service; ``run(sockets=[...])`` serves."""
    config = uvicorn.Config(
        new_app(service, allowed_hosts(address)),
        ssl_certfile=address.cert,
        ssl_keyfile=address.key,
        log_level="warning",
        access_log=False,  # addresses of people and tokens of dialogues do not belong into a log
        proxy_headers=False,  # or anybody could claim another address, and the limits would be void
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def run_service(service: FaceIdService, address: ServerAddress, listening_socket: socket.socket) -> None:
    """Serve until Ctrl-C, then close the service."""
    cv2.setNumThreads(1)  # frames share the cores already, one each
    try:
        new_server(service, address).run(sockets=[listening_socket])
    finally:
        service.close()


def page_url(address: ServerAddress, listening_socket: socket.socket) -> str:
    """Where the page is."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{'http' if address.cert is None else 'https'}://{host}:{listening_socket.getsockname()[1]}"
