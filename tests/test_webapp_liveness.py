"""One photograph before the service: prints, warps, a sign-up; and the people whom it must let in nevertheless."""

import json
from contextlib import closing

import numpy as np
import pytest
from faceid import (
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
    project_calibration,
    project_liveness,
    sface,
    sign_up,
)

from facelab.errors import FacelabError
from facelab.exchange.photographs import DETECTOR
from facelab.experiments.face_id.shipped_liveness import liveness_from_record
from facelab.paths import project_data
from facelab.records import read_record
from facelab.webapp import attacks, demo, liveness_file
from facelab.webapp.consent import consent_text
from facelab.webapp.frame_analysis import FrameAnalyser
from facelab.webapp.liveness_features import FEATURES, face_crop, pair_features
from facelab.webapp.login import STRAIGHT_FRAMES, LogIn

CAMERA = attacks.Camera()


@pytest.fixture(scope="module")
def analyser():
    with closing(FrameAnalyser(sface(), workers=1)) as found:
        yield found


def stolen_photograph(person: int = 1, shot: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A photograph and its landmarks."""
    (photograph,) = demo.orl_photographs(person, (shot,))
    return photograph, DETECTOR.detect(np.repeat(photograph[..., None], 3, axis=2))[0].landmarks


def answering_warps(analyser, side: int, wanted: int, person: int = 1) -> list[tuple[bytes, bytes]]:
    """Straight and turned frames from one photograph that answer the challenge, each with another strength and camera."""
    photograph, landmarks = stolen_photograph(person)
    rng, found = np.random.default_rng(0), []
    for degrees in np.linspace(38, 22, 9):
        turned = attacks.turned_by_depth(photograph, landmarks, side * degrees)
        frames = [demo.encode_png(CAMERA.frame(picture, rng)) for picture in (photograph, turned)]
        dialogue = LogIn("", "", 0.3, 9, 60, rng=FixedSide(side))
        states = [dialogue.offer(analyser.analyse(frame)).state for frame in frames]
        if states == ["turn", "ready"]:
            found.append(tuple(frames))
    assert len(found) >= wanted, f"of 9 strengths {len(found)} answer the challenge"
    return found[:wanted]


@pytest.mark.parametrize("turned", [LEFT, RIGHT])
def test_one_photograph_warped_to_the_asked_side_opens_no_account(client, side, analyser, turned):
    """Each of these frames answers the challenge and shows the owner's face: only the liveness is in the way."""
    side.side = turned
    sign_up(client, "Ada", 1)
    for frames in answering_warps(analyser, turned, wanted=2):
        assert log_in(client, "Ada", *frames) == REFUSED
    assert log_in(client, "Ada", *own_frames(1, turned))["state"] == "in"


def test_those_warps_would_be_let_in_by_a_service_without_liveness(tmp_path, side, analyser, monkeypatch):
    monkeypatch.setattr("facelab.webapp.liveness.Liveness.score", lambda *_: 1.0)
    with open_client(new_service(tmp_path, side=side)) as client:
        sign_up(client, "Ada", 1)
        [frames] = answering_warps(analyser, LEFT, wanted=1)
        assert log_in(client, "Ada", *frames)["state"] == "in"


def test_an_account_is_not_made_of_one_photograph(client, analyser):
    photograph, landmarks = stolen_photograph()
    rng = np.random.default_rng(0)
    token = client.post("/api/sign-up", json={"name": "Ada", "consent": consent_version(client)}).json()["sign_up"]

    def offer(picture):
        data = demo.encode_png(CAMERA.frame(picture, rng))
        return client.post(f"/api/sign-up/{token}/shots", content=data, headers=PNG).json()

    assert offer(photograph)["accepted"]
    for degrees in (25, 30, 35):
        if offer(attacks.turned_by_depth(photograph, landmarks, degrees))["accepted"]:
            break
    answers = [offer(attacks.turned_by_depth(photograph, landmarks, -degrees)) for degrees in (20, 25, 30, 35)]
    assert not any(answer["accepted"] for answer in answers)
    assert {answer["hint"]["code"] for answer in answers} <= {"one_picture", "same_picture", "turn_more_right"}
    assert client.post(f"/api/sign-up/{token}/finish").status_code == 409


def test_a_plane_moves_as_a_plane_and_a_head_does_not():
    """Against something true: a homography of a picture leaves next to nothing, a true second pose leaves much."""
    photograph, landmarks = stolen_photograph()
    _, true_turn, _ = SHOTS[1][1]
    seen = {
        "print": attacks.rotated_print(photograph, 40),
        "bent": attacks.bent_print(photograph, 0.5, 30),
        "warp": attacks.turned_by_depth(photograph, landmarks, 30),
        "head": demo.orl_photographs(1, (true_turn,))[0],
    }

    def crop(picture):
        image = np.repeat(picture[..., None], 3, axis=2)
        return face_crop(image, DETECTOR.detect(image)[0].landmarks)

    figures = {
        name: dict(zip(FEATURES, pair_features(crop(photograph), crop(picture), 1), strict=True))
        for name, picture in seen.items()
    }
    assert figures["print"]["plane"] < min(figures[name]["plane"] for name in ("bent", "warp", "head")) - 0.5
    assert figures["bent"]["sheet"] < figures["head"]["sheet"] - 0.5
    assert all(figures[name]["match"] > figures["head"]["match"] + 0.3 for name in ("print", "bent", "warp"))
    assert all(figures[name]["grain"] < figures["head"]["grain"] for name in ("print", "bent", "warp"))


def test_the_figures_are_the_same_in_a_mirror():
    first, second = (crop_of(1, shot) for shot in SHOTS[1][1][:2])
    mirrored = pair_features(first[:, ::-1], second[:, ::-1], -1)
    np.testing.assert_allclose(pair_features(first, second, 1), mirrored)


def crop_of(person, shot):
    photograph, landmarks = stolen_photograph(person, shot)
    return face_crop(photograph[..., None], landmarks)


def test_faces_without_any_detail_are_scored_and_no_error():
    """An even grey, a black and a white crop: whatever a camera sends, a log-in ends in an answer."""
    for first, second in ((128, 128), (0, 255), (255, 0)):
        crops = [np.full((128, 128), level, np.uint8) for level in (first, second)]
        assert np.isfinite(project_liveness().score(*crops, 1))


def test_the_side_is_told_after_one_to_three_straight_frames(analyser):
    straight = analyser.analyse(own_frames(1)[0])
    asked = []
    for _ in range(60):
        dialogue = LogIn("", "", 0.3, 60, 10)
        steps = [dialogue.offer(straight)]
        while steps[-1].state == "straight":
            steps.append(dialogue.offer(straight))
        asked.append(len(steps))
        assert [step.state for step in steps] == ["straight"] * (len(steps) - 1) + ["turn"]
        assert all(step.hint is None for step in steps)
    assert set(asked) == set(STRAIGHT_FRAMES) == {1, 2, 3}


@pytest.mark.parametrize(("seconds", "state"), [(9.5, "in"), (10.0, "refused")])
def test_a_turn_that_takes_too_long_is_refused_like_any_other(tmp_path, clock, seconds, state):
    with open_client(new_service(tmp_path, clock=clock)) as client:
        sign_up(client, "Ada", 1)
        nonce = client.post("/api/log-in", json={"name": "Ada"}).json()["challenge"]
        clock.now += 20  # before the side is told there is more time
        straight, turned = own_frames(1)
        client.post(f"/api/log-in/{nonce}/frames", content=straight, headers=PNG)
        clock.now += seconds
        answer = client.post(f"/api/log-in/{nonce}/frames", content=turned, headers=PNG).json()
        assert answer["state"] == state and (state == "in" or answer == REFUSED)


def test_the_file_is_what_the_record_says():
    record = read_record(project_data("results", "10_attacks.json"))
    assert liveness_from_record(record) == project_liveness()


def test_the_targets_are_met_and_the_choosing_attacker_is_told():
    found = project_liveness()
    for name in ("print held still", "print turned", "print bent upright", "print bent across", "2-D warp", "3-D warp"):
        assert found.apcer[name].value <= 0.10, name
    assert found.target_bpcer == 0.05 and found.bpcer.low <= found.target_bpcer <= found.bpcer.high
    chosen = found.apcer["one photograph, best of all"]
    assert chosen.value >= max(rate.value for rate in found.apcer.values()) - 1e-9


@pytest.mark.parametrize("kind", ["none", "passphrase", "passkey"])
def test_the_consent_quotes_the_measured_rates(kind):
    found = project_liveness()
    text = " ".join(consent_text(90, 365, kind, project_calibration(), found).paragraphs)
    chosen = found.apcer["one photograph, best of all"]
    assert f"{100 * chosen.value:.0f} (95 % interval: {100 * chosen.low:.0f} to {100 * chosen.high:.0f}) were" in text
    assert f"{100 * found.bpcer.value:.0f} (95 %" in text and "a film of you" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(schema=9), "has schema 9"),
        (lambda c: c.pop("schema"), "not a liveness detector"),
        (lambda c: c["weights"].update(plane="high"), "plane is 'high'"),
        (lambda c: c["weights"].pop("plane"), "its features are"),
        (lambda c: c.update(intercept=True), "intercept is True"),
        (lambda c: c.update(intercept=float("inf")), "intercept is inf"),
        (lambda c: c.update(sign_up_threshold=None), "sign_up_threshold is None"),
        (lambda c: c.update(target_bpcer=0), "target_bpcer is 0"),
        (lambda c: c["bpcer"].update(value=2), "the rate of bpcer"),
        (lambda c: c.update(apcer={}), "'print turned' was not measured"),
        (lambda c: c["apcer"].pop("one photograph, best of all"), "'one photograph, best of all' was not measured"),
        (lambda c: c.update(more=1), "not a liveness detector"),
    ],
)
def test_a_file_that_does_not_fit_is_one_clear_error(tmp_path, change, said):
    path = tmp_path / "liveness.json"
    content = json.loads(liveness_file.default_liveness_file().read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(FacelabError, match=said) as error:
        liveness_file.read_liveness(path)
    assert "\n" not in str(error.value) and "facelab experiment run 10_attacks" in str(error.value)


def test_no_file_is_told_with_its_remedy(tmp_path):
    with pytest.raises(FacelabError, match="no liveness detector .*10_attacks"):
        liveness_file.read_liveness(tmp_path / "none.json")
