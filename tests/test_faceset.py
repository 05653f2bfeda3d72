"""The FaceSet: what it refuses, what a subset keeps, and a hash that is the pixels' and nothing else's."""

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from facelab.datasets import UNKNOWN, FaceSet
from facelab.datasets.image_rows import ImageRows
from facelab.errors import BadParameterError


def make(identity=(2, 0, 2, UNKNOWN, 0), **changes) -> FaceSet:
    count = len(identity)
    fields = {
        "images": np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8),
        "identity": np.array(identity, np.int64),
        "names": ("ann", "bob", "cem"),
        "attributes": pd.DataFrame({"file": [f"{row}.jpg" for row in range(count)], "age": range(count)}),
        "source": "made@8",
    }
    return FaceSet(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((5, 8, 8, 3), np.float32)}, "images are float32"),
        ({"images": np.zeros((5, 8, 8), np.uint8)}, "Give uint8"),
        ({"images": np.zeros((4, 8, 8, 3), np.uint8)}, "4 images, 5 identities"),
        ({"attributes": pd.DataFrame({"age": range(5)})}, "no column 'file'"),
    ],
)
def test_it_refuses_parts_that_do_not_fit(changes, message):
    with pytest.raises(BadParameterError, match=message):
        make(**changes)


def test_people_are_those_present_without_the_unknown():
    assert make().people.tolist() == [0, 2]


def test_a_subset_keeps_order_and_numbers_and_renews_the_rows_of_the_table():
    faces = make()
    part = faces.subset([4, 0])
    np.testing.assert_array_equal(part.images, faces.images[[4, 0]])
    assert part.identity.tolist() == [0, 2]
    assert part.names == faces.names
    assert part.attributes["file"].tolist() == ["4.jpg", "0.jpg"]
    assert part.attributes.index.tolist() == [0, 1]


def test_a_mask_and_its_rows_give_the_same_subset():
    faces = make()
    mask = np.array([True, False, False, True, False])
    assert faces.subset(mask).sha256 == faces.subset([0, 3]).sha256
    with pytest.raises(BadParameterError, match="mask"):
        faces.subset(mask[:4])


def test_of_people_takes_every_photograph_of_them():
    assert make().select_people([2]).attributes["file"].tolist() == ["0.jpg", "2.jpg"]


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_mirrored_set_differs_in_left_and_right_alone(on_disk):
    faces = make()
    if on_disk:
        faces = replace(faces, images=ImageRows(faces.images, np.arange(len(faces))))
    mirrored = faces.mirrored()
    expected = np.stack([cv2.flip(image, 1).reshape(image.shape) for image in faces.images])
    np.testing.assert_array_equal(mirrored.images, expected)
    assert not np.array_equal(expected, faces.images)
    assert mirrored.attributes.equals(faces.attributes) and mirrored.names == faces.names


def test_labels_are_the_ranks_of_the_people_present():
    known = make(identity=(2, 0, 2, 2, 0))
    assert known.labels().tolist() == [1, 0, 1, 1, 0]
    with pytest.raises(BadParameterError, match="unknown people"):
        make().labels()


def test_the_hash_is_of_shape_and_pixels_only():
    faces = make()
    expected = hashlib.sha256(b"(5, 8, 8, 3)" + faces.images.tobytes()).hexdigest()
    assert faces.sha256 == expected
    assert make(source="other@8", identity=(0, 0, 0, 0, 0)).sha256 == expected
    changed = faces.images.copy()
    changed[4, 7, 7, 2] ^= 1
    assert make(images=changed).sha256 != expected
    assert make(images=np.asfortranarray(faces.images)).sha256 == expected


def test_the_hash_of_a_long_set_is_not_of_its_pieces():
    images = np.random.default_rng(1).integers(0, 256, (4100, 8, 8, 1), dtype=np.uint8)
    faces = make(identity=[0] * 4100, images=images)
    assert faces.sha256 == hashlib.sha256(b"(4100, 8, 8, 1)" + images.tobytes()).hexdigest()


def test_describe_is_what_a_record_needs():
    described = make().describe()
    assert described["images"] == 5 and described["people"] == 2 and described["size"] == [8, 8, 3]
    assert described["sha256"] == make().sha256
