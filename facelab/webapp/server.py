"""Start the service: check everything first, say what it is, then listen."""

from __future__ import annotations

import functools
import os
import re
import socket
import ssl
from collections.abc import Collection
from contextlib import ExitStack, closing
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import cv2
import psutil
import uvicorn

from facelab.errors import FacelabError
from facelab.exchange.embedders import SFACE, new_embedder
from facelab.webapp import calibration as calibrations
from facelab.webapp.api import new_app
from facelab.webapp.certificates import certificate_names, check_certificate, is_covered
from facelab.webapp.connections import MAX_CONNECTIONS, MAX_HEADER_BYTES, BoundedProtocol
from facelab.webapp.decoder import ProcessDecoder
from facelab.webapp.frame_analysis import WORKERS, FrameAnalyser
from facelab.webapp.limits import PlaceLimiter
from facelab.webapp.liveness_file import default_liveness_file, read_liveness
from facelab.webapp.opening import open_folder
from facelab.webapp.service import FaceIdService
from facelab.webapp.settings import LOOPBACK, Settings

BACKLOG = 256  #: connections that the system holds until they are accepted
_URL = re.compile(r"(?:\w+://)?(?:\[(?P<address>[^\]]+)\]|(?P<name>[^/:\[\]]+))(?::\d*)?(?:/.*)?")


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


def new_service(
    settings: Settings, embedder: str = SFACE, calibration: Path | None = None, decode_in_processes: bool = False
) -> FaceIdService:
    """The service with all its parts.

    Args:
        settings: how it is run.
        embedder: as ``exchange.embedders.new_embedder``.
        calibration: its file; None: the one that comes with the project.
        decode_in_processes: see ``decoder``; for a service that strangers can reach.

    Raises:
        FacelabError: no such embedder, no calibration for it, or the folder or the key cannot be used.
    """
    loaded = new_embedder(embedder)
    measured = calibrations.read_calibration(calibration or calibrations.default_calibration_file(embedder), loaded)
    liveness = read_liveness(default_liveness_file())
    vault, store = open_folder(settings)
    with ExitStack() as opened:  # a key of another folder leaves this one free
        opened.enter_context(closing(store))
        decoder = ProcessDecoder(WORKERS) if decode_in_processes else None
        analyser = opened.enter_context(closing(FrameAnalyser(loaded, decoder=decoder)))
        service = FaceIdService(settings, analyser, measured, liveness, vault, store)
        opened.pop_all()
    return service


def check_address(address: ServerAddress, lab_mode: bool) -> None:
    """Refuse what would send faces over a network in the clear, or show scores to it, and what no browser could open.

    Raises:
        FacelabError: no host, or one that a browser writes in another way; another host than this machine without a certificate
            or in lab mode; a certificate without its key, or one that cannot be used (``certificates.check_certificate``).
    """
    meant = _bare_host(address.host)
    if meant != address.host:
        raise FacelabError(
            f"The host {address.host!r} is more than a name or an address. Did you mean {meant!r}?",
            "Give --host that alone; the port has an option of its own (--port).",
        )
    if not _is_written_in_full(address.host):
        raise FacelabError(
            f"Browsers cannot open the host {address.host!r}.", "Give --host a name, or a whole address without a zone."
        )
    if (address.cert is None) != (address.key is None):
        raise FacelabError("A certificate and its key belong together.", "Give both --cert and --key.")
    if address.cert is None and not is_loopback(address.host):
        raise FacelabError(
            f"{address.host} can be reached from other machines, and faces must not travel in the clear.",
            "Give --cert and --key for https, or leave --host away.",
        )
    if lab_mode and not is_loopback(address.host):
        raise FacelabError("Lab mode shows scores, and helps an attacker.", "Use --lab on this machine alone.")
    if address.cert is not None and address.key is not None:
        check_certificate(address.cert, address.key)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is always this machine, and reached by nobody else."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def allowed_hosts(address: ServerAddress) -> set[str]:
    """Names that the service answers to, in lower case: this machine's own, the one it was given, and those of its certificate.

    Where it listens on all addresses, every address of this machine is among them; a certificate's ``*.school.edu`` stands
    for all names right below it.

    Raises:
        FacelabError: the certificate cannot be read.
    """
    hosts = {*LOOPBACK, _as_browsers_write(address.host)}
    if _is_any(address.host):
        hosts.update(own_addresses())
    if address.cert is not None:
        hosts.update(certificate_names(address.cert))
    return hosts


def own_addresses() -> list[str]:
    """The addresses of this machine's network cards that a browser can open (no zones), those of this machine alone last."""
    cards = psutil.net_if_addrs().values()
    found = {one.address for card in cards for one in card if one.family in (socket.AF_INET, socket.AF_INET6)}
    usable = (ip_address(text) for text in found if "%" not in text)
    return [str(one) for one in sorted(usable, key=lambda one: (one.is_loopback, one.version, one))]


