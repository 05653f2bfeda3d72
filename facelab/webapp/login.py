"""The dialogue of a log-in: a straight frame, then a turn of the head to a side drawn at random. Decides nothing itself."""

from __future__ import annotations

import random
import secrets
import threading
from dataclasses import dataclass

from facelab.webapp import template
from facelab.webapp.frame_analysis import FrameAnalysis
from facelab.webapp.quality import HINTS, Hint
from facelab.webapp.signup import MAX_STRAIGHT_TURN, MAX_TURN, SHOTS

#: Least change of the turn, to the side that was asked for; as much to the other side refuses. 13 of ORL's 40 people turn so
#: far to both sides. It stops a picture that is held still, not one that is turned: flat photographs of 39 people, turned in
#: perspective by 30 degrees, changed it by .04 to .07 (median of the two sides; 95th percentile .10 to .11), by 40 degrees by
#: .06 to .10 (.15). Nor does parallax tell them apart (the nose against the homography of eyes and mouth): YuNet puts the
#: nose where a solid head would have it.
MIN_CHALLENGE_TURN = 0.10
INSTRUCTIONS = {
    "straight": SHOTS[0].instruction,
    1: "Turn your head to your left.",
    -1: "Turn your head to your right.",
    "refused": "You could not be logged in.",
    "in": "You are logged in.",
}


@dataclass(frozen=True)
class LogInStep:
    """What came of a frame.

    Attributes:
        state: ``straight`` or ``turn``: more frames are wanted; ``ready``: both are there; ``refused``: it is over.
        instruction: what to do now.
        hint: what was wrong with the frame.
        is_decisive: whether the decision will rest on this frame.
    """

    state: str
    instruction: str
    hint: Hint | None = None
    is_decisive: bool = False


class LogIn:
    """A log-in that is under way.

    Args:
        name_key: the claimed name, as it is compared.
        address: whose it is, for the limits.
        threshold: least score of one person's photographs.
        max_frames: after so many it is refused.
        rng: draws the side; of the operating system's randomness unless a test says otherwise.
    """

    def __init__(
        self, name_key: str, address: str, threshold: float, max_frames: int, rng: random.Random | None = None
    ) -> None:
        self.name_key, self.address = name_key, address
        self.lock = threading.Lock()
        self.is_replay = False
        self.is_over = False
        self.is_within_limits: bool | None = None  # None until it is counted, which is when its side is told
        self._threshold, self._left = threshold, max_frames
        self._rng = rng or secrets.SystemRandom()
        self._side = 0
        self.straight_frame: FrameAnalysis | None = None
        self.turned_frame: FrameAnalysis | None = None

    def offer(self, frame: FrameAnalysis) -> LogInStep:
        """The next frame."""
        self._left -= 1
        step = self._turn(frame) if self.straight_frame else self._straight(frame)
        out_of_frames = self._left <= 0 and step.state in ("straight", "turn")
        return LogInStep("refused", INSTRUCTIONS["refused"]) if out_of_frames else step

    def _straight(self, frame: FrameAnalysis) -> LogInStep:
        hint = frame.hint or (HINTS["not_straight"] if abs(frame.turn) > MAX_STRAIGHT_TURN else None)
        if hint is not None:
            return LogInStep("straight", INSTRUCTIONS["straight"], hint)
        self.straight_frame = frame
        self._side = self._rng.choice((1, -1))  # only now, so that no recording can be chosen to fit
        return LogInStep("turn", INSTRUCTIONS[self._side], is_decisive=True)

    def _turn(self, frame: FrameAnalysis) -> LogInStep:
        instruction = INSTRUCTIONS[self._side]
        if frame.hint is not None:
            return LogInStep("turn", instruction, frame.hint)
        change = (frame.turn - self.straight_frame.turn) * self._side
        if change <= -MIN_CHALLENGE_TURN:
            return LogInStep("refused", INSTRUCTIONS["refused"])
        if change < MIN_CHALLENGE_TURN:
            return LogInStep("turn", instruction)
        if abs(frame.turn) > MAX_TURN:
            return LogInStep("turn", instruction, HINTS["turn_less"])
        # Tells only what the sender knows: how alike two frames of the sender's own are, never how like the account.
        if template.comparison_score(self.straight_frame.embedding, frame.embedding) < self._threshold:
            return LogInStep("turn", instruction, HINTS["other_person"])
        self.turned_frame = frame
        return LogInStep("ready", INSTRUCTIONS["in"], is_decisive=True)
