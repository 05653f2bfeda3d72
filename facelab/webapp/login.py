"""The dialogue of a log-in: a straight frame, then a turn of the head to a side drawn at random. Decides nothing itself."""

from __future__ import annotations

import random
import secrets
import threading
from dataclasses import dataclass

from facelab.webapp import template
from facelab.webapp.quality import HINTS, Hint
from facelab.webapp.signup import MOST_TURN, SHOTS, STRAIGHT
from facelab.webapp.view import View

#: Least change of the turn, to the side that was asked for; as much to the other side refuses. 13 of ORL's 40 people turn so
#: far to both sides. It stops a picture that is held still, not one that is turned: flat photographs of 39 people, turned in
#: perspective by 30 degrees, changed it by .04 to .07 (median of the two sides; 95th percentile .10 to .11), by 40 degrees by
#: .06 to .10 (.15). Nor does parallax tell them apart (the nose against the homography of eyes and mouth): YuNet puts the
#: nose where a solid head would have it.
NEEDED_TURN = 0.10
SAY = {
    "straight": SHOTS[0].say,
    1: "Turn your head to your left.",
    -1: "Turn your head to your right.",
    "refused": "You could not be logged in.",
    "in": "You are logged in.",
}


@dataclass(frozen=True)
class Step:
    """What came of a frame.

    Attributes:
        state: ``straight`` or ``turn``: more frames are wanted; ``ready``: both are there; ``refused``: it is over.
        say: what to do now.
        hint: what was wrong with the frame.
        used: whether the decision will rest on this frame.
    """

    state: str
    say: str
    hint: Hint | None = None
    used: bool = False


class LogIn:
    """A log-in that is under way.

    Args:
        key: the claimed name, as it is compared.
        address: whose it is, for the limits.
        threshold: least score of one person's photographs.
        most_frames: after so many it is refused.
        rng: draws the side; of the operating system's randomness unless a test says otherwise.
    """

    def __init__(
        self, key: str, address: str, threshold: float, most_frames: int, rng: random.Random | None = None
    ) -> None:
        self.key, self.address = key, address
        self.lock = threading.Lock()
        self.replayed = False
        self.over = False
        self._threshold, self._left = threshold, most_frames
        self._rng = rng or secrets.SystemRandom()
        self._side = 0
        self.straight: View | None = None
        self.turned: View | None = None

    def offer(self, view: View) -> Step:
        """The next frame."""
        self._left -= 1
        step = self._turn(view) if self.straight else self._straight(view)
        out_of_frames = self._left <= 0 and step.state in ("straight", "turn")
        return Step("refused", SAY["refused"]) if out_of_frames else step

    def _straight(self, view: View) -> Step:
        hint = view.hint or (HINTS["not_straight"] if abs(view.turn) > STRAIGHT else None)
        if hint is not None:
            return Step("straight", SAY["straight"], hint)
        self.straight = view
        self._side = self._rng.choice((1, -1))  # only now, so that no recording can be chosen to fit
        return Step("turn", SAY[self._side], used=True)

    def _turn(self, view: View) -> Step:
        say = SAY[self._side]
        if view.hint is not None:
            return Step("turn", say, view.hint)
        change = (view.turn - self.straight.turn) * self._side
        if change <= -NEEDED_TURN:
            return Step("refused", SAY["refused"])
        if change < NEEDED_TURN:
            return Step("turn", say)
        if abs(view.turn) > MOST_TURN:
            return Step("turn", say, HINTS["turn_less"])
        # Tells only what the sender knows: how alike two frames of the sender's own are, never how like the account.
        if template.score(self.straight.embedding, view.embedding) < self._threshold:
            return Step("turn", say, HINTS["other_person"])
        self.turned = view
        return Step("ready", SAY["in"], used=True)
