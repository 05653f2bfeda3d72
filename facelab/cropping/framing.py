"""The picture that a detector is given: the photograph with a border around it, enlarged or shrunk, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facelab.cropping.boxes import Box
from facelab.errors import BadParameterError

MAX_SIDE = 32_000  #: OpenCV's warps count pixels in 16 bits


@dataclass(frozen=True)
class Framing:
    """How a photograph is prepared for a detector.

    Attributes:
        padding: width of the border on each side, over the photograph's shorter side. The outermost pixels are repeated: a
            black border would add an edge that is not there.
        upscale: factor of enlargement; a detector that looks for windows of 24 pixels sees more of a small face.
        max_side: the longer side of the prepared picture is never more than this many pixels.
    """

    padding: float
    upscale: float
    max_side: int

    def __post_init__(self) -> None:
        if not 0 <= self.padding <= 2:
            raise BadParameterError(
                f"The padding is {self.padding}.{percent_hint(self.padding, 2)}",
                "Give a share of the shorter side, 0 to 2.",
            )
        if not 0 < self.upscale <= 16:
            raise BadParameterError(
                f"The upscaling is {self.upscale}.{percent_hint(self.upscale, 16)}",
                "Give a factor above 0, at most 16.",
            )
        if self.max_side < 32:
            raise BadParameterError(f"The longest side is {self.max_side}.", "Give at least 32 pixels.")

    def prepare(self, image: np.ndarray) -> PreparedPicture:
        """Pad and scale a photograph, uint8 (H, W), (H, W, 1) or (H, W, 3)."""
        image = as_photograph(image)
        pad, size = self.layout(image.shape[1], image.shape[0])
        picture = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_REPLICATE) if pad else image
        height, width = picture.shape[:2]
        if size != (width, height):
            larger = sum(size) > width + height
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC if larger else cv2.INTER_AREA)
        return PreparedPicture(picture, pad, size[0] / width, size[1] / height)

    def layout(self, width: int, height: int) -> tuple[int, tuple[int, int]]:
        """Width of the border of a photograph of this size, and (width, height) of the prepared picture, all in pixels."""
        pad = round(self.padding * min(height, width))
        width, height = width + 2 * pad, height + 2 * pad
        scale = min(self.upscale, self.max_side / max(height, width))
        return pad, (max(1, round(width * scale)), max(1, round(height * scale)))


@dataclass(frozen=True, eq=False)
class PreparedPicture:
    """A prepared picture, uint8 (h, w) or (h, w, 3), and how its coordinates lead back to the photograph."""

    picture: np.ndarray
    pad: int
    scale_x: float
    scale_y: float

    def box_in_photograph(self, x: float, y: float, w: float, h: float) -> Box:
        """A box of the picture in pixels of the photograph."""
        x, w, y, h = x / self.scale_x, w / self.scale_x, y / self.scale_y, h / self.scale_y
        return Box(float(x - self.pad), float(y - self.pad), float(w), float(h))

    def points_in_photograph(self, points: np.ndarray) -> np.ndarray:
        """Points (K, 2) of the picture in the photograph; the middle of the first pixel is at 0 in both."""
        return (np.asarray(points, dtype=np.float64) + 0.5) / (self.scale_x, self.scale_y) - 0.5 - self.pad


def percent_hint(value: float, most: float) -> str:
    """A question to end an error's problem with, where a share or factor of at most ``most`` was given in per cent."""
    return f" Did you mean {value / 100:g}?" if most < value <= 100 * most else ""


def as_photograph(image: np.ndarray) -> np.ndarray:
    """The image without a channel axis of 1, checked.

    Raises:
        BadParameterError: not uint8, not (H, W), (H, W, 1) or (H, W, 3), without a pixel, or with a side above ``MAX_SIDE``.
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.dtype != np.uint8 or image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise BadParameterError(
            f"The photograph is {image.dtype} {image.shape}.", "Give uint8 (H, W), (H, W, 1) or RGB (H, W, 3)."
        )
    if max(image.shape) > MAX_SIDE:
        height, width = image.shape[:2]
        raise BadParameterError(
            f"The photograph has {width} x {height} pixels, more than {MAX_SIDE} a side.", "Cut it or scale it down."
        )
    return image
