"""The dialogue of a sign-up: five shots, each good, of one person, and none twice. Knows nothing of HTTP or storage."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from facelab.webapp import template
from facelab.webapp.copies import POSES_OF_ONE_PICTURE, SAME_SHOT, best_likeness, face_bits
from facelab.webapp.frame_analysis import FrameAnalysis
from facelab.webapp.liveness import Liveness
from facelab.webapp.quality import HINTS, Hint

MAX_STRAIGHT_TURN = 0.12  #: largest |turn| of a face that looks into the camera
MIN_SHOT_TURN = 0.05  #: least turn of the shots to the side, against the first one
MAX_TURN = 0.4  #: beyond this the landmarks of the far side are guesses


@dataclass(frozen=True)
class Shot:
    """One of the shots.

    Attributes:
        key: for programs.
        instruction: for people.
        side: 0 straight, 1 to the person's own left (``turn`` > 0), -1 to the right.
    """

    key: str
    instruction: str
    side: int = 0


SHOTS = (
    Shot("straight", "Look straight into the camera."),
    Shot("left", "Turn your head a little to your left.", 1),
    Shot("right", "Turn your head a little to your right.", -1),
    Shot("closer", "Look straight again, and come a little closer or smile."),
    Shot("again", "Once more: look straight into the camera."),
)


class SignUp:
    """A sign-up that is under way.

    Args:
        name: as it will be shown.
        name_key: as it is compared.
        consent_version: of the text that was agreed to.
        findable: whether who-am-I may tell the name.
        threshold: least score of one person's photographs.
        liveness: judges the shots to the side.
    """

    def __init__(
        self, name: str, name_key: str, consent_version: str, findable: bool, threshold: float, liveness: Liveness
    ) -> None:
        self.name, self.name_key, self.consent_version, self.findable = name, name_key, consent_version, findable
        self.lock = threading.Lock()
        self.factor_record: bytes | None = None  # of ``SecondFactor.enrol``
        self._threshold, self._liveness = threshold, liveness
        self._taken: list[FrameAnalysis] = []

    @property
    def shots_taken(self) -> int:
        """How many shots were accepted."""
        return len(self._taken)

    @property
    def frames(self) -> tuple[FrameAnalysis, ...]:
        """The shots that were accepted."""
        return tuple(self._taken)

    @property
    def next_shot(self) -> Shot | None:
        """What is asked for now; None when all are there."""
        return SHOTS[self.shots_taken] if self.shots_taken < len(SHOTS) else None

    def offer(self, frame: FrameAnalysis) -> Hint | None:
        """Take a frame as the next shot; None where it was taken, else what to do better."""
        hint = self.shot_fault(frame)
        if hint is None:
            self._taken.append(frame)
        return hint

    def shot_fault(self, frame: FrameAnalysis) -> Hint | None:
        """What keeps a frame from being the next shot."""
        if frame.hint is not None:
            return frame.hint
        side, first = self.next_shot.side, self._taken[0].turn if self._taken else 0.0
        return pose_fault(frame.turn, side, first) or self._person_fault(frame, side) or self._liveness_fault(frame)

    def template(self) -> np.ndarray:
        """Of the shots that were taken, float32 (D,)."""
        return template.make_template(np.stack([frame.embedding for frame in self._taken]))

    def _person_fault(self, frame: FrameAnalysis, side: int) -> Hint | None:
        if not self._taken:
            return None
        taken = np.stack([face_bits(shot.face_crop) for shot in self._taken])
        if best_likeness(frame.face_crop, taken) >= (POSES_OF_ONE_PICTURE if side else SAME_SHOT):
            return HINTS["same_picture"]
        if template.comparison_score(self.template(), frame.embedding) < self._threshold:
            return HINTS["other_person"]
        return None

    def _liveness_fault(self, frame: FrameAnalysis) -> Hint | None:
        """With the second shot to a side both are held against the straight one: else one photograph makes an account."""
        if SHOTS[self.shots_taken].key != "right":
            return None
        straight, left = self._taken
        scores = [
            self._liveness.score(straight.face_crop, turned.face_crop, way) for turned, way in ((left, 1), (frame, -1))
        ]
        return HINTS["one_picture"] if sum(scores) / 2 < self._liveness.sign_up_threshold else None


def pose_fault(turn: float, side: int, straight_turn: float) -> Hint | None:
    """What is wrong with the turn of a shot to ``side``, against the turn of the straight one."""
    if abs(turn) > MAX_TURN:
        return HINTS["turn_less"]
    if side == 0:
        return HINTS["not_straight"] if abs(turn) > MAX_STRAIGHT_TURN else None
    if (turn - straight_turn) * side < MIN_SHOT_TURN:
        return HINTS["turn_more_left" if side > 0 else "turn_more_right"]
    return None
