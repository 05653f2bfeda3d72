"""Recordings: copies of a log-in's frames are refused after any change, after a restart too, and the owner learns why."""

import shutil
import sqlite3

import cv2
import numpy as np
import pytest
from faceid import (
    BLANK,
    LEFT,
    PNG,
    REFUSED,
    RIGHT,
    SHOTS,
    FixedSide,
    consent_version,
    log_in,
    new_service,
    open_client,
    own_frames,
    photograph,
    sface,
    sign_up,
)
from photos import encoded

from facelab.webapp import copies, seen_table
from facelab.webapp.attacks.recordings import CHANGES
from facelab.webapp.database import DATABASE_FILE
from facelab.webapp.frame_analysis import FrameAnalyser
from facelab.webapp.liveness import Liveness
from facelab.webapp.seen_frames import DigestMemory, SeenFrames
from facelab.webapp.vault import open_vault

DAY = 86_400
NOT_ALWAYS_FOUND = "cut by 8 %"  # where it takes an edge of the face along; ``10_replays.json`` says how often
ADA = 35  # of ORL; to her right she turns far enough in every copy below


@pytest.fixture(autouse=True)
def everybody_is_alive(monkeypatch):
    """Liveness has tests of its own; a copy of two photographs of a person is no attack to it."""
    monkeypatch.setattr(Liveness, "score", lambda *_: 1.0)


def large(person: int, shot: int) -> np.ndarray:
    """A photograph in the size that a camera gives, uint8 (336, 276)."""
    return cv2.resize(photograph(person, shot), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)


def first_log_in() -> list[np.ndarray]:
    """Straight, and turned to the right."""
    straight, _, right = SHOTS[ADA][1]
    return [large(ADA, straight), large(ADA, right)]


def second_log_in() -> list[bytes]:
    """Other photographs of her: straight, and turned to the left."""
    return as_frames([large(ADA, 10), large(ADA, 7)])


mirrored, noisy, sheared = (CHANGES[name] for name in ("mirrored", "noise of 5 levels", "sheared by 10 %"))


def as_frames(images: list[np.ndarray], level: int = 6) -> list[bytes]:
    return [encoded(image, "PNG", compress_level=level) for image in images]


@pytest.fixture
def owner(tmp_path, side, clock):
    """Somebody who signed up, logged in once, and comes back; the service's folder is ``tmp_path``."""
    side.side = RIGHT
    with open_client(new_service(tmp_path, side=side, clock=clock, session_seconds=DAY)) as client:
        sign_up(client, "Ada", ADA)
        assert log_in(client, "Ada", *as_frames(first_log_in()))["state"] == "in"
        yield client


def outcomes(client) -> list[str]:
    return [event["outcome"] for event in client.get("/api/me").json()["audit"] if event["event"] == "log_in"]


def test_a_copy_of_a_log_in_is_refused_whatever_was_done_to_it(owner, side, clock):
    analyser, passed = FrameAnalyser(sface(), workers=1), []
    changes = {name: change for name, change in CHANGES.items() if name != NOT_ALWAYS_FOUND}
    for name, change in {"other bytes of the same pixels": lambda image: image, **changes}.items():
        frames = as_frames([change(image) for image in first_log_in()], 1)
        straight, turned = (analyser.analyse(data).turn for data in frames)
        side.side = LEFT if turned > straight else RIGHT  # the attacker waits for the side that suits
        clock.now += 600  # and as long as a name that was refused is kept waiting
        if log_in(owner, "Ada", *frames) != REFUSED or outcomes(owner)[0] != "looked_like_a_recording":
            passed.append(name)
    assert passed == []


def test_who_was_refused_for_a_recording_would_else_have_been_let_in(owner, monkeypatch):
    monkeypatch.setattr(copies, "ONE_PICTURE", 2.0)
    assert log_in(owner, "Ada", *as_frames([noisy(image) for image in first_log_in()]))["state"] == "in"


