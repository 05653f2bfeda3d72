"""Faces of ORL and attacks on them, filmed by one simulated camera and analysed as the service analyses its frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import cv2
import numpy as np

from facelab.datasets import load
from facelab.exchange.embedders import SFACE, new_embedder
from facelab.exchange.photographs import DETECTOR
from facelab.webapp.attacks import EDITED_WARP, INSTRUMENTS, Camera
from facelab.webapp.calibration import SHOTS_PER_TEMPLATE, default_calibration_file, read_calibration
from facelab.webapp.demo import encode_png, orl_photographs
from facelab.webapp.frame_analysis import FrameAnalyser, FrameAnalysis
from facelab.webapp.liveness_features import pair_features
from facelab.webapp.login import STRAIGHT_FRAMES, LogIn
from facelab.webapp.signup import pose_fault
from facelab.webapp.template import comparison_score, make_template

BONA_FIDE, BONA_FIDE_UNFILMED = "bona fide", "bona fide, no camera"
UNFILMED = 1  #: photographs of a person that no camera filmed: to show what a detector learns of the camera alone
LFW_PEOPLE = 200  #: of whom the passive detector sees one photograph
CANDIDATES = 4  #: of an attacker who chooses, for each side
CHOSEN_WARP, CHOSEN_EDIT = f"3-D warp, best of {CANDIDATES}", f"3-D warp edited, best of {CANDIDATES}"
MOST_PAIRS = 6  #: bona fide, of a person
PEOPLE, SHOTS_EACH = 40, 10  # of ORL
CAMERA = Camera()


@dataclass(frozen=True)
class Presentation:
    """A straight and a turned frame before the service.

    Attributes:
        person: whose face it is or is to be taken for, 0 to 39.
        instrument: ``BONA_FIDE`` or the name of an attack instrument.
        side: that was asked for, 1 or -1.
        is_shot: whether a sign-up would take the turned frame, but for the liveness.
        is_past_the_rest: whether a log-in would let the person in, but for the liveness.
        features: float (9,), of ``liveness_features``; None where it is no shot.
        spectra: float (2, 16), ``spectrum`` of the two faces; None where it is no shot.
    """

    person: int
    instrument: str
    side: int
    is_shot: bool = False
    is_past_the_rest: bool = False
    features: np.ndarray | None = None
    spectra: np.ndarray | None = None


@dataclass
class Filming:
    """Pictures before the camera, and what the service makes of them.

    Args:
        rng: draws whatever is random.
    """

    rng: np.random.Generator
    analyser: FrameAnalyser = field(default_factory=lambda: FrameAnalyser(new_embedder(), workers=1))

    def __post_init__(self) -> None:
        self.threshold = read_calibration(default_calibration_file(SFACE), self.analyser.embedder).threshold

    def frame(self, picture: np.ndarray) -> FrameAnalysis:
        """One frame of what is before the camera."""
        return self.analyser.analyse(encode_png(CAMERA.frame(picture, self.rng)))

    def present(
        self, person: int, instrument: str, side: int, frames: Sequence[FrameAnalysis], template: np.ndarray
    ) -> Presentation:
        """What log-in and sign-up make of a straight and a turned frame."""
        straight, turned = frames
        if not _is_shot(straight, turned, side, self.threshold):  # less of a turn than a log-in wants
            return Presentation(person, instrument, side)
        return Presentation(
            person,
            instrument,
            side,
            is_shot=True,
            is_past_the_rest=_answers_challenge(straight, turned, side, self.threshold)
            and min(comparison_score(template, one.embedding) for one in frames) >= self.threshold,
            features=pair_features(straight.face_crop, turned.face_crop, side),
            spectra=np.stack([spectrum(straight.face_crop), spectrum(turned.face_crop)]),
        )


def film_everybody(seed: int) -> list[Presentation]:
    """Presentations of all people of ORL: of each, bona fide ones and each instrument to both sides, from one photograph."""
    filming = Filming(np.random.default_rng(seed))
    with closing(filming.analyser):
        return [found for person in range(PEOPLE) for found in _film_person(filming, person)]


def _film_person(filming: Filming, person: int) -> Iterator[Presentation]:
    photographs = orl_photographs(person + 1, range(1, SHOTS_EACH + 1))
    frames = [filming.frame(photograph) for photograph in photographs]
    good = [shot for shot, frame in enumerate(frames) if frame.embedding is not None]

    def template(*used: int) -> np.ndarray:
        others = [shot for shot in good if shot not in used]
        drawn = filming.rng.permutation(others)[:SHOTS_PER_TEMPLATE]
        return make_template(np.stack([frames[shot].embedding for shot in drawn]))

    pairs = [
        (first, second, side)
        for first in good
        for second in good
        for side in (1, -1)
        if _is_shot(frames[first], frames[second], side, filming.threshold)
    ]
    for shot in good[:UNFILMED]:
        sent = filming.analyser.analyse(encode_png(photographs[shot]))
        if sent.face_crop is not None:
            spectra = np.stack([spectrum(sent.face_crop)] * 2)
            yield Presentation(person, BONA_FIDE_UNFILMED, 1, spectra=spectra)
    for row in filming.rng.permutation(len(pairs))[:MOST_PAIRS]:
        first, second, side = pairs[row]
        both = frames[first], frames[second]
        yield filming.present(person, BONA_FIDE, side, both, template(first, second))

    stolen = min(good, key=lambda shot: abs(frames[shot].turn))
    photograph = photographs[stolen]
    landmarks = DETECTOR.detect(np.repeat(photograph[..., None], 3, axis=2))[0].landmarks
    victim = template(stolen)

    for side in (1, -1):
        for name, instrument in INSTRUMENTS.items():
            pictures = instrument(photograph, landmarks, side, filming.rng)
            yield filming.present(person, name, side, [filming.frame(picture) for picture in pictures], victim)
        straight = filming.frame(photograph)
        for name, instrument in ((CHOSEN_WARP, INSTRUMENTS["3-D warp"]), (CHOSEN_EDIT, EDITED_WARP)):
            for _ in range(CANDIDATES):
                turned = filming.frame(instrument(photograph, landmarks, side, filming.rng)[1])
                yield filming.present(person, name, side, (straight, turned), victim)


def film_single_frames(seed: int) -> list[tuple[str, np.ndarray]]:
    """What a passive detector may learn from beside ORL: instrument and ``spectrum`` of single frames of people of LFW."""
    filming = Filming(np.random.default_rng(seed))
    faces = load("lfw", 112)
    first = np.unique(faces.identity, return_index=True)[1]
    found = []
    for row in filming.rng.permutation(first)[:LFW_PEOPLE]:
        photograph = np.ascontiguousarray(cv2.cvtColor(faces.images[row], cv2.COLOR_RGB2GRAY))
        detected = DETECTOR.detect(faces.images[row])
        if detected:
            name = str(filming.rng.choice(list(INSTRUMENTS)))
            side = int(filming.rng.choice((1, -1)))
            attack = INSTRUMENTS[name](photograph, detected[0].landmarks, side, filming.rng)[1]
            shown = [(BONA_FIDE, filming.frame(photograph)), (name, filming.frame(attack))]
            found += [(kind, spectrum(frame.face_crop)) for kind, frame in shown if frame.face_crop is not None]
    return found


class _Draw:
    """Draws the side that is wanted, and one straight frame."""

    def __init__(self, side: int) -> None:
        self.side = side

    def choice(self, among: tuple[int, ...]) -> int:
        return 1 if among == STRAIGHT_FRAMES else self.side


def _answers_challenge(straight: FrameAnalysis, turned: FrameAnalysis, side: int, threshold: float) -> bool:
    log_in = LogIn("", "", threshold, max_frames=9, turn_seconds=60, rng=_Draw(side))
    return log_in.offer(straight).state == "turn" and log_in.offer(turned).state == "ready"


def _is_shot(straight: FrameAnalysis, turned: FrameAnalysis, side: int, threshold: float) -> bool:
    """Whether a sign-up would take the two, but for the liveness: the straight shot, and the first one to the side."""
    if straight is turned or straight.hint or turned.hint:
        return False
    is_posed = not (pose_fault(straight.turn, 0, 0) or pose_fault(turned.turn, side, straight.turn))
    return is_posed and comparison_score(straight.embedding, turned.embedding) >= threshold


def spectrum(crop: np.ndarray) -> np.ndarray:
    """Mean log power in 16 rings of spatial frequency, float (16,), without the level: what a single frame tells of its making.

    Args:
        crop: uint8 (S, S).
    """
    side = len(crop)
    window = np.hanning(side)
    picture = (crop - crop.mean()) / (crop.std() + 1) * window * window[:, None]
    power = np.log(np.abs(np.fft.fft2(picture)) ** 2 + 1e-3)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    ring = np.minimum((radius / 0.5 * 16).astype(int), 16)
    rings = np.bincount(ring.ravel(), power.ravel(), 17)[:16] / np.bincount(ring.ravel(), minlength=17)[:16]
    return rings - rings.mean()
