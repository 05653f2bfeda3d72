"""Fisher vectors against their formula in loops, against numerical gradients of the likelihood, and mirror images."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from facelab.datasets import load
from facelab.datasets.pairs import all_pairs
from facelab.errors import BadParameterError
from facelab.evaluation import cosine_scores, eer, roc
from facelab.evaluation.fisher_vectors import (
    _describe,
    _grids,
    _mirror,
    fisher_vectors,
    fit_components,
    fit_fisher_encoder,
)


@pytest.fixture(scope="module")
def faces():
    return load("orl", 48)


@pytest.fixture(scope="module")
def encoder(faces):
    return fit_fisher_encoder(faces.images[:60], gaussians=4, dimensions=8, descriptors=4000)


def loops(encoder, image: np.ndarray) -> np.ndarray:
    """As the paper writes it, one descriptor and one Gaussian at a time."""
    mixture, rows = encoder.mixture, encoder._reduce(_describe(image, encoder._grids)).astype(np.float64)
    by_mean, by_std = np.zeros_like(mixture.means_), np.zeros_like(mixture.means_)
    for x in rows:
        posterior = mixture.predict_proba(x[None])[0]
        for k in range(len(posterior)):
            z = (x - mixture.means_[k]) / np.sqrt(mixture.covariances_[k])
            by_mean[k] += posterior[k] * z / (len(rows) * np.sqrt(mixture.weights_[k]))
            by_std[k] += posterior[k] * (z**2 - 1) / (len(rows) * np.sqrt(2 * mixture.weights_[k]))
    gradient = np.concatenate([by_mean.ravel(), by_std.ravel()])
    rooted = np.sign(gradient) * np.sqrt(np.abs(gradient))
    return rooted / np.linalg.norm(rooted)


def test_a_vector_is_its_formula(encoder, faces):
    found = encoder.encode(faces.images[70:72])
    assert found.shape == (2, 2 * 4 * 10)
    for row in range(2):
        np.testing.assert_allclose(found[row], loops(encoder, faces.images[70 + row]), atol=2e-4)


def test_it_is_the_gradient_of_the_likelihood(encoder, faces):
    """By the means, in units of the Gaussian: d/dm of the mean log-likelihood, times s / sqrt(w), by central differences."""
    mixture, image = encoder.mixture, faces.images[75]
    rows = encoder._reduce(_describe(image, encoder._grids)).astype(np.float64)
    numeric, h = np.empty_like(mixture.means_), 1e-3
    for k, d in np.ndindex(*mixture.means_.shape):
        ends = []
        for sign in (1, -1):
            mixture.means_[k, d] += sign * h
            ends.append(mixture.score_samples(rows).mean())
            mixture.means_[k, d] -= sign * h
        slope = (ends[0] - ends[1]) / (2 * h)
        numeric[k, d] = slope * np.sqrt(mixture.covariances_[k, d] / mixture.weights_[k])
    vector = encoder.encode(image[None])[0][: numeric.size]
    ours = np.sign(vector) * vector**2  # up to the norm
    expected = numeric.ravel()
    np.testing.assert_allclose(ours / np.linalg.norm(ours), expected / np.linalg.norm(expected), atol=2e-3)


@pytest.mark.parametrize("side", [32, 48, 64, 80])
def test_the_mirror_image_has_mirrored_descriptors(side):
    image = np.random.default_rng(0).integers(0, 256, (side, side, 1)).astype(np.uint8)
    grids = _grids(side)
    points = [(grid.side, point) for grid in grids for point in grid.points]
    places = {(own, point.size, *point.pt): row for row, (own, point) in enumerate(points)}
    mirrored = [places[own, point.size, own - 1 - point.pt[0], point.pt[1]] for own, point in points]
    found, expected = _mirror(_describe(image, grids)), _describe(image[:, ::-1], grids)
    off = np.abs(found.astype(int) - expected[mirrored].astype(int))
    assert off.max() <= 1  # OpenCV rounds to bytes


def test_a_photograph_and_its_mirror_image_have_one_vector(encoder, faces):
    images = faces.images[80:84]
    np.testing.assert_allclose(encoder.encode(images), encoder.encode(images[:, :, ::-1]), atol=5e-3)


def test_colour_is_read_by_its_luminance(encoder, faces):
    gray = faces.images[:1]
    np.testing.assert_allclose(encoder.encode(gray), encoder.encode(np.repeat(gray, 3, axis=3)), atol=1e-6)


def test_components_are_those_of_all_directions(encoder, faces):
    vectors = encoder.encode(faces.images[:40])
    found = fit_components(vectors, 5).transform(vectors)
    expected = PCA(5, svd_solver="full").fit_transform(vectors)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-2)
    assert fit_components(vectors, 500).n_components_ == 39


def test_strangers_are_told_apart_better_than_by_pixels(faces):
    """Ten people of ORL that the mixture has not seen: one photograph each of all pairs."""
    known, strangers = faces.identity < 30, faces.subset(faces.identity >= 30)
    embed = fisher_vectors(faces.images[known], gaussians=16, components=60)
    pairs = all_pairs(strangers)
    by_vectors = eer(roc(cosine_scores(embed(strangers.images), pairs), pairs.same))
    pixels = strangers.images.reshape(len(strangers), -1).astype(float)
    by_pixels = eer(roc(cosine_scores(pixels - pixels.mean(1, keepdims=True), pairs), pairs.same))
    assert by_vectors < by_pixels


def test_what_does_not_fit_is_refused(encoder, faces):
    with pytest.raises(BadParameterError, match="fitted on 48"):
        encoder.encode(np.zeros((1, 40, 40, 1), np.uint8))
    with pytest.raises(BadParameterError, match="48x40"):
        fit_fisher_encoder(np.zeros((5, 48, 40, 1), np.uint8))
    with pytest.raises(BadParameterError, match="32 pixels or more"):
        fit_fisher_encoder(np.zeros((5, 24, 24, 1), np.uint8))
    with pytest.raises(BadParameterError, match="Gaussians over"):
        fit_fisher_encoder(faces.images[:2], gaussians=128, descriptors=100)