def test_the_owner_comes_back_with_another_face(owner, side):
    side.side = LEFT
    assert log_in(owner, "Ada", *second_log_in())["state"] == "in"
    assert outcomes(owner) == ["ok", "ok"]


def test_a_recording_of_the_sign_up_is_one_too(owner):
    """Its shots were seen as well: straight, and turned to the right."""
    _, _, right, straight, _ = SHOTS[ADA][0]
    assert log_in(owner, "Ada", *as_frames([noisy(large(ADA, straight)), noisy(large(ADA, right))])) == REFUSED
    assert outcomes(owner)[0] == "looked_like_a_recording"


def test_two_recordings_mixed_are_found(owner):
    """The straight frame of the log-in with the turned one of the sign-up."""
    straight, turned = large(ADA, SHOTS[ADA][1][0]), large(ADA, SHOTS[ADA][0][2])
    assert log_in(owner, "Ada", *as_frames([noisy(straight), noisy(turned)])) == REFUSED
    assert outcomes(owner)[0] == "looked_like_a_recording"


def test_one_frame_sent_again_is_enough(owner):
    """To the pixel no two frames are alike; a near copy of one frame alone may be chance, and is let pass."""
    old, new = first_log_in()[0], large(ADA, 9)
    assert log_in(owner, "Ada", *as_frames([old, new], 1)) == REFUSED
    assert outcomes(owner)[0] == "looked_like_a_recording"


def test_a_turned_photograph_and_its_mirror_image_are_no_turn_of_the_head(owner, side, clock, monkeypatch):
    """What is turned a little to one side, looked at in a mirror, is turned to the other."""
    pair = as_frames([large(ADA, 10), mirrored(large(ADA, 10))])
    straight, turned = (FrameAnalyser(sface(), workers=1).analyse(data).turn for data in pair)
    assert turned - straight > 0.1
    side.side = LEFT
    assert log_in(owner, "Ada", *pair) == REFUSED
    assert outcomes(owner)[0] == "looked_like_a_recording"
    clock.now += 600
    monkeypatch.setattr("facelab.webapp.replay.POSES_OF_ONE_PICTURE", 2.0)
    pair = as_frames(
        [noisy(image) for image in (large(ADA, 10), mirrored(large(ADA, 10)))]
    )  # their digests are known now
    assert log_in(owner, "Ada", *pair)["state"] == "in"


def test_a_sign_up_takes_no_mirror_image_for_another_shot(tmp_path):
    with open_client(new_service(tmp_path)) as client:
        token = client.post("/api/sign-up", json={"name": "Ada", "consent": consent_version(client)}).json()["sign_up"]
        first, left, right = (large(1, shot) for shot in SHOTS[1][0][:3])
        for image, hint in [(first, None), (left, None), (mirrored(left), "same_picture"), (right, None)]:
            body = encoded(image, "PNG")
            answer = client.post(f"/api/sign-up/{token}/shots", content=body, headers=PNG).json()
            assert (answer["hint"] or {}).get("code") == hint
        for image in (first, mirrored(first), noisy(first)):
            answer = client.post(f"/api/sign-up/{token}/shots", content=encoded(image, "PNG"), headers=PNG).json()
            assert answer["hint"]["code"] == "same_picture"


def test_a_frame_without_a_face_is_no_recording(owner, side, clock):
    """Cameras begin with a black frame: all of these are alike."""
    side.side = LEFT
    assert log_in(owner, "Ada", BLANK, *own_frames(23)) == REFUSED
    clock.now += 600
    assert log_in(owner, "Ada", BLANK, *second_log_in())["state"] == "in"


