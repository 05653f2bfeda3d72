"""The dialogue of a log-in: straight frames, then a turn of the head to a side drawn at random. Decides nothing itself."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from facelab.webapp import template
from facelab.webapp.account_factors import PassedFactor
from facelab.webapp.frame_analysis import FrameAnalysis
from facelab.webapp.quality import HINTS, Hint
from facelab.webapp.signup import MAX_STRAIGHT_TURN, MAX_TURN, SHOTS

#: Least change of the turn, to the side that was asked for; as much to the other side refuses. 13 of ORL's 40 people turn so
#: far to both sides. It stops a picture that is held still, not one that is turned: of flat prints turned by 25 to 55 degrees
#: 20 % pass it and the comparison of faces, of bent ones 29 and 74 % (``reached/...`` of ``10_attacks.json``). Nor do five
#: landmarks tell them apart: YuNet puts the nose where a solid head would have it. Hundreds of points do: see ``liveness``.
MIN_CHALLENGE_TURN = 0.10
#: How many good straight frames are wanted before the side is told, drawn for each log-in: nobody can time a film by it.
STRAIGHT_FRAMES = (1, 2, 3)
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
    """

    state: str
    instruction: str
    hint: Hint | None = None


class LogIn:
    """A log-in that is under way.

    Args:
        name_key: the claimed name, as it is compared.
        address: whose it is, for the limits.
        threshold: least score of one person's photographs.
        max_frames: after so many it is refused.
        turn_seconds: after so many, from when the side was told, it is refused.
        clock: seconds, rising.
        rng: draws the side, and when it is told; of the operating system's randomness unless a test says otherwise.

    Attributes:
        straight_frame: the last one before the side was told; None until then.
        turned_frame: the one that answered the challenge.
        side: 1 or -1 as ``INSTRUCTIONS`` has them; 0 until it is told.
    """

    def __init__(
        self,
        name_key: str,
        address: str,
        threshold: float,
        max_frames: int,
        turn_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.name_key, self.address = name_key, address
        self.lock = threading.Lock()
        self.is_replay = False
        self.digests: list[bytes] = []  # of its frames with a face
        self.is_over = False
        self.passed_factor: PassedFactor | None = None  # None until a second factor fitted
        self.is_counted = False  # as a refusal, which it is from when its side is told until it let its owner in
        self._threshold, self._left = threshold, max_frames
        self._turn_seconds, self._clock = turn_seconds, clock
        self._rng = rng or secrets.SystemRandom()
        self._straight_left = self._rng.choice(STRAIGHT_FRAMES)
        self._end = float("inf")
        self.side = 0
        self.straight_frame: FrameAnalysis | None = None
        self.turned_frame: FrameAnalysis | None = None

    def offer(self, frame: FrameAnalysis) -> LogInStep:
        """The next frame."""
        self._left -= 1
        if self._clock() >= self._end:
            return LogInStep("refused", INSTRUCTIONS["refused"])
        step = self._turn(frame) if self.straight_frame else self._straight(frame)
        out_of_frames = self._left <= 0 and step.state in ("straight", "turn")
        return LogInStep("refused", INSTRUCTIONS["refused"]) if out_of_frames else step

    def _straight(self, frame: FrameAnalysis) -> LogInStep:
        hint = frame.hint or (HINTS["not_straight"] if abs(frame.turn) > MAX_STRAIGHT_TURN else None)
        if hint is not None:
            return LogInStep("straight", INSTRUCTIONS["straight"], hint)
        self._straight_left -= 1
        if self._straight_left > 0:
            return LogInStep("straight", INSTRUCTIONS["straight"])
        self.straight_frame = frame
        self.side = self._rng.choice((1, -1))  # only now, so that no recording can be chosen to fit
        self._end = self._clock() + self._turn_seconds
        return LogInStep("turn", INSTRUCTIONS[self.side])

    def _turn(self, frame: FrameAnalysis) -> LogInStep:
        instruction = INSTRUCTIONS[self.side]
        if frame.hint is not None:
            return LogInStep("turn", instruction, frame.hint)
        change = (frame.turn - self.straight_frame.turn) * self.side
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
        return LogInStep("ready", INSTRUCTIONS["in"])
