"""The views explorer: what it shows is what facelab.augment makes, for each step and strength, also in a browser."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from explorer_pages import MISSING_BROWSER, check_alone, chromium, data_of, page_of
from IPython.display import Image

from facelab import datasets
from facelab.augment import CLASSIFIER, MOCO_V2, PLAIN, PRESETS, SIMCLR
from facelab.errors import BadParameterError
from facelab.labs.explorers import augmentation_steps, explore_views, views

STEPS = {step.name: step for step in augmentation_steps.STEPS}
RECIPE = replace(CLASSIFIER, degrees=7)  # a strength that no slider has by itself


@pytest.fixture(scope="module")
def faces():
    return datasets.load("orl", 40).images[[0, 15, 33]]


@pytest.fixture
def document(faces, monkeypatch):
    monkeypatch.setattr(views, "is_interactive", lambda: True)
    return page_of(explore_views(faces, RECIPE, seed=4))


# ---- steps ----


@pytest.mark.parametrize("name", STEPS)
def test_a_step_alone_sets_its_own_strength_and_nothing_else(name):
    step = STEPS[name]
    assert step.alone(step.strengths[0]) == PLAIN
    for strength in step.strengths[1:]:
        augmentation = step.alone(strength)
        assert step.of(augmentation) == strength
        assert [other.name for other in STEPS.values() if other.of(augmentation) != other.strengths[0]] == [name]


@pytest.mark.parametrize("name", PRESETS)
def test_a_recipe_is_described_by_its_steps_and_scaled_from_nothing_to_itself(name):
    recipe = PRESETS[name]
    assert augmentation_steps.scaled(recipe, 0) == PLAIN and augmentation_steps.scaled(recipe, 1) == recipe
    for step in STEPS.values():
        off = step.strengths[0]
        strengths = [
            abs(step.of(augmentation_steps.scaled(recipe, factor)) - off) for factor in augmentation_steps.FACTORS
        ]
        assert strengths == sorted(strengths), step.name
        assert step.of(recipe) in step.strengths_with(recipe)


def test_twice_a_recipe_is_twice_as_strong_as_far_as_it_may_go():
    double = augmentation_steps.scaled(replace(CLASSIFIER, hue=0.4, crop_scale=(0.2, 1.0)), 2)
    assert (double.degrees, double.translate, double.brightness) == (12, 0.12, 0.4)
    assert (double.flip_p, double.hue, double.crop_scale) == (1.0, 0.5, (augmentation_steps.SMALLEST_CROP, 1.0))
    assert double.scale == pytest.approx((0.84, 1.16))


# ---- views ----


def test_views_are_the_augmentations_own(faces):
    made = views.make_views(faces, MOCO_V2, seed=2)
    repeated = np.repeat(faces, 6, axis=0)
    expected = MOCO_V2.apply(repeated, MOCO_V2.draw(18, np.random.default_rng(2)))
    assert made.shape == (18, 40, 40, 1)
    assert np.abs(made[:, :, :, 0] / 127.5 - 1 - expected[:, 0].numpy()).max() < 0.5 / 127.5 + 1e-6
    bright = replace(MOCO_V2, mean=(0.449,), std=(0.226,))
    np.testing.assert_array_equal(views.make_views(faces, bright, seed=2), made)


def test_a_view_keeps_its_random_numbers_while_the_strength_changes(faces):
    step = STEPS["rotation"]
    angles = [step.alone(strength).draw(18, np.random.default_rng(0)).angle / strength for strength in (3, 30)]
    np.testing.assert_allclose(*angles, rtol=1e-5)


def test_a_build_gets_a_picture_of_the_steps_of_the_recipe(faces, monkeypatch):
    monkeypatch.setattr(views, "is_interactive", lambda: False)
    shown = explore_views(faces, RECIPE)
    assert isinstance(shown, Image) and len(shown.data) < 20_000
    for words in (
        "flip 50 %",
        "rotation ±7°",
        "shift ±6 %",
        "size ±8 %",
        "brightness ±20 %",
        "contrast ±20 %",
        "all together",
    ):
        assert words in shown.alt
    assert "blur" not in shown.alt and "hue" not in shown.alt


def test_grey_faces_have_no_steps_of_colour(faces, monkeypatch):
    monkeypatch.setattr(views, "is_interactive", lambda: True)
    names = {
        channels: [step["name"] for step in json.loads(data_of(page_of(explore_views(some, SIMCLR))))["steps"]]
        for channels, some in ((1, faces), (3, np.repeat(faces, 3, axis=3)))
    }
    assert set(names[3]) - set(names[1]) == {"saturation", "hue", "grey, probability"}
    assert names[3] == ["all steps of the recipe", *STEPS]


def test_what_does_not_fit_is_refused(faces):
    for images in (faces[:2], faces[:, :20], faces / 255, faces[..., 0]):
        with pytest.raises(BadParameterError):
            explore_views(images, RECIPE)
    with pytest.raises(BadParameterError, match="seed"):
        explore_views(faces, RECIPE, seed=-1)


# ---- in a browser ----


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    if MISSING_BROWSER:
        pytest.skip(MISSING_BROWSER)
    with chromium(tmp_path_factory.mktemp("views")) as found:
        yield found


def check_views(reader, faces, augmentation) -> None:
    """The canvases show the faces, and beside each its views, but for what JPEG changes."""
    expected = views.make_views(faces, augmentation, seed=4)
    for face in range(3):
        for number in range(7):
            name = f"view {number}" if number else "original"
            shown = reader.pixels(f"[aria-label='face {face + 1}, {name}']").astype(float)
            true = expected[face * 6 + number - 1] if number else faces[face]
            assert np.abs(shown - true).mean() < 8, (face, number)
            # and it is this view rather than another
            others = [np.abs(shown - other).mean() for other in expected[face * 6 : face * 6 + 6]]
            assert not number or np.argmin(others) == number - 1 or np.ptp(others) < 2


def test_the_page_has_no_barrier_and_stands_alone(reader, document):
    check_alone(document)
    reader.check_page(document)


def test_it_starts_with_the_recipe_and_the_keyboard_moves_a_step(reader, document, faces):
    reader.open(document)
    assert reader.text("#now") == "all steps of the recipe: 100 %, as in the recipe"
    check_views(reader, faces, RECIPE)
    names = [step["name"] for step in json.loads(data_of(document))["steps"]]
    reader.press(f"#step-{names.index('rotation')}", "ARROW_RIGHT")
    assert reader.text("#now") == "rotation: ±12°"  # 7 of the recipe stands between 6 and 12
    check_views(reader, faces, STEPS["rotation"].alone(12))
    reader.press(f"#step-{names.index('rotation')}", "ARROW_LEFT")
    assert reader.text("#now") == "rotation: ±7°, as in the recipe"
    assert reader.text(".active output") == "▲ ±7°"
    reader.press(f"#step-{names.index('hole, up to this area')}", "END")
    check_views(reader, faces, STEPS["hole, up to this area"].alone(0.33))
    reader.press("#step-0", "HOME")
    check_views(reader, faces, PLAIN)


def test_a_finger_moves_a_step(reader, document, faces):
    reader.open(document, width=390, height=1200)
    names = [step["name"] for step in json.loads(data_of(document))["steps"]]
    reader.touch(f"#step-{names.index('flip, probability')}", (0.5, 0.5), (0.99, 0.5))
    assert reader.text("#now") == "flip, probability: 100 %"
    check_views(reader, faces, STEPS["flip, probability"].alone(1.0))
    np.testing.assert_array_equal(
        views.make_views(faces, STEPS["flip, probability"].alone(1.0), 4)[0], cv2.flip(faces[0], 1)[..., None]
    )
