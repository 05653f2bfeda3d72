"""Exercises of notebook 10: a template, the turn of a head, strangers before a gallery, the errors of attack detection, and a
guess. The calibration is in ``chapter_10_calibration``."""

from __future__ import annotations

import numpy as np

from facelab.exercises.exercise import (
    Exercise,
    refuse_mistakes,
    require,
    require_number,
    require_returned,
    require_share,
    require_value,
    require_written,
)
from facelab.exercises.prediction import Prediction


def make_template(embeddings: np.ndarray) -> np.ndarray:
    """Mean direction of some embeddings (n, D), of norm 1: (D,)."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    mean = unit.mean(axis=0)
    return mean / np.linalg.norm(mean)


def _check_template(answer) -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(1.0, 1.0, (5, 8)) * rng.uniform(0.2, 5, (5, 1))
    got = answer(embeddings.copy())
    require_returned(got)
    refuse_mistakes(got, _TEMPLATE_MISTAKES, embeddings)
    require_value(got, make_template(embeddings), "a template of 5 embeddings of different lengths")


_TEMPLATE_MISTAKES = {
    "mean of lengths": (
        lambda e: e.mean(axis=0) / np.linalg.norm(e.mean(axis=0)),
        "the embeddings have different lengths, and the longest one dominates your mean: bring each to norm 1 first.",
    ),
    "not of norm 1": (
        lambda e: (e / np.linalg.norm(e, axis=1, keepdims=True)).mean(axis=0),
        "your template is shorter than 1, and its score would be no cosine: bring the mean to norm 1.",
    ),
    "plain mean": (lambda e: e.mean(axis=0), "this is the plain mean: neither the embeddings nor it have norm 1."),
    "first shot": (
        lambda e: e[0] / np.linalg.norm(e[0]),
        "this is the first shot alone. Take the mean of all: one bad photograph must not decide.",
    ),
    "one a row": (
        lambda e: e / np.linalg.norm(e, axis=1, keepdims=True),
        "these are five embeddings. One template is kept, and nothing of the single photographs.",
    ),
}
MAKE_TEMPLATE = Exercise(
    "10.1 a template",
    make_template,
    _check_template,
    mistakes=_TEMPLATE_MISTAKES,
    minutes=6,
    difficulty=1,
    importance=5,
    hints=(
        "Look at *What is kept*. A direction is a vector of norm 1, and `np.linalg.norm` with `axis=1, keepdims=True` gives "
        "the length of each row.",
        "Three steps: divide each row by its norm, take the mean of the rows (`axis=0`), and divide that mean by its own "
        "norm, since a mean of directions is shorter than 1.",
    ),
)


def head_turn(landmarks: np.ndarray) -> float:
    """Distance of the nose from the line between eyes and mouth, over the distance of the eyes; > 0 to the picture's right."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    down, nose = mouth - eyes, landmarks[2] - eyes
    across = np.linalg.norm(landmarks[1] - landmarks[0])
    return float((nose[0] * down[1] - nose[1] * down[0]) / np.linalg.norm(down) / across)


_FACE = np.array([[30.0, 40.0], [70.0, 40.0], [56.0, 62.0], [36.0, 84.0], [64.0, 84.0]])


