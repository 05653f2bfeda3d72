"""The HTTP interface as a stranger meets it: requests made up from its own description, and what every answer carries."""

import sqlite3
from contextlib import closing

import hypothesis
import pytest
import schemathesis
from faceid import BLANK, PNG, consent_version, log_in, new_service, open_client, own_frames, sign_up
from hypothesis import HealthCheck
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from facelab.webapp.api import new_app
from facelab.webapp.audit_table import KEPT_EVENTS_BY_OTHERS
from facelab.webapp.middleware import host_without_port
from facelab.webapp.settings import Limits

MANY = (10**9, 1.0)
NO_WAIT = (10**9, 0.0, 0.0)
UNLIMITED = Limits(
    NO_WAIT, NO_WAIT, MANY, MANY, MANY, MANY, MANY, open_dialogues=10**6, dialogues_per_address=10**6, sessions=10**6
)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = new_service(
        tmp_path_factory.mktemp("fuzz"), limits=UNLIMITED, max_log_in_frames=10**9, log_in_seconds=10**9
    )
    yield service
    service.close()


@pytest.fixture(scope="module")
def description(service):
    return schemathesis.openapi.from_asgi("/openapi.json", new_app(service, ("testserver",)))


_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    ("GET", "/api/state"), ("POST", "/api/sign-up"), ("POST", "/api/sign-up/{token}/shots"),
    ("POST", "/api/sign-up/{token}/finish"), ("DELETE", "/api/sign-up/{token}"), ("POST", "/api/log-in"),
    ("POST", "/api/passkey/creation"), ("POST", "/api/passkey/request"),
    ("POST", "/api/log-in/{nonce}/frames"), ("POST", "/api/who-am-i"), ("POST", "/api/log-out"),
    ("GET", "/api/me"), ("DELETE", "/api/me"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_whatever_is_sent_is_answered_as_described(description, service, method, path):
    """Half of the requests name a dialogue that is under way, so that they get past the first check."""
    statuses = set()

    @hypothesis.settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @hypothesis.seed(0)
    @hypothesis.given(
        case=hypothesis.strategies.one_of(
            description[path][method].as_strategy(generation_mode=m) for m in GenerationMode
        ),
        alive=hypothesis.strategies.booleans(),
    )
    def ask(case, alive):
        if alive and "{token}" in path:
            case.path_parameters["token"] = service.begin_sign_up(
                "Under way", service.consent_text.version, True, "here"
            )
        if alive and "{nonce}" in path:
            case.path_parameters["nonce"] = service.begin_log_in("Under way", "here")
        statuses.add(case.call_and_validate(checks=_CHECKS).status_code)

    ask()
    assert statuses - {403, 404}, statuses  # some came as far as the operation itself


def test_the_description_names_every_operation(description):
    found = {(one.ok().method.upper(), one.ok().path) for one in description.get_all_operations()}
    assert found == set(OPERATIONS)


def test_the_page_is_served_with_its_guards(client):
    for path in ("/", "/page/app.js", "/api/state", "/nothing", "/page/../api.py", "/page/%2e%2e/api.py"):
        answer = client.get(path)
        headers = answer.headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert "camera=(self)" in headers["permissions-policy"]
        assert headers["cache-control"] == ("no-store" if path.startswith("/api/") else "no-cache")
        assert answer.status_code == (200 if path in ("/", "/page/app.js", "/api/state") else 404)
        assert b"def new_app" not in answer.content
    assert client.get("/").headers["content-type"].startswith("text/html")


def test_errors_have_one_form(client):
    for method, path, status in (("GET", "/nothing", 404), ("PATCH", "/api/me", 405), ("GET", "/api/log-in", 405)):
        answer = client.request(method, path)
        assert answer.status_code == status and set(answer.json()) == {"error", "message"}
    assert "DELETE" in client.patch("/api/me").headers["allow"] or "GET" in client.patch("/api/me").headers["allow"]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io", "[::2]:80"])
def test_a_foreign_name_is_refused(client, host):
    answer = client.get("/api/state", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_host")


def test_a_host_is_read_without_its_port():
    for header in ("localhost", "LOCALHOST:8000", "localhost:80"):
        assert host_without_port(header) == "localhost"
    assert host_without_port("[::1]:8000") == host_without_port("[::1]") == "::1"


def test_the_limits_of_an_address_hold_for_every_kind(tmp_path):
    few = (2, 600.0)
    with open_client(new_service(tmp_path, limits=Limits(log_ins=few, sign_ups=few, identifications=few))) as client:
        asks = {
            "/api/log-in": {"json": {"name": "a"}},
            "/api/sign-up": {"json": {"name": "a", "consent": consent_version(client)}},
            "/api/who-am-i": {"content": BLANK, "headers": PNG},
        }
        for path, body in asks.items():
            assert [client.post(path, **body).status_code for _ in range(3)][1:] == [
                200 if path == "/api/who-am-i" else 201, 429,
            ]  # fmt: skip
    with open_client(new_service(tmp_path / "frames", limits=Limits(frames=few))) as client:
        statuses = [client.post("/api/who-am-i", content=BLANK, headers=PNG).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
    with open_client(new_service(tmp_path / "address", limits=Limits(refusals_per_address=(1, 600.0)))) as client:
        assert log_in(client, "one", *own_frames(10))["state"] == "refused"
        assert client.post("/api/log-in", json={"name": "another"}).status_code == 429
    with open_client(new_service(tmp_path / "one", limits=Limits(dialogues_per_address=1))) as client:
        first, _ = (client.post("/api/log-in", json={"name": "a"}).json()["challenge"] for _ in range(2))
        assert client.post(f"/api/log-in/{first}/frames", content=BLANK, headers=PNG).json()["error"] == "expired"


def test_my_data_is_all_that_is_stored(tmp_path):
    service = new_service(tmp_path, idle_days=30)
    with open_client(service) as client:
        agreed = client.get("/api/state").json()["consent"]
        assert any("do not log in for 30 days" in paragraph for paragraph in agreed["text"])
        sign_up(client, "Ada", 1, findable=True)
        log_in(client, "Ada", *own_frames(1))
        me = client.get("/api/me").json()
        raw = sqlite3.connect(service.store.path)
        columns = {column for (_, column, *_) in raw.execute("PRAGMA table_info(accounts)")}
        raw.close()
        told = {"id", "name", "key", "created", "last_login", "consent", "findable"}
        assert columns == told | {"factor", "factor_sealed"}
        assert set(me) == {
            "name", "created", "last_login", "consent", "findable", "second_factor", "templates", "remembered_visits",
            "embedder", "audit", "consent_text",
        }  # fmt: skip
        assert me["remembered_visits"] == 2, "the sign-up and the log-in"
        ada = service.store.list_accounts()[0].id
        for outcome in ["refused"] * 600 + ["ok"] * 200:  # by a stranger, and by who is let in
            service.store.record_event("log_in", outcome, ada)
        told = [(row["event"], row["outcome"]) for row in client.get("/api/me").json()["audit"]]
        with closing(sqlite3.connect(service.store.path)) as raw:
            query = "SELECT event, outcome FROM audit WHERE account = ? ORDER BY number DESC"
            assert told == raw.execute(query, (ada,)).fetchall()
        assert told.count(("log_in", "refused")) == KEPT_EVENTS_BY_OTHERS and ("sign_up", "ok") in told
        assert told.count(("log_in", "ok")) == 201
        assert any(f"only the newest {KEPT_EVENTS_BY_OTHERS} are kept" in paragraph for paragraph in agreed["text"])
        assert me["consent"] == {"version": agreed["version"], "time": me["created"]} and me["findable"] is True
        assert me["consent_text"] == "\n\n".join(agreed["text"])


def test_a_full_disk_is_told_as_such(tmp_path):
    service = new_service(tmp_path)
    with open_client(service) as client:
        sign_up(client, "Ada", 1)
        service.store._connection.execute("PRAGMA query_only = ON")
        nonce = client.post("/api/log-in", json={"name": "Ada"}).json()["challenge"]
        for data in own_frames(1):
            answer = client.post(f"/api/log-in/{nonce}/frames", content=data, headers=PNG)
        assert (answer.status_code, answer.json()["error"]) == (503, "storage")
        assert client.get("/api/me").status_code == 401  # nobody was let in without a row in the audit
