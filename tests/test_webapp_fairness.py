"""What counts against a name and an address, and what does not."""

import pytest
from faceid import (
    BLANK,
    HEADERS,
    LEFT,
    PNG,
    RIGHT,
    consent_version,
    frame,
    log_in,
    new_service,
    open_client,
    own_frames,
    sign_up,
    two_faces,
)
from fastapi.testclient import TestClient

from facelab.webapp.settings import Limits


@pytest.fixture
def client(tmp_path, side, clock):
    with open_client(new_service(tmp_path, side=side, clock=clock, max_log_in_frames=2)) as client:
        yield client


def begin(client, name: str):
    return client.post("/api/log-in", json={"name": name})


def drop_after(client, name: str, *frames: bytes) -> None:
    """A log-in that is begun, gets some frames, and is never ended."""
    nonce = begin(client, name).json()["challenge"]
    for data in frames:
        client.post(f"/api/log-in/{nonce}/frames", content=data, headers=PNG)


@pytest.mark.parametrize("data", [BLANK, two_faces(1, 4), frame(4, 10)], ids=["nothing", "two faces", "not straight"])
def test_frames_that_were_never_compared_do_not_lock_a_name(client, data):
    sign_up(client, "Ada", 1)
    for _ in range(6):
        assert log_in(client, "Ada", data, data)["state"] == "refused"
    assert log_in(client, "Ada", *own_frames(1))["state"] == "in"


def test_but_they_count_for_the_address(tmp_path):
    limits = Limits(refusals_per_address=(3, 600.0))
    with open_client(new_service(tmp_path, max_log_in_frames=1, limits=limits)) as client:
        for name in "abc":
            assert log_in(client, name, BLANK)["state"] == "refused"
        assert begin(client, "d").json()["error"] == "too_often"


def test_challenges_that_are_dropped_until_the_side_suits_count(client, side, clock):
    """A recording turned to the left: whoever is asked for the right side begins again."""
    sign_up(client, "Ada", 1)
    straight, left = own_frames(1)
    side.side = RIGHT
    for _ in range(5):
        drop_after(client, "Ada", straight)
        clock.now += 5
    side.side = LEFT
    assert begin(client, "Ada").json()["error"] == "too_often"
    clock.now += 30
    assert begin(client, "Ada").status_code == 201


def test_challenges_that_never_told_their_side_do_not_count(client):
    sign_up(client, "Ada", 1)
    for _ in range(6):
        drop_after(client, "Ada")
        drop_after(client, "Ada", BLANK)
    assert log_in(client, "Ada", *own_frames(1))["state"] == "in"


def test_a_name_that_is_shut_is_not_told_by_who_am_i(client, clock):
    sign_up(client, "Ada", 1, findable=True)
    own = own_frames(1)[1]

    def who():
        return client.post("/api/who-am-i", content=own, headers=PNG).json()

    assert who()["name"] == "Ada"
    for _ in range(5):
        log_in(client, "Ada", *own_frames(10))
    assert who() == {"name": None, "hint": None}
    clock.now += 31
    assert who()["name"] == "Ada"


def others_before(client, address: str) -> TestClient:
    """Another browser before the same service."""
    return TestClient(client.app, base_url="http://localhost", headers=HEADERS, client=(address, 1))


def guess(client, name: str, networks: int, clock) -> list[int]:
    """Strangers of so many networks who try as often as they may for some minutes; the seconds they were told to wait."""
    told = []
    for _ in range(6):
        for number in range(networks):
            stranger = others_before(client, f"198.51.100.{number}")
            answer = begin(stranger, name)
            if answer.status_code == 429:
                told.append(int(answer.headers["Retry-After"]))
                continue
            nonce = answer.json()["challenge"]
            for data in own_frames(10):
                stranger.post(f"/api/log-in/{nonce}/frames", content=data, headers=PNG)
        clock.now += 1
    return told


def test_a_stranger_locks_nobody_out(client, clock):
    """Ann is at her own machine while somebody else guesses; before, five guesses shut her out for ten minutes."""
    sign_up(client, "Ann", 1)
    told = guess(client, "Ann", 1, clock)
    assert told and max(told) <= 60  # the one who was refused waits
    assert log_in(client, "Ann", *own_frames(1))["state"] == "in"
    assert begin(others_before(client, "198.51.100.0"), "Ann").json()["error"] == "too_often"


def test_from_where_she_logged_in_before_ann_waits_for_no_stranger(client, clock):
    sign_up(client, "Ann", 1)
    assert log_in(client, "Ann", *own_frames(1))["state"] == "in"
    guess(client, "Ann", 9, clock)
    newcomer = others_before(client, "203.0.113.5")
    held_up = begin(newcomer, "Ann")
    assert held_up.status_code == 429 and 1 <= int(held_up.headers["Retry-After"]) <= 60
    assert begin(client, "Ann").status_code == 201 and begin(newcomer, "Bob").status_code == 201
    assert begin(others_before(client, "198.51.100.200"), "ann").status_code == 429  # the same name
    clock.now += 60  # the longest wait that strangers can cause
    assert begin(newcomer, "Ann").status_code == 201


def test_deletion_forgets_where_somebody_logged_in(client, clock):
    sign_up(client, "Ann", 1)
    log_in(client, "Ann", *own_frames(1))
    assert client.delete("/api/me").status_code == 200
    guess(client, "Ann", 9, clock)
    assert begin(client, "Ann").status_code == 429


def test_a_purge_forgets_where_somebody_logged_in(client, clock):
    sign_up(client, "Ann", 1)
    log_in(client, "Ann", *own_frames(1))
    deleted = []
    for _ in range(91):
        clock.now += 86_400
        deleted.append(client.app.state.service.purge())
    assert sum(deleted) == 1
    guess(client, "Ann", 9, clock)
    assert begin(client, "Ann").status_code == 429


def test_the_wait_that_is_told_is_the_wait(client, clock):
    sign_up(client, "Ada", 1)
    for _ in range(5):
        log_in(client, "Ada", *own_frames(10))
    for expected in (30, 60, 120, 240, 480, 600, 600):
        told = begin(client, "Ada")
        assert told.json() == {"error": "too_often", "message": f"Too many tries. Wait {expected} seconds."}
        assert told.headers["Retry-After"] == str(expected)
        clock.now += expected - 1
        assert begin(client, "Ada").json()["message"] == "Too many tries. Wait 1 second."
        clock.now += 1
        assert log_in(client, "Ada", *own_frames(10))["state"] == "refused"
    clock.now += 600
    assert log_in(client, "Ada", *own_frames(1))["state"] == "in"
    assert begin(client, "Ada").status_code == 201  # a success ends it


def test_one_address_fills_no_places_of_others(tmp_path):
    few = Limits(open_dialogues=4, dialogues_per_address=3)
    with open_client(new_service(tmp_path, limits=few)) as client:
        attacker = others_before(client, "198.51.100.7")
        for path, asked in (("/api/log-in", {}), ("/api/sign-up", {"consent": consent_version(client)})):
            for number in range(12):
                assert attacker.post(path, json={"name": f"n{number}"} | asked).status_code == 201
            for number in range(3):  # of whom nobody is told that too many people are there
                honest = others_before(client, f"203.0.113.{number}")
                assert honest.post(path, json={"name": f"h{number}"} | asked).status_code == 201
