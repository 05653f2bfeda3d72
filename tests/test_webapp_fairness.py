"""What counts against a name and an address, and what does not."""

import pytest
from faceid import (
    BLANK,
    LEFT,
    PNG,
    RIGHT,
    frame,
    log_in,
    new_service,
    open_client,
    own_frames,
    sign_up,
    two_faces,
)

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
        clock.now += 46  # it has run out
    side.side = LEFT
    assert begin(client, "Ada").json()["error"] == "too_often"
    clock.now += 600
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
    clock.now += 601
    assert who()["name"] == "Ada"