@pytest.mark.parametrize("place", ["the same folder", "a copy on a second server"])
def test_a_restart_forgets_no_recording(tmp_path, place):
    with open_client(new_service(tmp_path / "first", side=FixedSide(RIGHT))) as client:
        sign_up(client, "Ada", ADA)
        assert log_in(client, "Ada", *as_frames(first_log_in()))["state"] == "in"
    folder = tmp_path / "first"
    if place != "the same folder":
        folder = shutil.copytree(tmp_path / "first", tmp_path / "second")
    exact = as_frames(first_log_in(), 1)
    near = as_frames([sheared(mirrored(image)) for image in first_log_in()])
    for frames, sides in ((exact, RIGHT), (near, LEFT)):
        with open_client(new_service(folder, side=FixedSide(sides))) as client:
            assert log_in(client, "Ada", *frames) == REFUSED
            assert _audit(folder)[-1] == ("log_in", "looked_like_a_recording")


def _audit(folder) -> list[tuple]:
    raw = sqlite3.connect(f"file:{folder / 'accounts' / DATABASE_FILE}?mode=ro", uri=True)
    rows = raw.execute("SELECT event, outcome FROM audit ORDER BY number").fetchall()
    raw.close()
    return rows


def test_what_is_kept_is_sealed_bounded_and_gone_with_the_account(tmp_path, clock):
    service = new_service(tmp_path, clock=clock, side=FixedSide(RIGHT))
    with open_client(service) as client:
        sign_up(client, "Ada", ADA)
        sign_up(client, "Bob", 4)
        ids = {account.name: account.id for account in service.store.list_accounts()}
        assert log_in(client, "Ada", *as_frames(first_log_in()))["state"] == "in"
        rows = service.store.seen_frames(ids["Ada"])
        vault = open_vault(tmp_path / "key", tmp_path / "accounts")
        plain = [vault.open(row.sealed_bytes, *row.bound_to) for row in rows]
        seen = [SeenFrames.from_bytes(data) for data in plain]
        assert [len(one.faces) for one in seen] == [5, 2] and [len(one.digests) for one in seen] == [5, 2]
        on_disk = (tmp_path / "accounts" / DATABASE_FILE).read_bytes()
        assert all(row.sealed_bytes[:16] in on_disk for row in rows)
        assert not any(data[1:17] in on_disk for data in plain)
        for _ in range(2 * seen_table.KEPT_VISITS):
            sealed = vault.seal(SeenFrames().to_bytes(), *seen_table.seen_frames_binding(ids["Ada"]))
            service.store.record_event("log_in", "ok", ids["Ada"], sealed)
        assert len(service.store.seen_frames(ids["Ada"])) == seen_table.KEPT_VISITS
        assert len(service.store.seen_frames(ids["Bob"])) == 1
        newest = service.store.seen_frames(ids["Ada"])
        assert client.delete("/api/me").status_code == 200
        on_disk = (tmp_path / "accounts" / DATABASE_FILE).read_bytes()
        assert service.store.seen_frames(ids["Ada"]) == []
        assert not any(row.sealed_bytes[place : place + 16] in on_disk for row in newest for place in (0, 12, 20))
        (bobs,) = service.store.seen_frames(ids["Bob"])
        for _ in range(31):
            clock.now += DAY
            service.purge()
        assert service.store.seen_frames(ids["Bob"]) == []
        assert bobs.sealed_bytes[:16] not in (tmp_path / "accounts" / DATABASE_FILE).read_bytes()


def test_a_stranger_leaves_nothing_behind(owner, tmp_path, side):
    """Who is refused may be anybody: nothing of the face is written down, under no name."""
    side.side = LEFT
    before = _seen_rows(tmp_path)
    assert log_in(owner, "Ada", *own_frames(23)) == REFUSED
    assert log_in(owner, "Nobody", *own_frames(1)) == REFUSED
    assert _seen_rows(tmp_path) == before


def _seen_rows(folder) -> list[tuple]:
    raw = sqlite3.connect(f"file:{folder / 'accounts' / DATABASE_FILE}?mode=ro", uri=True)
    rows = raw.execute("SELECT account, sealed FROM seen").fetchall()
    raw.close()
    return rows


