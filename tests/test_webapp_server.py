"""The real server: many at once, killed in the middle, and what it refuses to start with."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from faceid import (
    HEADERS,
    PNG,
    SHOTS,
    FixedSide,
    consent_version,
    frame,
    new_service,
    project_calibration,
    sface,
    sign_up,
)
from faceid_app import make_certificate, refused, running

from facelab import cli
from facelab.errors import FacelabError
from facelab.webapp import calibration, replay, server
from facelab.webapp.account_store import AccountStore
from facelab.webapp.database import DATABASE_FILE
from facelab.webapp.settings import Limits, Settings


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A service behind a real uvicorn in a thread, and its address; recordings are not looked for, limits are wide."""
    monkeypatch.setattr(replay.ReplayGuard, "is_replay", lambda *_: False)
    wide, no_wait = (10_000, 600.0), (10_000, 0.0, 0.0)
    places = {"dialogues_per_address": 64, "waiting_frames": 64, "open_bodies": 64}
    limits = Limits(no_wait, no_wait, wide, wide, wide, wide, wide, **places)
    service = new_service(tmp_path, side=FixedSide(), limits=limits, log_in_seconds=600)
    with running(service, server.ServerAddress(port=0)) as url:
        yield url, tmp_path / "accounts"


def test_fifty_at_once_lose_no_row(served):
    url, folder = served
    with httpx.Client(base_url=url, headers=HEADERS, timeout=300) as client:
        for person in (1, 4):
            sign_up(client, f"Person {person}", person)
    together = threading.Barrier(50)

    def one(number: int) -> tuple[str, str | None]:
        person, claimed = ((1, 1), (4, 4), (1, 4))[number % 3]
        straight, left, _ = SHOTS[person][1]
        with httpx.Client(base_url=url, headers=HEADERS, timeout=300) as client:
            together.wait()
            nonce = client.post("/api/log-in", json={"name": f"Person {claimed}"}).json()["challenge"]
            for shot in (straight, left):
                answer = client.post(f"/api/log-in/{nonce}/frames", content=frame(person, shot), headers=PNG)
                answer.raise_for_status()
            return answer.json()["state"], client.cookies.get("faceid")

    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(one, range(50)))
    expected = ["refused" if number % 3 == 2 else "in" for number in range(50)]
    assert [state for state, _ in found] == expected
    sessions = [cookie for _, cookie in found if cookie]
    assert len(set(sessions)) == len(sessions) == expected.count("in")
    raw = sqlite3.connect(folder / DATABASE_FILE)
    rows = dict(raw.execute("SELECT outcome, count(*) FROM audit WHERE event = 'log_in' GROUP BY outcome"))
    raw.close()
    assert rows == {"ok": expected.count("in"), "refused": expected.count("refused")}


def test_bodies_that_are_too_large_are_answered_by_the_real_server_too(served):
    url, _ = served
    with httpx.Client(base_url=url, headers=HEADERS, timeout=300) as client:
        large = bytes(5_000_000)
        for body in (large, (large[start : start + 50_000] for start in range(0, len(large), 50_000))):
            answer = client.post("/api/who-am-i", content=body, headers=PNG)
            assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
        told = client.get("/api/state", headers={"X-Forwarded-For": "10.0.0.1"})
        assert told.status_code == 200 and "server" not in told.headers


def start(tmp_path, *words: str) -> tuple[subprocess.Popen, str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "facelab.cli", "app", "--port", "0", "--folder", str(tmp_path / "accounts"), *words],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FACELAB_KEY_FILE": str(tmp_path / "key"), "COLUMNS": "300", "PYTHONUNBUFFERED": "1"},
    )
    told = [process.stdout.readline() for _ in range(4)]
    return process, "".join(told)


def test_the_command_says_what_it_is_and_killed_in_a_sign_up_keeps_nothing(tmp_path):
    process, told = start(tmp_path)
    try:
        if sys.platform == "linux":  # what a crash would write is a picture of the memory, key and all
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
        url = re.search(r"http://127\.0\.0\.1:\d+", told)[0]
        assert "embedder: sface" in told and "false match rate of 0.1 %" in told and str(tmp_path / "accounts") in told
        with httpx.Client(base_url=url, headers=HEADERS, timeout=120) as client:
            assert sign_up(client, "Stays", 4).status_code == 201
            begun = client.post("/api/sign-up", json={"name": "Goes", "consent": consent_version(client)}).json()
            for shot in SHOTS[1][0][:4]:
                answer = client.post(f"/api/sign-up/{begun['sign_up']}/shots", content=frame(1, shot), headers=PNG)
                assert answer.json()["accepted"]
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
        assert children and not psutil.wait_procs(children, timeout=30)[1]  # that decode
    finally:
        process.kill()
        process.stdout.close()
    store = AccountStore(tmp_path / "accounts")
    assert store.has_name("stays") and not store.has_name("goes")
    assert len(store._rows("SELECT * FROM templates")) == 1 == len(store._rows("SELECT * FROM audit"))
    assert {path.name for path in (tmp_path / "accounts").iterdir()} == {DATABASE_FILE, ".lock"}
    raw = (tmp_path / "accounts" / DATABASE_FILE).read_bytes()
    assert b"Stays" in raw and b"Goes" not in raw and b"goes" not in raw


