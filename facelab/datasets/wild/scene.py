"""One rendering: photograph, landmarks and nuisances in, picture out."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from facelab.datasets.wild import geometry, light, occlusion, sensor
from facelab.datasets.wild.geometry import Landmarks
from facelab.datasets.wild.parameters import Nuisance

MIN_RENDER_SIDE = 96  #: pixels, at least, in which a square is drawn before it is averaged down to its size


class Scene:
    """A photograph that can be rendered many times.

    Args:
        photo: uint8 (H, W).
        points: its landmarks.
    """

    def __init__(self, photo: np.ndarray, points: Landmarks) -> None:
        self.photo, self.points = photo, points
        self.face_map = geometry.photo_to_face(points)

    @cached_property
    def extended_photo(self) -> np.ndarray:
        """The photograph continued beyond its edges."""
        return geometry.extend(self.photo)

    @cached_property
    def skin_tone(self) -> float:
        """Grey of the skin."""
        y, x = np.mgrid[: self.photo.shape[0], : self.photo.shape[1]]
        return occlusion.skin_tone(self.photo, *geometry.apply(self.face_map, x, y))

    def render(self, nuisance: Nuisance, size: int) -> np.ndarray:
        """The picture under the given conditions: uint8 (size, size).

        It is drawn at least ``MIN_RENDER_SIDE`` pixels wide and averaged down, so that nothing flickers at a small size.
        """
        factor = -(-MIN_RENDER_SIDE // size)
        to_photo = geometry.inverse(geometry.photo_to_frame(self.points, nuisance))
        x, y = geometry.apply(to_photo, *geometry.pixel_centers(size * factor))
        # 32 bits are plenty for what has no fine detail, and twice as fast
        u, v = (axis.astype(np.float32) for axis in geometry.apply(self.face_map, x, y))
        pixel = 1.5 * geometry.SIDE / (size * factor)  # an edge as wide as a pixel and a half
        gray = occlusion.occlude(geometry.sample(self.extended_photo, x, y), u, v, pixel, self.skin_tone, nuisance)
        lit = gray * light.gain(u, v, nuisance)
        return sensor.expose_and_record(geometry.shrink(lit, factor), nuisance)
