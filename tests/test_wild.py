"""The conditions that orl-wild simulates, each against a formula, a plain photograph or another library."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from facelab.datasets import orl, orl_wild
from facelab.datasets.decode import decode
from facelab.datasets.wild import geometry, light, occlusion, sensor
from facelab.datasets.wild.geometry import Landmarks
from facelab.datasets.wild.parameters import MODELS, RANGES, Nuisance
from facelab.datasets.wild.scene import Scene

#: a face that looks to the side with its head tilted: nothing is symmetric
POINTS = Landmarks(*np.array([[28.3, 50.1], [62.9, 54.6], [42.2, 71.0], [29.9, 83.7], [57.4, 87.2]]))
FRONTAL = Landmarks(*np.array([[30.0, 52.0], [62.0, 52.0], [46.0, 70.0], [34.0, 84.0], [58.0, 84.0]]))


def within(name: str) -> st.SearchStrategy[float]:
    return st.floats(*RANGES[name])


GEOMETRY = st.builds(
    Nuisance, **{name: within(name) for name in ("turn_degrees", "roll_degrees", "shift_x", "shift_y", "scale")}
)


def spot(x: float, y: float) -> np.ndarray:
    """A photograph that is black but for a soft spot of 2 pixels about (x, y)."""
    rows, columns = np.mgrid[:112, :92]
    return np.rint(250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)).astype(np.uint8)


@settings(max_examples=15, deadline=None)
@given(GEOMETRY, st.sampled_from(["right_eye", "left_eye", "nose", "mouth_right", "mouth_left"]))
def test_a_spot_on_a_landmark_lands_where_the_matrix_says(nuisance, name):
    x, y = getattr(POINTS, name)
    picture = Scene(spot(x, y), POINTS).render(nuisance, 96).astype(float)
    told = np.array(geometry.apply(geometry.photo_to_frame(POINTS, nuisance), x, y)) * 96 - 0.5
    rows, columns = np.mgrid[:96, :96]
    picture[np.hypot(columns - told[0], rows - told[1]) > 14] = 0  # the mirrored spot beyond the photograph's edge
    found = (columns * picture).sum() / picture.sum(), (rows * picture).sum() / picture.sum()
    assert np.hypot(*(told - found)) < 0.35


@given(GEOMETRY, st.floats(-40, 40), st.floats(-40, 40))
def test_the_matrix_is_a_turned_plane_seen_by_a_camera(nuisance, x, y):
    """The oracle turns points in space and projects them; the landmarks are level, so the axis is the image's upright."""
    angle, roll = math.radians(nuisance.turn_degrees), math.radians(nuisance.roll_degrees)
    side, distance = FRONTAL.side, geometry.CAMERA_DISTANCE * FRONTAL.side
    space = np.array([x * math.cos(angle), y, x * math.sin(angle)])  # the camera looks along +z
    flat = space[:2] * distance / (distance + space[2])
    turned = [[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]] @ flat
    told = turned * nuisance.scale / side + 0.5 + [nuisance.shift_x, nuisance.shift_y]
    matrix = geometry.photo_to_frame(FRONTAL, nuisance)
    assert np.allclose(geometry.apply(matrix, x + 46.0, y + 68.0), told, atol=1e-12)


@given(GEOMETRY)
def test_the_inverse_goes_back(nuisance):
    matrix = geometry.photo_to_frame(POINTS, nuisance)
    there = geometry.apply(matrix, np.array([0.0, 91.0, 30.0]), np.array([0.0, 20.0, 111.0]))
    back = geometry.apply(geometry.inverse(matrix), *there)
    assert np.allclose(back, [[0.0, 91.0, 30.0], [0.0, 20.0, 111.0]], atol=1e-9)


def test_compose_is_the_matrix_product():
    matrices = np.random.default_rng(0).normal(size=(4, 3, 3))
    assert np.allclose(geometry.compose(*matrices), np.linalg.multi_dot(matrices), atol=1e-12)


