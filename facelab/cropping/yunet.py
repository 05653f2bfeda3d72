"""YuNet (Wu, Peng and Yu, Machine Intelligence Research 20, 2023): a small network that gives boxes and five landmarks."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import cv2
import numpy as np

from facelab.cropping.boxes import Face
from facelab.cropping.framing import Framing
from facelab.cropping.model_files import model_file
from facelab.errors import BadParameterError

# on 32 pixels or fewer the coarsest of YuNet's three maps is one row, and OpenCV returns faces that are not there
_MIN_SIDE = 64
_NMS_IOU = 0.3  # boxes that overlap more than this are one face (OpenCV's default)


@dataclass(frozen=True)
class YuNetDetector:
    """YuNet through OpenCV, with the weights that a dependency carries.

    Attributes:
        score_threshold: faces below this score, 0 to 1, are dropped. OpenCV's default of .9 drops turned and small faces.
        padding: as in ``Framing``; YuNet finds faces that touch the edge and needs none.
        upscale: as in ``Framing``; enlarging finds hardly more faces, but halves the error of the landmarks on small ones.
        max_side: as in ``Framing``; YuNet was trained on faces of about 10 to 300 pixels, so a large photograph must shrink.
    """

    score_threshold: float = 0.6
    padding: float = 0.0
    upscale: float = 2.0
    max_side: int = 640
    # the network's input size is state of OpenCV's object, so each thread loads its own
    _loaded: threading.local = field(default_factory=threading.local, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.score_threshold < 1:
            raise BadParameterError(f"score_threshold is {self.score_threshold}.", "Give a number between 0 and 1.")
        self.framing()  # refuses impossible values

    def detect(self, image: np.ndarray) -> list[Face]:
        """Faces of a photograph, with landmarks; see ``Detector``.

        Raises:
            BadParameterError: not a photograph.
            DataMissingError: the model file is not there.
        """
        prepared = self.framing().prepare(image)
        picture = prepared.picture
        bgr = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR if picture.ndim == 2 else cv2.COLOR_RGB2BGR)
        below, right = (max(0, _MIN_SIDE - side) for side in bgr.shape[:2])
        bgr = cv2.copyMakeBorder(bgr, 0, below, 0, right, cv2.BORDER_REPLICATE)
        network = self._network()
        network.setInputSize((bgr.shape[1], bgr.shape[0]))
        rows = network.detect(bgr)[1]
        found = [
            Face(
                prepared.box_in_photograph(*row[:4]),
                float(row[14]),
                prepared.points_in_photograph(row[4:14].reshape(5, 2)),
            )
            for row in ([] if rows is None else rows.astype(np.float64))
        ]
        return sorted(found, key=lambda face: (-face.box.area, face.box))

    def framing(self) -> Framing:
        """How a photograph is prepared for the search."""
        return Framing(self.padding, self.upscale, self.max_side)

    def _network(self) -> cv2.FaceDetectorYN:
        if not hasattr(self._loaded, "network"):
            self._loaded.network = cv2.FaceDetectorYN.create(
                str(model_file("yunet")), "", (32, 32), self.score_threshold, _NMS_IOU
            )
        return self._loaded.network
