"""Certificates and addresses of the Face-ID server: what no browser could use is refused before anything begins."""

import os
import re
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from faceid import HEADERS, new_service
from faceid_app import DAY, make_certificate, refused, running

from facelab.webapp import server
from facelab.webapp.certificates import certificate_names, is_covered
from facelab.webapp.middleware import host_without_port


def refused_first(place, capsys, **given) -> str:
    """What ``facelab app`` says; nothing was printed or made before."""
    before = sorted(os.listdir(place))
    told = refused(**{"folder": str(place / "accounts")} | given)
    assert capsys.readouterr().out == "" and sorted(os.listdir(place)) == before
    return told


@pytest.fixture(autouse=True)
def _own_key(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FACELAB_KEY_FILE", str(tmp_path_factory.mktemp("key") / "key"))


def test_what_no_browser_would_accept_is_refused_first(tmp_path, capsys):
    cert, key = make_certificate(tmp_path, "faces.example")
    _, stranger = make_certificate(tmp_path, "faces.example", name="other")
    _, locked = make_certificate(tmp_path, "faces.example", name="locked", password=b"secret")
    nameless = make_certificate(tmp_path, name="nameless")
    posted = make_certificate(tmp_path, other=[x509.RFC822Name("me@faces.example")], name="posted")
    old = make_certificate(tmp_path, "faces.example", start=-3 * DAY, end=-2 * DAY, name="old")
    early = make_certificate(tmp_path, "faces.example", start=2 * DAY, end=3 * DAY, name="early")
    weak = make_certificate(tmp_path, "faces.example", name="weak", key=rsa.generate_private_key(65537, 1024))
    (tmp_path / "text.key").write_text("hello")
    (tmp_path / "binary.pem").write_bytes(ssl.PEM_cert_to_DER_cert(cert.read_text()))
    (tmp_path / "folder.pem").mkdir()
    cases = [
        ((cert, stranger), "other.key is not the key of .*cert.pem"),
        ((tmp_path / "locked.pem", locked), "locked.key has a password. Make one without: openssl pkey -in"),
        (nameless, "names no host .subjectAltName"),
        (posted, "names no host .subjectAltName"),
        (old, "old.pem expired on .* Renew it"),
        (weak, "weak.pem has a key that is too short to be safe. Make a new key, of 2048 bits or more"),
        (early, "early.pem is valid from"),
        ((cert, tmp_path / "text.key"), "cert.pem and .*text.key cannot be used together"),
        ((key, key), "cert.key is not a certificate"),
        ((tmp_path / "binary.pem", key), "binary.pem is not a certificate .*PEM"),
        ((tmp_path / "folder.pem", key), "There is no file .*folder.pem"),
        (("~nosuchuser/cert.pem", key), "nosuchuser"),
    ]
    for (one, its_key), said in cases:
        for host in ("0.0.0.0", "127.0.0.1"):
            told = refused_first(tmp_path, capsys, host=host, cert=one, key=its_key)
            assert re.search(said, told), told


def test_hosts_and_ports_that_cannot_be_used_are_one_line(tmp_path, capsys, monkeypatch):
    cert, key = make_certificate(tmp_path, "faces.example")
    for host in ("", "0", "127.1", "fe80::1%lo", "x..y", "a" * 64 + ".example", "a\0b"):
        assert "Browsers cannot open the host" in refused_first(tmp_path, capsys, host=host, cert=cert, key=key)
    for host, meant in (
        ("http://localhost", "localhost"), ("localhost:80", "localhost"), ("https://faces.example:443/", "faces.example"),
        ("[::1]:8000", "::1"), ("127.0.0.1:", "127.0.0.1"),
    ):  # fmt: skip
        for files in ({}, {"cert": cert, "key": key}):
            assert f"Did you mean '{meant}'" in refused_first(tmp_path, capsys, host=host, **files)
    for host in ("192.0.2.7", "2001:db8::7", "[2001:db8::7]"):
        assert "cannot be used (Cannot assign requested address)" in refused_first(
            tmp_path, capsys, host=host, cert=cert, key=key
        )
    with server.open_socket(server.ServerAddress(port=0)) as taken:
        told = refused_first(tmp_path, capsys, port=taken.getsockname()[1])
        assert "(Address already in use). Give another --port" in told

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as offline:
        offline.setattr(socket, "getaddrinfo", unknown)
        told = refused_first(tmp_path, capsys, host="no.such.host", cert=cert, key=key)
        assert "no.such.host port 0 cannot be used ([Errno -2] Name or service not known)" in told

    def reserved(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", reserved)
    assert "127.0.0.1 port 80 cannot be used (Permission denied)" in refused_first(tmp_path, capsys, port=80)


def test_a_folder_that_is_a_file_or_in_nobodys_home(tmp_path, capsys):
    (tmp_path / "file").touch()
    for folder in ("file", "file/accounts"):
        told = refused_first(tmp_path, capsys, folder=str(tmp_path / folder))
        assert f"{tmp_path / folder} cannot be used: {tmp_path / 'file'} is not a folder. Name another one" in told
    assert not Path(os.environ["FACELAB_KEY_FILE"]).exists()
    for option in ("folder", "calibration", "embedder"):
        assert "'~nosuchuser/x' is in nobody's home folder" in refused_first(
            tmp_path, capsys, **{option: "~nosuchuser/x"}
        )


def test_every_way_to_write_this_machine_needs_no_certificate():
    for host in ("127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST", "::1", "0:0:0:0:0:0:0:1"):
        address = server.ServerAddress(host, 0)
        server.check_address(address, lab_mode=True)
        with server.open_socket(address) as listening:
            for url in server.page_urls(address, listening):
                assert httpx.URL(url).host in server.allowed_hosts(address)


def test_a_star_stands_for_one_label():
    names = ["*.school.edu", "faces.example", "192.0.2.7"]
    assert all(is_covered(host, names) for host in ("faces.school.edu", "faces.example", "192.0.2.7"))
    for host in ("school.edu", "a.b.school.edu", ".school.edu", "xschool.edu", "a.faces.example", "1.0.2.7", ""):
        assert not is_covered(host, names)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize(
    "names",
    [
        ("faces.school.edu",),
        ("*.school.edu",),
        ("*.school.edu", "127.0.0.1", "::1", "localhost", "192.0.2.7"),
        ("FACES.example", "*.example"),
    ],
)
def test_every_address_that_is_printed_leads_here_and_is_let_in(tmp_path, monkeypatch, host, names):
    cert, key = make_certificate(tmp_path, *names)
    monkeypatch.setattr(socket, "getfqdn", lambda: "lab.school.edu")
    address = server.ServerAddress(host, 0, cert, key)
    server.check_address(address, lab_mode=False)
    hosts = server.allowed_hosts(address)
    with server.open_socket(address) as listening:
        port = listening.getsockname()[1]
        printed = [httpx.URL(url) for url in server.page_urls(address, listening)]
    assert printed and {url.port for url in printed} == {port} and {url.scheme for url in printed} == {"https"}
    for url in printed:
        assert is_covered(host_without_port(f"{url.netloc.decode()}"), hosts) and "*" not in url.host
        assert url.host not in ("0.0.0.0", "::", "192.0.2.7")
    told = {url.host for url in printed}
    if names == ("faces.school.edu",):
        assert told == {"faces.school.edu"}
    elif names == ("*.school.edu",):
        assert told == {"lab.school.edu"}
    elif names[0] == "FACES.example":
        assert told == {"faces.example"}
    else:
        assert told == {"127.0.0.1", "localhost"} | ({"::1"} if host == "::" else set())
    monkeypatch.setattr(socket, "getfqdn", lambda: "lab")
    if names == ("*.school.edu",):  # no name is known: the addresses of this machine
        with server.open_socket(address) as listening:
            own = {httpx.URL(url).host for url in server.page_urls(address, listening)}
        assert "127.0.0.1" in own and own <= hosts
    assert is_covered("other.school.edu", hosts) == (names[0] == "*.school.edu")


@pytest.mark.parametrize(("host", "names"), [("0.0.0.0", ("*.school.edu",)), ("::", ("faces.school.edu", "127.0.0.1"))])
def test_visitors_are_let_in_by_a_real_https(tmp_path, host, names):
    cert, key = make_certificate(tmp_path, *names)
    trusted = ssl.create_default_context(cafile=str(cert))
    address = server.ServerAddress(host, 0, cert, key)
    server.check_address(address, lab_mode=False)
    with running(new_service(tmp_path, https=True), address) as url, httpx.Client(timeout=60, verify=trusted) as client:
        port = httpx.URL(url).port

        def ask(name: str) -> int:
            """As a browser does that found this machine by that name, which it compares with the certificate."""
            there = {"Host": f"{name}:{port}"} | HEADERS
            extensions = {"sni_hostname": name}
            return client.get(f"https://127.0.0.1:{port}/api/state", headers=there, extensions=extensions).status_code

        assert ask("faces.school.edu") == 200
        own = {"Host": f"127.0.0.1:{port}"} | HEADERS
        told = httpx.get(f"https://127.0.0.1:{port}/api/state", headers=own, verify=False, timeout=60)
        assert told.status_code == 200  # by its address: a browser warns of it, the service does not refuse it
        foreign = {"Host": f"school.edu:{port}"} | HEADERS
        told = httpx.get(f"https://127.0.0.1:{port}/api/state", headers=foreign, verify=False, timeout=60)
        assert told.status_code == 403


def test_a_certificate_as_an_editor_of_windows_saves_it(tmp_path):
    cert, key = make_certificate(tmp_path, "faces.example", "2001:DB8::7")
    for path in (cert, key):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    server.check_address(server.ServerAddress("0.0.0.0", 0, cert, key), lab_mode=False)
    assert certificate_names(cert) == ["faces.example", "2001:db8::7"]
