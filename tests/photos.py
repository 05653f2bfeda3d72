"""Made-up photographs for tests: files in every format, and trees in the layouts of the data sets. Never real data."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def pixels(seed: int = 0, height: int = 40, width: int = 32, channels: int = 3) -> np.ndarray:
    """Smooth noise uint8 (height, width, channels): a JPEG keeps it to a few grey levels."""
    coarse = np.random.default_rng(seed).integers(40, 216, (4, 4, channels), dtype=np.uint8)
    image = Image.fromarray(coarse if channels == 3 else coarse[:, :, 0]).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return np.asarray(image).reshape(height, width, channels)


def encoded(array: np.ndarray, form: str = "JPEG", **options) -> bytes:
    """An array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array).save(buffer, form, **options)
    return buffer.getvalue()


def write(path: Path, seed: int = 0, **shape) -> Path:
    """One photograph as a file; the name's ending gives the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = {".jpg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".pgm": "PPM"}[path.suffix.lower()]
    path.write_bytes(encoded(pixels(seed, **shape), form))
    return path


def people(root: Path, **photographs: int) -> Path:
    """A tree person/photo: ``people(root, ann=2)`` writes ann/0.png and ann/1.png."""
    for place, (person, count) in enumerate(photographs.items()):
        for shot in range(count):
            write(root / person / f"{shot}.png", seed=100 * place + shot)
    return root


DENIED = PermissionError(13, "Permission denied")


def close_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, error: OSError = DENIED) -> None:
    """What a folder without rights does to everybody but root, or one that is removed while the tree is read."""
    scandir = os.scandir

    def refuse(path="."):
        if str(path) == str(folder):
            raise OSError(error.errno, error.strerror, str(path))  # Python makes it the subclass of its number
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def writable_formats() -> set[str]:
    """The formats that this Pillow writes."""
    Image.init()
    return set(Image.SAVE)
