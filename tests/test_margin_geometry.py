"""What can be seen of margin losses: bounds against configurations that reach them, beliefs against softmax by hand."""

from functools import partial

import numpy as np
import pytest
import torch
from tiny import tiny_faces

from facelab.errors import BadParameterError
from facelab.experiments.analysis.margin_geometry import (
    largest_margin,
    min_scale,
    target_probability,
    train_network,
    train_plane,
)
from facelab.losses import arc_face, cos_face
from facelab.methods.margin import LOSSES
from facelab.training import Plan


def cosines_of(directions: np.ndarray) -> np.ndarray:
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return unit @ unit.T


def simplex(classes: int) -> np.ndarray:
    """As many directions as far from each other as can be: the axes, seen from their middle."""
    return np.eye(classes) - 1 / classes


def circle(classes: int) -> np.ndarray:
    turn = 2 * np.pi * np.arange(classes) / classes
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


@pytest.mark.parametrize("classes", [2, 3, 10, 500])
@pytest.mark.parametrize("probability", [0.6, 0.9, 0.999])
def test_at_the_least_scale_perfect_embeddings_get_the_probability(classes, probability):
    logits = min_scale(classes, probability) * cosines_of(simplex(classes))
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.diagonal(), probability)


def test_chance_needs_no_scale():
    assert min_scale(4, 0.25) == 0


@pytest.mark.parametrize(
    ("directions", "dimension"),
    [
        *((circle(classes), 2) for classes in (2, 3, 4, 8, 40)),
        *((simplex(classes), dimension) for classes, dimension in ((2, 3), (4, 3), (5, 9), (129, 128))),
        *((np.concatenate([np.eye(d)[: n - d], -np.eye(d)]), d) for d, n in ((3, 5), (3, 6), (7, 14))),
    ],
)
def test_the_largest_margin_is_reached(directions, dimension):
    cosines = cosines_of(directions) - 3 * np.eye(len(directions))
    assert 1 - cosines.max() == pytest.approx(largest_margin(len(directions), dimension))


def test_no_directions_keep_more_than_the_largest_margin():
    rng = np.random.default_rng(0)
    for dimension, classes in ((2, 3), (2, 7), (3, 4), (3, 5), (3, 9), (5, 6)):
        drawn = rng.normal(size=(2000, classes, dimension))
        unit = drawn / np.linalg.norm(drawn, axis=2, keepdims=True)
        margins = 1 - (unit @ unit.transpose(0, 2, 1) - 3 * np.eye(classes)).max(axis=(1, 2))
        assert margins.max() <= largest_margin(classes, dimension) + 1e-9


@pytest.mark.parametrize(
    ("change", "by_hand"),
    [
        (partial(cos_face, margin=0.3), lambda theta: np.cos(theta) - 0.3),
        (partial(arc_face, margin=0.4), lambda theta: np.cos(theta + 0.4)),
    ],
)
def test_belief_is_the_softmax_of_the_target(change, by_hand):
    degrees = np.array([1.0, 30.0, 80.0, 120.0])
    target, rest = np.exp(12 * by_hand(np.radians(degrees))), 9 * np.exp(12 * np.cos(np.radians(75)))
    np.testing.assert_allclose(
        target_probability(degrees, 10, 12.0, change, other_degrees=75.0), target / (target + rest)
    )
    assert target_probability(np.array([90.0]), 5, 30.0)[0] == pytest.approx(0.2)


PLAN = Plan(epochs=15, batch_size=16, lr=3e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_plane_shows_every_photograph_beside_its_class(loss):
    faces = tiny_faces(people=8, shots=8).select_people([0, 2, 5, 7])
    margin = {"sphereface": 2.0}.get(loss, 0.05)
    plan = Plan(epochs=25, batch_size=16, lr=5e-3)
    panel = train_plane(faces, loss, plan, scale=8.0, margin=margin, annealing=10)
    assert panel.points.shape == (32, 2) and panel.directions.shape == (4, 2)
    assert panel.names == ("p0", "p2", "p5", "p7") and (panel.person == np.repeat(range(4), 8)).all()
    own, other = panel.own_and_nearest_angles()
    assert np.mean(own < other) > 0.6  # chance: .25


def test_the_directions_start_evenly_and_the_network_stays_as_it_is():
    faces = tiny_faces()
    network = train_network(faces, PLAN)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    still = Plan(epochs=2, batch_size=16, lr=1e-9, weight_decay=0.0)
    for loss in ("softmax", "cosface"):
        panel = train_plane(faces, loss, still, 3, network, scale=8.0)
        np.testing.assert_allclose(cosines_of(panel.directions), cosines_of(circle(4)), atol=1e-5)
        again, other = (train_plane(faces, loss, still, seed, network, scale=8.0) for seed in (3, 4))
        np.testing.assert_array_equal(panel.points, again.points)
        assert not np.allclose(panel.points, other.points, atol=1e-2)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (min_scale, (1, 0.9)),
        (min_scale, (5, 1.0)),
        (min_scale, (5, 0.1)),
        (largest_margin, (1, 2)),
        (largest_margin, (4, 1)),
    ],
)
def test_impossible_values_are_one_clear_error(function, values):
    with pytest.raises(BadParameterError, match=str(values[0])):
        function(*values)