def test_face_coordinates_put_eyes_and_mouth_where_they_say():
    to_face = geometry.photo_to_face(POINTS)
    for point, told in ((POINTS.right_eye, (-0.5, 0)), (POINTS.left_eye, (0.5, 0)), (POINTS.mouth, (0, 1))):
        assert np.allclose(geometry.apply(to_face, *point), told, atol=1e-12)


@pytest.mark.parametrize("size", [32, 48, 64, 112])
def test_without_nuisances_the_rendering_is_the_resized_photograph(size):
    """Against OpenCV: the same square cut out 6 times as large, and area-averaged to the size."""
    scene = orl_wild.scene(orl.locate(), "s8/1.pgm")
    photo = decode((orl.locate() / "s8/1.pgm").read_bytes(), 1)[:, :, 0]
    left, top = scene.points.center - scene.points.side / 2
    large = 6 * size
    zoom = large / scene.points.side
    # in the square the middle of OpenCV's first pixel is half a pixel from the edge
    move = np.array([[zoom, 0, -left * zoom - 0.5], [0, zoom, -top * zoom - 0.5]])
    square = cv2.warpAffine(photo, move, (large, large), borderMode=cv2.BORDER_REFLECT_101)
    told = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA).astype(float)
    inner = slice(size // 8, -size // 8)  # beyond the photograph's edge the mirrored part is blurred on purpose
    difference = np.abs(scene.render(Nuisance(), size) - told)[inner, inner]
    assert difference.mean() < 1.5 and np.percentile(difference, 99) < 8


def test_beyond_its_edges_a_photograph_goes_on_without_a_seam():
    photo = decode((orl.locate() / "s8/1.pgm").read_bytes(), 1)[:, :, 0]
    wide = geometry.extend(photo)
    margin = geometry.MARGIN
    assert np.array_equal(wide[margin:-margin, margin:-margin], photo)
    inside = np.abs(np.diff(photo.astype(float), axis=1)).mean()
    seam = np.abs(wide[margin:-margin, margin - 1] - photo[:, 0]).mean()
    assert seam < 2 * inside and wide.min() >= photo.min() and wide.max() <= photo.max()


def test_the_lamp_follows_lamberts_law():
    middle = np.zeros((1, 1)), np.full((1, 1), light.HEAD_MIDDLE)
    for strength in (0.0, 0.4, 1.0):
        for azimuth, elevation in ((0, 0), (60, 0), (-60, 30)):
            nuisance = Nuisance(light_azimuth=azimuth, light_elevation=elevation, light_strength=strength)
            cosine = math.cos(math.radians(azimuth)) * math.cos(math.radians(elevation))  # the middle faces the camera
            told = 1 - strength + strength * light.LAMP_GAIN * cosine
            assert light.directional_gain(*middle, nuisance)[0, 0] == pytest.approx(told)


def test_the_lit_cheek_is_on_the_side_of_the_lamp_and_mirrors_with_it():
    u, v = np.linspace(-1.5, 1.5, 31)[None, :], np.linspace(-1, 2, 20)[:, None]
    right = Nuisance(light_azimuth=50, light_elevation=20, light_strength=0.8, shadow=0.5, shadow_offset=0.2)
    gain = light.gain(u, v, right)
    assert gain[:, 25].mean() > 2 * gain[:, 5].mean()  # the image's right is brighter
    assert np.allclose(light.gain(u, v, replace(right, light_azimuth=-50)), gain[:, ::-1])


def test_the_cast_shadow_is_dark_beyond_its_soft_edge_and_nowhere_else():
    nuisance = Nuisance(light_azimuth=40, shadow=0.6, shadow_offset=0.3, shadow_softness=0.2)
    u = np.array([[1.0, 0.0, -0.3, -0.5, -1.0]])  # elevation 0 and v at the nose: the edge is upright at u = -0.3
    gain = light.shadow_gain(u, np.full((1, 1), 0.6), nuisance)[0]
    assert gain == pytest.approx([1, 1, 1 - 0.6 / 2, 0.4, 0.4])


def test_exposure_doubles_with_each_stop_and_contrast_turns_about_the_middle():
    gray = np.array([[0.0, 40.0, 100.0, 127.5, 200.0]])
    assert np.allclose(sensor.expose(gray, Nuisance(exposure=1.0)), [[0, 80, 200, 255, 255]])
    assert np.allclose(sensor.expose(gray, Nuisance(exposure=-1.0)), gray / 2)
    assert np.allclose(sensor.expose(gray, Nuisance(contrast=0.5)), [[63.75, 83.75, 113.75, 127.5, 163.75]])
    assert sensor.expose(gray, Nuisance(contrast=2.0)).min() == 0


@pytest.mark.parametrize("size, sigma", [(64, 1.3), (32, 0.9), (112, 0.4)])
def test_blur_agrees_with_scipy(size, sigma):
    gray = np.random.default_rng(1).random((size, size)) * 255
    pixels = sigma * size / 64
    told = scipy.ndimage.gaussian_filter(gray, pixels, mode="mirror", radius=math.ceil(3 * pixels))
    assert np.allclose(sensor.blur(gray, Nuisance(blur_sigma=sigma)), told, atol=1e-9)


def test_noise_has_its_sigma_and_its_seed():
    gray = np.full((112, 112), 120.0)
    first, again, other = (sensor.add_noise(gray, Nuisance(noise_sigma=6.0, noise_seed=seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.mean() == pytest.approx(120, abs=0.3) and first.std() == pytest.approx(6, rel=0.03)


def hidden_at(point: tuple[float, float], nuisance: Nuisance) -> float:
    """Share of the photograph that is hidden about a point of the face: what is lost of the step from black to white."""
    u, v = np.meshgrid(point[0] + np.linspace(-0.08, 0.08, 9), point[1] + np.linspace(-0.08, 0.08, 9))
    black, white = (occlusion.occlude(np.full_like(u, gray), u, v, 0.02, 150.0, nuisance) for gray in (0.0, 255.0))
    return 1 - (white - black).mean() / 255


@pytest.mark.parametrize("kind, model", [(kind, model) for kind, models in MODELS.items() for model in models])
def test_an_occluder_hides_the_landmarks_that_it_is_for_and_leaves_the_others(kind, model):
    at = {name: geometry.apply(geometry.photo_to_face(POINTS), *getattr(POINTS, name)) for name in POINTS.__dict__}
    eyes, corners = ("right_eye", "left_eye"), ("mouth_right", "mouth_left")
    hides = {"none": (), "sunglasses": eyes, "scarf": (*corners, "mouth"), "hand": ("mouth",)}[kind]
    leaves = {"none": (*eyes, *corners), "sunglasses": corners, "scarf": eyes, "hand": eyes}[kind]
    at["mouth"] = (0.0, 1.0)
    rng = np.random.default_rng(5)
    for side in (-1, 1):
        for _ in range(10):
            drawn = {name: rng.uniform(*RANGES[name]) for name in RANGES if name.startswith("occluder_")}
            nuisance = Nuisance(occlusion=kind, occluder_model=model, occluder_side=side, **drawn)
            hidden = {name: hidden_at(point, nuisance) for name, point in at.items()}
            assert all(hidden[name] > 0.65 for name in hides), (nuisance, hidden)
            # what is left free may lie in the shadow beside the occluder, which takes less than half of the light
            assert all(hidden[name] < 0.5 for name in leaves), (nuisance, hidden)


def test_models_of_one_kind_look_different():
    u, v = np.meshgrid(np.linspace(-1.3, 1.3, 60), np.linspace(-0.8, 1.8, 60))
    for kind, models in MODELS.items():
        drawn = [
            occlusion.occlude(np.full_like(u, 128.0), u, v, 0.04, 150.0, Nuisance(occlusion=kind, occluder_model=model))
            for model in models
        ]
        for first in range(len(models)):
            for second in range(first):
                assert np.abs(drawn[first] - drawn[second]).mean() > 2, (models[first], models[second])
