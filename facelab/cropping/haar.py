"""Haar cascades (Viola and Jones, CVPR 2001): the detector of most tutorials, and of the project this course grew from."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import cv2
import numpy as np

from facelab.cropping.boxes import Box, Face
from facelab.cropping.framing import Framing
from facelab.errors import BadParameterError, DataMissingError

CASCADES = {
    "frontal": "haarcascade_frontalface_default.xml",
    "frontal_alt": "haarcascade_frontalface_alt.xml",
    "frontal_alt2": "haarcascade_frontalface_alt2.xml",
    "profile": "haarcascade_profileface.xml",
}
_FLIPPED = "_flipped"


@dataclass(frozen=True)
class HaarDetector:
    """One or several Haar cascades, tried in order until one finds a face.

    Attributes:
        views: names of ``CASCADES``; with ``_flipped`` behind it, the cascade sees the mirrored picture. The profile cascade
            was trained on faces that look to one side only, so a full search is ``("frontal", "profile",
            "profile_flipped")``.
        scale_factor: ratio of one window size to the next, above 1: nearer to 1 is slower and misses fewer sizes.
        min_neighbors: a face needs more than this many overlapping windows that agree; higher is stricter.
        padding, upscale, max_side: as in ``Framing``. A cascade misses faces that touch the edge: .25 helps with photographs
            that are cut to the face; elsewhere it completes neighbours at the edge, and the largest face may be one of them.

    The score of a face is the number of windows that agreed on it.
    """

    views: tuple[str, ...] = ("frontal",)
    scale_factor: float = 1.1
    min_neighbors: int = 5
    padding: float = 0.0
    upscale: float = 1.0
    max_side: int = 1000
    # OpenCV's cascade objects keep state while they search, so each thread loads its own
    _loaded: threading.local = field(default_factory=threading.local, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = [*CASCADES, *(name + _FLIPPED for name in CASCADES)]
        if not self.views or not set(self.views) <= set(known):
            raise BadParameterError(f"The views are {self.views}.", f"Give one or more of: {', '.join(known)}.")
        if not self.scale_factor > 1:
            raise BadParameterError(f"scale_factor is {self.scale_factor}.", "Give a number above 1, such as 1.1.")
        if self.min_neighbors < 1:
            raise BadParameterError(f"min_neighbors is {self.min_neighbors}.", "Give 1 or more.")
        self.framing()  # refuses impossible values

    def detect(self, image: np.ndarray) -> list[Face]:
        """Faces of a photograph; see ``Detector``.

        Raises:
            BadParameterError: not a photograph.
            DataMissingError: the installed OpenCV carries no cascades.
        """
        prepared = self.framing().prepare(image)
        picture = prepared.picture
        gray = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        for view in self.views:
            found = [Face(prepared.box_in_photograph(*box), score) for box, score in self._search(view, gray)]
            if found:
                # OpenCV's threads report in any order
                return sorted(found, key=lambda face: (-face.box.area, face.box))
        return []

    def framing(self) -> Framing:
        """How a photograph is prepared for the search."""
        return Framing(self.padding, self.upscale, self.max_side)

    def _search(self, view: str, gray: np.ndarray) -> list[tuple[Box, float]]:
        flipped = view.endswith(_FLIPPED)
        cascade = self._cascade(view.removesuffix(_FLIPPED))
        seen = np.ascontiguousarray(gray[:, ::-1]) if flipped else gray
        boxes, counts = cascade.detectMultiScale2(seen, self.scale_factor, self.min_neighbors)
        if flipped:
            boxes = [(gray.shape[1] - x - w, y, w, h) for x, y, w, h in boxes]
        return [(Box(*box), float(count)) for box, count in zip(boxes, counts, strict=True)]

    def _cascade(self, name: str) -> cv2.CascadeClassifier:
        if not hasattr(self._loaded, name):
            cascade = cv2.CascadeClassifier(cv2.data.haarcascades + CASCADES[name])
            if cascade.empty():
                raise DataMissingError(
                    f"OpenCV {cv2.__version__} lacks {CASCADES[name]}.", "pip install 'opencv-python-headless<5'"
                )
            setattr(self._loaded, name, cascade)
        return getattr(self._loaded, name)