def test_other_machines_are_served_by_https_alone(tmp_path):
    for host in ("0.0.0.0", "192.0.2.7", "faces.example", "::"):
        assert "Give --cert and --key" in refused(host=host)
    cert, key = make_certificate(tmp_path, "Faces.example", "192.0.2.7")
    assert "Give both" in refused(cert=cert) and "Give both" in refused(key=key)
    assert "There is no file" in refused(cert=cert, key=tmp_path / "none.pem")
    assert "Use --lab on this machine alone" in refused(host="0.0.0.0", cert=cert, key=key, lab=True)
    address = server.ServerAddress("0.0.0.0", 0, cert, key)
    server.check_address(address, lab_mode=False)
    assert server.allowed_hosts(address) >= {"faces.example", "192.0.2.7", "localhost", "127.0.0.1"}
    key.write_text("no certificate")
    with pytest.raises(FacelabError, match="is not a certificate"):
        server.allowed_hosts(server.ServerAddress("0.0.0.0", 0, key, key))


def test_https_serves_the_names_of_its_certificate_and_a_cookie_for_https(tmp_path):
    cert, key = make_certificate(tmp_path, "Faces.example", "192.0.2.7")
    with (
        running(new_service(tmp_path, https=True), server.ServerAddress("127.0.0.1", 0, cert, key)) as url,
        httpx.Client(base_url=url, headers=HEADERS, timeout=120, verify=False) as client,
    ):
        assert url.startswith("https://") and client.get("/api/state").json()["signed_in"] is None
        assert client.get("/api/state", headers={"Host": "faces.example"}).status_code == 200
        assert client.get("/api/state", headers={"Host": "other.example"}).status_code == 403
        flags = client.post("/api/log-out").headers["set-cookie"].split("; ")
        assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(flags)


def test_a_calibration_of_another_embedder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FACELAB_KEY_FILE", str(tmp_path / "key"))
    path = tmp_path / "other.json"
    calibration.write_calibration(project_calibration(), path)
    content = json.loads(path.read_text()) | {"fingerprint": "0" * 64, "embedder": "another"}
    path.write_text(json.dumps(content))
    assert "measured for another embedder (another) than sface" in refused(calibration=path, folder=tmp_path / "a")
    assert "There is no calibration" in refused(calibration=tmp_path / "none.json", folder=tmp_path / "a")
    assert "There is no embedder" in refused(embedder=str(tmp_path / "m.pt"), folder=tmp_path / "a")
    assert not (tmp_path / "a").exists() and not (tmp_path / "key").exists()


def test_a_key_of_another_folder_is_found_at_the_start(tmp_path):
    settings = Settings(tmp_path / "accounts", tmp_path / "key")
    server.new_service(settings).close()
    kept = (tmp_path / "key").read_bytes()
    (tmp_path / "key").write_bytes(bytes(32))
    with pytest.raises(FacelabError, match="the key is another one") as held:
        server.new_service(settings)
    (tmp_path / "key").write_bytes(kept)
    server.new_service(settings).close()  # the folder is free again, though the error still holds all that it knows
    assert held.value


def test_a_port_that_is_taken_is_one_clear_error():
    taken = server.open_socket(server.ServerAddress(port=0))
    port = taken.getsockname()[1]
    with pytest.raises(FacelabError, match=f"port {port} cannot be used.*another --port"):
        server.open_socket(server.ServerAddress(port=port))
    assert server.page_urls(server.ServerAddress(), taken) == [f"http://127.0.0.1:{port}"]
    taken.close()


def test_without_the_extra_it_says_how_to_get_it(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("facelab.webapp.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("facelab.webapp.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr(sys, "argv", ["facelab", "app"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert (
        capsys.readouterr().err
        == "facelab: facelab app needs uvicorn, which is not installed. pip install 'facelab[app]'\n"
    )
    assert sface().name == "sface"
