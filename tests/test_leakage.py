"""Leakage: what must be found is found, what is no leak passes, and the search agrees with brute force."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.near_duplicates import near_duplicates, perceptual_bits, thumbnails
from facelab.datasets.splits import stored_people_split, stratified_split
from facelab.errors import BadParameterError, LeakageError


@pytest.fixture(scope="module")
def orl():
    return load("orl")


def with_images(faces: FaceSet, images: np.ndarray) -> FaceSet:
    return FaceSet(images, faces.identity, faces.names, faces.attributes, faces.source)


def jpeg(images: np.ndarray, quality: int) -> np.ndarray:
    coded = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for image in images]
    return np.stack([cv2.imdecode(code, cv2.IMREAD_UNCHANGED).reshape(images.shape[1:]) for code in coded])


def scaled(images: np.ndarray, size: int) -> np.ndarray:
    return np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)[..., None] for image in images])


COPIES = {
    "jpeg 30": lambda images: jpeg(images, 30),
    "half size": lambda images: scaled(images, 32),
    "other size": lambda images: scaled(images, 100),
    "colour": lambda images: np.repeat(images, 3, axis=3),
    "brighter": lambda images: np.clip(images.astype(int) + 40, 0, 255).astype(np.uint8),
    "darker": lambda images: (images * 0.6).astype(np.uint8),
    "gamma": lambda images: (255 * (images / 255) ** 0.7).astype(np.uint8),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_found_and_nothing_else(orl, name):
    """Of each of ORL's 400 photographs the changed copy is found, and no other photograph is taken for one."""
    found = near_duplicates(orl.images, COPIES[name](orl.images))
    np.testing.assert_array_equal(found, np.stack([np.arange(400), np.arange(400)], axis=1))


def test_the_search_is_that_of_brute_force(orl, monkeypatch):
    monkeypatch.setattr("facelab.datasets.near_duplicates._CHUNK", 7)
    first, second = orl.images[:40], orl.images[20:70]
    small = thumbnails(first), thumbnails(second)
    bits = [[tuple(row > 0) for row in perceptual_bits(part)] for part in small]
    expected = [
        (i, j)
        for i in range(40)
        for j in range(50)
        if sum(a != b for a, b in zip(bits[0][i], bits[1][j], strict=True)) <= 20
        and np.corrcoef(small[0][i].ravel(), small[1][j].ravel())[0, 1] >= 0.8
    ]
    found = near_duplicates(first, second, max_bits=20, min_correlation=0.8)
    assert len(expected) > 60 and found.tolist() == [list(pair) for pair in expected]


def test_bits_are_those_of_the_formula(orl):
    """The DCT-II by its sum, for one picture."""
    small = thumbnails(orl.images[:1])[0].astype(np.float64)
    n = np.arange(32)
    basis = (
        np.cos(np.pi * (n[None] + 0.5) * np.arange(8)[:, None] / 32) * np.where(np.arange(8) == 0, 0.5**0.5, 1)[:, None]
    )
    low = (basis @ small @ basis.T).ravel()
    np.testing.assert_array_equal(perceptual_bits(small[None])[0] > 0, low > np.median(low[1:]))


def test_flat_pictures_match_nothing_and_nothing_matches_an_empty_set():
    flat = np.full((3, 16, 16, 1), 90, np.uint8)
    assert len(near_duplicates(flat, flat)) == 0
    assert near_duplicates(flat[:0], flat).shape == (0, 2)


def test_people_apart_pass_every_check(orl):
    split = stored_people_split(orl)
    assert_disjoint(orl.subset(split.train), orl.subset(split.test))


def test_a_closed_set_shares_people_and_nothing_else(orl):
    split = stratified_split(orl, 0.7)
    train, test = orl.subset(split.train), orl.subset(split.test)
    assert_disjoint(train, test, kinds=("file", "hash", "perceptual"))
    with pytest.raises(
        LeakageError, match="40 of 40 test people are in training: orl:s01, orl:s02, orl:s03, [.]{3}[.]"
    ):
        assert_disjoint(train, test)


def test_each_kind_names_its_offender(orl):
    train, test = orl.subset(np.arange(100)), orl.subset(np.arange(99, 150))
    with pytest.raises(LeakageError, match="1 of 6 test people are in training: orl:s10"):
        assert_disjoint(train, test, kinds=("identity",))
    with pytest.raises(LeakageError, match="1 of 51 test files are in training: s10/10.pgm[.]"):
        assert_disjoint(train, test, kinds=("file",))
    with pytest.raises(
        LeakageError, match="1 of 51 test pictures .pixel for pixel. are in training: s10/10.pgm = s10/10.pgm"
    ):
        assert_disjoint(train, test, kinds=("hash",))
    renamed = with_images(test, COPIES["darker"](test.images))
    renamed.attributes["file"] = [f"copy{row}" for row in range(51)]
    assert_disjoint(train, renamed, kinds=("file", "hash"))
    with pytest.raises(
        LeakageError, match="1 of 51 test pictures .near-duplicates. are in training: copy0 = s10/10.pgm"
    ):
        assert_disjoint(train, renamed, kinds=("perceptual",))
    with pytest.raises(BadParameterError, match="'names'"):
        assert_disjoint(train, test, kinds=("names",))
    with pytest.raises(BadParameterError, match="No kind"):
        assert_disjoint(train, test, kinds=())


def toy(names, source, seed, unknown=False, **attributes) -> FaceSet:
    identity = np.full(len(names), -1) if unknown else np.arange(len(names))
    table = pd.DataFrame({"file": [f"{source}{seed}{n}.jpg" for n in range(len(names))]} | attributes)
    images = np.random.default_rng(seed).integers(0, 256, (len(names), 16, 16, 1), dtype=np.uint8)
    return FaceSet(images, identity, tuple(names), table, f"{source}@16")


def test_names_count_within_one_source_and_in_unions():
    assert_disjoint(toy(["Ann"], "lfw", 0), toy(["Ann"], "celeba", 1))
    assert_disjoint(toy(["Ann"], "lfw", 0, unknown=True), toy(["Ann"], "lfw", 1, unknown=True))
    for train, test in [
        (toy(["lfw:Ann", "orl:s01"], "lfw+orl", 0), toy(["Ann"], "lfw", 1)),
        (toy(["s01"], "orl-wild", 0), toy(["s01"], "orl", 1)),
        (toy(["lfw:Ann", "orl-wild:s01"], "lfw+orl-wild", 0), toy(["s01"], "orl", 1)),
        (toy(["Ann"], "lfw", 0), toy(["lfw:Ann"], "lfw+orl, one per person", 1)),
    ]:
        with pytest.raises(LeakageError, match="1 of 1 test people"):
            assert_disjoint(train, test, kinds=("identity",))


def test_renderings_of_one_photograph_are_one_file():
    train, test = toy(["a"], "orl-wild", 0, photo=["s1/1.pgm"]), toy(["a"], "orl-wild", 1, photo=["s1/1.pgm"])
    with pytest.raises(LeakageError, match="1 of 1 test files"):
        assert_disjoint(train, test, kinds=("file",))