def _is_any(host: str) -> bool:
    """Whether a host stands for all addresses of this machine, such as 0.0.0.0."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _bare_host(host: str) -> str:
    """The host in what looks like the address of a page, as ``http://localhost:80`` or ``[::1]``; else what was given."""
    found = _URL.fullmatch(host)
    return host if found is None else found["address"] or found["name"]


def _as_browsers_write(host: str) -> str:
    """A host as a browser names it to us: addresses in their usual form, other alphabets as punycode.

    Raises:
        UnicodeError: no host can have that name.
    """
    try:
        return str(ip_address(host))
    except ValueError:
        return host.encode("idna").decode("ascii").lower()


def _is_written_in_full(host: str) -> bool:
    """Whether a host is a name, or an address as browsers write it: not 0 or 127.1, which systems understand, too."""
    try:
        written = _as_browsers_write(host)
        socket.inet_aton(written)
    except ValueError:
        return False
    except OSError:  # a name, or an address of IPv6
        return bool(written) and "%" not in written
    return written.count(".") == 3


def open_socket(address: ServerAddress) -> socket.socket:
    """The socket, open already; ``::`` hears those who come by IPv4, too, where the system can.

    Raises:
        FacelabError: the port is taken or reserved, or the host is not of this machine, or no host at all.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, _, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
        both = _is_any(address.host) and family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(place[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except (OSError, OverflowError, ValueError) as error:  # ValueError: a name that no host can have
        reason = os.strerror(error.errno) if isinstance(error, OSError) and (error.errno or 0) > 0 else error
        raise FacelabError(
            f"{address.host} port {address.port} cannot be used ({reason}).", "Give another --port or --host."
        ) from error


def new_server(service: FaceIdService, address: ServerAddress) -> uvicorn.Server:
    """The server of a service; ``run(sockets=[...])`` serves."""
    places = PlaceLimiter(service.settings.limits.connections, MAX_CONNECTIONS)
    config = uvicorn.Config(
        new_app(service, allowed_hosts(address)),
        http=functools.partial(BoundedProtocol, places, _tls_context(address)),
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        backlog=BACKLOG,
        timeout_keep_alive=5,
        log_level="warning",
        access_log=False,  # addresses of people and tokens of dialogues do not belong into a log
        proxy_headers=False,  # or anybody could claim another address, and the limits would be void
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def _tls_context(address: ServerAddress) -> ssl.SSLContext | None:
    if address.cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(address.cert, address.key)
    return context


def run_service(service: FaceIdService, address: ServerAddress, listening_socket: socket.socket) -> None:
    """Serve until Ctrl-C, then close the service."""
    cv2.setNumThreads(1)  # frames share the cores already, one each
    try:
        new_server(service, address).run(sockets=[listening_socket])
    finally:
        service.close()


def page_urls(address: ServerAddress, listening_socket: socket.socket) -> list[str]:
    """Where the page is; each of them passes the check of the host.

    On this machine alone it is the host that was given. Else browsers accept the names of the certificate: the host where it is
    one of them, otherwise all that are written out and lead here. Where none does, it is the addresses that are listened on.
    """
    host, port = _as_browsers_write(address.host), listening_socket.getsockname()[1]
    hosts = [host]
    if address.cert is not None and not is_loopback(host):
        names, heard = certificate_names(address.cert), _addresses_heard(listening_socket)
        if not is_covered(host, names):
            hosts = [name for name in names if _leads_here(name, heard)] or _own_name(names) or heard
    scheme = "http" if address.cert is None else "https"
    return [f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}" for name in hosts]


def _addresses_heard(listening_socket: socket.socket) -> list[str]:
    """The addresses of this machine that a socket listens on."""
    bound = listening_socket.getsockname()[0]
    if not _is_any(bound):
        return [bound]
    if listening_socket.family == socket.AF_INET:
        versions = {4}
    else:
        versions = {6} if listening_socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) else {4, 6}
    return [text for text in own_addresses() if ip_address(text).version in versions]


def _leads_here(name: str, heard: Collection[str]) -> bool:
    """Whether a name of the certificate is, as far as can be told without asking the network, that of this server."""
    try:
        return str(ip_address(name)) in heard
    except ValueError:
        return "*" not in name and (name != "localhost" or any(map(is_loopback, heard)))


def _own_name(names: Collection[str]) -> list[str]:
    """This machine's own name where a ``*`` of the certificate covers it."""
    if not any("*" in name for name in names):
        return []
    own = socket.getfqdn().lower()
    return [own] if is_covered(own, names) else []
