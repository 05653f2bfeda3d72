"""Embeddings that need no learning from labels. Each is fitted on training images and gives images -> embeddings.

    embed = whitened_pca(train.images)
    embeddings = embed(test.images)

The third baseline, the network at its random start, needs the network and is made where that is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from facelab.errors import BadParameterError
from facelab.progress import progress_bar
from facelab.whole_numbers import is_whole_number

Embed = Callable[[np.ndarray], np.ndarray]  #: uint8 (N, H, W, C) -> float32 (N, D) of unit norm

BATCH = 1024  #: images that are turned to floats at a time
MAX_FIT = 4000  #: images that PCA is fitted on, evenly spaced over the training set


def raw_pixels(train_images: np.ndarray) -> Embed:
    """The pixels, each image less its mean and of unit norm, so that a cosine compares patterns and not exposure.

    Args:
        train_images: uint8 (N, H, W, C); not used, so that all baselines are called alike.
    """
    shape = train_images.shape[1:]
    return lambda images: _in_batches(images, shape, lambda rows: rows)


def whitened_pca(train_images: np.ndarray, components: int = 150) -> Embed:
    """Eigenfaces (Turk and Pentland 1991), each component scaled to unit variance, then of unit norm.

    Args:
        train_images: uint8 (N, H, W, C) of training people only, N >= 3. Of more than ``MAX_FIT`` images, so many are
            taken at even distances.
        components: at most N - 1 are kept.

    Raises:
        BadParameterError: fewer than 3 training images, or no component asked for.
    """
    if len(train_images) < 3 or not is_whole_number(components) or components < 1:
        raise BadParameterError(
            f"PCA of {len(train_images)} images with {components} components.", "Give 3 images and 1 component or more."
        )
    shape = train_images.shape[1:]
    chosen = np.unique(np.linspace(0, len(train_images) - 1, min(len(train_images), MAX_FIT)).astype(np.int64))
    kept = min(components, len(chosen) - 1, int(np.prod(shape)))
    pca = PCA(kept, whiten=True, random_state=0).fit(_in_batches(train_images[chosen], shape, lambda rows: rows))
    return lambda images: _in_batches(images, shape, pca.transform)


def _in_batches(
    images: np.ndarray, shape: tuple[int, ...], transform: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    if images.shape[1:] != shape:
        raise BadParameterError(f"Images are {images.shape[1:]}, the baseline was fitted on {shape}.", "Use one size.")
    parts = []
    with progress_bar("baseline", len(images), delay=1.0) as shown:
        for at in range(0, len(images), BATCH):
            parts.append(_unit(transform(_pixels(images[at : at + BATCH]))))
            shown.advance(len(parts[-1]))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _pixels(images: np.ndarray) -> np.ndarray:
    rows = np.asarray(images, dtype=np.float32).reshape(len(images), -1)
    return normalize(rows - rows.mean(1, keepdims=True))


def _unit(rows: np.ndarray) -> np.ndarray:
    return normalize(rows).astype(np.float32, copy=False)


BASELINES: dict[str, Callable[[np.ndarray], Embed]] = {"raw pixels": raw_pixels, "whitened PCA": whitened_pca}
