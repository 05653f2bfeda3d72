"""What notebook 10 does with its own service: people before the camera, a print held aslant, hill climbing."""

import numpy as np
import pytest
from faceid import new_service

from facelab.cropping import YuNetDetector, largest_face
from facelab.webapp import attacks, demo, pose


def test_people_sign_up_log_in_and_go_over_http(tmp_path):
    (person, (shots, others)), (impostor, (_, theirs)) = list(demo.CAST.items())[:2]
    with demo.serve_in_thread(new_service(tmp_path)) as url:
        ann = demo.FaceIdClient(url)
        assert ann.sign_up("Ann", demo.orl_photographs(person, shots))[-1] == {"name": "Ann"}
        assert ann.log_in("Ann", *demo.orl_photographs(person, others))[-1]["state"] == "in"
        assert ann.get("/api/me")["name"] == "Ann"
        assert demo.FaceIdClient(url).log_in("Ann", *demo.orl_photographs(impostor, theirs))[-1]["state"] == "refused"
        assert ann.delete_account() == {"has_traces": False}
        assert ann.get("/api/me")["error"] == "not_signed_in"


@pytest.mark.parametrize("person", demo.CAST)
def test_the_cast_looks_where_it_is_said_to(person):
    shots, others = demo.CAST[person]
    assert len({*shots, *others}) == 8
    turns = [
        pose.head_turn(largest_face(YuNetDetector().detect(p)).landmarks) for p in demo.orl_photographs(person, others)
    ]
    assert abs(turns[0]) < 0.12 and turns[1] - turns[0] > 0.1 and turns[2] - turns[0] < -0.1


def test_a_print_is_seen_in_perspective():
    """Its middle line stays, its sides come nearer to it, and the side that is turned away looks smaller."""
    board = np.zeros((60, 40), np.uint8)
    board[10:50, [4, 20, 36]] = 255
    assert np.array_equal(attacks.rotated_print(board, 0), board)
    seen = attacks.rotated_print(board, 40, distance=2.0)
    columns = np.flatnonzero(seen[30] > 80)
    near, far = columns[columns < 15].mean(), columns[columns > 25].mean()
    x = np.array([4, 36]) / 40 - 0.5  # by hand: a point of the plane, turned, then divided by its depth
    expected = x * np.cos(np.radians(40)) / (1 + x * np.sin(np.radians(40)) / 2.0)
    np.testing.assert_allclose([near, far], (expected + 0.5) * 40, atol=1.0)
    heights = [(seen[:, round(column)] > 80).sum() for column in (near, far)]
    assert heights[0] > 40 > heights[1]


def test_climbing_finds_a_hidden_picture_by_its_score_alone():
    rng = np.random.default_rng(0)
    hidden, start = rng.uniform(60, 190, (8, 8)), np.full((8, 8), 128, np.uint8)
    directions = np.linalg.qr(rng.normal(size=(64, 64)))[0].T.reshape(64, 8, 8)
    asked = []

    def score(picture):
        asked.append(picture)
        return -float(np.abs(picture - hidden).mean())

    best, told = attacks.hill_climb(score, start, directions, queries=400, step=60.0)
    assert len(asked) == len(told) == 400 and told == sorted(told)
    assert score(best) == pytest.approx(told[-1]) and told[-1] > 0.6 * told[0]
    again, _ = attacks.hill_climb(score, start, directions, queries=400, step=60.0)
    assert np.array_equal(best, again)
