"""What the attack instruments do to a picture, and how the experiment counts; held against something true."""

import numpy as np
import pandas as pd
import pytest

from facelab.evaluation import wilson
from facelab.experiments.face_id import attack_detectors as detectors
from facelab.experiments.face_id import attack_presentations as presentations
from facelab.experiments.face_id import attack_summary as summary
from facelab.webapp import attacks, demo
from facelab.webapp.attacks.presentations import retouched

LANDMARKS = np.array([[45.0, 60.0], [79.0, 60.0], [62.0, 80.0], [48.0, 98.0], [76.0, 98.0]])


def spot(x: float, y: float) -> np.ndarray:
    """A soft white spot on black, uint8 (144, 124)."""
    rows, columns = np.mgrid[0:144, 0:124]
    return (255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)).astype(np.uint8)


def center(picture: np.ndarray) -> tuple[float, float]:
    weight = picture.astype(float)
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    return float((columns * weight).sum() / weight.sum()), float((rows * weight).sum() / weight.sum())


@pytest.mark.parametrize("side", [1, -1])
def test_a_push_moves_the_nose_and_hardly_the_corners(side):
    strength, eyes = 0.3, 34.0
    moved = center(attacks.warped_to_side(spot(62, 80), LANDMARKS, side * strength))
    assert moved[0] - 62 == pytest.approx(side * strength * eyes, abs=1.5) and moved[1] == pytest.approx(80, abs=0.5)
    assert center(attacks.warped_to_side(spot(8, 10), LANDMARKS, side * strength))[0] == pytest.approx(8, abs=1)


@pytest.mark.parametrize("side", [1, -1])
def test_a_depth_moves_the_nose_before_the_eyes(side):
    def shift(x, y):
        return side * (center(attacks.turned_by_depth(spot(x, y), LANDMARKS, side * 25))[0] - x)

    nose, eyes = shift(62, 80), (shift(45, 60) + shift(79, 60)) / 2
    assert nose > eyes + 2 > 2
    still = attacks.turned_by_depth(spot(62, 80), LANDMARKS, 0)
    assert center(still) == pytest.approx((62, 80), abs=0.3)


def test_a_print_round_a_wide_tube_is_nearly_a_print():
    (photograph,) = demo.orl_photographs(1, (1,))
    for degrees in (0, 30):
        flat, bent = attacks.rotated_print(photograph, degrees), attacks.bent_print(photograph, 1e4, degrees)
        inner = (slice(20, -20), slice(20, -20))
        assert np.abs(flat[inner].astype(int) - bent[inner]).mean() < 2


def test_a_tube_hides_its_sides_where_its_circle_says():
    radius, u = 0.5, 0.3  # of the paper, in widths; seen from 2 widths away
    seen = center(attacks.bent_print(spot((u + 0.5) * 124, 72), radius, 0))[0] / 124 - 0.5
    expected = radius * np.sin(u / radius) / (1 + radius * (1 - np.cos(u / radius)) / 2)
    assert seen == pytest.approx(expected, abs=0.01)
    lying = center(attacks.bent_print(spot(62, 72 + 0.3 * 124), radius, 0, upright=False))[1]
    assert (lying - 72) / 124 == pytest.approx(expected, abs=0.01)


def test_a_screen_has_its_grid():
    shown = attacks.on_screen(np.full((144, 124), 128, np.uint8), pitch=4.0, contrast=0.2, gamma=1.0)
    power = np.abs(np.fft.rfft(shown.mean(axis=0) - shown.mean()))
    assert np.argmax(power) == pytest.approx(124 / 4, abs=1)


