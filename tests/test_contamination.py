"""Pictures that do not belong: how many, which, and what becomes of them."""

import numpy as np
import pytest
from tiny import tiny_faces

from facelab.datasets import UNKNOWN
from facelab.datasets.contamination import TILES, contaminate, scramble_tiles
from facelab.errors import BadParameterError


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_so_many_are_exchanged_and_the_others_stay(share):
    faces = tiny_faces()
    found = contaminate(faces, share)
    kept = found.attributes["is face"].to_numpy()
    assert (~kept).sum() == round(share * len(faces)) and len(found) == len(faces)
    assert np.array_equal(found.images[kept], faces.images[kept])
    assert np.array_equal(found.identity[kept], faces.identity[kept]) and (found.identity[~kept] == UNKNOWN).all()
    assert all((found.images[row] != faces.images[row]).any() for row in np.flatnonzero(~kept))


def test_a_larger_share_exchanges_the_same_and_more():
    faces = tiny_faces()
    few, many = (set(np.flatnonzero(~contaminate(faces, s, 3).attributes["is face"])) for s in (0.2, 0.6))
    assert few < many and few != set(np.flatnonzero(~contaminate(faces, 0.2, 4).attributes["is face"]))


def test_renderings_of_one_moment_go_together():
    faces = tiny_faces()
    photo = np.arange(len(faces)) // 3
    faces = faces.subset(np.arange(len(faces)))
    faces.attributes["photo"] = photo
    kept = contaminate(faces, 0.5).attributes["is face"].groupby(photo).nunique()
    assert (kept == 1).all()


def test_scrambled_tiles_are_the_same_tiles():
    """By a loop over tiles; the order differs from photograph to photograph."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 8, 12, 3), dtype=np.uint8)
    found = scramble_tiles(images, np.random.default_rng(1))

    def tiles(picture):
        tall, wide = 8 // TILES, 12 // TILES
        places = [(row * tall, column * wide) for row in range(TILES) for column in range(TILES)]
        return [picture[y : y + tall, x : x + wide].tobytes() for y, x in places]

    orders = []
    for before, after in zip(images, found, strict=True):
        assert sorted(tiles(before)) == sorted(tiles(after)) and tiles(before) != tiles(after)
        orders.append([tiles(before).index(tile) for tile in tiles(after)])
    assert orders[0] != orders[1]


def test_other_pictures_take_their_places_once_each():
    faces, others = tiny_faces(), tiny_faces(people=9)
    others = others.subset(np.arange(len(others)))
    others.images[:] = np.arange(len(others))[:, None, None, None]
    found = contaminate(faces, 0.5, replacements=others)
    new = found.images[~found.attributes["is face"].to_numpy()]
    assert len({picture.tobytes() for picture in new}) == len(new) == round(0.5 * len(faces))
    assert (new == new[:, :1, :1, :1]).all()


@pytest.mark.parametrize(
    ("given", "told"),
    [({"share": 1.1}, "share of 1.1"), ({"share": -0.1}, "share of -0.1"), ({"few": True}, "in place of")],
)
def test_refusals_name_the_fault(given, told):
    faces = tiny_faces()
    others = faces.subset([0]) if given.pop("few", False) else None
    with pytest.raises(BadParameterError, match=told):
        contaminate(faces, **{"share": 0.5} | given, replacements=others)


def test_a_side_that_tiles_do_not_divide_is_refused():
    with pytest.raises(BadParameterError, match="7 x 8"):
        scramble_tiles(np.zeros((1, 7, 8, 1), dtype=np.uint8), np.random.default_rng(0))
