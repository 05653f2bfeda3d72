"""Fisher vectors of dense SIFT: what faces were recognised by just before networks, and a method without one beside them.

Simonyan, Parkhi, Vedaldi and Zisserman, Fisher Vector Faces in the Wild, BMVC 2013, narrower: 128 Gaussians instead of 512,
four scales instead of five, every third pixel instead of every one. The descriptors are OpenCV's, the mixture and the
components scikit-learn's.

    encoder = fit_fisher_encoder(train.images)
    vectors = encoder.encode(train.images)
    components = fit_components(vectors)
    embeddings = components.transform(encoder.encode(test.images))
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize

from facelab.errors import BadParameterError
from facelab.evaluation.baselines import Embed
from facelab.progress import progress_bar

PATCHES = (3 / 16, 17 / 64)  #: side of what a descriptor sees, as a share of the whole photograph's: a step of sqrt 2
STRIDE = (
    3  #: pixels between two descriptors, in the photograph and in the photograph of half the size; odd (see ``_grids``)
)
CELLS, BINS = 4, 8  #: of SIFT: 4 x 4 cells, in each a histogram of 8 directions
DESCRIPTORS = 100_000  #: that the mixture is fitted on
LEAST_SIDE = 32  #: pixels; below it the smallest patch has cells of hardly more than a pixel


@dataclass(frozen=True)
class Grid:
    """Where descriptors are taken from a photograph of one size.

    Attributes:
        side: of the photograph, in pixels.
        points: places and scales, symmetric about its middle column.
    """

    side: int
    points: list[cv2.KeyPoint]


@dataclass(frozen=True)
class FisherEncoder:
    """A mixture of Gaussians over descriptors, and photographs as the gradient of its likelihood.

    Attributes:
        side: of the photographs, in pixels.
        reduction: rootSIFT to its first components.
        mixture: over these and the two coordinates of the place, with diagonal covariances.
    """

    side: int
    reduction: PCA
    mixture: GaussianMixture

    def encode(self, images: np.ndarray) -> np.ndarray:
        """The Fisher vector of each photograph together with its mirror image: float32 (N, 2 K D), of unit norm.

        For each Gaussian k of weight w, mean m and standard deviation s, over the T descriptors x with posterior a(x):

            1/(T sqrt(w))   sum a(x) (x - m)/s             1/(T sqrt(2 w))   sum a(x) ((x - m)^2/s^2 - 1)

        then the signed square root and unit norm (Perronnin, Sanchez and Mensink, ECCV 2010, section 3).

        Args:
            images: uint8 (N, H, W, C), grey or in colour, as large as those that it was fitted on.

        Raises:
            BadParameterError: photographs of another size.
        """  # fmt: skip
        if images.shape[1:3] != (self.side, self.side):
            raise BadParameterError(
                f"Photographs of {images.shape[1]}x{images.shape[2]}.", f"The encoder was fitted on {self.side} pixels."
            )
        found = np.empty((len(images), 2 * self.mixture.means_.size), np.float32)
        with progress_bar("Fisher vectors", len(images), delay=1.0) as shown:
            for row, image in enumerate(images):
                found[row] = self._encode_descriptors(_describe(image, self._grids))
                shown.advance()
        return found

    def _encode_descriptors(self, descriptors: np.ndarray) -> np.ndarray:
        x = self._reduce(descriptors)
        linear, quadratic, constant = self._log_density
        posterior = softmax(x @ linear + np.square(x) @ quadratic + constant, axis=1)
        count, first, second = posterior.sum(0), posterior.T @ x, posterior.T @ np.square(x)
        weight = self.mixture.weights_[:, None] * len(x) ** 2
        mean, std = self.mixture.means_, np.sqrt(self.mixture.covariances_)
        count = count[:, None]
        by_mean = (first - count * mean) / std / np.sqrt(weight)
        by_std = ((second - 2 * mean * first + count * mean**2) / std**2 - count) / np.sqrt(2 * weight)
        gradient = np.concatenate([by_mean.ravel(), by_std.ravel()])
        return normalize((np.sign(gradient) * np.sqrt(np.abs(gradient)))[None])[0]

    def _reduce(self, descriptors: np.ndarray) -> np.ndarray:
        """uint8 (T, 128) of a photograph to float32 (2 T, D): those of the photograph, then those of its mirror image."""
        places = _places(self._grids)
        flat = np.concatenate([descriptors, _mirror(descriptors)]).astype(np.float32)
        return _with_places(self.reduction, flat, np.concatenate([places, places * (-1, 1)]))

    @cached_property
    def _grids(self) -> list[Grid]:
        return _grids(self.side)

    @cached_property
    def _log_density(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each Gaussian with its weight, as a quadratic of the descriptor; what all have in common is left out."""
        mean, precision = self.mixture.means_, 1 / self.mixture.covariances_
        constant = np.log(self.mixture.weights_) + 0.5 * np.log(precision).sum(1) - 0.5 * (mean**2 * precision).sum(1)
        parts = (mean * precision).T, -0.5 * precision.T, constant
        return tuple(np.ascontiguousarray(part, np.float32) for part in parts)


