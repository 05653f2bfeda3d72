"""The dialogue of a sign-up: five shots, each good, of one person, and none twice. Knows nothing of HTTP or storage."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from facelab.webapp import replay, template
from facelab.webapp.frame_analysis import FrameAnalysis
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
        findable: whether who-am-I may tell the name.
        threshold: least score of one person's photographs.
    """

    def __init__(self, name: str, name_key: str, findable: bool, threshold: float) -> None:
        self.name, self.name_key, self.findable = name, name_key, findable
        self.lock = threading.Lock()
        self._threshold = threshold
        self._taken: list[FrameAnalysis] = []

    @property
    def shots_taken(self) -> int:
        """How many shots were accepted."""
        return len(self._taken)

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
        return _pose_fault(frame.turn, self.next_shot.side, self._taken) or self._person_fault(frame)

    def template(self) -> np.ndarray:
        """Of the shots that were taken, float32 (D,)."""
        return template.make_template(np.stack([frame.embedding for frame in self._taken]))

    def _person_fault(self, frame: FrameAnalysis) -> Hint | None:
        if any(replay.hashes_match(frame.face_hash, taken.face_hash) for taken in self._taken):
            return HINTS["same_picture"]
        if self._taken and template.comparison_score(self.template(), frame.embedding) < self._threshold:
            return HINTS["other_person"]
        return None


def _pose_fault(turn: float, side: int, taken: list[FrameAnalysis]) -> Hint | None:
    if abs(turn) > MAX_TURN:
        return HINTS["turn_less"]
    if side == 0:
        return HINTS["not_straight"] if abs(turn) > MAX_STRAIGHT_TURN else None
    if (turn - taken[0].turn) * side < MIN_SHOT_TURN:
        return HINTS["turn_more_left" if side > 0 else "turn_more_right"]
    return None
