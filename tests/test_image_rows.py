"""Rows of a memory map: they are indexed as the array that they stand for, and the pixels stay on disk."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_faces

from facelab.datasets import FaceSet, image_rows
from facelab.datasets.image_rows import ImageRows

ROWS = np.array([7, 2, 2, 30, 11, 0])


@pytest.fixture
def mapped(tmp_path, monkeypatch) -> FaceSet:
    """48 photographs on disk, no part of which may be copied."""
    monkeypatch.setattr(image_rows, "MAX_COPIED", 0)
    faces = tiny_faces()
    faces.images.tofile(tmp_path / "pixels")
    return replace(faces, images=np.memmap(tmp_path / "pixels", np.uint8, "r", shape=faces.images.shape))


@pytest.mark.parametrize(
    "key",
    [
        0, -1, slice(None), slice(1, 5, 2), slice(None, None, -1), [3, 0, 3], np.array([True, False] * 3), ...,
        np.array([[0, 1], [2, 3]]), (slice(None), slice(None), slice(None, None, -1)), (2, 3), (..., 0),
        ([1, 2], slice(0, 4)), (slice(0, 3), 5, 6, 0),
    ],
    ids=str,
)  # fmt: skip
def test_it_is_indexed_as_an_array(mapped, key):
    images = mapped.subset(ROWS).images
    array = np.array(mapped.images)[ROWS]
    assert isinstance(images, ImageRows)
    np.testing.assert_array_equal(images[key], array[key])
    assert type(images[key]) is np.ndarray


def test_it_has_the_shape_of_the_array_and_becomes_one(mapped):
    images = mapped.subset(ROWS).images
    array = np.array(mapped.images)[ROWS]
    assert (len(images), images.shape, images.dtype, images.ndim) == (6, array.shape, array.dtype, 4)
    np.testing.assert_array_equal(images, array)
    np.testing.assert_array_equal(np.concatenate([images, images]), np.concatenate([array, array]))
    np.testing.assert_array_equal(np.stack(list(images)), array)
    np.array(images)[...] = 0  # a copy: the map is read-only


def test_parts_of_parts_point_into_the_map_and_hash_as_copies_do(mapped):
    part = mapped.subset(ROWS)
    again = part.subset([4, 0])
    assert again.images.source is mapped.images and again.images.rows.tolist() == [11, 7]
    copied = tiny_faces().subset(ROWS)
    assert (part.sha256, again.sha256) == (copied.sha256, copied.subset([4, 0]).sha256)


def test_a_small_part_is_a_copy(mapped, monkeypatch):
    monkeypatch.setattr(image_rows, "MAX_COPIED", 2 * 16 * 16)
    assert isinstance(mapped.subset([0, 1, 2]).images, ImageRows)
    small = mapped.subset([0, 1, 2]).subset([1, 2]).images
    assert type(small) is np.ndarray and small.flags.writeable
    assert type(tiny_faces().subset(ROWS).images) is np.ndarray