def _tilted(degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _FACE @ np.array([[cos, sin], [-sin, cos]])


def _check_turn(answer) -> None:
    got = answer(_FACE.copy())
    require_number(got)
    refuse_mistakes(got, {k: v for k, v in _TURN_MISTAKES.items() if k != "only upright"}, _FACE)
    require_value(got, head_turn(_FACE), "an upright face")
    require_value(answer(2.5 * _FACE), head_turn(_FACE), "the same face, nearer")
    tilted = answer(_tilted(20))
    require(abs(tilted - head_turn(_FACE)) < 1e-6, _TURN_MISTAKES["only upright"][1])


_TURN_MISTAKES = {
    "only upright": (
        lambda p: (p[2, 0] - (p[:2, 0].mean() + p[3:, 0].mean()) / 2) / np.linalg.norm(p[1] - p[0]),
        "a head that is tilted to its shoulder is not turned, but your value changes. Measure from the line of the face, not "
        "from the picture's vertical.",
    ),
    "in pixels": (
        lambda p: head_turn(p) * np.linalg.norm(p[1] - p[0]),
        "this is in pixels: a face that comes nearer would seem to turn. Divide by the distance of the eyes.",
    ),
    "the sign": (lambda p: -head_turn(p), "the sign is wrong: positive means to the right of the picture."),
    "over the height": (
        lambda p: head_turn(p) * np.linalg.norm(p[1] - p[0]) / np.linalg.norm(p[3:].mean(0) - p[:2].mean(0)),
        "you divide by the height of the face. Divide by the distance of the eyes.",
    ),
}
HEAD_TURN = Exercise(
    "10.2 the turn of a head",
    head_turn,
    _check_turn,
    mistakes=_TURN_MISTAKES,
    minutes=15,
    difficulty=3,
    importance=3,
    hints=(
        "Draw the face. The line goes from the middle of the eyes to the middle of the mouth. How far is a point from a "
        "line, and which product of two vectors has a sign that says on which side it lies?",
        "With `down` from eyes to mouth and `nose` from the eyes to the nose, the cross product `nose_x * down_y - nose_y * "
        "down_x` divided by the length of `down` is the signed distance. Divide it by the distance of the two eyes.",
    ),
)


def fpir(fmr: float, gallery_size: int) -> float:
    """Chance that a stranger is given somebody's name: ``gallery_size`` comparisons, each false with the chance ``fmr``."""
    return 1 - (1 - fmr) ** gallery_size


def _check_fpir(answer) -> None:
    got = answer(0.001, 2000)
    require_written(got)
    refuse_mistakes(got, _FPIR_MISTAKES, 0.001, 2000)
    require_share(got)
    require_value(got, fpir(0.001, 2000), "2000 templates at a false match rate of 0.1 %")
    require_value(answer(0.2, 1), 0.2, "a gallery of one, which is a log-in")


_FPIR_MISTAKES = {
    "added": (
        lambda f, n: f * n,
        "chances were added: this is the mean number of false matches. Ask for the chance of at least one.",
    ),
    "none": (lambda f, n: (1 - f) ** n, "this is the chance that no name is given."),
    "all": (lambda f, n: f**n, "this is the chance that all templates match at once."),
    "one": (lambda f, n: f, "this is one comparison. The stranger is compared with all templates."),
}
FPIR = Exercise(
    "10.3 a stranger before a gallery",
    fpir,
    _check_fpir,
    mistakes=_FPIR_MISTAKES,
    minutes=5,
    difficulty=2,
    importance=4,
    hints=(
        "Look at *Who am I? and goodbye*. The stranger is given a name where one comparison *or more* is a false match. The "
        "opposite of that is easier to count.",
        "One comparison is right with the chance `1 - fmr`, and independent ones are all right with the product of these "
        "chances. Subtract that from 1.",
    ),
)


def attack_errors(bona_fide: np.ndarray, attacks: dict[str, np.ndarray], threshold: float) -> tuple[float, float]:
    """APCER of the worst instrument, and BPCER, where a score of at least ``threshold`` is taken for a live face."""
    passed = [np.mean(scores >= threshold) for scores in attacks.values()]
    return float(max(passed)), float(np.mean(bona_fide < threshold))


_BONA_FIDE = np.array([0.9, 0.8, 0.75, 0.7, 0.66, 0.6, 0.5, 0.45, 0.4, 0.2])
_ATTACKS = {
    "print": np.array([0.1, 0.05, 0.3, 0.2, 0.15, 0.25, 0.55, 0.35]),
    "screen": np.array([0.4, 0.5, 0.6, 0.2, 0.1]),
    "warp": np.array([0.3, 0.7, 0.1, 0.2]),
}


def _check_attack_errors(answer) -> None:
    given = dict(_ATTACKS)
    got = answer(_BONA_FIDE.copy(), given, 0.5)
    require_returned(got)
    refuse_mistakes(got, _ATTACK_MISTAKES, _BONA_FIDE, _ATTACKS, 0.5)
    require_value(got, attack_errors(_BONA_FIDE, _ATTACKS, 0.5), "(APCER, BPCER) of three instruments at 0.5")
    require_value(answer(_BONA_FIDE.copy(), given, 1.5), (0.0, 1.0), "a threshold that no score reaches")
    require_value(answer(_BONA_FIDE.copy(), given, -1.0), (1.0, 0.0), "a threshold that every score reaches")


_ATTACK_MISTAKES = {
    "pooled": (
        lambda b, a, t: (np.mean(np.concatenate(list(a.values())) >= t), np.mean(b < t)),
        "you count all attacks together: many weak ones hide the one that works. The attacker takes the best instrument.",
    ),
    "mean over instruments": (
        lambda b, a, t: (np.mean([np.mean(s >= t) for s in a.values()]), np.mean(b < t)),
        "this is the mean over the instruments. The attacker takes the best one: report the highest.",
    ),
    "above the threshold": (
        lambda b, a, t: (max(np.mean(s > t) for s in a.values()), np.mean(b <= t)),
        "a score that equals the threshold is accepted, whether it is an attack's or an owner's.",
    ),
    "swapped": (
        lambda b, a, t: attack_errors(b, a, t)[::-1],
        "the two are swapped: APCER is about the attacks, BPCER about the people who are there themselves.",
    ),
    "what went right": (
        lambda b, a, t: (max(np.mean(s < t) for s in a.values()), np.mean(b >= t)),
        "these are shares of right decisions. APCER and BPCER are shares of wrong ones.",
    ),
    "counts": (
        lambda b, a, t: (max(np.sum(s >= t) for s in a.values()), np.sum(b < t)),
        "these are numbers of presentations: divide each by the number of presentations of its kind.",
    ),
    "one figure": (
        lambda b, a, t: np.mean(attack_errors(b, a, t)),
        "one figure hides which error was made. The standard reports both, (APCER, BPCER).",
    ),
}
ATTACK_ERRORS = Exercise(
    "10.4 attacks at a threshold",
    attack_errors,
    _check_attack_errors,
    mistakes=_ATTACK_MISTAKES,
    minutes=10,
    difficulty=2,
    importance=4,
    hints=(
        "Look at *A table of attacks*. Make one share for each instrument, by a loop over `attacks.values()`, before you put "
        "them together. Which of them would an attacker choose?",
        "`np.mean(scores >= threshold)` is the share of one instrument that passes: take the largest of them. BPCER is the "
        "share of `bona_fide` below the threshold. Return both as plain numbers.",
    ),
)

GUESS_REFUSED_OWNERS = Prediction(
    "10.6 guess: owners refused by our network",
    "guess_refused_owners",
    "fnmr/ours",
    minutes=4,
    difficulty=2,
    importance=4,
    hints=(
        "An equal error rate lies where both errors are equal. Here the threshold lies where hardly any impostor passes. On "
        "which side of the equal error rate is that, and how fast does the other error rise on the way?",
        "The threshold is set by the few most similar pairs of different people. Twenty people in training teach a network "
        "to tell these twenty apart; how similar do two strangers look to it?",
    ),
)