def test_a_camera_never_films_the_same_twice_and_what_it_is_told_again():
    (photograph,) = demo.orl_photographs(1, (1,))
    camera = attacks.Camera()
    first, second = (camera.frame(photograph, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.dtype == np.uint8 and (first.shape != second.shape or (first != second).any())
    np.testing.assert_array_equal(first, camera.frame(photograph, np.random.default_rng(0)))
    still = attacks.Camera((1, 1), 0, (0.01, 0.01), (1, 1), (1, 1), 0, (0, 0), (100, 100))
    assert np.abs(still.frame(photograph, np.random.default_rng(0)).astype(int) - photograph).max() <= 3


def test_every_instrument_gives_two_pictures_of_the_photographs_size():
    (photograph,) = demo.orl_photographs(1, (1,))
    for name, instrument in {**attacks.INSTRUMENTS, "edited": attacks.EDITED_WARP}.items():
        for side in (1, -1):
            pair = instrument(photograph, LANDMARKS, side, np.random.default_rng(0))
            assert [picture.shape for picture in pair] == [photograph.shape] * 2, name
            assert all(picture.dtype == np.uint8 for picture in pair)
    edited = retouched(photograph, 34.0, np.random.default_rng(0))
    assert 0 < np.abs(edited.astype(int) - photograph).mean() < 40


def test_a_linear_detector_weighs_each_instrument_alike():
    """900 of one instrument and 30 of another lie on two sides of the bona fide: the few must not be given up."""
    rng = np.random.default_rng(0)
    places = {"bona fide": (0, 300), "common": (-3, 900), "rare": (3, 30)}
    names = np.concatenate([[name] * count for name, (_, count) in places.items()])
    values = np.concatenate([rng.normal((where, where), 0.3, (count, 2)) for where, count in places.values()])
    values = np.c_[values, values[:, 0] ** 2]
    weights, intercept = detectors.fit_linear(values, names, "bona fide")
    live = values @ weights + intercept > 0
    assert live[names == "bona fide"].mean() > 0.95 and not live[names == "rare"].any()


def test_nobody_is_judged_by_what_learned_from_them():
    """Each person has a mark of their own that gives all away to whoever trained on it, and says nothing of the others."""
    rng, people, each = np.random.default_rng(0), 20, 12
    person = np.repeat(np.arange(people), each)
    names = np.tile(["bona fide", "print"], people * each // 2)
    flip = rng.choice((-1, 1), people)[person]
    values = np.eye(people)[person] * (flip * np.where(names == "print", -1, 1))[:, None]
    fold = rng.permutation(people) % detectors.FOLDS
    scores = detectors.cross_fitted(values, names, person, fold, np.ones(len(names), bool), "bona fide")
    assert np.ptp(scores) < 1.0  # intercepts alone
    weights, intercept = detectors.fit_linear(values, names, "bona fide")
    assert np.ptp(values @ weights + intercept) > 2.0


def test_rates_are_of_the_whole_decision_and_of_people():
    rows = []
    for person in range(10):
        for side in (1, -1):
            base = {"seed": 0, "person": person, "side": side, "threshold": 0.0}
            for instrument, past, score in (
                (presentations.BONA_FIDE, True, 1.0 if person else -1.0),
                ("print turned", person < 5, 1.0),  # those that the challenge refuses do not count as let in
                ("2-D warp", True, -1.0),
                (presentations.CHOSEN_WARP, True, 1.0 if side > 0 else -1.0),
            ):
                one = {"instrument": instrument, "is_past_the_rest": past, "is_live": score >= 0, "score": score}
                rows.append(base | one)
    table = pd.DataFrame(rows)
    for missing in set(presentations.INSTRUMENTS) - set(table["instrument"]) | {presentations.CHOSEN_EDIT}:
        table = pd.concat([table, table[table["instrument"] == "2-D warp"].assign(instrument=missing)])
    rates = summary._rates(table)
    assert rates["bpcer"].value == pytest.approx(0.1) and rates["bpcer"].n == 10
    assert rates["apcer/print turned"].value == pytest.approx(0.5) == rates["reached/print turned"].value
    none = wilson(0, 10, unit="people")
    assert (rates["apcer/2-D warp"].value, rates["apcer/2-D warp"].high) == (0, pytest.approx(none.high))
    assert rates[f"apcer/{presentations.CHOSEN_WARP}"].value == pytest.approx(0.5)
    assert rates[f"apcer/{summary.CHOSEN_ALL}"].value == pytest.approx(0.75)
