"""Recordings before the Face-ID service: copies of log-ins that are found, and owners who are taken for one.

A log-in is two photographs of a person of ORL, straight and turned, as the challenge takes them. An owner comes back after all
other photographs of the person were seen; of an attacker the two themselves were, too, and both were changed in one way.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from facelab.cropping.survey import uncropped_orl
from facelab.datasets import load
from facelab.datasets.near_duplicates import perceptual_bits, thumbnails
from facelab.evaluation import rate_over_people
from facelab.exchange.embedders import SFACE, Embedder, new_embedder
from facelab.exchange.photographs import DETECTOR
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.records import Metric
from facelab.webapp.attacks.recordings import CHANGES
from facelab.webapp.copies import ONE_PICTURE, POSES_OF_ONE_PICTURE, SAME_SHOT, best_likeness, face_bits
from facelab.webapp.liveness_features import face_crop
from facelab.webapp.login import MIN_CHALLENGE_TURN
from facelab.webapp.pose import head_turn
from facelab.webapp.signup import MAX_STRAIGHT_TURN, MAX_TURN

PEOPLE, SHOTS = 40, 10  # of ORL
ENLARGED = 3  #: ORL's faces are about as many pixels wide as a camera shows them
SEED = 0  # of the intervals, and of the log-ins that are copied
HASH_BITS = 4  #: of 64, that may differ: what the service took for a copy until its third schema
TARGET = 0.02  #: of honest log-ins refused; a candidate has the threshold that keeps it
LIKENESS, EMBEDDING, HASH = "likeness", "embedding", "perceptual hash"

Look = dict[str, np.ndarray | float]


def look(picture: np.ndarray, embedder: Embedder) -> Look | None:
    """What the candidates see on a picture, uint8 (H, W): crop, bits, hash, embedding, turn; None where no face is found."""
    colour = np.repeat(picture[:, :, None], 3, axis=2)
    faces = DETECTOR.detect(colour)
    if not faces:
        return None
    crop = face_crop(colour, faces[0].landmarks)
    return {
        "crop": crop,
        "bits": face_bits(crop),
        "hash": perceptual_bits(thumbnails(crop[None, :, :, None]))[0] > 0,
        "embedding": embedder.embed(colour, faces[0]),
        "turn": head_turn(faces[0].landmarks),
    }


def scores(one: Look, earlier: list[Look], mirrored: list[Look]) -> dict[str, float]:
    """Of each candidate, how like a picture is to the most similar of earlier ones, of which there are mirror images, too."""
    return {
        LIKENESS: best_likeness(one["crop"], np.stack([other["bits"] for other in earlier])),
        EMBEDDING: max(float(one["embedding"] @ other["embedding"]) for other in (*earlier, *mirrored)),
        HASH: -min(float((one["hash"] != other["hash"]).sum()) for other in earlier),
    }


def run(cell: Cell) -> Figures:
    """Scores of the two frames of every log-in: honest ones ``[person, straight, turned, between the two]``, and copies.

    ``shots``: the likeness of every two straight photographs of a person, ``[person, likeness]``.
    """
    embedder = new_embedder(SFACE)
    pictures = [
        cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        for picture in uncropped_orl()[0]
    ]
    looks = [look(picture, embedder) for picture in pictures]
    mirrored = [look(CHANGES["mirrored"](picture), embedder) for picture in pictures]
    honest, shots, copies, rng = [], [], {name: [] for name in CHANGES}, np.random.default_rng(SEED)
    for person in range(PEOPLE):
        own = range(SHOTS * person, SHOTS * (person + 1))
        shots += [[person, likeness] for likeness in _straight_likenesses([looks[row] for row in own])]
        log_ins = [(i, j) for i in own for j in own if _is_log_in(looks[i], looks[j])]
        for pair in log_ins:
            straight, turned = (looks[row] for row in pair)
            earlier = [[seen[row] for row in own if row not in pair] for seen in (looks, mirrored)]
            between = best_likeness(turned["crop"], straight["bits"][None])
            honest.append([person, scores(straight, *earlier), scores(turned, *earlier), between])
        if not log_ins:
            continue
        chosen = log_ins[rng.integers(len(log_ins))]
        earlier = [[seen[row] for row in own] for seen in (looks, mirrored)]
        for name, change in CHANGES.items():
            copied = [look(change(pictures[row]), embedder) for row in chosen]
            if None not in copied:  # without a face it is refused anyway
                copies[name].append([person, *(scores(one, *earlier) for one in copied)])
    return {"honest": honest, "shots": shots, "copies": copies}


def _straight_likenesses(looks: list[Look]) -> list[float]:
    """Of every two straight photographs among those of a person."""
    straight = [one for one in looks if abs(one["turn"]) <= MAX_STRAIGHT_TURN]
    return [best_likeness(one["crop"], other["bits"][None]) for n, one in enumerate(straight) for other in straight[:n]]


def _is_log_in(straight: Look, turned: Look) -> bool:
    change = abs(turned["turn"] - straight["turn"])
    return (
        abs(straight["turn"]) <= MAX_STRAIGHT_TURN and change >= MIN_CHALLENGE_TURN and abs(turned["turn"]) <= MAX_TURN
    )


#: name of a rule -> the candidate, how the scores of two frames become one, and its threshold; None: set by ``TARGET``
RULES: dict[str, tuple[str, Callable, float | None]] = {
    "perceptual hash, one frame": (HASH, max, -HASH_BITS),
    "embedding, one frame": (EMBEDDING, max, None),
    "embedding, mean of both": (EMBEDDING, lambda *two: sum(two) / 2, None),
    "likeness, one frame": (LIKENESS, max, None),
    "likeness, mean of both": (LIKENESS, lambda *two: sum(two) / 2, ONE_PICTURE),
}


def summarise(results: Results) -> dict[str, Metric]:
    """Of each rule ``threshold/...``, ``honest refused/...`` and ``copies found/.../change``; intervals over people (n)."""
    (found,) = results.values()
    people = np.array([row[0] for row in found["honest"]])
    metrics = {"honest log-ins": Metric(float(len(people))), "people": Metric(float(len(set(people))))}
    for rule, (candidate, join, threshold) in RULES.items():
        honest = _joined(found["honest"], candidate, join)
        least = _least_threshold(honest) if threshold is None else threshold
        metrics[f"threshold/{rule}"] = Metric(float(least))
        metrics[f"honest refused/{rule}"] = _rate(honest >= least, people)
        shares = []
        for change, rows in found["copies"].items():
            is_found = _joined(rows, candidate, join) >= least
            metrics[f"copies found/{rule}/{change}"] = _rate(is_found, np.array([row[0] for row in rows]))
            shares.append(is_found.mean())
        metrics[f"copies found/{rule}"] = Metric(float(np.mean(shares)))
    between = np.array([row[3] for row in found["honest"]])
    metrics["honest refused/two poses"] = _rate(between >= POSES_OF_ONE_PICTURE, people)
    owners, likeness = np.array(found["shots"]).T
    metrics["honest refused/two straight shots"] = _rate(likeness >= SAME_SHOT, owners)
    for change, rows in found["copies"].items():
        is_found = np.array([row[1][LIKENESS] >= SAME_SHOT for row in rows])
        metrics[f"copies found/two straight shots/{change}"] = _rate(is_found, np.array([row[0] for row in rows]))
    return metrics


def _joined(rows: list, candidate: str, join: Callable) -> np.ndarray:
    return np.array([join(row[1][candidate], row[2][candidate]) for row in rows])


def _rate(hits: np.ndarray, people: np.ndarray) -> Metric:
    return Metric.from_estimate(rate_over_people(hits, people, seed=SEED))


def _least_threshold(honest: np.ndarray) -> float:
    """The least score that refuses less than ``TARGET`` of the honest log-ins."""
    ordered = np.append(np.unique(honest), np.inf)
    return float(next(least for least in ordered if (honest >= least).mean() < TARGET))


def grid(seeds: int) -> list[Cell]:
    """One cell."""
    return [Cell(("orl",), parameters(seeds))]


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    least = {
        "one_picture": ONE_PICTURE,
        "poses_of_one_picture": POSES_OF_ONE_PICTURE,
        "hash_bits": HASH_BITS,
        "same_shot": SAME_SHOT,
    }
    return {"dataset": "orl", "enlarged": ENLARGED, "changes": list(CHANGES), "target": TARGET, "seed": SEED, **least}


def data() -> dict[str, dict[str, object]]:
    """Of the record: the photographs."""
    return {"photographs": load("orl", 92).describe()}


EXPERIMENTS = (
    Experiment(
        name="10_replays", notebook="10", datasets=("orl",),
        shows="copies of log-ins before the Face-ID service, and owners who are taken for one",
        grid=grid, run=run, summarise=summarise, parameters=parameters, data=data, seeds=0,
    ),
)  # fmt: skip
