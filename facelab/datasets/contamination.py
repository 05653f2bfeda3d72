"""Training sets with pictures that do not belong: what is collected without looking has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.errors import BadParameterError

TILES = 4  #: to a side of a scrambled photograph


def contaminate(faces: FaceSet, share: float, seed: int = 0, replacements: FaceSet | None = None) -> FaceSet:
    """The photographs, a share of them exchanged for pictures that show no face; as many as before, in the same order.

    Of two shares with one seed the smaller one's exchanged rows are among the larger one's.

    Args:
        faces: photographs; renderings of one moment (column ``photo``) are exchanged together, so that no scene is half a face.
        share: of the scenes, 0 to 1; rounded to a whole number of them.
        seed: of the draw, and of what takes their places.
        replacements: pictures of anything else, of the same size and channels, each taken once; None: the photograph itself,
            cut into ``TILES`` x ``TILES`` tiles in random order, so that its light and its colours stay and the face goes.

    Returns:
        A set with the column ``is face``; who is on an exchanged picture is ``UNKNOWN``.

    Raises:
        BadParameterError: a share outside 0 ... 1, replacements of another size or too few of them, or a side that ``TILES``
            does not divide.
    """
    if not 0 <= share <= 1:
        raise BadParameterError(f"A share of {share}.", "Give one from 0 to 1.")
    rng = np.random.default_rng(seed)
    _, scene = np.unique(faces.attributes.get("photo", np.arange(len(faces))), return_inverse=True)
    order = rng.permutation(scene.max(initial=-1) + 1)
    rows = np.flatnonzero(np.isin(scene, order[: round(share * len(order))]))
    images = np.array(faces.images)
    images[rows] = scramble_tiles(images[rows], rng) if replacements is None else _from(replacements, rows, faces, rng)
    exchanged = np.isin(np.arange(len(faces)), rows)
    return replace(
        faces,
        images=images,
        identity=np.where(exchanged, UNKNOWN, faces.identity),
        attributes=faces.attributes.assign(**{"is face": ~exchanged}),
    )


def scramble_tiles(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each photograph's tiles in an order of its own: uint8 (N, H, W, C), the same pixels elsewhere.

    Raises:
        BadParameterError: a side that ``TILES`` does not divide.
    """
    n, height, width, channels = images.shape
    if height % TILES or width % TILES:
        raise BadParameterError(f"Photographs of {height} x {width}.", f"Give sides that {TILES} divides.")
    tall, wide = height // TILES, width // TILES
    tiles = images.reshape(n, TILES, tall, TILES, wide, channels).transpose(0, 1, 3, 2, 4, 5)
    order = rng.permuted(np.tile(np.arange(TILES**2), (n, 1)), axis=1)
    tiles = np.take_along_axis(tiles.reshape(n, TILES**2, tall * wide * channels), order[:, :, None], axis=1)
    tiles = tiles.reshape(n, TILES, TILES, tall, wide, channels)
    return tiles.transpose(0, 1, 3, 2, 4, 5).reshape(images.shape)


def _from(others: FaceSet, rows: np.ndarray, faces: FaceSet, rng: np.random.Generator) -> np.ndarray:
    if others.images.shape[1:] != faces.images.shape[1:] or len(others) < len(rows):
        raise BadParameterError(
            f"{len(others)} pictures {others.images.shape[1:]} in place of {len(rows)} {faces.images.shape[1:]}.",
            "Give enough of them, of the size of the photographs.",
        )
    return others.images[np.sort(rng.choice(len(others), len(rows), replace=False))]
