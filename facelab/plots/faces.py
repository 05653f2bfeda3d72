"""Pictures made of faces: sheets, JPEGs for notebooks, and marks on photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from IPython.display import Image
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from facelab.cropping.boxes import Box, Face
from facelab.datasets.decode import resize
from facelab.plots.alt_text import sheet_alt_text
from facelab.plots.style import COLORS, hex_to_rgb
from facelab.plots.text import font_file
from facelab.terminal import printable


def face_sheet(
    images: np.ndarray, columns: int = 10, titles: Sequence[str] | None = None, zoom: float = 1.0
) -> np.ndarray:
    """Faces side by side as one picture.

    Args:
        images: uint8 (N, H, W, C).
        columns: how many stand in a row.
        titles: a few letters below each face.
        zoom: factor by which each face is enlarged.

    Returns:
        uint8 (h, w, 3), RGB, white where there is no face.
    """
    height, width = (round(side * zoom) for side in images.shape[1:3])
    strip = 15 if titles is not None else 0
    rows = math.ceil(len(images) / columns)
    sheet = np.full((rows * (height + strip + 2), columns * (width + 2), 3), 255, dtype=np.uint8)
    for number, image in enumerate(images):
        top, left = (number // columns) * (height + strip + 2), (number % columns) * (width + 2)
        face = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_CUBIC)
        sheet[top : top + height, left : left + width] = face if face.ndim == 3 else face[:, :, None]
        if titles is not None:
            _write(sheet, printable(titles[number]), (left + 1, top + height + 11))
    return sheet


def _write(sheet: np.ndarray, text: str, where: tuple[int, int]) -> None:
    """Write small letters into a picture, uint8 (h, w, 3); ``where`` is the left end of their base line."""
    if text.isascii():
        cv2.putText(sheet, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (30, 30, 30), 1, cv2.LINE_AA)
        return
    picture = Pillow.fromarray(sheet)  # OpenCV's own letters are ASCII alone
    ImageDraw.Draw(picture).text(where, text, (30, 30, 30), ImageFont.truetype(font_file(text), 11), anchor="ls")
    sheet[:] = np.asarray(picture)


def show_faces(
    images: np.ndarray, columns: int = 10, titles: Sequence[str] | None = None, zoom: float = 1.0, alt: str = ""
) -> Image:
    """``face_sheet`` as a JPEG that a notebook displays: small, and never compared by nbval.

    Args:
        images, columns, titles, zoom: as of ``face_sheet``.
        alt: a sentence for readers who do not see the picture: what is there to see. How many pictures there are, and the
            titles, are read out by themselves.
    """
    alt = sheet_alt_text(len(images), min(columns, len(images)), titles, alt)
    return as_jpeg(face_sheet(images, columns, titles, zoom), alt)


def as_jpeg(picture: np.ndarray, alt: str = "") -> Image:
    """A picture, uint8 (h, w, 3), RGB, as a JPEG that a notebook displays, with its alternative text.

    Without a text it is no more than pixels: for a page that cuts faces out of it.
    """
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 72])
    if not done:
        raise ValueError(f"a picture of {picture.shape} cannot be encoded")
    return Image(data=data.tobytes(), format="jpeg", alt=alt or None)


def thumbnails(images: np.ndarray, side: int) -> np.ndarray:
    """Faces of one small size, in colour: uint8 (N, S, S, C), grey or RGB, to (N, side, side, 3), RGB."""
    small = np.empty((len(images), side, side, 3), np.uint8)
    for row, image in enumerate(images):
        small[row] = resize(image, side)
    return small


def sprite(images: np.ndarray, side: int) -> np.ndarray:
    """Faces without gaps in a square sheet, row by row, of which a program cuts them again.

    Args:
        images: uint8 (N, S, S, C), N >= 1.
        side: of each face in pixels.

    Returns:
        uint8 (n * side, n * side, 3) with n = ceil(sqrt(N)), RGB, black behind the last face.
    """
    n = math.ceil(math.sqrt(len(images)))
    cells = np.zeros((n * n, side, side, 3), np.uint8)
    cells[: len(images)] = thumbnails(images, side)
    return cells.reshape(n, n, side, side, 3).swapaxes(1, 2).reshape(n * side, n * side, 3)


def mark_faces(image: np.ndarray, faces: Sequence[Face], references: Sequence[Box] = ()) -> np.ndarray:
    """A copy of a photograph with detected boxes and landmarks in orange, the largest drawn thicker, and known boxes in blue.

    Args:
        image: uint8 (H, W), (H, W, 1) or (H, W, 3).
        faces: what a detector returned.
        references: where the faces are known to be.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    marked = np.array(np.broadcast_to(image.reshape(*image.shape[:2], -1), (*image.shape[:2], 3)))
    blue, orange = (hex_to_rgb(colour) for colour in COLORS[:2])
    thin = max(1, round(min(image.shape[:2]) / 150))
    boxes = [(box, blue, thin) for box in references]
    boxes += [(face.box, orange, 2 * thin if face is faces[0] else thin) for face in faces]
    for (x, y, w, h), colour, width in boxes:
        cv2.rectangle(marked, (round(x), round(y)), (round(x + w) - 1, round(y + h) - 1), colour, width)
    for face in faces:
        for x, y in () if face.landmarks is None else face.landmarks:
            cv2.circle(marked, (round(x), round(y)), 2 * thin, orange, -1)
    return marked
