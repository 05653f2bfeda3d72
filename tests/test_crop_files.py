"""What is written holds what was computed, under every name that a photograph may have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photos import encoded
from PIL import Image, features

from facelab.cropping import Box, Face, crop_tree
from facelab.cropping.crop_files import crop_name
from facelab.datasets.decode import decode
from facelab.datasets.trees import SUFFIXES

PILLOW = {
    ".avif": "AVIF", ".bmp": "BMP", ".gif": "GIF", ".j2k": "JPEG2000", ".jfif": "JPEG", ".jp2": "JPEG2000", ".jpe": "JPEG",
    ".jpeg": "JPEG", ".jpg": "JPEG", ".pbm": "PPM", ".pgm": "PPM", ".png": "PNG", ".pnm": "PPM", ".ppm": "PPM", ".tif": "TIFF",
    ".tiff": "TIFF", ".webp": "WEBP",
}  # fmt: skip
SAME_NAME = {".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
HEIC = {".heic", ".heif", ".hif"}  # as JPEG in the suffix of a phone: only the name matters here


class WholeFrame:
    def __repr__(self):
        return "WholeFrame()"

    def detect(self, image):
        return [Face(Box(0, 0, image.shape[1], image.shape[0]), 1.0)]


def noise(channels: int) -> np.ndarray:
    """The worst case of every codec."""
    return np.random.default_rng(channels).integers(0, 256, (48, 48, channels), dtype=np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


def crop_of(folder: Path, name: str, data: bytes) -> tuple[str, np.ndarray]:
    """Name and pixels of the crop of one photograph."""
    (folder / "in").mkdir(parents=True)
    (folder / "in" / name).write_bytes(data)
    (row,) = crop_tree(folder / "in", folder / "out", WholeFrame(), size=48).rows
    assert row.crop == crop_name(name), row.reason
    return row.crop, decode((folder / "out" / row.crop).read_bytes())


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
@pytest.mark.parametrize("channels", [1, 3])
def test_a_crop_is_what_the_same_picture_as_png_gives(tmp_path, suffix, channels):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow cannot write AVIF")
    picture = noise(channels)
    form = "JPEG" if suffix in HEIC else PILLOW[suffix]
    data = encoded((picture[:, :, 0] > 127) if suffix == ".pbm" else picture, form)
    name, crop = crop_of(tmp_path / "a", f"x{suffix.upper()}", data)
    assert name == (f"x{suffix.upper()}" if suffix in SAME_NAME else f"x{suffix.upper()}.png")
    reference = crop_of(tmp_path / "b", "x.png", encoded(decode(data), "PNG"))[1]
    assert psnr(crop, reference) >= (35 if form == "JPEG" and suffix not in HEIC else np.inf)


def test_a_grey_pgm_stays_grey_and_one_in_colour_keeps_its_colours(tmp_path):
    for channels, mode in ((1, "L"), (3, "RGB")):
        picture = noise(channels)
        name, crop = crop_of(tmp_path / mode, "x.pgm", encoded(picture, "PPM"))
        assert Image.open(tmp_path / mode / "out" / name).mode == mode
        np.testing.assert_array_equal(crop, np.broadcast_to(picture, crop.shape))


def test_crops_that_would_share_a_name_are_told_apart(tmp_path):
    (tmp_path / "in").mkdir()
    for name, form in (("a.gif", "GIF"), ("a.png", "PNG"), ("a.gif.png", "PNG"), ("b" * 248 + ".gif", "GIF")):
        (tmp_path / "in" / name).write_bytes(encoded(noise(3), form))
    report = crop_tree(tmp_path / "in", tmp_path / "out", WholeFrame(), size=48)
    assert {row.crop for row in report.rows} == {"a.png", "a.gif.png", ""}
    why = dict(report.failures)
    assert why.pop("a.gif") == "Its crop would have the name of that of a.gif.png."
    assert list(why.values()) == ["Its name is too long to put .png behind it."]
    # without the namesake the crop has its place, and what was cropped before from the other is not taken for it
    (tmp_path / "in" / "a.gif.png").unlink()
    report = crop_tree(tmp_path / "in", tmp_path / "out", WholeFrame(), size=48, prune=True)
    assert [row.crop for row in report.rows] == ["a.gif.png", "a.png", ""] and report.leftover_crops == ()
    assert (tmp_path / "out" / "a.gif.png").is_file()


def test_on_a_system_that_ignores_case_two_photographs_need_two_names(tmp_path, monkeypatch):
    from facelab.datasets import output_tree

    monkeypatch.setattr(output_tree, "_ignores_case", lambda folder: True)
    (tmp_path / "in").mkdir()
    for name in ("A.png", "a.png", "b.png"):
        (tmp_path / "in" / name).write_bytes(encoded(noise(3), "PNG"))
    report = crop_tree(tmp_path / "in", tmp_path / "out", WholeFrame(), size=48)
    assert report.failures == [("a.png", "Its crop would have the name of that of A.png.")]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["A.png", "b.png"]