def test_a_damaged_row_shuts_nobody_out_and_is_told(owner, tmp_path, side):
    raw = sqlite3.connect(tmp_path / "accounts" / DATABASE_FILE)
    raw.execute("UPDATE seen SET sealed = x'00' WHERE number = 1")
    raw.commit()
    raw.close()
    side.side = LEFT
    assert log_in(owner, "Ada", *second_log_in())["state"] == "in"
    events = [(event["event"], event["outcome"]) for event in owner.get("/api/me").json()["audit"]]
    assert ("open_seen_frames", "damaged") in events


def test_nobody_but_the_owner_learns_that_it_looked_like_a_recording(owner, side, clock):
    """Three who are refused, at the door: for a recording, for another face, for a name that is not there. No word differs."""
    recording = as_frames([noisy(image) for image in first_log_in()])
    answers = []
    for name, frames, to in (
        ("Ada", recording, RIGHT),
        ("Ada", own_frames(23), LEFT),
        ("Nobody", own_frames(23), LEFT),
    ):
        side.side = to
        clock.now += 600
        nonce = owner.post("/api/log-in", json={"name": name}).json()["challenge"]
        for data in frames:
            answer = owner.post(f"/api/log-in/{nonce}/frames", content=data, headers=PNG)
        answers.append((answer.status_code, answer.content, sorted(answer.headers)))
    assert answers[0] == answers[1] == answers[2]
    assert outcomes(owner)[:2] == ["refused", "looked_like_a_recording"]


def test_a_name_that_is_not_there_makes_as_much_work(owner, side, monkeypatch):
    """What a comparison costs is the number of changes that are tried; it does not depend on how much is kept."""
    work, side.side = [], LEFT
    original = copies._frequencies
    monkeypatch.setattr(copies, "_frequencies", lambda face, tried: work.append(len(tried)) or original(face, tried))
    amounts = []
    for name, frames in (("Ada", own_frames(23)), ("Nobody", own_frames(1))):
        work.clear()
        log_in(owner, name, *frames)
        amounts.append(sum(work))
    assert amounts[0] == amounts[1] > 0


def test_seen_frames_are_read_as_they_were_written():
    rng = np.random.default_rng(0)
    for faces, digests in ((0, 0), (2, 0), (5, 60)):
        seen = SeenFrames(rng.random((faces, copies.BITS)) < 0.5, frozenset(rng.bytes(16) for _ in range(digests)))
        again = SeenFrames.from_bytes(seen.to_bytes())
        assert np.array_equal(again.faces, seen.faces) and again.digests == seen.digests
        assert len(seen.to_bytes()) == 1 + 32 * faces + 16 * digests


def test_digests_are_forgotten_with_time_and_by_number():
    now = [0.0]
    memory = DigestMemory(lifetime_seconds=10, capacity=2, clock=lambda: now[0])
    assert not memory.check_and_remember(b"a", "first")
    assert not memory.check_and_remember(b"a", "first")  # a camera at rest, in the same dialogue
    assert memory.check_and_remember(b"a", "second")
    now[0] = 11
    assert not memory.check_and_remember(b"a", "third")
    for number in range(10):
        memory.check_and_remember(bytes([number]), f"{number}")
    assert len(memory._seen) <= 2


@pytest.mark.parametrize("person", [17, 34])
def test_log_ins_of_one_person_are_no_copies(person):
    """Of ORL's 40 people these two look most alike on two photographs; the rate of all says ``10_replays.json``."""
    analyser = FrameAnalyser(sface(), workers=1)
    frames = [analyser.analyse(data) for data in as_frames([large(person, shot) for shot in range(1, 11)], 1)]
    turns, bits = [frame.turn for frame in frames], np.stack([copies.face_bits(frame.face_crop) for frame in frames])
    pairs = [(i, j) for i in range(10) for j in range(10) if abs(turns[i]) <= 0.12 and abs(turns[j] - turns[i]) >= 0.1]
    assert pairs
    for straight, turned in pairs[:8]:
        pair = frames[straight].face_crop, frames[turned].face_crop
        assert not copies.resemble_earlier(*pair, np.delete(bits, [straight, turned], axis=0))
        assert not copies.is_one_picture(*pair, copies.POSES_OF_ONE_PICTURE)
