"""What somebody agreed to stays known: its version tells it from every other text, and the text itself is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faceid import (
    consent_version,
    log_in,
    new_service,
    open_client,
    own_frames,
    project_calibration,
    project_liveness,
    sign_up,
)
from kept_accounts import execute

from facelab.webapp.consent import consent_text


def test_a_text_that_quotes_other_rates_has_another_version():
    measured, liveness = project_calibration(), project_liveness()
    more = replace(measured, impostors=measured.impostors + 1)
    first, again, other = (consent_text(90, 365, "none", one, liveness) for one in (measured, measured, more))
    assert first.paragraphs != other.paragraphs and first.version != other.version
    assert first == again


def test_the_text_stays_readable_under_another_one(tmp_path):
    with open_client(new_service(tmp_path)) as client:
        before = client.get("/api/state").json()["consent"]
        sign_up(client, "Ada", 1)
    with open_client(new_service(tmp_path, audit_days=30)) as client:
        assert consent_version(client) != before["version"]
        assert log_in(client, "Ada", *own_frames(1))["state"] == "in"  # an older text locks nobody out
        me = client.get("/api/me").json()
        assert me["consent"]["version"] == before["version"]
        assert me["consent_text"] == "\n\n".join(before["text"])


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM about WHERE key LIKE 'consent %'",  # as in the databases of an earlier facelab
        "UPDATE about SET value = CAST('We may do anything.' AS BLOB) WHERE key LIKE 'consent %'",
        "UPDATE about SET value = 7 WHERE key LIKE 'consent %'",
    ],
)
def test_no_other_text_is_shown_as_the_one_that_was_agreed_to(tmp_path, statement):
    service = new_service(tmp_path)
    with open_client(service) as client:
        sign_up(client, "Ada", 1)
        log_in(client, "Ada", *own_frames(1))
        assert client.get("/api/me").json()["consent_text"]
        execute(service.store.path, statement)
        assert client.get("/api/me").json()["consent_text"] is None
