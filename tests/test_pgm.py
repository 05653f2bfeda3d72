"""Line ends undone in PGM files: against the conversion itself, done here on purpose."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facelab.datasets import orl
from facelab.datasets.decode import decode
from facelab.datasets.pgm import undo_line_ends
from facelab.errors import BadImageError

SMALL = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([9, 10, 13, 200])
)


def pgm(pixels: np.ndarray) -> bytes:
    return b"P5\n%d %d\n255\n" % pixels.shape[::-1] + pixels.tobytes()


def dark_photograph() -> np.ndarray:
    """A photograph with a background around 13, where a pair of 13 and 10 is nothing out of the ordinary."""
    pixels = decode((orl.locate() / "s14" / "1.pgm").read_bytes(), channels=1)[:, :, 0].astype(int)
    return np.clip(pixels - np.percentile(pixels, 10) + 12, 0, 255).astype(np.uint8)


@given(SMALL)
def test_every_line_feed_converted_comes_back(pixels):
    assert undo_line_ends(pgm(pixels).replace(b"\n", b"\r\n")) == pgm(pixels)


@pytest.mark.parametrize("row", [5, 40, 90])
def test_a_pair_of_the_photograph_itself_is_kept_at_its_place_or_next_to_it(row):
    pixels = dark_photograph()
    pixels[pixels == 13] = 12
    column = int(np.abs(pixels[row, :-1].astype(int) - 12).argmin())
    pixels[row, column : column + 2] = 13, 10
    converted = re.sub(rb"(?<!\r)\n", b"\r\n", pgm(pixels))
    assert converted.count(b"\r\n") > 20  # many places to choose from
    undone = undo_line_ends(converted)
    assert len(undone) == len(pgm(pixels))
    wrong = np.flatnonzero(np.frombuffer(undone, np.uint8) != np.frombuffer(pgm(pixels), np.uint8))
    assert (
        wrong.size == 0 or np.ptp(wrong) < 92
    )  # a neighbouring pair may be as smooth: at most a row is off, by one pixel


@given(SMALL)
def test_of_all_places_the_smoothest_is_taken(pixels):
    """Against trying each place in turn, as the text of the module has it."""
    converted = re.sub(rb"(?<!\r)\n", b"\r\n", pgm(pixels))
    body = converted.split(b"\r\n", 3)[3]
    tried = []
    for pair in re.finditer(b"\r\n", body):
        kept = [body[: pair.start()], body[pair.end() :]]
        tried.append(b"\r\n".join(part.replace(b"\r\n", b"\n") for part in kept))
    rows = [np.frombuffer(kept, np.uint8).astype(int) for kept in tried if len(kept) == pixels.size]
    if rows and len(body.replace(b"\r\n", b"\n")) != pixels.size:
        smoothest = min(rows, key=lambda grey: np.abs(np.diff(grey.reshape(pixels.shape), axis=0)).sum())
        np.testing.assert_array_equal(decode(converted, 1)[:, :, 0].ravel(), smoothest)


def test_a_large_photograph_with_many_places_to_choose_from_takes_one_look_at_each():
    """A million pixels and thousands of pairs: trying each takes minutes."""
    pixels = np.tile(np.random.default_rng(0).integers(14, 256, 1000, dtype=np.uint8), (1000, 1))
    pixels[:, ::100] = 10
    pixels[500, 499:501] = 13, 10
    converted = re.sub(rb"(?<!\r)\n", b"\r\n", pgm(pixels))
    undone = np.frombuffer(undo_line_ends(converted), np.uint8)
    np.testing.assert_array_equal(undone, np.frombuffer(pgm(pixels), np.uint8))


@given(SMALL)
def test_files_that_were_not_converted_stay_as_they_are(pixels):
    assert undo_line_ends(pgm(pixels)) == pgm(pixels)
    header_only = b"P5\r\n%d %d\r\n255\r\n" % pixels.shape[::-1] + pixels.tobytes()
    assert undo_line_ends(header_only) == pgm(pixels)


@pytest.mark.parametrize("lost", [2, 50])
def test_lost_pixels_are_said_not_guessed(lost):
    converted = pgm(dark_photograph()).replace(b"\n", b"\r\n")[:-lost]
    with pytest.raises(BadImageError, match="pixels are lost"):
        undo_line_ends(converted)
    with pytest.raises(BadImageError):
        decode(converted, channels=1)
