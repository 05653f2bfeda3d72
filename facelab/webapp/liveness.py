"""Whether the face of a log-in turned as a head does, or is one photograph: presentation attack detection on two frames.

Its place is after the challenge: two frames that are good, of one person, and turned as asked. ``liveness_features`` makes
nine figures of them, this a score, which is linear in them. How it was fitted and what it lets through is in
``data/calibration/liveness.json``, from ``data/results/10_attacks.json`` (``facelab experiment run 10_attacks``).

What it was measured on are photographs, not film: two pictures of an ORL person were taken at two moments, and differ by
more than a turn. A head filmed while it turns was never measured, for want of film; nor were frames between the two poses,
so none are asked for. And two true photographs of a person, or film, are no attack to it at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facelab.evaluation import Estimate
from facelab.webapp.liveness_features import FEATURES, pair_features

#: Of ``Liveness.apcer``, those that the consent text quotes: a print, a warp, and the best of all that was tried.
QUOTED_ATTACKS = ("print turned", "3-D warp", "one photograph, best of all")


@dataclass(frozen=True)
class Liveness:
    """A detector, and what was measured of it by ISO/IEC 30107-3 on people who were not in its training.

    Attributes:
        weights: of each of ``FEATURES``.
        intercept: set so that a score of 0 is the threshold.
        sign_up_threshold: least mean score of the two sides of a sign-up, where less of a turn is wanted.
        target_bpcer: the rate at which both thresholds were set.
        bpcer: bona fide presentation classification error rate: honest turns of the head that it refused.
        apcer: of the presentations of each attack instrument, those that the whole decision accepted: quality, turn, face and
            liveness. (The standard calls that IAPAR, and APCER what the detector alone lets through, which is more.)
        dataset: ``FaceSet.describe()`` of the photographs.
        command: what made the measurement.
    """

    weights: Mapping[str, float]
    intercept: float
    sign_up_threshold: float
    target_bpcer: float
    bpcer: Estimate
    apcer: Mapping[str, Estimate]
    dataset: Mapping[str, object]
    command: str

    def __str__(self) -> str:
        worst = max(self.apcer, key=lambda name: self.apcer[name].value)
        return f"honest turns refused: {self.bpcer}; worst attack ({worst}) accepted: {self.apcer[worst]}"

    def score(self, straight: np.ndarray, turned: np.ndarray, side: int) -> float:
        """Log odds above the threshold; from 0 on the pair is taken for a head that turned.

        Args:
            straight, turned: uint8 (128, 128), of ``liveness_features.face_crop``.
            side: 1 where the nose went to the right of the picture (the person's own left), else -1.
        """
        return (
            float(np.dot([self.weights[name] for name in FEATURES], pair_features(straight, turned, side)))
            + self.intercept
        )
