"""The dialogue of a sign-up: five shots, each good, of one person, and none twice. Knows nothing of HTTP or storage."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from facelab.webapp import replay, template
from facelab.webapp.quality import HINTS, Hint
from facelab.webapp.view import View

STRAIGHT = 0.12  #: largest |turn| of a face that looks into the camera
SHOT_TURN = 0.05  #: least turn of the shots to the side, against the first one
MOST_TURN = 0.4  #: beyond this the landmarks of the far side are guesses


@dataclass(frozen=True)
class Shot:
    """One of the shots.

    Attributes:
        key: for programs.
        say: for people.
        side: 0 straight, 1 to the person's own left (``turn`` > 0), -1 to the right.
    """

    key: str
    say: str
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
        key: as it is compared.
        findable: whether who-am-I may tell the name.
        threshold: least score of one person's photographs.
    """

    def __init__(self, name: str, key: str, findable: bool, threshold: float) -> None:
        self.name, self.key, self.findable = name, key, findable
        self.lock = threading.Lock()
        self._threshold = threshold
        self._taken: list[View] = []

    @property
    def taken(self) -> int:
        """How many shots were accepted."""
        return len(self._taken)

    @property
    def next_shot(self) -> Shot | None:
        """What is asked for now; None when all are there."""
        return SHOTS[self.taken] if self.taken < len(SHOTS) else None

    def offer(self, view: View) -> Hint | None:
        """Take a frame as the next shot; None where it was taken, else what to do better."""
        hint = self.fault(view)
        if hint is None:
            self._taken.append(view)
        return hint

    def fault(self, view: View) -> Hint | None:
        """What keeps a frame from being the next shot."""
        if view.hint is not None:
            return view.hint
        return _pose_fault(view.turn, self.next_shot.side, self._taken) or self._person_fault(view)

    def template(self) -> np.ndarray:
        """Of the shots that were taken, float32 (D,)."""
        return template.make(np.stack([view.embedding for view in self._taken]))

    def _person_fault(self, view: View) -> Hint | None:
        if any(replay.near(view.bits, taken.bits) for taken in self._taken):
            return HINTS["same_picture"]
        if self._taken and template.score(self.template(), view.embedding) < self._threshold:
            return HINTS["other_person"]
        return None


def _pose_fault(turn: float, side: int, taken: list[View]) -> Hint | None:
    if abs(turn) > MOST_TURN:
        return HINTS["turn_less"]
    if side == 0:
        return HINTS["not_straight"] if abs(turn) > STRAIGHT else None
    if (turn - taken[0].turn) * side < SHOT_TURN:
        return HINTS["turn_more_left" if side > 0 else "turn_more_right"]
    return None