def fit_fisher_encoder(
    images: np.ndarray, gaussians: int = 128, dimensions: int = 64, seed: int = 0, descriptors: int = DESCRIPTORS
) -> FisherEncoder:
    """Components of rootSIFT, and a mixture of Gaussians over them.

    Args:
        images: uint8 (N, H, W, C) of training people only, squares of at least ``LEAST_SIDE`` pixels.
        gaussians: K.
        dimensions: of rootSIFT that are kept; D is two more.
        seed: of the choice of descriptors, and of the mixture's start.
        descriptors: how many it is fitted on, spread over all photographs.

    Raises:
        BadParameterError: photographs that are not square or too small, or too few descriptors for so many Gaussians.
    """
    height, width = images.shape[1:3]
    if height != width or height < LEAST_SIDE:
        raise BadParameterError(
            f"Fisher vectors of photographs of {height}x{width}.", f"Give squares of {LEAST_SIDE} pixels or more."
        )
    grids, rng = _grids(height), np.random.default_rng(seed)
    share = min(1.0, descriptors / max(1, len(images) * sum(len(grid.points) for grid in grids)))
    flat, places = [], []
    for image in images:
        some = [Grid(grid.side, [point for point in grid.points if rng.random() < share]) for grid in grids]
        flat.append(_describe(image, some))
        places.append(_places(some))
    found = sum(map(len, flat))
    if found < max(2 * gaussians, CELLS**2 * BINS):
        raise BadParameterError(
            f"{gaussians} Gaussians over {found} descriptors.", "Give more photographs, or fewer Gaussians."
        )
    flat, places = np.concatenate(flat).astype(np.float32), np.concatenate(places)
    reduction = PCA(dimensions, random_state=seed).fit(_root(flat))
    mixture = GaussianMixture(gaussians, covariance_type="diag", max_iter=20, tol=1e-2, random_state=seed)
    return FisherEncoder(height, reduction, _fit_mixture(mixture, _with_places(reduction, flat, places)))


def fit_components(vectors: np.ndarray, components: int = 350, seed: int = 0) -> PCA:
    """The first components of Fisher vectors (N, 2 K D) of training people, at most N - 1; ``transform`` gives embeddings."""
    return PCA(min(components, len(vectors) - 1), svd_solver="randomized", random_state=seed).fit(vectors)


def fisher_vectors(train_images: np.ndarray, gaussians: int = 128, components: int = 350) -> Embed:
    """Encoder and components in one, called as the baselines are: images -> float32 (N, components) of unit norm.

    Args:
        train_images: uint8 (N, H, W, C) of training people only.
        gaussians: of the mixture.
        components: at most N - 1 are kept.

    Raises:
        BadParameterError: as ``fit_fisher_encoder``.
    """
    encoder = fit_fisher_encoder(train_images, gaussians)
    reduction = fit_components(encoder.encode(train_images), components)
    return lambda images: normalize(reduction.transform(encoder.encode(images))).astype(np.float32)


def _fit_mixture(mixture: GaussianMixture, rows: np.ndarray) -> GaussianMixture:
    """Fitted, without scikit-learn's warning that so few iterations have not come to rest: a dictionary needs no optimum."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(rows)


def _grids(side: int) -> list[Grid]:
    """Of the photograph, and of the photograph of half the size, where a patch sees twice as much for a quarter of the work."""
    found = []
    for pixels in (side, side // 2):
        points = []
        for patch in (share * side for share in PATCHES):
            count = int((pixels - patch) // STRIDE) + 1
            count -= (count + pixels) % 2  # OpenCV rounds places: only whole pixels have their mirror images among them
            at = (pixels - 1) / 2 + STRIDE * (np.arange(count) - (count - 1) / 2)
            # OpenCV's patch is 6 sizes wide: 4 cells of 3 standard deviations, each of which is half a size
            points += [cv2.KeyPoint(float(x), float(y), patch / 6, 0) for y in at for x in at]
        found.append(Grid(pixels, points))
    return found


def _describe(image: np.ndarray, grids: list[Grid]) -> np.ndarray:
    """SIFT (Lowe 2004) at each place of the grids, upright: uint8 (T, 128)."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[-1] == 3 else np.ascontiguousarray(image[..., 0])
    found, sift = [np.empty((0, CELLS**2 * BINS), np.uint8)], cv2.SIFT_create()
    for grid in grids:
        if grid.points:
            own = cv2.resize(gray, (grid.side, grid.side), interpolation=cv2.INTER_AREA)
            found.append(sift.compute(own, grid.points)[1].astype(np.uint8))  # they are whole numbers
    return np.concatenate(found)


def _mirror(descriptors: np.ndarray) -> np.ndarray:
    """What SIFT would find in the mirror image: cells from right to left, and each direction turned about the vertical."""
    cells = descriptors.reshape(-1, CELLS, CELLS, BINS)[:, :, ::-1]
    return cells[..., (BINS // 2 - np.arange(BINS)) % BINS].reshape(descriptors.shape)


def _root(flat: np.ndarray) -> np.ndarray:
    """RootSIFT (Arandjelovic and Zisserman, CVPR 2012): Euclidean distances of its roots are Hellinger's of histograms."""
    return np.sqrt(flat / np.maximum(flat.sum(1, keepdims=True), 1))


def _with_places(reduction: PCA, flat: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.hstack([reduction.transform(_root(flat)), places]).astype(np.float32)


def _places(grids: list[Grid]) -> np.ndarray:
    """Of each descriptor, as shares of the photograph from its middle, -.5 to .5: float64 (T, 2), across and down."""
    shares = [np.array([point.pt for point in grid.points]).reshape(-1, 2) / (grid.side - 1) for grid in grids]
    return np.concatenate(shares) - 0.5
